"""The options of the commands.

An option has no default here if it fills a field of an options class: that class has it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

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


GROUPS = ("what", "where", "dirty data", "speed", "output")
# An option of each part of the help.
what, where, dirty, speed, output = (partial(Option, group=name) for name in GROUPS)

PROJECT = (
    where("source", "the database to read: an alias in DATABASES or a URL", metavar="DB"),
    where(
        "target",
        "the database to fill: an alias, a URL or `embedded` "
        "(default: the one of this run, else the alias target or mysql, else embedded)",
        metavar="DB",
        example="mysql://user@127.0.0.1/shop",
    ),
    where("settings", "the project's settings module", metavar="MODULE"),
    where("pythonpath", "a directory to import the project from", metavar="DIR"),
    where("workdir", "the run directory", Path, metavar="DIR", example="rehearsal"),
    where(
        "timeout",
        "give up on a server that does not answer for this long",
        positive,
        metavar="SECONDS",
    ),
)
_OUTPUT = (
    output("json", "print the result as JSON on stdout", None, default=False),
    output("no-progress", "show no progress bars or lines", None, default=False),
    output(
        "color",
        "when to color messages; auto: on a terminal, unless NO_COLOR is set",
        default="auto",
        choices=("auto", "always", "never"),
    ),
    output(
        "verbosity",
        "0 errors only, 1 normal, 2 more, 3 with tracebacks",
        not_negative,
        default=1,
        metavar="N",
        example="2",
    ),
)
COMMON = (*PROJECT, *_OUTPUT)

EXCLUDE = what(
    "exclude",
    "leave out an app or model (repeatable)",
    metavar="LABEL",
    many=True,
    example="sessions",
)
NATURAL = what(
    "natural-keys",
    "which references to write as natural keys: auto, all, none, or labels separated by commas",
    metavar="WHICH",
)
SNAPSHOT = where(
    "snapshot",
    "how to read one state of the source: from a copy of it, or in one transaction",
    choices=("backup", "transaction"),
)
KEEP = speed(
    "keep-snapshot",
    "keep the copy of the SQLite source; the next sync then compares only what has changed since",
    None,
)
ON_ERROR = dirty(
    "on-error",
    "when an object is refused: stop, or write it to rejects/ and continue",
    choices=("stop", "reject"),
    example="reject",
)
ARRANGE = (
    speed("chunk-objects", "the most objects in a chunk", positive, metavar="N", example="500"),
    speed("chunk-bytes", "the most bytes in a chunk", size, metavar="SIZE"),
    dirty(
        "on-orphan",
        "when an object refers to one that does not exist: stop, reject it, or write null",
        choices=("stop", "reject", "null"),
        example="reject",
    ),
    dirty("ignorenonexistent", "leave out models and fields that the project does not have", None),
)
WORKERS = speed(
    "workers",
    "how many workers run in parallel (0: one per core)",
    not_negative,
    metavar="N",
    example="4",
)
EXISTING = where(
    "existing",
    "what to do if the target holds rows that neither this run nor a sync wrote",
    choices=("refuse", "update", "delete"),
)
SCHEMA = where(
    "schema",
    "how an empty target gets its tables: by `migrate`, or from the models as they are now",
    choices=("migrate", "models"),
)
LOAD = (
    WORKERS,
    speed("loader", "fixturepipe's loader, or Django's own", choices=("fast", "stock")),
    SCHEMA,
    EXISTING,
    speed(
        "signals",
        "load models that have save receivers object by object, and call the receivers",
        None,
    ),
    speed("executor", "load on a Dask cluster, dask:ADDRESS (default: processes)", metavar="NAME"),
)
DRY_RUN = what("dry-run", "change nothing; say what would be done", None, example="")
LOAD_ONLY = (
    what("from", "begin at chunk N", positive, metavar="N", field="start"),
    what("only", "load only chunk N", positive, metavar="N", example="7"),
    DRY_RUN,
    what("changed", "reload chunks that were edited since they were loaded", None),
    dirty("rejects", "load the objects in rejects/, once they are corrected", None),
)
VERIFY = (
    speed(
        "sample",
        "compare only a random share of the rows",
        percentage,
        metavar="SHARE",
        example="1%",
    ),
    speed("seed", "the seed of the random sample", int, metavar="N"),
    what(
        "since",
        "compare only rows made or changed since then (ISO date or datetime)",
        metavar="WHEN",
        example="2026-01-31",
    ),
    output("limit", "the most differences to show for a model", not_negative, metavar="N"),
)
SYNC = (
    EXISTING,
    speed(
        "verify",
        "which rows the proof compares: those of every model (full), or those of the models that "
        "the sync changed (touched)",
        choices=("full", "touched"),
    ),
    DRY_RUN,
)
IGNORE = dirty(
    "ignore", "ignore a finding: FP203, FP203:shop.order (repeatable)", metavar="ID", many=True
)
ONLY_IDS = dirty(
    "only",
    "report only this finding: FP203, FP203:shop.order (repeatable)",
    metavar="ID",
    many=True,
    field="only_findings",
)
FIX = dirty(
    "fix",
    f"fix rows that check finds: shop.Product.name=truncate, FP203:shop.Product=drop, "
    f"shop.Product.sku=default:0; one of {', '.join(FIX_NAMES)} (repeatable)",
    declared,
    metavar="TARGET=FIX",
    many=True,
    table=declared_in,
    example="shop.Product.name=truncate",
)
TRANSFORM = dirty(
    "transform",
    "a callable that changes or drops each object while it is dumped: mysite.migrate:fix",
    metavar="MODULE:NAME",
)
YES = output("yes", "do not ask for confirmation", None, default=False)
