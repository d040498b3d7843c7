"""The parser and its help, made from the table of commands and options.

Options stand in groups, and each group begins with an example: the same groups in every command.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from typing import Any

from fixturepipe import __version__
from fixturepipe.cli.commandtable import COMMAND_GROUPS, COMMANDS, Argument, default_of
from fixturepipe.cli.options import COMMON, GROUPS, size
from fixturepipe.config import Option, Project

_ABOUT = """\
Moves a Django application's data from SQLite to MySQL or MariaDB through
fixtures, and proves that nothing was lost."""
_MORE = """\
`{prog} COMMAND --help` shows all options of a command. Each option can
also be set by the environment variable FIXTUREPIPE_<NAME> and in
[tool.fixturepipe] of pyproject.toml.

Exit status: 0 done; 1 done, and problems were found; 2 wrong use or
configuration; 3 stopped, and the same command continues; 130 interrupted."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The parser. Common options may be given before or after the command.

    An option that is not given is not in the namespace, so that the environment can give it.
    """
    parser = argparse.ArgumentParser(
        usage=f"{prog} [options] COMMAND …",
        description=_ABOUT,
        epilog=_MORE.format(prog=prog),
        **_settings(prog),
    )
    for group in COMMAND_GROUPS:
        commands = [command for command in COMMANDS if command.group == group]
        lines = [f"{command.name:<12}{command.help}" for command in commands]
        parser.add_argument_group(group, "\n".join(lines))
    output = _add_options(parser, COMMON, (Project,), "COMMAND")
    version = f"fixturepipe {__version__}"
    output.add_argument("--version", action="version", version=version, help="show the version")
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, help=argparse.SUPPRESS, prog=prog
    )
    for command in COMMANDS:
        arguments = "".join(f" {_usage(argument)}" for argument in command.arguments)
        sub = subparsers.add_parser(
            command.name,
            usage=f"{prog} {command.name} [options]{arguments}",
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            **_settings(f"{prog} {command.name}"),
        )
        for argument in command.arguments:
            _add_argument(sub, argument)
        shown = [each for each in command.all_options if command.heeds(each)]
        _add_options(sub, shown, (Project, *command.fills), command.name)
        for option in set(COMMON).difference(shown):
            _add_option(sub, option, argparse.SUPPRESS)
    return parser


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks how a command line continues, and exit; return if none asks."""
    if "_ARGCOMPLETE" in os.environ:
        # Imported late: no other call waits for it.
        import argcomplete

        argcomplete.autocomplete(parser)


def _settings(prog: str) -> dict[str, Any]:
    return {
        "prog": prog,
        "formatter_class": _Formatter,
        "argument_default": argparse.SUPPRESS,
        "allow_abbrev": False,
        "add_help": False,
    }


def _usage(argument: Argument) -> str:
    return "|".join(argument.choices) or f"[{argument.name} …]"


def _add_argument(parser: argparse.ArgumentParser, argument: Argument) -> None:
    if argument.choices:
        parser.add_argument(argument.name, choices=argument.choices, help=argument.help)
    else:
        parser.add_argument(argument.name, nargs="*", help=argument.help, default=[])


def _add_options(
    parser: argparse.ArgumentParser,
    options: Iterable[Option],
    fills: tuple[type[Any], ...],
    command: str,
) -> argparse._ArgumentGroup:
    """Add options in their groups; gives the last, which every command has.

    `fills` are the options classes that have the defaults.
    """
    every = list(options)
    groups = {}
    for name in GROUPS:
        if members := [option for option in every if option.group == name]:
            groups[name] = parser.add_argument_group(name, _example(command, members))
            for option in members:
                _add_option(groups[name], option, default_of(option, fills))
    groups["output"].add_argument("-h", "--help", action="help", help="show this help")
    return groups["output"]


def _example(command: str, members: Iterable[Option]) -> str | None:
    """A command with an option of the group; the command's own before those of all."""
    for option in sorted(members, key=lambda each: each in COMMON):
        if option.example is not None:
            return f"fixturepipe {command} --{option.name} {option.example}".rstrip()
    return None


def _add_option(parser: argparse._ActionsContainer, option: Option, default: Any) -> None:
    """Add an option; with SUPPRESS for its default it is accepted and not shown."""
    names = [f"--{option.name}"]
    if option.name == "verbosity":
        names.insert(0, "-v")
    text = option.help.replace("%", "%%")
    if default is argparse.SUPPRESS:
        text = argparse.SUPPRESS
    elif default not in (None, False, ()) and "default" not in text:
        shown = f"{default // 2**20} MiB" if option.convert is size else default
        text += f" (default: {shown})"
    settings: dict[str, Any] = {"dest": option.key, "help": text, "default": argparse.SUPPRESS}
    if option.convert is None:
        parser.add_argument(*names, action="store_true", **settings)
        return
    if option.choices:
        settings["choices"] = option.choices
    else:
        settings["type"] = option.convert
        settings["metavar"] = option.metavar or None
    if option.alone:
        settings |= {"nargs": "?", "const": option.alone}
    if option.many:
        settings["action"] = "append"
    parser.add_argument(*names, **settings)
