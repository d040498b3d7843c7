"""Rows of the target that somebody else has written: counted and named, and refused."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from fixturepipe.dump.keyedrows import KeyedRows
from fixturepipe.errors import ConfigurationError
from fixturepipe.sync.differences import DifferingRows
from fixturepipe.wording import counted, listed

Act = Literal["added", "changed", "deleted"]

_NAMED = 5


class ForeignRows:
    """What neither the run nor an earlier sync did to the target."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Act]] = Counter()
        self._keys: dict[tuple[str, Act], list[Any]] = {}

    def add(self, label: str, act: Act, key: Any) -> None:
        """Note one row, by its key in fixture form."""
        self.counts[label, act] += 1
        keys = self._keys.setdefault((label, act), [])
        if len(keys) < _NAMED:
            keys.append(key)

    def take_changed(self, label: str, found: DifferingRows, rows: KeyedRows) -> None:
        """Note the rows that are no longer as they were when `found` has seen them."""
        for key, is_gone in found.changed_since(label, rows):
            self.add(label, "deleted" if is_gone else "changed", key[0] if len(key) == 1 else key)

    def refusal(self, target: str) -> ConfigurationError:
        """The error that names them."""
        lines = [
            f"  {label}: {counted(count, 'row')} {act}: {self._listed(label, act)}"
            for (label, act), count in sorted(self.counts.items())
        ]
        return ConfigurationError(
            "\n".join(
                [
                    f"{target} looks live. It has rows that neither the run nor a sync wrote:",
                    *lines,
                ]
            ),
            hint="Nothing was changed. If the site runs on the target already, do not sync. To"
            " give up these rows, run `fixturepipe sync --existing update`, which writes the"
            " source's rows over them, or `fixturepipe sync --existing delete`, which also deletes"
            " the rows that the source lacks.",
        )

    def _listed(self, label: str, act: Act) -> str:
        keys = [ascii(key) for key in self._keys[label, act]]
        return listed(keys, _NAMED, self.counts[label, act])
