"""The fixture of one app while it is written, and the file of the objects that it cannot hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import msgspec

from fixturepipe.artifacts.changes import ChangeCounts
from fixturepipe.artifacts.manifest import Dump
from fixturepipe.artifacts.records import FixtureWriter, fixture_writer
from fixturepipe.artifacts.rejects import Reason, rejects_paths
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.dump.alterations import Alterations
from fixturepipe.dump.serializer import Problem, Refused
from fixturepipe.events import Listener, StageAdvanced

KEPT_PROBLEMS = 1_000


class AppFile:
    """The Sink of one app's dump.

    The files appear when the block of `files` ends well, and not otherwise. `problems` holds
    the first KEPT_PROBLEMS unserializable values, `rejected` counts their objects by label.
    """

    def __init__(
        self,
        files: ExitStack,
        directory: RunDirectory,
        app: str,
        alterations: Alterations,
        listener: Listener,
    ) -> None:
        self.app = app
        self.changes = alterations.changes_of(app)
        self.problems: list[Problem] = []
        self.rejected: Counter[str] = Counter()
        self._files = files
        self._directory = directory
        self._transform = alterations.transform
        self._notify = listener
        self._path = directory.dumps / f"{app}.json"
        self._writer = self._open(self._path)
        self._models: Counter[str] = Counter()
        self._rejects: tuple[FixtureWriter, FixtureWriter] | None = None

    def write_objects(self, label: str, lines: Sequence[bytes]) -> None:
        read = len(lines)
        if self._transform is not None:
            lines = [line for each in lines if (line := self._transformed(each)) is not None]
        self._write(label, lines)
        self._notify(StageAdvanced("dump", read, label))

    def refuse_object(self, refused: Refused) -> None:
        label = refused.problems[0].model
        if not self._is_transformed(label, refused):
            self._reject(refused.line, refused.problems)
        self._notify(StageAdvanced("dump", 1, label))

    def _is_transformed(self, label: str, refused: Refused) -> bool:
        """Whether the transform makes values of all those that a fixture cannot hold."""
        if self._transform is None:
            return False
        made = self._transform(refused.line, refused.raws)
        if made.unchanged:
            return False
        self.changes += made.changes
        self._write(label, [] if made.line is None else [made.line])
        return True

    def _write(self, label: str, lines: Sequence[bytes]) -> None:
        self._writer.write(lines)
        self._models[label] += len(lines)

    def _reject(self, line: bytes, problems: Sequence[Problem]) -> None:
        if self._rejects is None:
            objects_path, reasons_path = rejects_paths(self._directory, f"dump-{self.app}.json")
            self._rejects = self._open(objects_path), self._open(reasons_path)
        objects, reasons = self._rejects
        objects.write([line])
        reasons.write([msgspec.json.encode(_reason(problems))])
        self.rejected[problems[0].model] += 1
        self.problems += islice(problems, KEPT_PROBLEMS - len(self.problems))

    def record(self, labels: Sequence[str], fingerprint: str) -> Dump:
        """The manifest's entry of the finished file; `labels` are all models of the dump."""
        counts = ChangeCounts(self.changes)
        return Dump(
            app=self.app,
            file=str(self._path.relative_to(self._directory.path)),
            objects=self._writer.objects,
            bytes=self._writer.bytes,
            sha256=self._writer.sha256,
            models={label: self._models[label] for label in labels},
            fingerprint=fingerprint,
            rejected=self.rejected.total(),
            changed=counts.changed,
            dropped=counts.dropped,
        )

    def _transformed(self, line: bytes) -> bytes | None:
        assert self._transform is not None
        made = self._transform(line)
        self.changes += made.changes
        return made.line

    def _open(self, path: Path) -> FixtureWriter:
        return self._files.enter_context(fixture_writer(path))


def _reason(problems: Sequence[Problem]) -> Reason:
    """Why an object is left out: one reason for all of its unserializable values."""
    first = problems[0]
    text = "; ".join(f"{problem.field}: {problem.reason}" for problem in problems)
    return Reason(first.model, first.pk, text, first.field, str(first.raw))
