"""`python -m bench.sites DIRECTORY --target URL`: builds the sites there and moves each of them.

    python -m bench.sites /var/tmp/sites --target mysql://root:root@127.0.0.1:3306/
    python -m bench.sites /var/tmp/sites --site wagtail --site oscar --rows 200

A site that the directory has is used as it is. Databases are made on the server, next to its
own, and dropped. URLs may be in FIXTUREPIPE_TARGET too, separated by commas, where no list of
processes shows a password. The first build takes about a minute a site.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import MySQLdb

from bench.measuring import ROOT, StepError
from bench.servers import from_url
from bench.sites import page
from bench.sites.building import build
from bench.sites.recipes import SITES
from bench.sites.trial import attempt


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m bench.sites",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("directory", type=Path, help="where the sites are, or will be")
    add("--target", action="append", help="a server's URL (repeatable)")
    add("--site", action="append", choices=[site.name for site in SITES], help="only this one")
    add("--python", default=sys.executable, help="for the sites; some need 3.12 or newer")
    add("--rows", type=int, default=60, help="rows a table, when a site is built (default: 60)")
    add("--output", type=Path, default=ROOT / "docs" / "sites.md", help="the page")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 if a site did not arrive equal, or could not be built."""
    options = parser().parse_args(arguments)
    urls = options.target or os.environ.get("FIXTUREPIPE_TARGET", "").split(",")
    servers = [from_url(url.strip()) for url in urls if url.strip()]
    results = options.directory / "results.json"
    failed = False
    for site in SITES:
        if options.site and site.name not in options.site:
            continue
        try:
            built = build(
                site, options.directory.absolute() / site.name, options.rows, options.python
            )
            for server in servers:
                trial = attempt(built, server)
                entry = page.as_json(site.name, built.versions(), server.label, trial)
                page.render(page.add(results, entry), options.output)
                print(f"{site.name} {server.label}: {'equal' if trial.equal else trial}")
                failed = failed or not trial.equal
        except (StepError, MySQLdb.Error) as error:
            print(f"FAILED: {site.name}: {error}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
