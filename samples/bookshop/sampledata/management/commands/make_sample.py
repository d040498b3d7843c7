"""`manage.py make_sample`: the bookshop's database, filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sampledata.builder import SampleError, Stamp, build

# SQLite's header takes a signed 32-bit number of thousandths.
SCALES = (0.001, 2_000_000)


class Command(BaseCommand):
    help = (
        "Makes the sample's SQLite file. The same scale gives the same rows; a file "
        "that was made at this scale already is left alone."
    )
    # The database is what this command makes: there is none to check yet.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--scale",
            type=float,
            default=1.0,
            help="how large: 1 is about 20,000 rows, 500 about 10,000,000 (default 1)",
        )
        parser.add_argument(
            "--output",
            type=Path,
            help="the file to write (default: the settings' database)",
        )
        parser.add_argument("--force", action="store_true", help="make it even if it is there")
        parser.add_argument(
            "--json-null",
            action="store_true",
            help=(
                "also JSON null in a column that can be NULL, the one value that Django's "
                "own loaddata cannot carry even from the best fixture"
            ),
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        scale, json_null = options["scale"], options["json_null"]
        if not SCALES[0] <= scale <= SCALES[1]:
            raise CommandError(f"--scale takes a number from {SCALES[0]} to {SCALES[1]}.")
        path = options["output"] or Path(settings.DATABASES["default"]["NAME"])
        if not options["force"] and Stamp.read(path) == Stamp.of(scale, json_null):
            self.stdout.write(f"{path} is there at scale {scale:g}; nothing to do.")
            return
        if not path.absolute().parent.is_dir():
            raise CommandError(f"{path.parent} is no directory; make it first.")
        self.stdout.write(f"Making {path} at scale {scale:g} …")
        try:
            rows = build(path, scale, json_null)
        except SampleError as error:
            raise CommandError(f"The sample cannot be made: {error}.") from error
        self.stdout.write(f"{path}: {rows:,} rows.")
