"""A run directory as a large site would leave it, made without any database.

It has everything that a report can show: findings, fixes, rejects, cycles, differences, syncs,
models without references, tables that are not moved, and names and values that hold HTML.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fixturepipe.artifacts.changes import Change, write_changes
from fixturepipe.artifacts.jsonfile import write_json
from fixturepipe.artifacts.loadstatus import NAME as LOAD_STATUS
from fixturepipe.artifacts.loadstatus import LoadStatus
from fixturepipe.artifacts.manifest import (
    Arrangement,
    Chunk,
    Dump,
    Manifest,
    ModelSchema,
    NotCovered,
    Reference,
    SchemaChange,
    Source,
    write_manifest,
)
from fixturepipe.artifacts.rejects import Reason, write_rejects
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import Unequal, Verification, write_verification
from fixturepipe.artifacts.syncs import Sync, make_sync_directory, write_sync
from fixturepipe.artifacts.times import STAGES, ChunkTime, StageTime, add_chunk_time
from fixturepipe.findings.finding import Example, Finding
from fixturepipe.findings.record import write_findings

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"
SECRET = "ada@lovelace.example"
RUN = "3f2a9c0d5b7e4f1a8c6d2e9b0a4f7c13"
BEGAN = 1_769_860_800.0
APPS = (
    *("accounts", "addresses", "analytics", "audit", "billing", "blog", "catalog", "checkout"),
    *("cms", "contracts", "crm", "discounts", "events", "feeds", "inventory", "invoices"),
    *("mailings", "media", "orders", "payments", "reviews", "search", "shipping", "suppliers"),
)
NOUNS = (
    *("account", "address", "batch", "category", "channel", "comment", "contact", "document"),
    *("entry", "group", "item", "line", "membership", "note", "option", "period", "plan"),
    *("preference", "price", "profile", "record", "region", "relationshipstatus", "rule"),
)


@dataclass(frozen=True)
class LargeRun:
    """How large the run is, and whether the target differs."""

    models: int = 200
    chunks: int = 400
    workers: int = 4
    differs: bool = True

    def write(self, path: Path) -> RunDirectory:
        """Make the run directory."""
        directory = RunDirectory(path)
        directory.create()
        chance = random.Random(5)
        schemas = self._schemas(chance)
        rows = {s.label: int(chance.paretovariate(0.45) * 40) % 400_000 for s in schemas}
        rejected = dict.fromkeys([schemas[30].label, schemas[41].label], 7)
        loaded = {label: count - rejected.get(label, 0) for label, count in rows.items()}
        manifest = self._manifest(schemas, rows)
        write_manifest(directory, manifest)
        chunks = manifest.arrangement.chunks if manifest.arrangement else ()
        write_json(
            directory.path / LOAD_STATUS,
            LoadStatus(
                run=RUN,
                target="mysql://site@db1.example:3306/site",
                updated="2026-01-31T12:09:00+00:00",
                loaded=((1, len(chunks)),),
                objects=sum(loaded.values()),
                models=loaded,
                rejected=rejected,
                finished=True,
            ),
        )
        self._write_times(directory, chunks, chance)
        _write_findings(directory, schemas)
        _write_changes(directory, schemas)
        _write_rejects(directory, list(rejected))
        _write_arrange_rejects(directory, schemas[50].label, schemas[51].label)
        self._write_verification(directory, schemas, loaded)
        _write_syncs(directory)
        return directory

    def _schemas(self, chance: random.Random) -> list[ModelSchema]:
        """Models that refer to earlier ones, some to themselves or each other, some to none."""
        names = [f"{app}.{noun}" for noun in NOUNS for app in APPS][: self.models - 2]
        labels = ["contenttypes.contenttype", "auth.user", *sorted(names)]
        schemas = []
        for number, label in enumerate(labels):
            app = label.partition(".")[0]
            near = [other for other in labels[2:number] if other.startswith(f"{app}.")]
            far = labels[2:number]
            wanted = {chance.choice(near)} if near and chance.random() < 0.8 else set()
            if far and chance.random() < 0.35:
                wanted.add(chance.choice(far))
            if number > 2 and chance.random() < 0.3:
                wanted.add("auth.user")
            if number > 2 and number % 17 == 0:
                wanted = set()
            if number % 23 == 5:
                wanted.add(label)
            schemas.append(_schema(label, sorted(wanted)))
        # Three models that refer to each other.
        for one, other in ((20, 21), (21, 22), (22, 20)):
            references = (*schemas[one].references, Reference("cycle", labels[other], null=True))
            schemas[one] = msgspec.structs.replace(schemas[one], references=references)
        return schemas

    def _manifest(self, schemas: list[ModelSchema], rows: dict[str, int]) -> Manifest:
        labels = [schema.label for schema in schemas]
        size = max(1, sum(rows.values()) // self.chunks)
        chunks = tuple(
            Chunk(
                number,
                f"2-chunks/{number:04}-{labels[number * len(labels) // (self.chunks + 1)]}.json",
                {labels[number * len(labels) // (self.chunks + 1)]: size},
                size,
                size * 160,
                f"{number:064x}",
                cyclic=number % 40 == 0,
            )
            for number in range(1, self.chunks + 1)
        )
        apps = sorted({label.partition(".")[0] for label in labels})
        return Manifest(
            run=RUN,
            created="2026-01-31T12:00:00+00:00",
            settings="site.settings.production",
            source=Source(
                "default",
                "sqlite",
                "/srv/site/db.sqlite3",
                {
                    "schema": "5c" * 32,
                    "content": "a7" * 32,
                    "tables": {s.table: [rows[s.label], 1] for s in schemas},
                },
            ),
            schema=schemas,
            not_covered=[
                NotCovered("sessions.session", "it is excluded by name"),
                NotCovered("legacy_import_2019", "no model of the project has this table"),
                NotCovered(HOSTILE, "a name may hold anything"),
            ],
            stored={
                labels[8]: {"secret": "same", "options": "altered"},
                labels[60]: {"payload": "altered"},
            },
            dumps=[
                _dump(app, {k: n for k, n in rows.items() if k.startswith(app)}) for app in apps
            ],
            arrangement=Arrangement(
                {}, 5000, 2**22, chunks, sum(rows.values()), rows, {labels[50]: 2}, on_orphan="null"
            ),
            schema_changes=[
                SchemaChange(
                    labels[12],
                    ("body",),
                    "body_idx",
                    False,
                    "prefix",
                    "CREATE INDEX body_idx ON cms_note (body(191))",
                    "migrations.RunSQL(...)",
                )
            ],
        )

    def _write_times(
        self, directory: RunDirectory, chunks: tuple[Chunk, ...], chance: random.Random
    ) -> None:
        versions = {
            "fixturepipe": "0.1.0",
            "Python": "3.12.8",
            "Django": "5.2.4",
            "source": "SQLite 3.46.1, db.sqlite3",
            "target": "MySQL 9.7.0, site on db1.example",
        }
        took = {
            "check": 14.2,
            "migrate": 21.0,
            "dump": 38.4,
            "arrange": 19.6,
            "load": 0,
            "verify": 41,
        }
        free = [0.0] * self.workers
        for chunk in chunks:
            worker = free.index(min(free))
            seconds = chance.lognormvariate(-1.2, 0.8)
            at = BEGAN + 100 + free[worker]
            add_chunk_time(directory, ChunkTime(chunk.number, f"host:{worker}", at, seconds))
            free[worker] += seconds + chance.random() * 0.05
        took["load"] = max(free)
        total = sum(chunk.objects for chunk in chunks)
        lines = [
            StageTime(
                stage,
                "run",
                f"2026-01-31T12:{number:02}:00+00:00",
                round(seconds, 3),
                0 if stage == "migrate" else total,
                versions=versions,
            )
            for number, (stage, seconds) in enumerate(took.items())
        ]
        content = b"\n".join(map(msgspec.json.encode, lines))
        (directory.path / STAGES).write_bytes(content + b"\n")

    def _write_verification(
        self, directory: RunDirectory, schemas: list[ModelSchema], loaded: dict[str, int]
    ) -> None:
        one, other = schemas[25].label, schemas[70].label
        unequal = {one: Unequal(differing=2), other: Unequal(missing=1, extra=3)}
        difference = {"kind": "value", "model": one, "table": "t", "pk": 17, "column": "email"}
        found = [
            difference | {"source": SECRET, "target": HOSTILE},
            difference | {"pk": 18, "source": 1.5, "target": None},
            {"kind": "missing", "model": other, "table": "t", "pk": 99, "column": ""}
            | {"source": None, "target": None},
            {"kind": "extra", "model": other, "table": "t", "pk": SECRET, "column": ""}
            | {"source": None, "target": None},
        ]
        write_verification(
            directory,
            Verification(
                RUN,
                not self.differs,
                loaded,
                found if self.differs else [],
                apart=unequal if self.differs else {},
                at="2026-02-01T08:00:00+00:00",
            ),
        )


def _schema(label: str, needs: list[str]) -> ModelSchema:
    references = tuple(
        Reference(f"{other.partition('.')[2]}{n}", other, null=other == label)
        for n, other in enumerate(needs)
    )
    return ModelSchema(
        label,
        label.replace(".", "_"),
        "id",
        ("name",),
        references,
        natural_primary=label == "contenttypes.contenttype",
    )


def _dump(app: str, models: dict[str, int]) -> Dump:
    count = sum(models.values())
    return Dump(app, f"1-dump/{app}.json", count, count * 158, "9e" * 32, models)


def _write_findings(directory: RunDirectory, schemas: list[ModelSchema]) -> None:
    def finding(id_: str, level: str, number: int, field: str, text: str, *, fixed: str = ""):
        rows = tuple(Example(pk, f"{SECRET} {HOSTILE}") for pk in range(100, 137))
        hint = "Raise max_length in a migration."
        label = schemas[number].label
        return Finding(id_, level, label, field, len(rows), rows, text, hint, fixed)  # type: ignore[arg-type]

    longer = "The text is longer than the target's column (varchar(20)): the load would stop."
    found = [
        finding("FP101", "error", 31, "name", longer, fixed="truncate"),
        finding("FP201", "error", 30, "customer", "These rows refer to rows that do not exist."),
        finding("FP106", "warning", 44, "born", "The date is before the year 1000."),
        Finding(
            "FP310", "warning", "", "", 1, (), "Text columns have different collations.", "ALTER"
        ),
        Finding(
            "FP303", "note", "sessions.session", "", 1, (), "The model is not moved.", "Nothing."
        ),
        Finding("FP304", "note", "", HOSTILE, 1, (), "The table has no model.", "Nothing."),
    ]
    write_findings(directory.path / "findings.jsonl", found, directory.rejects)


def _write_changes(directory: RunDirectory, schemas: list[ModelSchema]) -> None:
    where = ((31, "name", "truncate"), (33, "email", "rename"), (52, "active", "boolean"))
    changes = [
        Change(schemas[n].label, str(pk), field, json.dumps(f"{SECRET}-{pk}"), '"short"', rule)
        for n, field, rule in where
        for pk in range(1, 40)
    ]
    dropped = Change(schemas[52].label, "77", None, "{}", "null", "transform")
    write_changes(directory, [*changes, dropped])


def _write_rejects(directory: RunDirectory, labels: list[str]) -> None:
    for number, label in enumerate(labels, 30):
        text = f"Duplicate entry '{SECRET}' for key '{label}.email'"
        hint = "The source has two rows that the target takes as one."
        reasons = [Reason(label, pk, text, "email", repr(SECRET), hint) for pk in range(1, 7)]
        reasons.append(
            Reason(label, SECRET, f"owner refers to auth.user {SECRET!r}, which does not exist")
        )
        objects = [{"model": label, "pk": reason.pk, "fields": {}} for reason in reasons]
        write_rejects(directory, f"{number:04}-{label}.json", objects, reasons)


def _write_arrange_rejects(directory: RunDirectory, left_out: str, kept: str) -> None:
    """Two objects that `arrange` left out, and three that it kept with a null."""
    ends = [(left_out, pk, "; the object is left out") for pk in (1, 2)]
    ends += [(kept, pk, "; set to null") for pk in (4, 5, 6)]
    reasons = [
        Reason(
            label,
            pk,
            f"{label} {pk}: owner refers to auth.user 9, which does not exist{end}",
            "owner",
            "9",
        )
        for label, pk, end in ends
    ]
    objects = [{"model": label, "pk": pk, "fields": {}} for label, pk, _ in ends]
    write_rejects(directory, "arrange.json", objects, reasons)


def _write_syncs(directory: RunDirectory) -> None:
    for number, at in ((1, "2026-01-31T18:00:00+00:00"), (2, "2026-02-01T07:55:00+00:00")):
        make_sync_directory(directory, number)
        (directory.syncs / f"{number:04}" / "manifest.json").write_bytes(
            directory.manifest.read_bytes()
        )
        counts = {"auth.user": 12 * number}
        write_sync(
            directory,
            Sync(
                number=number,
                run=RUN,
                at=at,
                inserted=counts,
                updated={"auth.user": 3},
                deleted={},
                seconds=4.2,
                loaded=True,
                verified=True,
            ),
        )
