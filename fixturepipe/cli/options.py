"""The commands and their options: one table, from which the parser is made.

An option has no default here if it fills a field of an options class: that class has it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fixturepipe import __version__
from fixturepipe.arrange.options import ArrangeOptions
from fixturepipe.check.options import CheckOptions
from fixturepipe.config import Option, Project
from fixturepipe.dump.options import DumpOptions
from fixturepipe.fixes.declarations import FIX_NAMES, declared, declared_in
from fixturepipe.load.options import LoadOptions
from fixturepipe.sync.options import SyncOptions
from fixturepipe.verify.options import VerifyOptions


def positive(text: str) -> int:
    """A whole number from 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def not_negative(text: str) -> int:
    """A whole number from 0."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def size(text: str) -> int:
    """A number of bytes, which may end in KiB, MiB or GiB (or K, M, G)."""
    units = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
    digits = text.strip().rstrip("KMGiBb ")
    unit = text.strip()[len(digits) :].strip().upper().removesuffix("B").removesuffix("I")
    number = int(float(digits) * units[unit]) if unit in units else 0
    if number < 1:
        raise ValueError(text)
    return number


def percentage(text: str) -> float:
    """A share: "1%" or "0.01"."""
    share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    if not 0 < share <= 1:
        raise ValueError(text)
    return share


PROJECT = (
    Option("settings", "the project's settings module", metavar="MODULE"),
    Option("pythonpath", "a directory to import the project from", metavar="DIR"),
    Option("source", "the database to read: an alias in DATABASES or a URL", metavar="DB"),
    Option(
        "target",
        "the database to fill: an alias, a URL or `embedded` "
        "(default: the one of this run, else the alias target or mysql, else embedded)",
        metavar="DB",
    ),
    Option("workdir", "the run directory", Path, metavar="DIR"),
    Option(
        "timeout", "give up on a server that is silent for so long", positive, metavar="SECONDS"
    ),
)
_OUTPUT = (
    Option("json", "print the result as JSON on stdout", convert=None, default=False),
    Option("no-progress", "show no progress bars or lines", convert=None, default=False),
    Option(
        "verbosity",
        "0 errors only, 1 normal, 2 more, 3 with tracebacks",
        convert=not_negative,
        default=1,
        metavar="N",
    ),
)
COMMON = (*PROJECT, *_OUTPUT)

_EXCLUDE = Option("exclude", "leave out an app or model (repeatable)", metavar="LABEL", many=True)
_NATURAL = Option(
    "natural-keys",
    "which references to write as natural keys: auto, all, none, or labels separated by commas",
    metavar="WHICH",
)
_SNAPSHOT = Option(
    "snapshot",
    "how to get a consistent source: from a copy of it, or in one read transaction",
    choices=("backup", "transaction"),
)
_ON_ERROR = Option(
    "on-error",
    "when an object is refused: stop, or write it to rejects/ and continue",
    choices=("stop", "reject"),
)
_ARRANGE = (
    Option("chunk-objects", "the most objects in a chunk", convert=positive, metavar="N"),
    Option("chunk-bytes", "the most bytes in a chunk", convert=size, metavar="SIZE"),
    Option(
        "on-orphan",
        "when an object refers to one that does not exist: stop, reject it, or write null",
        choices=("stop", "reject", "null"),
    ),
    Option(
        "ignorenonexistent",
        "leave out models and fields that the project does not have",
        convert=None,
    ),
)
_WORKERS = Option("workers", "how many work in parallel (0: one a core)", not_negative, metavar="N")
_LOAD = (
    _WORKERS,
    Option("loader", "fixturepipe's loader, or Django's own", choices=("fast", "stock")),
    Option(
        "schema",
        "how an empty target gets its tables: `migrate`, or from the models as they are now",
        choices=("migrate", "models"),
    ),
    Option(
        "existing",
        "when the target holds rows that this run did not write",
        choices=("refuse", "update", "delete"),
    ),
    Option(
        "signals",
        "load models that have save receivers object by object, and call the receivers",
        convert=None,
    ),
    Option("executor", "load on a Dask cluster, dask:ADDRESS (default: processes)", metavar="NAME"),
)
_LOAD_ONLY = (
    Option("from", "begin at chunk N", convert=positive, metavar="N", field="start"),
    Option("only", "load chunk N alone", convert=positive, metavar="N"),
    Option("dry-run", "load, then roll back", convert=None),
    Option("changed", "reload chunks that were edited since they were loaded", convert=None),
    Option("rejects", "load the objects in rejects/, once they are corrected", convert=None),
)
_VERIFY = (
    Option("sample", "compare a share of the rows (1%%)", convert=percentage, metavar="SHARE"),
    Option("seed", "which rows the sample takes", convert=int, metavar="N"),
    Option("since", "compare rows made or changed since (ISO date or datetime)", metavar="WHEN"),
    Option("limit", "the most differences to show for a model", convert=not_negative, metavar="N"),
)
_SYNC = (
    Option(
        "existing",
        "when the target holds rows that neither the run nor a sync wrote",
        choices=("refuse", "update", "delete"),
    ),
    Option(
        "verify",
        "what the proof covers: every row, or those of models that changed",
        choices=("full", "touched"),
    ),
    Option("dry-run", "count what would change, and change nothing", convert=None),
)
_IGNORE = Option(
    "ignore", "ignore a finding: FP203, FP203:shop.order (repeatable)", metavar="ID", many=True
)
_ONLY_IDS = Option(
    "only",
    "report a finding alone: FP203, FP203:shop.order (repeatable)",
    metavar="ID",
    many=True,
    field="only_findings",
)
_FIX = Option(
    "fix",
    f"fix rows that check finds: shop.Product.name=truncate, FP203:shop.Product=drop, "
    f"shop.Product.sku=default:0; one of {', '.join(FIX_NAMES)} (repeatable)",
    declared,
    metavar="TARGET=FIX",
    many=True,
    table=declared_in,
)
_TRANSFORM = Option(
    "transform",
    "a callable that changes or drops each object while it is dumped: mysite.migrate:fix",
    metavar="MODULE:NAME",
)
_YES = Option("yes", "do not ask for confirmation", convert=None, default=False)


@dataclass(frozen=True)
class Argument:
    """A positional argument: any number of values, or one of `choices`."""

    name: str
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """One command.

    `options` fill the fields of `fills`, the options classes that the command hands to the
    pipeline; `own` are the options that it reads itself.
    """

    name: str
    help: str
    fills: tuple[type[Any], ...] = ()
    options: tuple[Option, ...] = ()
    own: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()

    @property
    def all_options(self) -> tuple[Option, ...]:
        """Its options, those of every command included."""
        return (*COMMON, *self.options, *self.own)


COMMANDS = (
    Command(
        "check",
        "find what would fail or change on the way; reads only",
        (CheckOptions,),
        (_IGNORE, _ONLY_IDS, _FIX, _TRANSFORM, _NATURAL, _EXCLUDE),
    ),
    Command(
        "dump",
        "write each app's rows to 1-dump/<app>.json, from one snapshot",
        (DumpOptions,),
        (_EXCLUDE, _FIX, _TRANSFORM, _NATURAL, _SNAPSHOT, _ON_ERROR),
        arguments=(
            Argument("labels", "apps or models (default: all); keeps the dumps of other apps"),
        ),
    ),
    Command(
        "arrange",
        "order the objects by dependency and split them into 2-chunks/",
        (ArrangeOptions,),
        _ARRANGE,
        arguments=(Argument("files", "fixtures of your own (default: the dumps)"),),
    ),
    Command(
        "load",
        "load the chunks that the target does not hold yet",
        (LoadOptions,),
        (*_LOAD, *_LOAD_ONLY, _ON_ERROR, _FIX),
        (_YES,),
    ),
    Command(
        "verify",
        "compare source and target row by row",
        (VerifyOptions,),
        (_WORKERS, *_VERIFY),
    ),
    Command(
        "sync",
        "bring a target that a run has filled to what the source holds now",
        (SyncOptions,),
        (_WORKERS, *_SYNC, _SNAPSHOT),
        (_YES,),
    ),
    Command(
        "run",
        "check, migrate the target, dump, arrange, load, verify",
        (CheckOptions, DumpOptions, ArrangeOptions, LoadOptions, VerifyOptions),
        (
            *(_IGNORE, _EXCLUDE, _FIX, _TRANSFORM, _NATURAL, _SNAPSHOT, _ON_ERROR),
            *(*_ARRANGE, *_LOAD, *_VERIFY),
        ),
        (_YES,),
    ),
    Command(
        "status",
        "show where this run stands and the next command",
        own=(
            Option(
                "graph",
                "show the order of the models and what each needs: as text, for Graphviz (dot), "
                "or drawn by it (svg)",
                choices=("text", "dot", "svg"),
                alone="text",
            ),
        ),
    ),
    Command(
        "inspect",
        "show what is in the dumps and chunks",
        own=(
            Option("model", "the model of the object to find", metavar="MODEL"),
            Option("pk", "the primary key of the object to find", metavar="PK"),
            Option("objects", "how many objects of a chunk to show", positive, 5, metavar="N"),
        ),
        arguments=(Argument("chunks", "the numbers of chunks to show"),),
    ),
    Command("report", "write one HTML page and report.json of the run into the run directory"),
    Command(
        "clean",
        "remove the run's files and its ledger, after asking",
        own=(
            _YES,
            Option(
                "keep-ledger",
                "leave the ledger in the target, which need not be there",
                convert=None,
                default=False,
            ),
        ),
    ),
    Command(
        "server",
        "start, stop or show the embedded server",
        arguments=(Argument("action", "what to do", ("start", "stop", "status")),),
    ),
)


def all_options() -> tuple[Option, ...]:
    """Every option of every command, once."""
    options = (option for command in COMMANDS for option in command.all_options)
    return tuple({option.name: option for option in options}.values())


def command_named(name: str) -> Command:
    """The command of that name."""
    return next(command for command in COMMANDS if command.name == name)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The parser. Common options may be given before or after the command.

    An option that is not given is not in the namespace, so that the environment can give it.
    """
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for option in COMMON:
        _add_option(common, option, default_of(option, (Project,)))
    parser = argparse.ArgumentParser(
        prog=prog,
        parents=[common],
        allow_abbrev=False,
        description="Moves a Django application's data to MySQL or MariaDB through fixtures, "
        "and proves that nothing was lost.",
        epilog="Each option can also be set by the environment variable FIXTUREPIPE_<NAME> and in "
        "[tool.fixturepipe] of pyproject.toml. Exit status: 0 done; 1 done, and problems were "
        "found; 2 wrong use or configuration; 3 stopped, and the same command continues; "
        "130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"fixturepipe {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            parents=[common],
            help=command.help,
            description=command.help,
            allow_abbrev=False,
        )
        for argument in command.arguments:
            if argument.choices:
                sub.add_argument(argument.name, choices=argument.choices, help=argument.help)
            else:
                sub.add_argument(argument.name, nargs="*", help=argument.help)
        for option in (*command.options, *command.own):
            _add_option(sub, option, default_of(option, command.fills))
    return parser


def default_of(option: Option, fills: tuple[type[Any], ...]) -> Any:
    """An option's default: that of the first options class with this field, else its own."""
    for kind in fills:
        for field in fields(kind):
            if field.name == option.key:
                return field.default
    return option.default


def _add_option(parser: argparse.ArgumentParser, option: Option, default: Any) -> None:
    names = [f"--{option.name}"]
    if option.name == "verbosity":
        names.insert(0, "-v")
    text = option.help
    if default not in (None, False, ()) and "default" not in text:
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
