"""Results as text on stdout: what was done, what was found, what comes next."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fixturepipe.artifacts.manifest import Chunk, NotCovered
from fixturepipe.artifacts.ranges import ranges_text
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import ModelState, State, read_state
from fixturepipe.cli.nextcommand import NextCommand
from fixturepipe.cli.tables import table

if TYPE_CHECKING:
    from fixturepipe import (
        ArrangeResult,
        CheckResult,
        Difference,
        DumpResult,
        Finding,
        LoadResult,
        RunResult,
        SyncResult,
        VerifyResult,
    )

# How much of a long list is shown; --json has all of it.
SHOWN = 20
STEPS = ("dumped", "changed", "dropped", "arranged", "loaded", "rejected", "verified")


def findings(result: CheckResult) -> None:
    """What `check` found, errors first."""
    for finding in result.findings:
        _finding(finding)
        if finding.rows and (more := finding.count - len(finding.examples)) > 0:
            print(f"    … and {counted(more, 'more row')}, in {result.file}")
    standing = [finding for finding in result.findings if not finding.fixed_by]
    counts: Counter[str] = Counter(finding.level for finding in standing)
    parts = [counted(counts[level], level) for level in ("error", "warning", "note")]
    if fixed := len(result.findings) - len(standing):
        parts.append(f"{fixed:,} fixed")
    ignored = f" ({result.ignored:,} ignored)" if result.ignored else ""
    print(f"check: {', '.join(parts)}{ignored}")
    megabytes = max(1, round(result.estimate.bytes / 1e6))
    minutes = round(result.estimate.seconds / 60)
    how_long = f"about {minutes:,} minutes" if minutes > 1 else "a minute or less"
    print(f"estimate: {megabytes:,} MB in the run directory, {how_long} from dump to verify")


def counted(number: int, noun: str) -> str:
    """ "1 error", "2,000 errors"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def dumped(result: DumpResult, directory: RunDirectory, next_command: NextCommand) -> None:
    """The table of models, what is not covered, the next command."""
    _models(read_state(directory))
    _not_covered(result.not_covered)
    _first(result.problems)
    print(f"Dumped into {directory.dumps}.")
    print(f"Next: {next_command.line('load')}")


def arranged(result: ArrangeResult, directory: RunDirectory, next_command: NextCommand) -> None:
    """The table of models and the next command."""
    state = read_state(directory)
    _models(state)
    _first(result.problems)
    print(f"Arranged into {counted(state.chunks, 'chunk')} in {directory.chunks}.")
    print(f"Next: {next_command.line('load')}")


def chunks(
    arranged_chunks: Sequence[Chunk], loaded_chunks: Collection[int], altered: Sequence[str]
) -> None:
    """The chunks: what is in each, what it needs, whether it is in the target.

    `altered` are fields whose values stock loaddata would change or refuse.
    """
    rows = []
    for chunk in arranged_chunks:
        names = ", ".join(f"{label} {count:,}" for label, count in chunk.models.items())
        needs = ranges_text(chunk.after)
        state = "loaded" if chunk.number in loaded_chunks else ""
        rows.append([chunk.number, names, chunk.objects, chunk.bytes, needs, state])
    print(table(["chunk", "models", "objects", "bytes", "after", "state"], rows))
    if altered:
        print(f"Stock loaddata would change or refuse values of {', '.join(altered)}.")


def objects(content: Iterable[Mapping[str, Any]]) -> None:
    """Objects, readably."""
    for each in content:
        print(json.dumps(each, ensure_ascii=False, indent=2))


def found(places: Iterable[Mapping[str, Any]]) -> None:
    """Which chunk holds an object, and the object."""
    for place in places:
        print(f"in {place['chunk']}, from {', '.join(place['dumps'])}")
        objects([place["object"]])


def loaded(result: LoadResult, directory: RunDirectory, next_command: NextCommand) -> None:
    """The table of models and the next command."""
    state = read_state(directory)
    _models(state)
    into = "the embedded server" if state.target == "embedded" else state.target
    print(f"Loaded {state.loaded_chunks:,} of {counted(state.chunks, 'chunk')} into {into}.")
    if result.rejected:
        print(f"Rejected objects are in {directory.rejects}.")
    print(f"Next: {next_command.line(state.next or 'verify')}")


def verified(result: VerifyResult) -> None:
    """The models that differ, their first differences, and the sum."""
    different = [each for each in result.models if not each.ok]
    if different:
        head = ("model", "source", "target", "equal", "differing", "missing", "extra")
        rows = [[getattr(each, name) for name in head] for each in different]
        print(table(head, rows))
    for each in different:
        for difference in each.differences:
            print(_difference(difference))
    for finding in result.findings:
        _finding(finding)
    equal = sum(each.equal for each in result.models)
    parts = [f"{counted(equal, 'row')} of {counted(len(result.models), 'table')} are equal"]
    for count, text in (("changed", "changed as declared"), ("rejected", "left out")):
        if rows := sum(getattr(each, count) for each in result.models):
            parts.append(f"{rows:,} {text}")
    end = "nothing differs." if result.ok else "the differences are listed above."
    print(f"verify: {', '.join(parts)}; {end}")


def synced(result: SyncResult) -> None:
    """The rows that were moved, by model; then the proof."""
    counts = (result.inserted, result.updated, result.deleted)
    labels = sorted({label for each in counts for label in each})
    if labels:
        rows: list[list[object]] = [
            [label, *(each.get(label, 0) for each in counts)] for label in labels
        ]
        total = ["all", *(sum(each.values()) for each in counts)]
        print(table(["model", "inserted", "updated", "deleted"], [*rows, total]))
    if result.dry_run:
        seconds = f"about {result.expected_seconds:,.0f} s"
        print(
            f"Nothing was changed. `sync` would change {counted(result.rows, 'row')} in {seconds}."
        )
        return
    print(f"sync: {counted(result.rows, 'row')} changed in {result.seconds:,.1f} s.")
    verified(result.verify)


def ran(result: RunResult, directory: RunDirectory, next_command: NextCommand) -> None:
    """The findings of check, the table of models, the differences."""
    findings(result.check)
    if not result.check.ok:
        ids = sorted({finding.id for finding in result.check.findings if finding.stands})
        ignoring = " ".join([next_command.repeated, *(f"--ignore {each}" for each in ids)])
        print(f"Nothing was moved. Fix the errors; or ignore them: {ignoring}")
        return
    state = read_state(directory)
    _models(state)
    if result.dump is not None:
        _not_covered(result.dump.not_covered)
        _first(result.dump.problems)
    if result.verify is not None:
        verified(result.verify)


def status(state: State, next_command: NextCommand) -> None:
    """Where the run stands."""
    _models(state)
    print(f"run {state.run}: {state.source} -> {state.target or '(no target yet)'}")
    done = f"{state.loaded_chunks:,} loaded, {state.pending:,} pending"
    print(f"{counted(state.dumps, 'dump')}; {counted(state.chunks, 'chunk')}, {done}")
    if state.not_covered:
        print(f"{counted(state.not_covered, 'model or table')} not covered (see manifest.json)")
    if state.verified is not None:
        print("verified: source and target are " + ("equal" if state.verified else "not equal"))
    if state.sync is not None:
        moved = counted(state.sync.rows, "row")
        print(f"last sync: {state.sync.at}, {moved} in {state.sync.seconds:,.1f} s")
    if state.error:
        where = f" at chunk {state.failed}" if state.failed is not None else ""
        print(f"last error{where}: {state.error}")
        if state.hint:
            print(f"  {next_command.completed(state.hint)}")
    rejected = sum(model.rejected for model in state.models)
    if rejected:
        correct = next_command.line("load --rejects")
        print(f"{rejected:,} rejected: correct them in rejects/, then run `{correct}`")
    print(f"Next: {next_command.line(state.next)}" if state.next else "Everything is done.")


def server(state: Mapping[str, Any]) -> None:
    """Whether the embedded server is running, and how to connect to it."""
    if state["running"]:
        print(f"The embedded server is running. To connect: {state['client']}")
    else:
        print("The embedded server is not running.")


def shortened(value: Any, length: int = 120) -> str:
    """A value on one line, cut where it is long."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _models(state: State) -> None:
    """The table of models, without the columns of stages that no model has reached."""
    steps = [step for step in STEPS if any(getattr(model, step) for model in state.models)]
    rows: list[list[object]] = [
        [model.label, *(getattr(model, step) for step in steps)] for model in state.models
    ]
    sums = [_sum(state.models, step) for step in steps]
    print(table(["model", *steps], [*rows, ["all", *sums]]))


def _sum(models: Iterable[ModelState], step: str) -> int:
    return sum(getattr(model, step) or 0 for model in models)


def _not_covered(left_out: Iterable[NotCovered]) -> None:
    for each in left_out:
        print(f"not covered: {each.name}: {each.reason}")


def _first(problems: Iterable[object]) -> None:
    found = [str(problem) for problem in problems]
    for problem in found[:SHOWN]:
        print(f"problem: {problem}")
    if len(found) > SHOWN:
        print(f"… and {len(found) - SHOWN:,} more (--json shows them)")


def _finding(finding: Finding) -> None:
    where = ".".join(part for part in (finding.model, finding.field) if part)
    rows = f" ({counted(finding.count, 'row')})" if finding.examples else ""
    subject = f"{where}{rows}: " if where or rows else ""
    print(f"{finding.id} {finding.level}: {subject}{finding.consequence}")
    for example in finding.examples:
        print(f"    pk {example.pk}: {shortened(example.value)}")
    if finding.fixed_by:
        print(f"    fixed by {finding.fixed_by}")
    elif finding.hint:
        print(f"    do: {finding.hint}")


def _difference(difference: Difference) -> str:
    where = f"{difference.table} pk {difference.pk}"
    if not difference.column:
        return f"{difference.kind}: {where}"
    values = f"{shortened(difference.source)} -> {shortened(difference.target)}"
    return f"{difference.kind}: {where}, {difference.column}: {values}"
