"""What the pages take from the code. A comment in a page stands where it goes:

    <!-- code: options check -->    the options of a command, from the parser
    <!-- code: rule FP101 -->       a finding: level, consequence, what to do, fixes
    <!-- code: api Pipeline -->     a public name, from its docstring
    <!-- code: checks all -->       the system checks of the app

In the repository a page shows the rest alone.
"""

from __future__ import annotations

import argparse
import inspect
import re
from pathlib import Path
from typing import Any

import fixturepipe
from fixturepipe import apps
from fixturepipe.cli.options import COMMON
from fixturepipe.cli.parser import build_parser
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.declarations import FIXES_FOR

HERE = Path(__file__).resolve().parent
_MARK = re.compile(r"^<!-- code: (\w+) ([\w-]+) -->$", re.MULTILINE)
_FINDS = re.compile(r"^\| \[(FP\d+)\]\(#\w+\) \| \w+ \| (.*) \|$", re.MULTILINE)


def filled(page: str) -> str:
    """The page with all that it takes from the code."""
    return _MARK.sub(lambda mark: _MAKERS[mark[1]](mark[2]), page)


def taken(page: str, kind: str) -> list[str]:
    """The names of one kind that a page takes from the code, in order."""
    return [mark[2] for mark in _MARK.finditer(page) if mark[1] == kind]


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    for action in build_parser("fixturepipe")._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise LookupError("the parser has no commands")


def options(command: str) -> str:
    """A command's arguments and options by group; those that every command has are under `all`."""
    common = {option.key for option in COMMON} | {"help"}
    everywhere = command == "all"
    parts = []
    for group in parsers()["run" if everywhere else command]._action_groups:
        shown = [a for a in group._group_actions if (a.dest in common) == everywhere]
        if shown:
            title = [f"**{group.title.capitalize()}**"] if group.title else []
            example = [f"    {group.description}"] if group.description and not everywhere else []
            parts += [*title, *example, *map(_definition, shown)]
    return "\n\n".join(parts) or "This command has no options of its own."


def _definition(action: argparse.Action) -> str:
    return f"{_names(action)}\n: {_help(action)}"


def _names(action: argparse.Action) -> str:
    value = action.metavar or (
        f"{{{','.join(map(str, action.choices))}}}" if action.choices else ""
    )
    if not action.option_strings:
        return f"`{action.dest.upper() if not action.choices else value}`"
    value = f" {value}" if value and action.nargs != 0 else ""
    return ", ".join(f"`{name}{value}`" for name in action.option_strings)


def _help(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%")
    begin = text if text.startswith("fixturepipe") else f"{text[:1].upper()}{text[1:]}"
    return begin.replace("<", "\\<") + "."


def rule(number: str) -> str:
    """A finding in general: what a single one fills in is in italics."""
    rule = RULES[number]
    finds = dict(_FINDS.findall((HERE / "findings.md").read_text(encoding="utf-8")))
    lines = [f"**{rule.level.capitalize()}:** {finds[number]}."]
    for title, text in (("It says", rule.consequence), ("What to do", rule.hint)):
        if not re.fullmatch(r"\{\w+\}", text):
            lines.append(f"*{title}:* {_general(text)}")
    if fixes := FIXES_FOR.get(number):
        names = ", ".join(f"[{name}](#fixes)" for name in fixes)
        lines.append(f"*Fixes:* {names}")
    return "\n\n".join([*lines, "*For example:*"])


def _general(text: str) -> str:
    escaped = re.sub(r"([<>*])", r"\\\1", text)
    return re.sub(r"\{(\w+)\}", lambda m: f"*{m[1].replace('_', ' ')}*", escaped)


def api(name: str) -> str:
    """A public name with its docstring; `errors` are all classes of errors."""
    if name == "errors":
        names = [each for each in fixturepipe.__all__ if each.endswith("Error")]
        return "\n\n".join(api(each) for each in names)
    kind = "autoclass" if inspect.isclass(getattr(fixturepipe, name)) else "autofunction"
    return f"```{{eval-rst}}\n.. {kind}:: fixturepipe.{name}\n```"


def checks(_: str) -> str:
    """The system checks as a table, from the docstring of the app."""
    found = re.findall(r"^    (fixturepipe\.\w+)  +(.*)$", apps.__doc__ or "", re.MULTILINE)
    return "\n".join(["| id | says |", "|---|---|", *(f"| `{i}` | {text} |" for i, text in found)])


_MAKERS = {"options": options, "rule": rule, "api": api, "checks": checks}


def marked_up(_app: Any, _what: str, _name: str, _of: Any, _options: Any, lines: list[str]) -> None:
    """Mark the indented blocks of a docstring as code: they are, without a sign of it."""
    result: list[str] = []
    for line in lines:
        starts = line.startswith("    ") and (not result or not result[-1].strip())
        inside = any(each.startswith("    ") for each in result[-2:-1])
        if starts and not inside:
            result += [".. code-block:: text", ""]
        result.append(line)
    lines[:] = result
