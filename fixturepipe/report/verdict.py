"""The verdict on a run: what was moved and proven, or what was not, in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fixturepipe.artifacts.state import State, Verification
from fixturepipe.artifacts.syncs import Sync
from fixturepipe.report.data import Model, Outcome, Remark, Totals, Verdict
from fixturepipe.report.disclosure import Disclosure
from fixturepipe.wording import counted

# What has a next command.
_OPEN = ("different", "stopped", "unverified", "unfinished")


@dataclass(frozen=True)
class Judgement:
    """Makes the verdict from the counts and the last verification."""

    state: State
    verification: Verification | None
    totals: Totals
    models: Sequence[Model]
    syncs: Sequence[Sync]

    def verdict(self, disclosure: Disclosure, line: Callable[[str], str]) -> Verdict:
        """The verdict; `line` makes a whole line for a shell of a command."""
        outcome = self.outcome
        return Verdict(
            outcome,
            self._sentence(outcome),
            list(self._remarks(outcome)),
            disclosure.text(self.state.error),
            self.state.hint if disclosure.values or not self.state.error else "",
            line(self.state.next or "verify") if outcome in _OPEN else "",
        )

    @property
    def outcome(self) -> Outcome:
        """What became of the run."""
        verification, totals = self.verification, self.totals
        if self.state.error:
            return "stopped"
        if self.state.next in ("dump", "load"):
            return "unfinished"
        last = self.syncs[-1] if self.syncs else None
        if last is not None and last.verified is False:
            return "different"
        if verification is None or (last is not None and last.verified is None):
            return "unverified"
        if not verification.ok:
            return "different"
        if verification.sample is not None or verification.since is not None:
            return "sampled"
        return "excepted" if totals.rejected or totals.dropped or totals.changed else "equal"

    def _sentence(self, outcome: Outcome) -> str:
        totals = self.totals
        rows = f"{counted(totals.verified or 0, 'row')} of {counted(totals.models, 'model')}"
        match outcome:
            case "equal":
                return f"Moved and proven equal: all {rows}, value by value."
            case "excepted":
                return f"Moved and proven equal, with known exceptions: {rows}, value by value."
            case "sampled":
                return f"What was compared is equal: {rows}."
            case "different":
                return self._difference
            case "unverified":
                return "Everything is loaded, but source and target have not been compared yet."
            case "stopped":
                return f"The load stopped: {self._loaded}"
            case _:
                return f"The run is not finished: {self._loaded}"

    @property
    def _loaded(self) -> str:
        loaded, chunks = self.state.loaded_chunks, self.state.chunks
        if not chunks:
            return "nothing is arranged or loaded yet."
        return f"{loaded:,} of {counted(chunks, 'chunk')} {'is' if loaded == 1 else 'are'} loaded."

    @property
    def _difference(self) -> str:
        rows = self.verification.unequal if self.verification else 0
        if not rows:
            return "Source and target differ, or the target has errors of its own."
        unequal = sum(1 for each in self.models if each.status == "different")
        models = counted(len(self.models), "model")
        return f"Source and target differ: {counted(rows, 'row')} in {unequal:,} of {models}."

    def _remarks(self, outcome: Outcome) -> Iterator[Remark]:
        verification, totals = self.verification, self.totals
        if verification is not None and verification.sample is not None:
            yield Remark(f"The comparison read a random {verification.sample:.3%} of the rows.")
        if verification is not None and verification.since is not None:
            since = verification.since
            yield Remark(f"The comparison read only rows made or changed since {since}.")
        counts = (
            ("Rejected, and kept in rejects/", totals.rejected, "rejects"),
            ("Left out as declared", totals.dropped, "fixes"),
            ("Changed as declared", totals.changed - totals.nulled, "fixes"),
            ("Loaded with a reference set to null", totals.nulled, "rejects"),
        )
        for text, count, section in counts:
            if count:
                yield Remark(f"{text}: {counted(count, 'row')}.", section)
        if not_covered := self.state.not_covered:
            names = counted(not_covered, "model or table", "models or tables")
            yield Remark(f"Not moved: {names}.", "not-moved")
        if self.syncs:
            yield Remark(f"{self._synced(outcome)}.", "syncs")

    def _synced(self, outcome: Outcome) -> str:
        verb = "has" if len(self.syncs) == 1 else "have"
        text = f"{counted(len(self.syncs), 'sync')} {verb} moved later changes"
        compared = self.verification.at if self.verification is not None else ""
        if outcome in ("equal", "excepted", "sampled") and compared < self.syncs[-1].at:
            text += "; the last one compared the models that it changed"
        return text
