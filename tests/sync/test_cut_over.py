"""The guide docs/cut-over.md, followed word by word, with a writer until the freeze."""

from __future__ import annotations

import re
import shlex
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from fixturepipe.databases.embedded import EmbeddedServer
from tests import servers
from tests.shop import ROOT, Shop

TEXT = (ROOT / "docs" / "cut-over.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """The lines of its indented blocks, in order."""
    return re.findall(
        r"^    (\S.*)$", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL), re.MULTILINE
    )


@contextmanager
def written_to(path: Path) -> Iterator[threading.Event]:
    """A site that works: rows come, change and go until the event is set or the block ends."""
    frozen = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            number = 0
            while not frozen.wait(0.02):
                number += 1
                with connection:
                    slug = (f"new-{number}", f"New {number}")
                    connection.execute("INSERT INTO catalog_tag (slug, label) VALUES (?, ?)", slug)
                    old = (f"new-{number - 3}",)
                    connection.execute("DELETE FROM catalog_tag WHERE slug = ? AND id % 2", old)
                    connection.execute("UPDATE catalog_product SET price = price + 0.01")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield frozen
    finally:
        frozen.set()
        writer.join()


def test_the_guide_moves_a_site_that_works(
    shop: Shop, embedded_server: EmbeddedServer, tmp_path: Path
) -> None:
    server = servers.embedded(embedded_server)
    path = tmp_path / "db.sqlite3"
    path.write_bytes(shop.database.read_bytes())
    site = replace(shop, database=path)
    with server.database() as first, server.database() as second, written_to(path) as frozen:
        for line in commands():
            program, *arguments = shlex.split(line)
            if program == "export":
                site = replace(site, target=first.name)
            elif program == "chmod":
                path.chmod(0o400)
            elif program == "systemctl" and arguments[0] == "stop":
                frozen.set()
            elif program == "fixturepipe":
                again = "second" in arguments
                run = replace(site, target=second.name) if again else site
                done = run.run(*arguments)
                # Before the freeze the source has moved on when a run compares.
                allowed = {0, 1} if "run" in arguments and not frozen.is_set() else {0}
                assert done.returncode in allowed, f"{line}\n{done.stdout[-800:]}\n{done.stderr}"
        with closing(sqlite3.connect(path)) as connection:
            (tags,) = connection.execute("SELECT COUNT(*) FROM catalog_tag").fetchone()
        for target in (first, second):
            there = replace(site, target=target.name)
            assert there.execute("SELECT COUNT(*) FROM catalog_tag") == ((tags,),)


def test_its_commands_are_those_of_the_evening() -> None:
    programs = [line.split()[0] for line in commands()]
    assert programs.count("fixturepipe") >= 9
    assert set(programs) == {"fixturepipe", "export", "systemctl", "chmod"}


@pytest.mark.parametrize(("method", "status"), [("get", 200), ("post", 503), ("delete", 503)])
def test_its_middleware_answers_reads_alone(method: str, status: int) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # the guide's own
    site = names["ReadOnly"](lambda request: HttpResponse("read"))
    assert site(getattr(RequestFactory(), method)("/")).status_code == status
