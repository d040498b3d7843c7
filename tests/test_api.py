"""The package as Python sees it: its names, and the scripts of docs/python.md."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from dataclasses import fields, is_dataclass
from typing import get_args

import pytest

import fixturepipe
from fixturepipe import errors, events
from fixturepipe.cli.options import COMMANDS
from fixturepipe.config import Project
from tests.shop import ROOT


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
    with pytest.raises(TypeError, match="no option colour"):
        fixturepipe.migrate("bookshop.settings", colour="blue")


def test_migrate_takes_what_a_project_is() -> None:
    parameters = inspect.signature(fixturepipe.migrate).parameters
    for field in fields(Project):
        assert parameters[field.name].default == field.default
