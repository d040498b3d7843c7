"""A report, collected from the files of a run directory; no database is asked."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import asdict

from fixturepipe.artifacts.changes import read_changes
from fixturepipe.artifacts.jsonfile import now
from fixturepipe.artifacts.manifest import Chunk, Manifest, read_manifest
from fixturepipe.artifacts.records import file_sha256
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import State, Unequal, Verification, read_state, read_verification
from fixturepipe.artifacts.syncs import Sync, read_syncs
from fixturepipe.artifacts.times import StageTime, read_chunk_times, read_stage_times
from fixturepipe.findings.record import CheckRecord, RecordedFinding, read_check, read_rows
from fixturepipe.graph import ModelGraph
from fixturepipe.report import data
from fixturepipe.report.disclosure import Disclosure
from fixturepipe.report.leftout import EXAMPLES, LeftOut, rejects_in
from fixturepipe.report.timeline import timeline_of
from fixturepipe.report.verdict import Judgement

# So many differences are in a report.
MOST_DIFFERENCES = 200

_STAGES = ("check", "migrate", "dump", "arrange", "load", "verify")


def collected(
    directory: RunDirectory, disclosure: Disclosure, line: Callable[[str], str]
) -> data.Report:
    """The report of a run; `line` makes a whole line for a shell of a command: "verify".

    Raises RunDirectoryError where there is no run, and where a file of it is damaged.
    """
    manifest = read_manifest(directory)
    state = read_state(directory)
    verification = read_verification(directory, manifest.run)
    times = read_stage_times(directory)
    syncs = [sync for sync in read_syncs(directory) if sync.loaded]
    left_out = LeftOut.of(directory, manifest)
    models = list(_models(manifest, state, verification, left_out))
    totals = _totals(models, left_out)
    chunks = manifest.arrangement.chunks if manifest.arrangement else ()
    checked = read_check(directory.path)
    return data.Report(
        made=now(),
        values=disclosure.values,
        verdict=Judgement(state, verification, totals, models, syncs).verdict(disclosure, line),
        run=_run(manifest, state, verification, times),
        totals=totals,
        models=models,
        graph=_graph(manifest),
        stages=list(_stages(times)),
        chunks=_chunks(chunks, state),
        timeline=timeline_of(
            list(read_chunk_times(directory)), {chunk.number: chunk.objects for chunk in chunks}
        ),
        checked=checked.at if checked else "",
        findings=list(_findings(directory, checked, disclosure)) if checked else [],
        differences=list(_differences(verification, disclosure)),
        target_findings=list(_target_findings(verification, disclosure)),
        fixes=_fixes(directory, disclosure),
        stored=[
            data.Stored(label, name, how == "altered")
            for label, of in sorted(manifest.stored.items())
            for name, how in sorted(of.items())
        ],
        not_moved=manifest.not_covered,
        rejects=rejects_in(directory, disclosure),
        schema_fixes=manifest.schema_changes,
        syncs=[_sync(each) for each in syncs],
        dumps=manifest.dumps,
        hashes=list(_hashes(directory, manifest)),
        commands=list(_commands(state, verification, disclosure, line)),
    )


def _run(
    manifest: Manifest, state: State, verification: Verification | None, times: Sequence[StageTime]
) -> data.Run:
    versions: dict[str, str] = {}
    for each in times:
        versions |= {name: version for name, version in each.versions.items() if version}
    source, target = versions.pop("source", ""), versions.pop("target", "")
    return data.Run(
        id=manifest.run,
        settings=manifest.settings,
        source=data.Place(state.source, source),
        target=data.Place(state.target, target),
        began=manifest.created,
        ended=max((each.began for each in times if each.command == "run"), default=""),
        verified=verification.at if verification else "",
        programs=versions,
    )


def _models(
    manifest: Manifest, state: State, verification: Verification | None, left_out: LeftOut
) -> Iterator[data.Model]:
    rows = _source_rows(manifest)
    apart = verification.apart if verification else {}
    for each in state.models:
        found = apart.get(each.label, Unequal())
        rejected = each.rejected + left_out.rejected[each.label]
        changed = each.changed + left_out.nulled[each.label]
        if found.rows:
            status: data.ModelStatus = "different"
        elif verification is None or each.label not in verification.models:
            status = "open"
        elif rejected or changed or each.dropped:
            status = "excepted"
        else:
            status = "equal"
        own = asdict(each) | {"rejected": rejected, "changed": changed}
        yield data.Model(**own, status=status, source=rows.get(each.label), **asdict(found))


def _source_rows(manifest: Manifest) -> dict[str, int]:
    """The number of rows in the source's snapshot, by label."""
    tables = manifest.source.fingerprint.get("tables", {}) if manifest.source else {}
    counts = {name.lower(): parts[0] for name, parts in tables.items()}
    return {
        schema.label: counts[schema.table.lower()]
        for schema in manifest.schema
        if schema.table.lower() in counts
    }


def _totals(models: Sequence[data.Model], left_out: LeftOut) -> data.Totals:
    def total(name: str) -> int | None:
        numbers = [getattr(model, name) for model in models]
        known = [number for number in numbers if number is not None]
        return sum(known) if known else None

    return data.Totals(
        models=len(models),
        source=total("source"),
        dumped=total("dumped"),
        changed=total("changed") or 0,
        dropped=total("dropped") or 0,
        arranged=total("arranged"),
        loaded=total("loaded"),
        rejected=total("rejected") or 0,
        verified=total("verified"),
        unequal=sum(m.differing + m.missing + m.extra for m in models),
        nulled=left_out.nulled.total(),
    )


def _graph(manifest: Manifest) -> list[data.GraphModel]:
    graph = ModelGraph(manifest.schemas())
    layers: dict[int, int] = {}
    found = []
    for component in graph.components:
        needs = {label: graph.needs(label) for label in component.labels}
        before = {graph.component_of[other].number for each in needs.values() for other in each}
        layer = max((layers[number] + 1 for number in before - {component.number}), default=0)
        layers[component.number] = layer
        found += [
            data.GraphModel(label, needs[label], layer, component.number, component.is_cyclic)
            for label in component.labels
        ]
    return found


def _stages(times: Sequence[StageTime]) -> Iterator[data.Stage]:
    """The last time of each stage; a load that was continued has the time of all its parts."""
    own = [each for each in times if each.command == "run"]
    for name in _STAGES:
        of_stage = [each for each in own if each.stage == name]
        if not of_stage:
            continue
        last = of_stage[-1]
        parts = [last]
        if name == "load":
            arranged = max((n for n, each in enumerate(own) if each.stage == "arrange"), default=0)
            parts = [each for each in own[arranged:] if each.stage == name] or parts
        yield data.Stage(
            name,
            parts[0].began,
            round(sum(each.seconds for each in parts), 3),
            sum(each.objects for each in parts),
            last.finished,
        )


def _chunks(chunks: Sequence[Chunk], state: State) -> data.Chunks:
    return data.Chunks(
        count=len(chunks),
        objects=sum(chunk.objects for chunk in chunks),
        bytes=sum(chunk.bytes for chunk in chunks),
        loaded=state.loaded_chunks,
        cyclic=sum(chunk.cyclic for chunk in chunks),
        second_pass=sum(chunk.second_pass for chunk in chunks),
    )


def _findings(
    directory: RunDirectory, checked: CheckRecord, disclosure: Disclosure
) -> Iterator[data.Finding]:
    rows: dict[tuple[str, str, str], list[data.Row]] = {}
    for each in read_rows(directory.path):
        found = rows.setdefault((each.id, each.model, each.field), [])
        if each.pk is not None and len(found) < EXAMPLES:
            found.append(data.Row(disclosure.key(each.pk), disclosure.value(each.value)))
    for finding in checked.findings:
        where, own = (finding.id, finding.model, finding.field), asdict(finding)
        if finding.id < "FP300":
            own["consequence"] = disclosure.text(finding.consequence)
        yield data.Finding(**own, rows=tuple(rows.get(where, ())))


def _target_findings(
    verification: Verification | None, disclosure: Disclosure
) -> Iterator[data.Finding]:
    names = RecordedFinding.__struct_fields__
    for each in verification.findings if verification else []:
        rows = tuple(
            data.Row(disclosure.key(row["pk"]), disclosure.value(row["value"]))
            for row in (each.get("rows") or [])[:EXAMPLES]
        )
        yield data.Finding(**{name: each[name] for name in names if name in each}, rows=rows)


def _differences(
    verification: Verification | None, disclosure: Disclosure
) -> Iterator[data.Difference]:
    for each in (verification.differences if verification else [])[:MOST_DIFFERENCES]:
        sides = [disclosure.value(each[side]) for side in ("source", "target")]
        yield data.Difference(
            each["kind"],
            each["model"],
            disclosure.key(each["pk"]),
            each["column"],
            *(sides if each["kind"] == "value" else ()),
        )


def _fixes(directory: RunDirectory, disclosure: Disclosure) -> list[data.Fix]:
    counts: dict[tuple[str, str, str], int] = {}
    examples: dict[tuple[str, str, str], list[data.ChangedValue]] = {}
    for each in read_changes(directory):
        where = (each.model, each.field or "", each.rule)
        counts[where] = counts.get(where, 0) + 1
        shown = examples.setdefault(where, [])
        if disclosure.values and each.field is not None and len(shown) < EXAMPLES:
            old, new = disclosure.value(each.old), disclosure.value(each.new)
            shown.append(data.ChangedValue(disclosure.key(each.pk), old, new))
    return [data.Fix(*where, count, examples[where]) for where, count in sorted(counts.items())]


def _sync(sync: Sync) -> data.SyncDone:
    counts = (sync.inserted, sync.updated, sync.deleted)
    inserted, updated, deleted = (sum(each.values()) for each in counts)
    seconds, verified = sync.seconds, sync.verified
    return data.SyncDone(sync.number, sync.at, inserted, updated, deleted, seconds, verified)


def _hashes(directory: RunDirectory, manifest: Manifest) -> Iterator[data.Hash]:
    if directory.manifest.exists():
        yield data.Hash(directory.manifest.name, file_sha256(directory.manifest))
    fingerprint = manifest.source.fingerprint if manifest.source else {}
    for name in ("content", "schema"):
        if name in fingerprint:
            yield data.Hash(f"{name} of the source", fingerprint[name])


def _commands(
    state: State,
    verification: Verification | None,
    disclosure: Disclosure,
    line: Callable[[str], str],
) -> Iterator[data.Command]:
    yield data.Command("See how far the run is", line("status"))
    yield data.Command("Compare every row of source and target again", line("verify"))
    for each in verification.differences[:1] if verification else []:
        if key := disclosure.key(each["pk"]):
            row = shlex.quote(f"{each['model']}:{key}")
            yield data.Command("See a differing row on both sides", line(f"verify --row {row}"))
    if state.verified:
        yield data.Command("Bring what has changed in the source since", line("sync"))
