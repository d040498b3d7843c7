"""The verdict on a run: what was moved and proven, or what was not, in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fixturepipe.artifacts.state import State, Verification
from fixturepipe.artifacts.syncs import Sync
from fixturepipe.report.data import Model, Outcome, Remark, Totals, Verdict
from fixturepipe.report.disclosure import Disclosure
from fixturepipe.wording import counted

# What has a next command.
_OPEN = ("different", "stopped", "unverified", "unfinished")


def verdict_of(
    state: State,
    verification: Verification | None,
    totals: Totals,
    models: Sequence[Model],
    syncs: Sequence[Sync],
    disclosure: Disclosure,
    line: Callable[[str], str],
) -> Verdict:
    """The verdict, from the counts and the last verification.

    `line` makes a whole line for a shell of a command.
    """
    outcome = _outcome(state, verification, totals, syncs)
    return Verdict(
        outcome,
        _sentence(outcome, state, verification, totals, models),
        list(_remarks(outcome, state, verification, totals, syncs)),
        disclosure.text(state.error),
        state.hint if disclosure.values or not state.error else "",
        line(state.next or "verify") if outcome in _OPEN else "",
    )


def _outcome(
    state: State, verification: Verification | None, totals: Totals, syncs: Sequence[Sync]
) -> Outcome:
    if state.error:
        return "stopped"
    if state.next in ("dump", "load"):
        return "unfinished"
    last = syncs[-1] if syncs else None
    if last is not None and last.verified is False:
        return "different"
    if verification is None or (last is not None and last.verified is None):
        return "unverified"
    if not verification.ok:
        return "different"
    if verification.sample is not None or verification.since is not None:
        return "sampled"
    return "excepted" if totals.rejected or totals.dropped or totals.changed else "equal"


def _sentence(
    outcome: Outcome,
    state: State,
    verification: Verification | None,
    totals: Totals,
    models: Sequence[Model],
) -> str:
    rows = f"{counted(totals.verified or 0, 'row')} of {counted(totals.models, 'model')}"
    match outcome:
        case "equal":
            return f"Moved and proven equal: all {rows}, value by value."
        case "excepted":
            return f"Moved and proven equal, with known exceptions: {rows}, value by value."
        case "sampled":
            return f"What was compared is equal: {rows}."
        case "different":
            return _difference(verification, models)
        case "unverified":
            return "Everything is loaded, but source and target have not been compared yet."
        case "stopped":
            return f"The load stopped: {_loaded(state)}"
        case _:
            return f"The run is not finished: {_loaded(state)}"


def _loaded(state: State) -> str:
    if not state.chunks:
        return "nothing is arranged or loaded yet."
    verb = "is" if state.loaded_chunks == 1 else "are"
    return f"{state.loaded_chunks:,} of {counted(state.chunks, 'chunk')} {verb} loaded."


def _difference(verification: Verification | None, models: Sequence[Model]) -> str:
    rows = verification.unequal if verification else 0
    if not rows:
        return "Source and target differ, or the target has errors of its own."
    unequal = sum(1 for each in models if each.status == "different")
    return (
        f"Source and target differ: {counted(rows, 'row')} in {unequal:,} of"
        f" {counted(len(models), 'model')}."
    )


def _remarks(
    outcome: Outcome,
    state: State,
    verification: Verification | None,
    totals: Totals,
    syncs: Sequence[Sync],
) -> Iterator[Remark]:
    if verification is not None and verification.sample is not None:
        yield Remark(f"The comparison read a random {verification.sample:.3%} of the rows.")
    if verification is not None and verification.since is not None:
        yield Remark(f"The comparison read only rows made or changed since {verification.since}.")
    if totals.rejected:
        yield Remark(
            f"Rejected, and kept in rejects/: {counted(totals.rejected, 'row')}.", "rejects"
        )
    if totals.dropped:
        yield Remark(f"Left out as declared: {counted(totals.dropped, 'row')}.", "fixes")
    if by_fixes := totals.changed - totals.nulled:
        yield Remark(f"Changed as declared: {counted(by_fixes, 'row')}.", "fixes")
    if totals.nulled:
        text = f"Loaded with a reference set to null: {counted(totals.nulled, 'row')}."
        yield Remark(text, "rejects")
    if state.not_covered:
        names = counted(state.not_covered, "model or table", "models or tables")
        yield Remark(f"Not moved: {names}.", "not-moved")
    if syncs:
        verb = "has" if len(syncs) == 1 else "have"
        text = f"{counted(len(syncs), 'sync')} {verb} moved later changes"
        proven = outcome in ("equal", "excepted", "sampled") and verification is not None
        if proven and verification is not None and verification.at < syncs[-1].at:
            text += "; the last one compared the models that it changed"
        yield Remark(f"{text}.", "syncs")
