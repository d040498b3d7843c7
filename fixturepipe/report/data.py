"""What a report says: the content of `report.json`, and all that the page is made from.

Counts are objects or rows, times are seconds, and datetimes are ISO texts in UTC. None means that a
stage was not reached or that a number is not known. Values, and keys that are text, are there only
if the report was asked for them: then `Report.values` is true.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from fixturepipe.artifacts.manifest import Dump, NotCovered, SchemaChange
from fixturepipe.artifacts.state import ModelState
from fixturepipe.findings.record import RecordedFinding

VERSION = 1

Outcome = Literal[
    "equal", "excepted", "sampled", "different", "stopped", "unverified", "unfinished"
]
ModelStatus = Literal["equal", "excepted", "different", "open"]


class Remark(msgspec.Struct, frozen=True):
    """A sentence that goes with the verdict; `section` is the part of the page that has more."""

    text: str
    section: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """What became of the run, in one sentence.

    `equal`: every row is moved and proven equal. `excepted`: so it is, but for rows that were
    rejected, dropped or changed as declared. `sampled`: what was compared is equal. `different`:
    source and target differ. `stopped`: an error stopped the load. `unverified`: loaded, and not
    compared since. `unfinished`: not everything is loaded.
    """

    outcome: Outcome
    sentence: str
    remarks: list[Remark] = []
    error: str = ""
    hint: str = ""
    next: str = ""


class Place(msgspec.Struct, frozen=True):
    """A database: the alias or URL that it was named by, without password, and its program,
    version and name in words."""

    name: str
    program: str = ""


class Run(msgspec.Struct, frozen=True):
    """Which run it was. `ended` is when the last stage ended; `verified` the last comparison."""

    id: str
    settings: str
    source: Place
    target: Place
    began: str
    ended: str = ""
    verified: str = ""
    programs: dict[str, str] = {}


class Totals(msgspec.Struct, frozen=True):
    """The sums over all models; of the `changed` rows, `nulled` lost a reference to no row."""

    models: int = 0
    source: int | None = None
    dumped: int | None = None
    changed: int = 0
    dropped: int = 0
    arranged: int | None = None
    loaded: int | None = None
    rejected: int = 0
    verified: int | None = None
    unequal: int = 0
    nulled: int = 0


class Model(ModelState, frozen=True, kw_only=True):
    """One model's rows through the stages, as `Totals` has them.

    `status`: all rows are `equal`; equal but for rejected, dropped or changed ones (`excepted`);
    `different`; or not compared (`open`).
    """

    status: ModelStatus
    source: int | None = None
    differing: int = 0
    missing: int = 0
    extra: int = 0


class GraphModel(msgspec.Struct, frozen=True):
    """A model in the graph: what it refers to, and its place in the load order.

    A model of a layer needs models of earlier layers only, apart from those of its own `component`,
    which is `cyclic` if its models refer to each other or to themselves.
    """

    label: str
    needs: list[str]
    layer: int
    component: int
    cyclic: bool = False


class Stage(msgspec.Struct, frozen=True):
    """The last time that a stage ran; it is not `finished` if an error stopped it."""

    name: str
    began: str
    seconds: float
    objects: int
    finished: bool = True

    @property
    def rate(self) -> int | None:
        """Objects a second; None for none."""
        return round(self.objects / self.seconds) if self.objects and self.seconds else None


class Chunks(msgspec.Struct, frozen=True):
    """The chunks together; `bytes` of all their files."""

    count: int = 0
    objects: int = 0
    bytes: int = 0
    loaded: int = 0
    cyclic: int = 0
    second_pass: int = 0


class Block(msgspec.Struct, frozen=True):
    """Chunks that one worker loaded one after the other, from the chunk `first` to `last`.

    `began` counts from the beginning of the timeline, `busy` is the time that the chunks took.
    """

    began: float
    seconds: float
    busy: float
    first: int
    last: int
    chunks: int
    objects: int


class Worker(msgspec.Struct, frozen=True):
    """A process that loaded chunks."""

    number: int
    chunks: int
    objects: int
    busy: float
    blocks: list[Block]


class Timeline(msgspec.Struct, frozen=True):
    """Which worker loaded which chunks when, over `seconds` from `began` on.

    Blocks join neighbouring chunks where there are many; pauses longer than a minute, between two
    calls of load, count as `paused` and take no room.
    """

    began: str
    seconds: float
    paused: float
    workers: list[Worker]


class Row(msgspec.Struct, frozen=True):
    """A row of a finding. `pk` is "" if it may not be shown."""

    pk: str
    value: Any = None


class Finding(RecordedFinding, frozen=True):
    """A finding of `check` or `verify`, with its first rows; all are in findings.jsonl."""

    rows: tuple[Row, ...] = ()


class Difference(msgspec.Struct, frozen=True):
    """A row that one side lacks (`missing`, `extra`), or a value that differs (`value`)."""

    kind: str
    model: str
    pk: str
    column: str = ""
    source: Any = None
    target: Any = None


class ChangedValue(msgspec.Struct, frozen=True):
    """A value that a fix changed."""

    pk: str
    old: Any
    new: Any


class Fix(msgspec.Struct, frozen=True):
    """A fix or the transform, applied to a field; `field` is "" for objects that it left out.

    `count` is the number of values. `examples` are the first, if values are shown.
    """

    model: str
    field: str
    fix: str
    count: int
    examples: list[ChangedValue] = []


class Stored(msgspec.Struct, frozen=True):
    """A field whose values travel as the database stores them.

    `altered`: stock loaddata would change or refuse some of them.
    """

    model: str
    field: str
    altered: bool


class Reject(msgspec.Struct, frozen=True):
    """Objects that were left out for the same reason, with the first of them.

    `reason` has no values; `file`, in rejects/, has the first objects, `files` counts them all.
    """

    model: str
    field: str
    reason: str
    count: int
    file: str
    files: int = 1
    hint: str = ""
    rows: list[Row] = []


class SyncDone(msgspec.Struct, frozen=True):
    """A sync after the run: its counts of rows, and whether the target was equal afterwards."""

    number: int
    at: str
    inserted: int
    updated: int
    deleted: int
    seconds: float
    verified: bool | None


class Hash(msgspec.Struct, frozen=True):
    """The sha256 of something that is named."""

    name: str
    sha256: str


class Command(msgspec.Struct, frozen=True):
    """A line for a shell, and what it is for."""

    purpose: str
    line: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The report of a run. A report of another `version` has other fields."""

    version: int = VERSION
    made: str
    values: bool = False
    verdict: Verdict
    run: Run
    totals: Totals
    models: list[Model]
    graph: list[GraphModel]
    stages: list[Stage]
    chunks: Chunks
    timeline: Timeline | None = None
    checked: str = ""
    findings: list[Finding] = []
    differences: list[Difference] = []
    target_findings: list[Finding] = []
    fixes: list[Fix] = []
    stored: list[Stored] = []
    not_moved: list[NotCovered] = []
    rejects: list[Reject] = []
    schema_fixes: list[SchemaChange] = []
    syncs: list[SyncDone] = []
    dumps: list[Dump] = []
    hashes: list[Hash] = []
    commands: list[Command] = []
