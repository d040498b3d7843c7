"""docs/sites.md: the table of all trials that are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.sites.trial import Trial

_HEAD = """# Public sites

Public Django sites from PyPI, each with its own settings or start project, filled with rows and
moved from SQLite into an empty database by `fixturepipe run`. This command writes the page:

    python -m bench.sites DIRECTORY --target mysql://root@127.0.0.1:3306/

It installs each site into an environment of its own, migrates its SQLite file and fills every table
with ordinary values, the longest ones and empty ones, NULL wherever a column takes it,
microseconds, emoji, references in cycles, and values that fields of packages no longer accept: time
zones that do not exist, broken pickles, plain text in encrypted columns. `fields` is not a site but
a project with a model for each of about sixty field packages (`samples/fields`).

Then it does what a user does: `check` on the empty target, and `run` with the fixes that `check`
proposes, and with `--schema models` if `check` names a migration that fails on the target (FP329),
or `run` does. At the end it compares every table of both databases, row by row and column by
column, with code that uses neither Django nor fixturepipe. It compares the ids of content types and
permissions, too.

`errors` are the errors that `check` names on the empty target, and "migrate" where only `run` met a
migration whose Python code the target refuses. `options` is what the messages say to add. Times are
seconds of the wall clock, from one run each on a machine with other work: they compare nothing.

One trial fails: openedx-core has a CHECK with a regular expression, which MariaDB matches byte by
byte. A Cyrillic letter in a code fits on SQLite and not there. `check` names them now (FP209);
`load` leaves them out with `--on-error reject`.

"""
_COLUMNS = "| site | Django | rows | check | errors | options | run | result |"


def render(results: list[dict[str, Any]], page: Path) -> None:
    """Write the page: a table for each server."""
    dates = sorted({each["date"] for each in results})
    text = f"{_HEAD}The trials are of {' to '.join({dates[0]: 0, dates[-1]: 0})}.\n\n"
    for server in sorted({each["server"] for each in results}):
        lines = [f"## {server}\n", _COLUMNS, "|---|---|--:|--:|---|---|--:|---|"]
        lines += [_line(each) for each in results if each["server"] == server]
        text += "\n".join(lines) + "\n\n"
    page.write_text(text.rstrip() + "\n", encoding="utf-8")


def as_json(name: str, versions: tuple[str, str], server: str, trial: Trial) -> dict[str, Any]:
    """A trial as results.json keeps it."""
    package, django = versions
    named = {"site": name, "package": package, "django": django, "server": server}
    named["date"] = datetime.now(UTC).date().isoformat()
    return {**named, **asdict(trial), "equal": trial.equal}


def read(file: Path) -> list[dict[str, Any]]:
    """The trials in results.json; none without the file."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def add(file: Path, result: dict[str, Any]) -> list[dict[str, Any]]:
    """Keep a trial in the place of an earlier one of the same site and server."""
    key = (result["site"], result["server"])
    kept = [each for each in read(file) if (each["site"], each["server"]) != key]
    results = sorted([*kept, result], key=lambda each: str(each["site"]))
    file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return results


def _line(result: Mapping[str, Any]) -> str:
    site = "fields" if result["site"] == "fields" else result["package"]
    options = " ".join(result["options"])
    cells = (
        site,
        result["django"],
        f"{result['comparison']['rows']:,}",
        f"{result['check_seconds']:.1f}",
        " ".join(result["errors"]),
        f"`{options}`" if options else "",
        f"{result['run_seconds']:.1f}",
        _verdict(result),
    )
    return f"| {' | '.join(cells)} |"


def _verdict(result: Mapping[str, Any]) -> str:
    if result["equal"]:
        return "equal"
    compared = result["comparison"]
    counts = [f"{compared[n]:,} {n}" for n in ("differing", "missing", "extra") if compared[n]]
    counts += [f"lacks {len(compared['unmatched'])}"] if compared["unmatched"] else []
    return f"exit {result['status']}: {', '.join(counts) or 'all cells equal'}"
