"""The options of the commands.

An option has no default here if it fills a field of an options class: that class has it.
"""

from __future__ import annotations

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
        "give up on a server that does not answer for this long",
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
        "when to color messages; auto: on a terminal, unless NO_COLOR is set",
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

EXCLUDE = Option(
    "exclude",
    "leave out an app or model (repeatable)",
    metavar="LABEL",
    many=True,
    group=WHAT,
    example="sessions",
)
NATURAL = Option(
    "natural-keys",
    "which references to write as natural keys: auto, all, none, or labels separated by commas",
    metavar="WHICH",
    group=WHAT,
)
SNAPSHOT = Option(
    "snapshot",
    "how to read one state of the source: from a copy of it, or in one transaction",
    choices=("backup", "transaction"),
    group=WHERE,
)
KEEP = Option(
    "keep-snapshot",
    "keep the copy of the SQLite source; the next sync then compares only what has changed since",
    convert=None,
    group=SPEED,
)
ON_ERROR = Option(
    "on-error",
    "when an object is refused: stop, or write it to rejects/ and continue",
    choices=("stop", "reject"),
    group=DIRTY,
    example="reject",
)
ARRANGE = (
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
WORKERS = Option(
    "workers",
    "how many workers run in parallel (0: one per core)",
    not_negative,
    metavar="N",
    group=SPEED,
    example="4",
)
EXISTING = Option(
    "existing",
    "what to do if the target holds rows that neither this run nor a sync wrote",
    choices=("refuse", "update", "delete"),
    group=WHERE,
)
SCHEMA = Option(
    "schema",
    "how an empty target gets its tables: by `migrate`, or from the models as they are now",
    choices=("migrate", "models"),
    group=WHERE,
)
LOAD = (
    WORKERS,
    Option(
        "loader", "fixturepipe's loader, or Django's own", choices=("fast", "stock"), group=SPEED
    ),
    SCHEMA,
    EXISTING,
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
DRY_RUN = Option(
    "dry-run", "change nothing; say what would be done", convert=None, group=WHAT, example=""
)
LOAD_ONLY = (
    Option("from", "begin at chunk N", positive, metavar="N", field="start", group=WHAT),
    Option("only", "load only chunk N", positive, metavar="N", group=WHAT, example="7"),
    DRY_RUN,
    Option("changed", "reload chunks that were edited since they were loaded", None, group=WHAT),
    Option("rejects", "load the objects in rejects/, once they are corrected", None, group=DIRTY),
)
VERIFY = (
    Option(
        "sample",
        "compare only a random share of the rows",
        convert=percentage,
        metavar="SHARE",
        group=SPEED,
        example="1%",
    ),
    Option("seed", "the seed of the random sample", convert=int, metavar="N", group=SPEED),
    Option(
        "since",
        "compare only rows made or changed since then (ISO date or datetime)",
        metavar="WHEN",
        group=WHAT,
        example="2026-01-31",
    ),
    Option("limit", "the most differences to show for a model", not_negative, metavar="N"),
)
SYNC = (
    EXISTING,
    Option(
        "verify",
        "which rows the proof compares: those of every model (full), or those of the models that "
        "the sync changed (touched)",
        choices=("full", "touched"),
        group=SPEED,
    ),
    DRY_RUN,
)
IGNORE = Option(
    "ignore",
    "ignore a finding: FP203, FP203:shop.order (repeatable)",
    metavar="ID",
    many=True,
    group=DIRTY,
)
ONLY_IDS = Option(
    "only",
    "report only this finding: FP203, FP203:shop.order (repeatable)",
    metavar="ID",
    many=True,
    field="only_findings",
    group=DIRTY,
)
FIX = Option(
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
TRANSFORM = Option(
    "transform",
    "a callable that changes or drops each object while it is dumped: mysite.migrate:fix",
    metavar="MODULE:NAME",
    group=DIRTY,
)
YES = Option("yes", "do not ask for confirmation", convert=None, default=False)
