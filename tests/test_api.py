"""The package as Python sees it: its names, and the scripts of docs/python.md."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import get_args

import pytest

import fixturepipe
from fixturepipe import errors, events
from fixturepipe.cli.commandtable import COMMANDS
from fixturepipe.config import Project
from tests.shop import ROOT, Shop


def test_all_is_sorted_and_every_name_can_be_had() -> None:
    assert sorted(fixturepipe.__all__) == fixturepipe.__all__
    for name in fixturepipe.__all__:
        assert getattr(fixturepipe, name) is not None
    assert dir(fixturepipe) == fixturepipe.__all__
    with pytest.raises(AttributeError):
        _ = fixturepipe.nothing


def test_all_is_what_type_checkers_see() -> None:
    tree = ast.parse((ROOT / "fixturepipe" / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in block.body for alias in node.names}  # type: ignore[attr-defined]
    assert seen | {"__version__"} == set(fixturepipe.__all__)


def test_all_errors_and_events_are_public() -> None:
    kinds = {name for name, each in vars(errors).items() if inspect.isclass(each)}
    assert {name for name in kinds if name.endswith("Error")} <= set(fixturepipe.__all__)
    assert {each.__name__ for each in get_args(events.Event)} <= set(fixturepipe.__all__)


def test_the_import_needs_no_django_and_no_settings() -> None:
    code = "import fixturepipe, sys; sys.exit('django' in sys.modules or 'msgspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", [n for n in fixturepipe.__all__ if not n.startswith("_")])
def test_every_public_name_has_a_docstring(name: str) -> None:
    value = getattr(fixturepipe, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__doc__
        assert not (is_dataclass(value) and value.__doc__.startswith(f"{name}("))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_options_of_a_command_are_those_of_its_options_classes(command) -> None:
    known = {field.name for kind in command.fills for field in fields(kind)}
    assert {option.key for option in command.options} <= known
    assert not {option.key for option in command.own} & known
    # Their defaults are the classes': the table has none of its own.
    assert all(option.default is None for option in command.options)


def test_classes_that_share_an_option_share_its_default() -> None:
    defaults: dict[str, object] = {}
    for kind in next(command.fills for command in COMMANDS if command.name == "run"):
        for field in fields(kind):
            assert defaults.setdefault(field.name, field.default) == field.default, field.name


def test_migrate_refuses_an_option_that_no_stage_has() -> None:
    with pytest.raises(TypeError, match="no option color"):
        fixturepipe.migrate("bookshop.settings", color="blue")


def test_migrate_takes_what_a_project_is() -> None:
    parameters = inspect.signature(fixturepipe.migrate).parameters
    for field in fields(Project):
        assert parameters[field.name].default == field.default


PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def run_script(number: int, shop: Shop, directory: Path) -> str:
    """Run a script of docs/python.md over the sample; gives what it prints."""
    code = SCRIPTS[number].replace("mysite.settings", shop.settings)
    path = directory / "script.py"
    path.write_text(code)
    environment = shop.environment | {"PYTHONPATH": str(shop.pythonpath)}
    for name in [name for name in environment if name.startswith("FIXTUREPIPE_")]:
        del environment[name]
    done = subprocess.run(
        [sys.executable, path],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_three_scripts() -> None:
    assert [script.lstrip().splitlines()[0] for script in SCRIPTS] == [
        "import sys",
        "from pathlib import Path",
        "from fixturepipe import Pipeline, Project, VerifyOptions",
    ]


def test_a_script_migrates_and_shows_progress(shop: Shop, tmp_path: Path) -> None:
    printed = run_script(0, shop, tmp_path)
    for stage in ("check", "dump", "arrange", "load", "verify"):
        assert f"\n{stage}: " in f"\n{printed}"
    assert replace(shop, workdir=tmp_path / "fixturepipe-run").json("status")["verified"] is True


def test_a_script_loads_its_own_fixtures(shop: Shop, tmp_path: Path) -> None:
    made = shop.manage("dumpdata", "--all", "catalog", "-o", tmp_path / "site.json")
    assert made.returncode == 0, made.stderr
    loaded, of = re.match(r"([\d,]+) of ([\d,]+) objects", run_script(1, shop, tmp_path)).groups()
    assert loaded == of != "0"


def test_a_script_verifies_any_pair(shop: Shop, tmp_path: Path) -> None:
    for name in ("before", "after"):
        shutil.copy(shop.database, tmp_path / f"{name}.sqlite3")
    assert run_script(2, shop, tmp_path) == "equal\n"
    with closing(sqlite3.connect(tmp_path / "after.sqlite3")) as changed, changed:
        changed.execute("UPDATE catalog_tag SET label = 'other' WHERE id = 1")
    printed = run_script(2, shop, tmp_path)
    assert printed.startswith("value catalog.tag 1 label ")
    assert printed.endswith(" other\nnot equal\n")


def test_every_public_name_is_in_the_page() -> None:
    types = {"Event", "Listener", "__version__"}
    names = {name for name in fixturepipe.__all__ if not name.endswith("Error")} - types
    assert set(re.findall(r"^<!-- code: api (\w+) -->$", PAGE, re.MULTILINE)) == names | {"errors"}
