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

from fixturepipe.databases.jsontext import UnserializableError, json_of_value
from fixturepipe.databases.text import is_utf8, printable
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


class Sink(Protocol):
    """Where objects go."""

    def write_objects(self, label: str, lines: Sequence[bytes]) -> None:
        """Take objects of a model."""

    def refuse_object(self, line: bytes, problems: Sequence[Problem]) -> None:
        """Take an object with unserializable values, which are written as far as JSON allows."""


class Serializer(base.Serializer):
    """Writes batches of rows to a Sink, which dumpdata takes for its output stream."""

    def serialize(self, queryset: Iterable[Rows], *, stream: Any, **_: Any) -> None:  # type: ignore[override]
        """Write all objects. `stream` is a Sink, or dumpdata's wrapper around one."""
        for rows in queryset:
            try:
                lines = rows.plan.lines(rows.columns)
            except Exception:  # noqa: BLE001  (the fields' own code; `_fit` finds the value)
                lines = list(self._fit(rows, stream))
            stream.write_objects(rows.plan.label, lines)

    def getvalue(self) -> None:
        """Nothing: all has been written to the stream."""

    def _fit(self, rows: Rows, sink: Sink) -> Iterable[bytes]:
        for row in zip(*rows.columns, strict=True):
            try:
                yield from rows.plan.lines([(value,) for value in row])
            except Exception as error:
                line, problems = _taken_apart(rows.plan, row)
                if not problems:
                    raise error
                sink.refuse_object(line, problems)


def _taken_apart(plan: RowPlan, row: Sequence[Any]) -> tuple[bytes, list[Problem]]:
    """The object with its unserializable values, and what is wrong with each of these."""
    texts, problems = [], []
    pk: Any = None
    for part, columns in plan.shares(row):
        try:
            text = _checked(part, columns)
        except Exception as error:  # noqa: BLE001  (see `Serializer.serialize`)
            text = as_it_is(columns[0][0])
            problems.append((part.name, shown(columns[0][0]), _reason(error)))
        texts.append(text)
        if part.name == "pk" and pk is None:
            pk = shown(columns[0][0]) if part.width == 1 else [shown(c[0]) for c in columns]
    found = [Problem(plan.label, pk, name, raw, reason) for name, raw, reason in problems]
    return plan.line(texts), found


def _checked(part: Part, columns: Columns) -> str:
    if any(isinstance(raw, str) and not is_utf8(raw) for (raw,) in columns):
        raise UnserializableError("it is not UTF-8")
    (text,) = part.encode(columns)
    if not is_utf8(text):
        raise UnserializableError("it contains a lone surrogate, which is no character")
    return text


def as_it_is(raw: Any) -> str:
    """The JSON text of a raw value that a fixture cannot hold."""
    try:
        return json_of_value(printable(raw) if isinstance(raw, str) else raw)
    except (TypeError, ValueError):
        return json_of_value(str(raw))


def _reason(error: Exception) -> str:
    if isinstance(error, UnserializableError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def register() -> None:
    """Register the format with Django, whose settings must be configured."""
    serializers.register_serializer(FORMAT, __name__)
