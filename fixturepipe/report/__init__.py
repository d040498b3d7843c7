"""The report of a run: one HTML page without any other file, and the same as JSON.

Made from the run directory alone, so it can be made at any time and sent to anybody: it holds
counts and names, and values only if they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from fixturepipe.artifacts.jsonfile import write_json
from fixturepipe.artifacts.rundir import RunDirectory, atomic_file
from fixturepipe.report.collection import collected
from fixturepipe.report.data import Report
from fixturepipe.report.disclosure import Disclosure
from fixturepipe.report.page import page_of

PAGE, DATA = "report.html", "report.json"


def write_report(
    directory: RunDirectory,
    line: Callable[[str], str] = "fixturepipe {}".format,
    *,
    values: bool = False,
) -> Report:
    """Write `report.html` and `report.json` into the run directory.

    `line` makes a whole line for a shell of a command: "verify". With `values` the report has
    values and text keys of rows. Raises RunDirectoryError where there is no run.
    """
    report = collected(directory, Disclosure(values), line)
    write_json(directory.path / DATA, report)
    with atomic_file(directory.path / PAGE) as file:
        file.write(page_of(report).encode())
    return report
