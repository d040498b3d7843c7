"""The documentation is true: its commands run, its links lead somewhere."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fixturepipe.cli.commandtable import COMMANDS
from fixturepipe.cli.parser import build_parser
from fixturepipe.databases.embedded import EmbeddedServer
from tests import servers
from tests.pages import PAGES, Follower, commands_in_sentences, shell_lines, text_of
from tests.shop import ROOT, Shop

DOCS = ROOT / "docs"
# These pages are followed by tests of their own.
FOLLOWED = {"README.md", "tutorial.md", "cut-over.md"}
# All lines of the others, once.
LINES = dict.fromkeys(
    line for page in PAGES if page.name not in FOLLOWED for line in shell_lines(text_of(page))
)


def name_of(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_command_in_a_sentence_is_one(page: Path) -> None:
    for line in commands_in_sentences(text_of(page)):
        arguments = shlex.split(line)
        # A sentence may name a command without its arguments.
        with contextlib.suppress(SystemExit):
            build_parser("fixturepipe").parse_args([*arguments, "--help"])
            pytest.fail(f"fixturepipe {line}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_link_to_a_file_leads_to_one(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text_of(page)):
        assert (page.parent / link).exists(), link


def test_the_commands_of_all_pages_run(shop: Shop, embedded_server: EmbeddedServer) -> None:
    (shop.workdir.parent / "initial.json").write_text(
        '[{"model": "catalog.tag", "pk": 1, "fields": {"slug": "red", "label": "Red"}}]'
    )
    with Follower(shop, servers.embedded(embedded_server)) as reader:
        for line in LINES:
            if line.startswith("fixturepipe ") and "COMMAND" not in line:
                assert reader.fixturepipe(line) == 0, line
            elif line.startswith("python manage.py "):
                done = shop.manage(*shlex.split(line)[2:])
                assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_takes_from_the_code_is_there(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(DOCS)
    assert "<!-- code:" not in importlib.import_module("fromcode").filled(text_of(page))


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_has_a_section_with_an_example_and_its_options(command: str) -> None:
    page = text_of(DOCS / "commands.md")
    section = page.partition(f"\n## {command}\n")[2].partition("\n## ")[0]
    assert any(command in line.split() for line in shell_lines(section))
    assert f"<!-- code: options {command} -->" in section


def test_the_tutorial_moves_a_project(tmp_path: Path, embedded_server: EmbeddedServer) -> None:
    text = text_of(DOCS / "tutorial.md")
    (fixes,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FIXTUREPIPE_", "DJANGO_"))}
    environment = kept | {"PATH": f"{Path(sys.executable).parent}:{kept['PATH']}"}
    directory, checks = tmp_path, []
    with servers.embedded(embedded_server).database() as database:
        for line in shell_lines(text):
            program, *arguments = shlex.split(line)
            if program == "cd":
                directory = directory / arguments[0]
            elif program == "export":
                environment["FIXTUREPIPE_TARGET"] = database.name
            elif program in ("django-admin", "fixturepipe") or arguments[0] == "manage.py":
                confirmed = ["--yes"] if "clean" in arguments else []
                done = subprocess.run(
                    [program, *arguments, *confirmed],
                    cwd=directory,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if "check" in arguments and not checks:
                    (directory / "pyproject.toml").write_text(fixes)
                    assert (done.returncode, "FP203" in done.stdout) == (1, True)
                else:
                    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
                checks += ["check"] * ("check" in arguments)
        names = servers.embedded(embedded_server).execute(
            "SELECT username FROM auth_user ORDER BY id", str(database.settings["NAME"])
        )
    assert names == (("anna",), ("Anna-2",))
    assert len(checks) == 3
