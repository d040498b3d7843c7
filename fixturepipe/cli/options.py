"""The commands and their options: one table, from which the parser is made."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixturepipe import __version__
from fixturepipe.config import Option
from fixturepipe.fixes.declarations import FIX_NAMES, declared, declared_in


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


COMMON = (
    Option("settings", "the project's settings module", metavar="MODULE"),
    Option("pythonpath", "a directory to import the project from", metavar="DIR"),
    Option("source", "where from: an alias in DATABASES or a URL", metavar="DB", default="default"),
    Option(
        "target",
        "where to: an alias, a URL or `embedded` "
        "(default: the alias target or mysql, else embedded)",
        metavar="DB",
    ),
    Option("workdir", "the run directory", Path, Path("fixturepipe-run"), metavar="DIR"),
    Option("json", "the result as JSON on stdout", convert=None, default=False),
    Option("no-progress", "no progress bars or lines", convert=None, default=False),
    Option(
        "verbosity",
        "0 errors only, 1 normal, 2 more, 3 with tracebacks",
        convert=not_negative,
        default=1,
        metavar="N",
    ),
)

_LABELS = Option("exclude", "an app or model to leave out (repeatable)", metavar="LABEL", many=True)
_NATURAL = Option(
    "natural-keys",
    "which references go by natural key: auto, all, none, or labels separated by commas",
    default="auto",
    metavar="WHICH",
)
_SNAPSHOT = Option(
    "snapshot",
    "how the source is held still: a copy of it, or one read transaction",
    choices=("backup", "transaction"),
    default="backup",
)
_ON_ERROR = Option(
    "on-error",
    "at an object that cannot be taken: stop, or write it to rejects/ and go on",
    choices=("stop", "reject"),
    default="stop",
)
_ARRANGE = (
    Option("chunk-objects", "objects in a chunk", convert=positive, default=5000, metavar="N"),
    Option("chunk-bytes", "bytes in a chunk", convert=size, default=8 * 2**20, metavar="SIZE"),
    Option(
        "on-orphan",
        "at a reference to nothing: stop, reject the object, or write null",
        choices=("stop", "reject", "null"),
        default="stop",
    ),
    Option(
        "ignorenonexistent",
        "leave out models and fields that the project does not have",
        convert=None,
        default=False,
    ),
)
_WORKERS = Option("workers", "how many work side by side (0: one a core)", not_negative, 0, (), "N")
_LOAD = (
    _WORKERS,
    Option(
        "loader",
        "fixturepipe's loader, or Django's own",
        choices=("fast", "stock"),
        default="fast",
    ),
    Option(
        "existing",
        "when the target holds rows of its own",
        choices=("refuse", "update", "delete"),
        default="refuse",
    ),
    Option("yes", "do not ask before deleting", convert=None, default=False),
    Option(
        "signals",
        "load models with save receivers object by object, so that these are called",
        convert=None,
        default=False,
    ),
    Option("executor", "load on a Dask cluster, dask:ADDRESS (default: processes)", metavar="NAME"),
)
_LOAD_ONLY = (
    Option("from", "begin at chunk N", convert=positive, metavar="N"),
    Option("only", "load chunk N alone", convert=positive, metavar="N"),
    Option("dry-run", "load and roll back", convert=None, default=False),
    Option("changed", "load chunks again that were edited since", convert=None, default=False),
    Option("rejects", "load what stands in rejects/ after editing", convert=None, default=False),
)
_VERIFY = (
    Option("sample", "compare a share of the rows (1%%)", convert=percentage, metavar="SHARE"),
    Option("seed", "which share of the rows", convert=int, default=0, metavar="N"),
    Option("since", "compare rows made or changed since (ISO date or time)", metavar="WHEN"),
    Option("limit", "differences shown for a model", convert=not_negative, default=20, metavar="N"),
)
_IGNORE = Option("ignore", "a finding to pass over: FP203:shop.order", metavar="ID", many=True)
_FIX = Option(
    "fix",
    f"a remedy for what check finds: shop.Product.name=truncate, FP203:shop.Product=drop, "
    f"shop.Product.sku=default:0; one of {', '.join(FIX_NAMES)} (repeatable)",
    declared,
    metavar="TARGET=REMEDY",
    many=True,
    table=declared_in,
)
_TRANSFORM = Option(
    "transform",
    "a callable that changes or drops objects while they are dumped: mysite.migrate:fix",
    metavar="MODULE:NAME",
)


@dataclass(frozen=True)
class Command:
    """One command: its options beside the common ones, and its positional arguments."""

    name: str
    help: str
    options: tuple[Option, ...] = ()
    arguments: tuple[tuple[str, str, str], ...] = ()  # name, nargs, help


COMMANDS = (
    Command(
        "check", "find what would fail or change on the way; reads only", (_IGNORE, _FIX, _LABELS)
    ),
    Command(
        "dump",
        "write each app's rows to 1-dump/<app>.json, from one snapshot",
        (_LABELS, _FIX, _TRANSFORM, _NATURAL, _SNAPSHOT, _ON_ERROR),
        (("labels", "*", "apps or models (default: all); other apps' dumps that stand are kept"),),
    ),
    Command(
        "arrange",
        "order the objects by dependency and split them into 2-chunks/",
        _ARRANGE,
        (("files", "*", "fixtures of your own (default: the dumps)"),),
    ),
    Command(
        "load",
        "load each chunk that the target does not hold; run again, it goes on",
        (*_LOAD, *_LOAD_ONLY, _ON_ERROR),
    ),
    Command("verify", "compare source and target row by row", (_WORKERS, *_VERIFY)),
    Command(
        "run",
        "migrate the target, check, dump, arrange, load, verify",
        (
            *(_IGNORE, _LABELS, _FIX, _TRANSFORM, _NATURAL, _SNAPSHOT, _ON_ERROR),
            *(*_ARRANGE, *_LOAD, *_VERIFY),
        ),
    ),
    Command(
        "status",
        "where this run stands and what comes next",
        (
            Option(
                "graph",
                "the order of the models and what each needs: as text, for Graphviz (dot), or "
                "drawn by it (svg)",
                choices=("text", "dot", "svg"),
                alone="text",
            ),
        ),
    ),
    Command(
        "inspect",
        "what is in the dumps and chunks",
        (
            Option("model", "the model of the object to find", metavar="MODEL"),
            Option("pk", "the primary key of the object to find", metavar="PK"),
            Option("objects", "objects of a chunk to show", positive, 5, (), "N"),
        ),
        (("chunks", "*", "numbers of chunks to look into"),),
    ),
    Command("report", "one HTML page and report.json of the run, in the run directory"),
    Command(
        "clean",
        "remove the run directory's files and the ledger, after asking",
        (Option("yes", "do not ask", convert=None, default=False),),
    ),
    Command(
        "server",
        "start, stop or look at the embedded server",
        (),
        (("action", "", "start, stop or status"),),
    ),
)


def all_options() -> tuple[Option, ...]:
    """Every option of every command, once."""
    found = {option.name: option for option in COMMON}
    for command in COMMANDS:
        found.update({option.name: option for option in command.options})
    return tuple(found.values())


def command_named(name: str) -> Command:
    """The command of that name."""
    return next(command for command in COMMANDS if command.name == name)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The parser; common options may stand before or after the command.

    What is not given stays out of the namespace, so that the environment can fill it.
    """
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for option in COMMON:
        _add_option(common, option)
    parser = argparse.ArgumentParser(
        prog=prog,
        parents=[common],
        description="Moves a Django application's data to MySQL or MariaDB through fixtures, "
        "and proves that nothing was lost.",
        epilog="Each option also reads FIXTUREPIPE_<NAME> and [tool.fixturepipe] in "
        "pyproject.toml. Exit status: 0 done; 1 problems were found; 2 wrong use or configuration; "
        "3 stopped, the next load goes on; 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"fixturepipe {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name, parents=[common], help=command.help, description=command.help
        )
        for name, nargs, text in command.arguments:
            if nargs:
                sub.add_argument(name, nargs=nargs, help=text)
            else:
                sub.add_argument(name, choices=("start", "stop", "status"), help=text)
        for option in command.options:
            _add_option(sub, option)
    return parser


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    names = [f"--{option.name}"]
    if option.name == "verbosity":
        names.insert(0, "-v")
    text = option.help
    if option.default not in (None, False, [], "") and "default" not in text:
        text += f" (default: {option.default})"
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
