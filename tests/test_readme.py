"""What the README says is true: its commands run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests import servers
from tests.shop import ROOT, Shop

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(program: str) -> list[str]:
    """The commands of one program that stand in code blocks, in order, without comments."""
    lines = re.findall(rf"^    ({program} .*)$", TEXT, flags=re.MULTILINE)
    return [line.partition("#")[0].strip() for line in lines]


def test_its_fixturepipe_commands_run_in_order(shop: Shop, server: servers.Server) -> None:
    found = commands("fixturepipe")
    assert len(found) >= 5
    with server.database() as end:
        shop = replace(shop, target=end.name)
        for line in found:
            arguments = shlex.split(line)[1:]
            if "mysite.settings" in arguments:
                arguments[arguments.index("mysite.settings")] = "bookshop.settings"
            shop.done(*arguments)


@pytest.mark.parametrize(
    "line", re.findall(r"`fixturepipe ((?:--target|server|load) [^`]*)`", TEXT)
)
def test_a_command_within_a_sentence_parses(line: str, shop: Shop) -> None:
    assert shop.run(*shlex.split(line), "--help").returncode == 0


def test_its_main_command_runs_the_main_job(tmp_path: Path) -> None:
    assert "make dump load" in commands("make")
    where = [sys.executable, "-I", "-c", "import fixturepipe; print(fixturepipe.__file__)"]
    installed = subprocess.run(where, capture_output=True, text=True, check=True).stdout
    if Path(installed).parent.parent != ROOT:
        pytest.skip("the environment is another checkout's, which `make` would install anew")
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
