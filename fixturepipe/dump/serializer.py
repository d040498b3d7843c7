"""Fixturepipe's serialization format: what dumpdata writes objects with.

Registered under FORMAT with Django, so that dumpdata accepts it as `format`. The objects come
as batches of raw rows and leave as lines. A batch with an unserializable value is encoded again
value by value: its other rows are written, and each unserializable value is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.core import serializers
from django.core.serializers import base

from fixturepipe.databases.jsontext import UnserializableError, text_of_raw
from fixturepipe.databases.text import is_utf8
from fixturepipe.databases.values import shown
from fixturepipe.dump.rowplan import Columns, Part, RowPlan
from fixturepipe.dump.rowquery import Rows

FORMAT = "fixturepipe"


@dataclass(frozen=True)
class Problem:
    """A value that a fixture cannot hold: the object's model and primary key, the field, the
    stored value, and the reason."""

    model: str
    pk: Any
    field: str
    raw: Any
    reason: str

    def __str__(self) -> str:
        return f"{self.model} pk={self.pk}, {self.field}: {self.raw!r}: {self.reason}"


@dataclass(frozen=True)
class Refused:
    """An object with unserializable values, which its line has as far as JSON allows.

    `raws` are these values as they are stored, by field; "pk" for the primary key.
    """

    line: bytes
    problems: list[Problem]
    raws: dict[str, Any]


class Sink(Protocol):
    """Where objects go."""

    def write_objects(self, label: str, lines: Sequence[bytes]) -> None:
        """Take objects of a model."""

    def refuse_object(self, refused: Refused) -> None:
        """Take an object with unserializable values."""


class Serializer(base.Serializer):
    """Writes batches of rows to a Sink, which dumpdata takes for its output stream."""

    def serialize(self, queryset: Iterable[Rows], *, stream: Any, **_: Any) -> None:  # type: ignore[override]
        """Write all objects. `stream` is a Sink, or dumpdata's wrapper around one."""
        for rows in queryset:
            try:
                lines = rows.plan.lines(rows.columns)
            except Exception:  # noqa: BLE001  (the fields' own code; one by one shows the value)
                lines = self._write_one_by_one(rows, stream)
            stream.write_objects(rows.plan.label, lines)

    def getvalue(self) -> None:
        """Nothing: all has been written to the stream."""

    def _write_one_by_one(self, rows: Rows, sink: Sink) -> list[bytes]:
        """Write a batch in order, and return the objects after the last one that is refused."""
        lines: list[bytes] = []
        for row in zip(*rows.columns, strict=True):
            try:
                lines += rows.plan.lines([(value,) for value in row])
            except Exception as error:
                refused = refusal_of(rows.plan, row)
                if not refused.problems:
                    raise error
                sink.write_objects(rows.plan.label, lines)
                sink.refuse_object(refused)
                lines = []
        return lines


def refusal_of(plan: RowPlan, row: Sequence[Any]) -> Refused:
    """The object with its unserializable values, and what is wrong with each of these."""
    texts, problems, raws = [], [], {}
    pk: Any = None
    for part, columns in plan.shares(row):
        try:
            text = _checked(part, columns)
        except Exception as error:  # noqa: BLE001  (see `Serializer.serialize`)
            text = text_of_raw(columns[0][0])
            problems.append((part.name, shown(columns[0][0]), _reason(error)))
            raws[part.name] = columns[0][0]
        texts.append(text)
        if part.name == "pk" and pk is None:
            pk = shown(columns[0][0]) if part.width == 1 else [shown(c[0]) for c in columns]
    found = [Problem(plan.label, pk, name, raw, reason) for name, raw, reason in problems]
    return Refused(plan.line(texts), found, raws)


def _checked(part: Part, columns: Columns) -> str:
    if any(isinstance(raw, str) and not is_utf8(raw) for (raw,) in columns):
        raise UnserializableError("it is not UTF-8")
    (text,) = part.encode(columns)
    if not is_utf8(text):
        raise UnserializableError("it contains a lone surrogate, which is no character")
    return text


def _reason(error: Exception) -> str:
    if isinstance(error, UnserializableError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def register() -> None:
    """Register the format with Django, whose settings must be configured."""
    serializers.register_serializer(FORMAT, __name__)
