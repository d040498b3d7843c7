"""Results as text on stdout: what was done, what was found, what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from fixturepipe.artifacts.manifest import NotCovered
from fixturepipe.artifacts.ranges import ranges_text
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import State, read_state
from fixturepipe.cli.findingview import findings_text
from fixturepipe.cli.nextcommand import NextCommand
from fixturepipe.cli.nextsteps import after_differences, after_run, shown_key
from fixturepipe.cli.objectview import ObjectView, shortened
from fixturepipe.cli.output import Chunks, Cleaned, Contents, Places, Server
from fixturepipe.wording import counted

if TYPE_CHECKING:
    from fixturepipe import (
        ArrangeResult,
        CheckResult,
        Difference,
        DumpResult,
        LoadResult,
        RunResult,
        SyncResult,
        VerifyResult,
    )
    from fixturepipe.verify.comparison import RowPair


@dataclass(frozen=True)
class View:
    """What results are shown with."""

    directory: RunDirectory
    next: NextCommand
    verbosity: int = 1


# How much of a long list is shown; --json has all of it.
SHOWN = 20
STEPS = ("dumped", "changed", "dropped", "arranged", "loaded", "rejected", "verified")


def findings(result: CheckResult, view: View) -> None:
    """What `check` found, errors first."""
    print(findings_text(result.findings, view.next, result.file), end="")
    standing = [finding for finding in result.findings if not finding.fixed_by]
    counts: Counter[str] = Counter(finding.level for finding in standing)
    parts = [counted(counts[level], level) for level in ("error", "warning", "note")]
    if fixed := len(result.findings) - len(standing):
        parts.append(f"{fixed:,} fixed")
    ignored = f" ({result.ignored:,} ignored)" if result.ignored else ""
    print(f"check: {', '.join(parts)}{ignored}")


def _estimate(result: CheckResult) -> None:
    megabytes = max(1, round(result.estimate.bytes / 1e6))
    minutes = round(result.estimate.seconds / 60)
    how_long = f"about {minutes:,} minutes" if minutes > 1 else "a minute or less"
    print(f"estimate: {megabytes:,} MB in the run directory, {how_long} from dump to verify")


def checked(result: CheckResult, view: View) -> None:
    """What `check` found, and the next command of a run that has not begun."""
    findings(result, view)
    _estimate(result)
    if result.ok and not view.directory.manifest.exists():
        print(f"Next: {view.next.run_after_check()}")


def dumped(result: DumpResult, view: View) -> None:
    """The table of models, what is not covered, the next command."""
    _models(read_state(view.directory), view)
    _not_covered(result.not_covered)
    _first(result.problems)
    print(f"Dumped into {view.directory.dumps}.")
    print(f"Next: {view.next.line('load')}")


def arranged(result: ArrangeResult, view: View) -> None:
    """The table of models and the next command."""
    state = read_state(view.directory)
    _models(state, view)
    _first(result.problems)
    print(f"Arranged into {counted(state.chunks, 'chunk')} in {view.directory.chunks}.")
    print(f"Next: {view.next.line('load')}")


def chunks(result: Chunks) -> None:
    """The chunks: what is in each, what it needs, whether it is in the target."""
    rows = []
    for chunk in result.chunks:
        names = ", ".join(f"{label} {count:,}" for label, count in chunk.models.items())
        needs = ranges_text(chunk.after)
        state = "loaded" if chunk.number in result.loaded else ""
        rows.append([chunk.number, names, chunk.objects, chunk.bytes, needs, state])
    print(table(["chunk", "models", "objects", "bytes", "after", "state"], rows))
    if result.altered:
        print(f"Stock loaddata would change or refuse values of {', '.join(result.altered)}.")


def contents(result: Contents, objects: ObjectView) -> None:
    """The first objects of chunks."""
    for each in result.contents:
        shown_objects = f"{len(each.objects):,} of {counted(each.chunk.objects, 'object')}"
        print(f"{each.chunk.file}: {shown_objects}")
        print(objects.text(each.objects))


def places(result: Places, objects: ObjectView) -> None:
    """Which chunk holds an object, and the object."""
    for place in result.places:
        print(f"{place.chunk}, from {', '.join(place.dumps)}")
        print(objects.text([place.object]))


def cleaned(result: Cleaned) -> None:
    """What was removed."""
    path = result.workdir
    print(f"Removed {path}." if result.gone else f"Removed fixturepipe's files from {path}.")
    if result.ledger_kept:
        print("The ledger, the table fixturepipe_ledger, stays in the target.")


def loaded(result: LoadResult, view: View) -> None:
    """The table of models and the next command."""
    state = read_state(view.directory)
    _models(state, view)
    into = "the embedded server" if state.target == "embedded" else state.target
    print(f"Loaded {state.loaded_chunks:,} of {counted(state.chunks, 'chunk')} into {into}.")
    if result.rejected:
        print(f"Rejected objects are in {view.directory.rejects}.")
    print(f"Next: {view.next.line(state.next or 'verify')}")


def verified(result: VerifyResult, view: View) -> None:
    """The models that differ, their first differences, the sum, and what can be done."""
    different = [each for each in result.models if not each.ok]
    if different:
        head = ("model", "source", "target", "equal", "differing", "missing", "extra")
        rows = [[getattr(each, name) for name in head] for each in different]
        print(table(head, rows))
    for each in different:
        for difference in each.differences:
            print(_difference(difference))
    print(findings_text(result.findings, view.next), end="")
    equal = sum(each.equal for each in result.models)
    parts = [f"{counted(equal, 'row')} of {counted(len(result.models), 'table')} are equal"]
    for count, text in (("changed", "changed as declared"), ("rejected", "left out")):
        if rows := sum(getattr(each, count) for each in result.models):
            parts.append(f"{rows:,} {text}")
    print(f"verify: {', '.join(parts)}; {_unequal(result)}.")
    if not result.ok:
        after_differences(result, view.directory, view.next)


def _unequal(result: VerifyResult) -> str:
    kinds = ("differing", "missing", "extra")
    counts = {kind: sum(getattr(each, kind) for each in result.models) for kind in kinds}
    parts = [f"{count:,} {kind}" for kind, count in counts.items() if count]
    if errors := sum(finding.level == "error" for finding in result.findings):
        parts.append(f"the target has {counted(errors, 'error')}")
    return ", ".join(parts) or "nothing differs"


def row(pair: RowPair) -> None:
    """One row at both endpoints, one column per line; the columns that differ are marked."""
    print(f"{pair.model} {shown_key(pair.pk)}, in the table {pair.table}")
    sides = {"source": pair.in_source, "target": pair.in_target}
    there = [side for side, is_there in sides.items() if is_there]
    if there:
        # Two values next to each other, after the mark and the column's name.
        width = max(20, (get_terminal_size((160, 24)).columns - 40) // len(there))
        rows = [
            [
                "differs" if len(there) > 1 and not each.equal else "",
                each.column,
                *(shortened(getattr(each, side), width) for side in there),
            ]
            for each in pair.columns
        ]
        print(table(["", "column", *there], rows))
    lacking = [side for side in sides if side not in there]
    if lacking:
        print(f"missing: there is no such row in the {' and the '.join(lacking)}")
    elif pair.ok:
        print("Both rows are equal.")


def synced(result: SyncResult, view: View) -> None:
    """The rows that were moved, by model; then the proof."""
    counts = (result.inserted, result.updated, result.deleted)
    labels = sorted({label for each in counts for label in each})
    if labels:
        rows: list[list[object]] = [
            [label, *(each.get(label, 0) for each in counts)] for label in labels
        ]
        total = ["all", *(sum(each.values()) for each in counts)]
        print(table(["model", "inserted", "updated", "deleted"], [*rows, total]))
    if result.verify is None:  # a dry run
        wanted, seconds = counted(result.rows, "row"), f"{result.expected_seconds:,.0f} s"
        print(f"Nothing was changed. `sync` would change {wanted} and take about {seconds}.")
        return
    print(f"sync: {counted(result.rows, 'row')} changed in {result.seconds:,.1f} s.")
    verified(result.verify, view)


def ran(result: RunResult, view: View, target: str, settings: Mapping[str, Any]) -> None:
    """The findings of check, the table of models, the differences, how to use the target."""
    findings(result.check, view)
    if not result.check.ok:
        ids = sorted({finding.id for finding in result.check.findings if finding.stands})
        ignoring = " ".join([view.next.repeated, *(f"--ignore {each}" for each in ids)])
        print()
        print("Nothing was moved. Correct the errors or declare fixes for them, then run again.")
        print(f"To go on without these checks, and perhaps stop later: {ignoring}")
        return
    _models(read_state(view.directory), view)
    if result.dump is not None:
        _not_covered(result.dump.not_covered)
        _first(result.dump.problems)
    if result.verify is not None:
        verified(result.verify, view)
    _rejects(result.rejected, view)
    if result.ok:
        after_run(target, settings, view.next)


def _rejects(number: int, view: View) -> None:
    if number:
        correct = view.next.line("load --rejects")
        rejects = counted(number, "object")
        print(f"{rejects} rejected: correct them in rejects/, then run `{correct}`")


def status(state: State, view: View) -> None:
    """Where the run stands."""
    _models(state, view)
    print(f"run {state.run}: {state.source} -> {state.target or '(no target yet)'}")
    done = f"{state.loaded_chunks:,} loaded, {state.pending:,} pending"
    print(f"{counted(state.dumps, 'dump')}; {counted(state.chunks, 'chunk')}, {done}")
    if state.not_covered:
        left_out = counted(state.not_covered, "model or table", "models or tables")
        print(f"{left_out} not covered (see manifest.json)")
    if state.verified:
        print("verified: all rows are equal")
    elif state.verified is not None:
        unequal = f"{counted(state.unequal, 'row')} not equal; " if state.unequal else ""
        print(f"verified: {unequal}see {view.next.completed('`fixturepipe verify`')}")
    if state.sync is not None:
        moved = counted(state.sync.rows, "row")
        print(f"last sync: {state.sync.at}, {moved} in {state.sync.seconds:,.1f} s")
    if state.error:
        where = f" at chunk {state.failed}" if state.failed is not None else ""
        print(f"last error{where}: {state.error}")
        if state.hint:
            print(f"  {view.next.completed(state.hint)}")
    _rejects(sum(model.rejected for model in state.models), view)
    if state.next:
        print(f"Next: {view.next.line(state.next)}")
    else:
        print("Everything is done.")
        if state.source:
            print(f"To move later changes of the source: {view.next.line('sync')}")


def server(state: Server) -> None:
    """Whether the embedded server is running, and how to connect to it."""
    if state.running:
        print(f"The embedded server is running. To connect: {state.client}")
    else:
        print("The embedded server is not running.")


def _models(state: State, view: View) -> None:
    """The table of models, without the columns of stages that no model has reached."""
    steps = [step for step in STEPS if any(getattr(model, step) for model in state.models)]
    counts = {model.label: [getattr(model, step) for step in steps] for model in state.models}
    rows: list[list[object]] = [
        [label, *found] for label, found in counts.items() if any(found) or view.verbosity > 1
    ]
    sums = [sum(getattr(model, step) or 0 for model in state.models) for step in steps]
    print(table(["model", *steps], [*rows, ["all", *sums]]))
    if hidden := len(counts) - len(rows):
        print(f"{counted(hidden, 'model')} without rows not shown (-v 2 shows all)")


def _not_covered(left_out: Iterable[NotCovered]) -> None:
    for each in left_out:
        print(f"not covered: {each.name}: {each.reason}")


def _first(problems: Iterable[object]) -> None:
    found = [str(problem) for problem in problems]
    for problem in found[:SHOWN]:
        print(f"problem: {problem}")
    if len(found) > SHOWN:
        print(f"… and {len(found) - SHOWN:,} more (--json shows them)")


def _difference(difference: Difference) -> str:
    where = f"{difference.kind}: {difference.model} {shown_key(difference.pk)}"
    if not difference.column:
        return where
    source, target = shortened(difference.source), shortened(difference.target)
    return f"{where}, {difference.column}: source {source}, target {target}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lines of a table: numbers to the right with thousands separators, the rest to the left."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *cells]) for i in range(len(head))]
    right = [all(not row[i] or row[i][0].isdigit() for row in cells) for i in range(len(head))]

    def line(parts: Sequence[str]) -> str:
        padded = (
            part.rjust(width) if to_the_right else part.ljust(width)
            for part, width, to_the_right in zip(parts, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(head), line(["-" * width for width in widths]), *map(line, cells)])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
