"""One site moved to one server: what `check` says of the empty target, and what `run` does."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.servers import Server, open_connection
from bench.sites.building import BuiltSite
from bench.sites.comparison import Comparison, compare

# The declaration that a finding proposes first.
_PROPOSED = re.compile(r'"([^"]+)" = "([a-z-]+)"')
_MODELS = "run --schema models"


@dataclass(frozen=True)
class Trial:
    """What came of it. Seconds are of the wall clock.

    `errors` are the errors that `check` found before, by id, and "migrate" if the first run stopped
    there; `options` are what the messages of fixturepipe said to give, and `run_seconds` the time
    of the run with them. `words` is why the last run stopped, empty if it did not.
    """

    check_seconds: float
    errors: list[str]
    options: list[str]
    run_seconds: float
    status: int
    words: str
    comparison: Comparison = field(default_factory=Comparison)

    @property
    def equal(self) -> bool:
        """Whether `run` says that all is moved and equal, and the comparison agrees."""
        return self.status == 0 and self.comparison.equal


def attempt(built: BuiltSite, server: Server) -> Trial:
    """Check and move a site as its user would, following what the messages say."""
    # A short path: the embedded server's socket may have no more than 103 characters.
    place = Path(tempfile.mkdtemp(prefix="fixturepipe-site."))
    try:
        with server.database() as database:
            command = _Command(built, place / "run", database.url)
            check_seconds, _, findings, _ = command("check")
            errors = [each for each in findings if each["level"] == "error"]
            options = [part for each in errors for part in _proposed(each)]
            if any(_MODELS in each["hint"] for each in errors):
                options += ["--schema", "models"]
            unforeseen: list[str] = []
            seconds, status, _, words = command("run", *options)
            if _MODELS in words and "--schema" not in options:
                unforeseen, options = ["migrate"], [*options, "--schema", "models"]
                seconds, status, _, words = command("run", *options)
            with open_connection(server, database.name) as connection:
                compared = compare(built.database, connection)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    ids = sorted(each["id"] for each in errors) + unforeseen
    last = "" if status == 0 else " / ".join(words.strip().splitlines()[-3:])[-300:]
    return Trial(check_seconds, ids, options, seconds, status, last, compared)


@dataclass(frozen=True)
class _Command:
    """fixturepipe on a site, with one target: seconds, status, findings, what it said."""

    built: BuiltSite
    workdir: Path
    target: str

    def __call__(self, name: str, *options: str) -> tuple[float, int, list[dict[str, Any]], str]:
        base = ("--settings", "site_settings", "--workdir", str(self.workdir), "--no-progress")
        started = time.monotonic()
        done = self.built.run(
            *("python", "-m", "fixturepipe", *base, "--target", self.target, "--json"),
            *(name, *options),
        )
        seconds = time.monotonic() - started
        found = _json_in(done.stdout)
        check = found if name == "check" else found.get("check") or {}
        return seconds, done.returncode, check.get("findings", []), done.stderr


def _proposed(finding: dict[str, Any]) -> list[str]:
    found = _PROPOSED.search(finding["hint"])
    return ["--fix", f"{found[1]}={found[2]}"] if found else []


def _json_in(text: str) -> dict[str, Any]:
    """The JSON in an output; some sites print lines of their own before it."""
    start = text.find("{\n")
    return json.loads(text[start:]) if start >= 0 else {}
