"""What the README says is true: its commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixturepipe.databases.embedded import EmbeddedServer
from tests import servers
from tests.pages import Follower, shell_lines
from tests.shop import ROOT, Shop

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


LINES = shell_lines(TEXT)


def test_its_commands_run_in_order(shop: Shop, embedded_server: EmbeddedServer) -> None:
    with Follower(shop, servers.embedded(embedded_server)) as reader:
        ran = [reader.fixturepipe(line) for line in LINES if line.startswith("fixturepipe")]
    assert ran == [0] * 5


def test_its_main_command_runs_the_main_job(tmp_path: Path) -> None:
    assert "make dump load" in LINES
    where = [sys.executable, "-I", "-c", "import fixturepipe; print(fixturepipe.__file__)"]
    installed = subprocess.run(where, capture_output=True, text=True, check=True).stdout
    if Path(installed).parent.parent != ROOT:
        pytest.skip("the environment is another checkout's, which `make` would install again")
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("FIXTUREPIPE_", "MAKE"))
    }
    environment |= {"BOOKSHOP_DB": str(tmp_path / "shop.sqlite3")}
    for name in ("DJANGO_SETTINGS_MODULE", "ARGS"):  # ARGS: what `make test` itself was given
        environment.pop(name, None)
    venv = Path(sys.executable).parent.parent
    done = subprocess.run(
        ["make", "dump", "load", f"VENV={venv}", f"WORKDIR={tmp_path / 'run'}", "SCALE=0.05"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^model +dumped +arranged +loaded$", done.stdout, flags=re.MULTILINE)


NEVER = re.findall(r"^\| [^|]+ \| `(tests/[^`]+)::(\w+)` \|$", TEXT, flags=re.MULTILINE)


def test_each_line_of_what_it_will_never_do_names_a_test() -> None:
    section = TEXT.partition("## What it will never do")[2].partition("\n## ")[0]
    assert section.count("\n| ") - 1 == len(NEVER) > 10
    for path, name in NEVER:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"
