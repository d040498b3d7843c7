"""`manage.py fixturepipe COMMAND …`: the command line of `fixturepipe`, word for word."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from fixturepipe.cli import script
from fixturepipe.cli.parser import build_parser


class Command(BaseCommand):
    """Hands its arguments to fixturepipe's own parser, so that there is only one."""

    help = "Moves this project's data to MySQL or MariaDB through fixtures."

    def run_from_argv(self, argv: list[str]) -> None:
        script(argv[2:], prog=f"{argv[0]} {argv[1]}")

    def print_help(self, prog_name: str, subcommand: str) -> None:
        build_parser(f"{prog_name} {subcommand}").print_help()
