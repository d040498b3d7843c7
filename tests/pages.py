"""The pages of the documentation, and what in them is for a shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests import servers
from tests.shop import ROOT, Shop

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def shell_lines(text: str) -> list[str]:
    """The lines of indented blocks, in order, without comments; and what a workflow runs."""
    fenced = re.compile(r"```(\w+)\n(.*?)```", flags=re.DOTALL)
    runs = [
        line
        for language, block in fenced.findall(text)
        if language == "yaml"
        for line in re.findall(r"- run: (fixturepipe.*)", block)
    ]
    blocks = re.findall(r"^    (\S.*)$", fenced.sub("", text), flags=re.MULTILINE)
    return [line.partition("  #")[0].strip() for line in (*blocks, *runs)]


def commands_in_sentences(text: str) -> Iterator[str]:
    """The arguments of each `fixturepipe …` that stands within a sentence."""
    for line in re.findall(r"`fixturepipe ([^`]*)`", text.replace("\n", " ")):
        if not re.search(r"\b[A-Z]{4,}\b|…", line):  # COMMAND, FILE: not meant to be given so
            yield line


class Follower:
    """Does what a page says, as a reader with the sample's project would."""

    def __init__(self, shop: Shop, server: servers.Server) -> None:
        """Each run directory that the page names gets a database of the server."""
        self._shop = shop
        self._server = server
        self._databases = ExitStack()
        self._targets: dict[str, str] = {}

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        self._databases.close()

    def fixturepipe(self, line: str) -> int:
        """Run a line; gives its exit status, 0 or 1."""
        _, *arguments = shlex.split(line)
        directory = arguments[1] if arguments[0] == "--workdir" else ""
        if directory not in self._targets:
            database = self._databases.enter_context(self._server.database())
            self._targets[directory] = database.name
        if "clean" in arguments and "--yes" not in arguments:
            arguments.append("--yes")
        result = replace(self._shop, target=self._targets[directory]).run(*arguments)
        assert result.returncode in (0, 1), f"{line}\n{result.stdout}\n{result.stderr}"
        return result.returncode
