"""The commands and their options: one table, from which `parser` is made.

An option has no default here if it fills a field of an options class: that class has it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fixturepipe.arrange.options import ArrangeOptions
from fixturepipe.check.options import CheckOptions
from fixturepipe.config import Option
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


WHAT, WHERE, DIRTY, SPEED, OUTPUT = GROUPS = ("what", "where", "dirty data", "speed", "output")

PROJECT = (
    Option(
        "source", "the database to read: an alias in DATABASES or a URL", metavar="DB", group=WHERE
    ),
    Option(
        "target",
        "the database to fill: an alias, a URL or `embedded` "
        "(default: the one of this run, else the alias target or mysql, else embedded)",
        metavar="DB",
        group=WHERE,
        example="mysql://user@127.0.0.1/shop",
    ),
    Option("settings", "the project's settings module", metavar="MODULE", group=WHERE),
    Option("pythonpath", "a directory to import the project from", metavar="DIR", group=WHERE),
    Option("workdir", "the run directory", Path, metavar="DIR", group=WHERE, example="rehearsal"),
    Option(
        "timeout",
        "give up on a server that is silent for so long",
        positive,
        metavar="SECONDS",
        group=WHERE,
    ),
)
_OUTPUT = (
    Option("json", "print the result as JSON on stdout", convert=None, default=False),
    Option("no-progress", "show no progress bars or lines", convert=None, default=False),
    Option(
        "color",
        "whether to color messages; auto: on a terminal, unless NO_COLOR is set",
        default="auto",
        choices=("auto", "always", "never"),
    ),
    Option(
        "verbosity",
        "0 errors only, 1 normal, 2 more, 3 with tracebacks",
        convert=not_negative,
        default=1,
        metavar="N",
        example="2",
    ),
)
COMMON = (*PROJECT, *_OUTPUT)

_EXCLUDE = Option(
    "exclude",
    "leave out an app or model (repeatable)",
    metavar="LABEL",
    many=True,
    group=WHAT,
    example="sessions",
)
_NATURAL = Option(
    "natural-keys",
    "which references to write as natural keys: auto, all, none, or labels separated by commas",
    metavar="WHICH",
    group=WHAT,
)
_SNAPSHOT = Option(
    "snapshot",
    "how to get a consistent source: from a copy of it, or in one read transaction",
    choices=("backup", "transaction"),
    group=WHERE,
)
_KEEP = Option(
    "keep-snapshot",
    "keep the copy of the SQLite source, so that the next sync reads only what has changed in it",
    convert=None,
    group=SPEED,
)
_ON_ERROR = Option(
    "on-error",
    "when an object is refused: stop, or write it to rejects/ and continue",
    choices=("stop", "reject"),
    group=DIRTY,
    example="reject",
)
_ARRANGE = (
    Option(
        "chunk-objects",
        "the most objects in a chunk",
        convert=positive,
        metavar="N",
        group=SPEED,
        example="500",
    ),
    Option("chunk-bytes", "the most bytes in a chunk", convert=size, metavar="SIZE", group=SPEED),
    Option(
        "on-orphan",
        "when an object refers to one that does not exist: stop, reject it, or write null",
        choices=("stop", "reject", "null"),
        group=DIRTY,
        example="reject",
    ),
    Option(
        "ignorenonexistent",
        "leave out models and fields that the project does not have",
        convert=None,
        group=DIRTY,
    ),
)
_WORKERS = Option(
    "workers",
    "how many work in parallel (0: one a core)",
    not_negative,
    metavar="N",
    group=SPEED,
    example="4",
)
_EXISTING = Option(
    "existing",
    "when the target holds rows that neither this run nor a sync wrote",
    choices=("refuse", "update", "delete"),
    group=WHERE,
)
_SCHEMA = Option(
    "schema",
    "how an empty target gets its tables: `migrate`, or from the models as they are now",
    choices=("migrate", "models"),
    group=WHERE,
)
_LOAD = (
    _WORKERS,
    Option(
        "loader", "fixturepipe's loader, or Django's own", choices=("fast", "stock"), group=SPEED
    ),
    _SCHEMA,
    _EXISTING,
    Option(
        "signals",
        "load models that have save receivers object by object, and call the receivers",
        convert=None,
        group=SPEED,
    ),
    Option(
        "executor",
        "load on a Dask cluster, dask:ADDRESS (default: processes)",
        metavar="NAME",
        group=SPEED,
    ),
)
_DRY_RUN = Option(
    "dry-run", "change nothing, and say what would be done", convert=None, group=WHAT, example=""
)
_LOAD_ONLY = (
    Option("from", "begin at chunk N", positive, metavar="N", field="start", group=WHAT),
    Option("only", "load chunk N alone", positive, metavar="N", group=WHAT, example="7"),
    _DRY_RUN,
    Option("changed", "reload chunks that were edited since they were loaded", None, group=WHAT),
    Option("rejects", "load the objects in rejects/, once they are corrected", None, group=DIRTY),
)
_VERIFY = (
    Option(
        "sample",
        "compare a share of the rows",
        convert=percentage,
        metavar="SHARE",
        group=SPEED,
        example="1%",
    ),
    Option("seed", "which rows the sample takes", convert=int, metavar="N", group=SPEED),
    Option(
        "since",
        "compare rows made or changed since (ISO date or datetime)",
        metavar="WHEN",
        group=WHAT,
        example="2026-01-31",
    ),
    Option("limit", "the most differences to show for a model", not_negative, metavar="N"),
)
_SYNC = (
    _EXISTING,
    Option(
        "verify",
        "full: compare every row of every model, after the load where the sync has changed rows, "
        "else before or after it; touched: compare only the models that it changed",
        choices=("full", "touched"),
        group=SPEED,
    ),
    _DRY_RUN,
)
_IGNORE = Option(
    "ignore",
    "ignore a finding: FP203, FP203:shop.order (repeatable)",
    metavar="ID",
    many=True,
    group=DIRTY,
)
_ONLY_IDS = Option(
    "only",
    "report a finding alone: FP203, FP203:shop.order (repeatable)",
    metavar="ID",
    many=True,
    field="only_findings",
    group=DIRTY,
)
_FIX = Option(
    "fix",
    f"fix rows that check finds: shop.Product.name=truncate, FP203:shop.Product=drop, "
    f"shop.Product.sku=default:0; one of {', '.join(FIX_NAMES)} (repeatable)",
    declared,
    metavar="TARGET=FIX",
    many=True,
    table=declared_in,
    group=DIRTY,
    example="shop.Product.name=truncate",
)
_TRANSFORM = Option(
    "transform",
    "a callable that changes or drops each object while it is dumped: mysite.migrate:fix",
    metavar="MODULE:NAME",
    group=DIRTY,
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
    pipeline; `own` are the options that it reads itself. `group` is its part of the help.
    One `of_files` reads the run directory alone.
    """

    name: str
    help: str
    fills: tuple[type[Any], ...] = ()
    options: tuple[Option, ...] = ()
    own: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    group: str = ""
    of_files: bool = False

    def heeds(self, option: Option) -> bool:
        """Whether an option makes a difference to it."""
        return not self.of_files or option not in PROJECT or option.name == "workdir"

    @property
    def all_options(self) -> tuple[Option, ...]:
        """Its options, those of every command included."""
        return (*COMMON, *self.options, *self.own)


MOST, STAGES, TOOLS = COMMAND_GROUPS = (
    "three commands that most people need",
    "the stages of a run, one at a time",
    "to look at a run, and to tidy up",
)

COMMANDS = (
    Command(
        "check",
        "find what would fail or change on the way; reads only",
        (CheckOptions,),
        (_IGNORE, _ONLY_IDS, _FIX, _TRANSFORM, _NATURAL, _EXCLUDE, _SCHEMA),
        group=MOST,
    ),
    Command(
        "run",
        "check, migrate the target, dump, arrange, load, verify",
        (CheckOptions, DumpOptions, ArrangeOptions, LoadOptions, VerifyOptions),
        (
            *(_EXCLUDE, _IGNORE, _FIX, _TRANSFORM, _NATURAL, _SNAPSHOT, _KEEP, _ON_ERROR),
            *(*_LOAD, *_ARRANGE, *_VERIFY),
        ),
        (_YES,),
        group=MOST,
    ),
    Command(
        "sync",
        "bring a target that a run has filled to what the source holds now",
        (SyncOptions,),
        (_WORKERS, *_SYNC, _SNAPSHOT, _KEEP),
        (_YES,),
        group=MOST,
    ),
    Command(
        "dump",
        "write each app's rows to 1-dump/<app>.json, from one snapshot",
        (DumpOptions,),
        (_EXCLUDE, _FIX, _TRANSFORM, _NATURAL, _SNAPSHOT, _ON_ERROR),
        arguments=(
            Argument("labels", "apps or models (default: all); keeps the dumps of other apps"),
        ),
        group=STAGES,
    ),
    Command(
        "arrange",
        "order the objects by dependency and split them into 2-chunks/",
        (ArrangeOptions,),
        _ARRANGE,
        arguments=(Argument("files", "fixtures of your own (default: the dumps)"),),
        group=STAGES,
    ),
    Command(
        "load",
        "load the chunks that the target does not hold yet",
        (LoadOptions,),
        (*_LOAD, *_LOAD_ONLY, _ON_ERROR, _FIX),
        (_YES,),
        group=STAGES,
    ),
    Command(
        "verify",
        "compare source and target row by row",
        (VerifyOptions,),
        (_WORKERS, *_VERIFY),
        (
            Option(
                "row",
                "show one row as it is on both sides, and compare nothing else",
                metavar="MODEL:PK",
                group=WHAT,
                example="shop.order:17",
            ),
        ),
        group=STAGES,
    ),
    Command(
        "status",
        "show where this run stands and the next command",
        own=(
            Option(
                "watch",
                "while a command is at work, show how far it has come, with rate and estimate",
                convert=None,
                default=False,
                group=WHAT,
                example="",
            ),
            Option(
                "graph",
                "show the order of the models and what each needs: as text, for Graphviz (dot), "
                "or drawn by it (svg)",
                choices=("text", "dot", "svg"),
                alone="text",
                group=WHAT,
                example="",
            ),
        ),
        group=TOOLS,
        of_files=True,
    ),
    Command(
        "inspect",
        "show what is in the dumps and chunks",
        own=(
            Option(
                "model",
                "the model of the object to find",
                metavar="MODEL",
                group=WHAT,
                example="shop.order --pk 17",
            ),
            Option("pk", "the primary key of the object to find", metavar="PK", group=WHAT),
            Option("objects", "how many objects of a chunk to show", positive, 5, metavar="N"),
        ),
        arguments=(Argument("chunks", "the numbers of chunks to show"),),
        group=TOOLS,
        of_files=True,
    ),
    Command(
        "report",
        "write an HTML page and report.json into the run directory",
        own=(
            Option(
                "values",
                "show values and text keys of rows, which may be personal data",
                convert=None,
                default=False,
                group=OUTPUT,
            ),
        ),
        group=TOOLS,
        of_files=True,
    ),
    Command(
        "server",
        "start, stop or show the embedded server",
        arguments=(Argument("action", "what to do", ("start", "stop", "status")),),
        group=TOOLS,
    ),
    Command(
        "completion",
        "print what makes a shell complete commands and options",
        arguments=(Argument("shell", "the shell", ("bash", "zsh", "fish")),),
        group=TOOLS,
        of_files=True,
    ),
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
                group=WHAT,
                example="",
            ),
        ),
        group=TOOLS,
    ),
)


def all_options() -> tuple[Option, ...]:
    """Every option of every command, once."""
    options = (option for command in COMMANDS for option in command.all_options)
    return tuple({option.name: option for option in options}.values())


def command_named(name: str) -> Command:
    """The command of that name."""
    return next(command for command in COMMANDS if command.name == name)


def default_of(option: Option, fills: tuple[type[Any], ...]) -> Any:
    """An option's default: that of the first options class with this field, else its own."""
    for kind in fills:
        for field in fields(kind):
            if field.name == option.key:
                return field.default
    return option.default
