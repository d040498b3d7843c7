"""The commands: one table, from which `parser` is made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from fixturepipe.arrange.options import ArrangeOptions
from fixturepipe.check.options import CheckOptions
from fixturepipe.cli.options import (
    ARRANGE,
    COMMON,
    EXCLUDE,
    FIX,
    IGNORE,
    KEEP,
    LOAD,
    LOAD_ONLY,
    NATURAL,
    ON_ERROR,
    ONLY_IDS,
    PROJECT,
    SCHEMA,
    SNAPSHOT,
    SYNC,
    TRANSFORM,
    VERIFY,
    WORKERS,
    YES,
    output,
    positive,
    what,
)
from fixturepipe.config import Option
from fixturepipe.dump.options import DumpOptions
from fixturepipe.load.options import LoadOptions
from fixturepipe.sync.options import SyncOptions
from fixturepipe.verify.options import VerifyOptions


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
    "the commands that most people need",
    "the stages of a run, one at a time",
    "look at a run, and tidy up",
)

COMMANDS = (
    Command(
        "check",
        "find what would fail or change in the move; reads only",
        (CheckOptions,),
        (IGNORE, ONLY_IDS, FIX, TRANSFORM, NATURAL, EXCLUDE, SCHEMA),
        group=MOST,
    ),
    Command(
        "run",
        "check, migrate the target, dump, arrange, load, verify",
        (CheckOptions, DumpOptions, ArrangeOptions, LoadOptions, VerifyOptions),
        (
            *(EXCLUDE, IGNORE, FIX, TRANSFORM, NATURAL, SNAPSHOT, KEEP, ON_ERROR),
            *(*LOAD, *ARRANGE, *VERIFY),
        ),
        (YES,),
        group=MOST,
    ),
    Command(
        "sync",
        "bring the target of a finished run up to date with the source",
        (SyncOptions,),
        (WORKERS, *SYNC, SNAPSHOT, KEEP),
        (YES,),
        group=MOST,
    ),
    Command(
        "dump",
        "write each app's rows to 1-dump/<app>.json, from one snapshot",
        (DumpOptions,),
        (EXCLUDE, FIX, TRANSFORM, NATURAL, SNAPSHOT, ON_ERROR),
        arguments=(
            Argument("labels", "apps or models (default: all); keeps the dumps of other apps"),
        ),
        group=STAGES,
    ),
    Command(
        "arrange",
        "order the objects by dependency and split them into 2-chunks/",
        (ArrangeOptions,),
        ARRANGE,
        arguments=(Argument("files", "fixtures of your own (default: the dumps)"),),
        group=STAGES,
    ),
    Command(
        "load",
        "load the chunks that the target does not hold yet",
        (LoadOptions,),
        (*LOAD, *LOAD_ONLY, ON_ERROR, FIX),
        (YES,),
        group=STAGES,
    ),
    Command(
        "verify",
        "compare source and target row by row",
        (VerifyOptions,),
        (WORKERS, *VERIFY),
        (
            what(
                "row",
                "show one row as it is on both sides, and compare nothing else",
                metavar="MODEL:PK",
                example="shop.order:17",
            ),
        ),
        group=STAGES,
    ),
    Command(
        "status",
        "show where this run stands and the next command",
        own=(
            what(
                "watch",
                "while a command is running, show its progress, rate and remaining time",
                None,
                default=False,
                example="",
            ),
            what(
                "graph",
                "show the order of the models and what each needs: as text, as input for Graphviz "
                "(dot), or drawn by it (svg)",
                choices=("text", "dot", "svg"),
                alone="text",
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
            what(
                "model",
                "the model of the object to find",
                metavar="MODEL",
                example="shop.order --pk 17",
            ),
            what("pk", "the primary key of the object to find", metavar="PK"),
            output("objects", "how many objects of a chunk to show", positive, 5, metavar="N"),
        ),
        arguments=(Argument("chunks", "the numbers of chunks to show"),),
        group=TOOLS,
        of_files=True,
    ),
    Command(
        "report",
        "write an HTML page and report.json into the run directory",
        own=(
            output(
                "values",
                "show values and text keys of rows, which may be personal data",
                None,
                default=False,
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
        "print a script that makes a shell complete commands and options",
        arguments=(Argument("shell", "the shell", ("bash", "zsh", "fish")),),
        group=TOOLS,
        of_files=True,
    ),
    Command(
        "clean",
        "remove the run's files and its ledger, after asking",
        own=(
            YES,
            what(
                "keep-ledger",
                "leave the ledger in the target, and do not connect to it",
                None,
                default=False,
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
