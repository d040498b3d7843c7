"""Judgement of text, IP addresses, UUIDs and binary."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import Any

from django.core.exceptions import ValidationError

from fixturepipe.check.columntest import (
    ASK,
    FINE,
    STATEMENT,
    ColumnTest,
    TargetColumn,
    Values,
    Wrong,
)
from fixturepipe.databases.fields import Field, is_read_by_django, root_field
from fixturepipe.databases.text import is_utf8
from fixturepipe.fixes.values import Verdict

# Text of digits and dots is loaded as it is.
_PLAIN_ADDRESSES = re.compile(r"(?:[0-9.]+\n)*")


def address(field: Field, column: TargetColumn) -> ColumnTest:
    """IP addresses: text, some of which Django writes in another form when it saves it."""
    root, as_text = root_field(field), text(field, column)
    # A column of the type char drops spaces at the end.
    is_padded = column.type is None or column.type.lower().startswith("char")
    if not is_read_by_django(root):
        return as_text

    def fine(raws: Values) -> bool:
        if not as_text.fine(raws):
            return False
        # Those of version 6 take long, and are often the same.
        plain = _PLAIN_ADDRESSES.fullmatch("".join([f"{raw}\n" for raw in raws]))
        return bool(plain) or not any(map(judge, set(raws)))

    def judge(raw: Any) -> Verdict:
        verdict = as_text.judge(raw)
        if verdict or not isinstance(raw, str):
            return verdict
        if is_padded and raw.endswith(" "):
            return (Wrong.CHANGED,)
        try:
            saved = root.get_prep_value(root.to_python(raw))
        except ValidationError:
            saved = None
        return FINE if saved == raw else (Wrong.OTHER_ADDRESS,)

    return replace(as_text, fine=fine, judge=judge, limit=column.type or "char(39)")


# Random UUIDs and those of versions 1 to 5 are taken everywhere.
_PLAIN_UUIDS = re.compile("(?:[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15},)*")


def uuids(_: Field, column: TargetColumn) -> ColumnTest:
    """UUIDs, of which MariaDB's own column type refuses some."""
    native = column.limits.native_uuid and column.type in (None, "uuid")

    def judge(raw: Any) -> Verdict:
        if not isinstance(raw, (str, uuid.UUID)):
            return (Wrong.OTHER_CLASS,)
        try:
            value = uuid.UUID(str(raw))
        except ValueError:
            return (Wrong.UNREADABLE,)
        known = value.variant == uuid.RFC_4122 and value.version in range(1, 6)
        return FINE if known or not native else (ASK,)

    return ColumnTest(lambda raws: bool(_PLAIN_UUIDS.fullmatch(",".join(raws) + ",")), judge)


def binary(_: Field, column: TargetColumn) -> ColumnTest:
    """Bytes."""
    limits = column.limits
    # A literal of bytes is hexadecimal: two characters a byte.
    most = (limits.packet - STATEMENT) // 2

    def judge(raw: Any) -> Verdict:
        if not isinstance(raw, (bytes, memoryview)):
            return (Wrong.OTHER_CLASS,)
        return (Wrong.TOO_LARGE,) if len(raw) > most else FINE

    def fine(raws: Values) -> bool:
        return set(map(type, raws)) == {bytes} and max(map(len, raws)) <= most

    return ColumnTest(fine, judge, f"{limits.packet} bytes")


def text(_: Field, column: TargetColumn) -> ColumnTest:
    """Anything that is stored as text, custom fields included."""
    column_type, limits = column.type or "", column.limits
    written = re.match(r"(?:var)?char\((\d+)\)(?!\[)", column_type, re.IGNORECASE)
    most = int(written[1]) if written else None
    is_text = written is not None or "text" in column_type.lower()
    length = most if most is not None else (limits.packet - STATEMENT) // 4

    def fine(raws: Values) -> bool:
        if set(map(type, raws)) != {str} or max(map(len, raws)) > length:
            return False
        joined = "".join(raws)
        return "\x00" not in joined and (joined.isascii() or bool(joined.encode()))

    def judge(raw: Any) -> Verdict:
        if not isinstance(raw, str):
            return (Wrong.OTHER_CLASS,) if is_text else FINE
        if not is_utf8(raw):
            return (Wrong.NOT_UTF8,)
        found = [Wrong.NUL] if "\x00" in raw else []
        if most is not None and len(raw) > most:
            found.append(Wrong.TOO_LONG)
        if most is None and literal_size(raw) > limits.packet:
            found.append(Wrong.TOO_LARGE)
        return found

    limit = f"{most} characters" if most is not None else f"{limits.packet} bytes"
    return ColumnTest(fine, judge, limit, length=most)


def literal_size(value: str) -> int:
    """The bytes of a statement with this text: quotes and backslashes are escaped."""
    return len(value.encode()) + value.count("'") + value.count("\\") + STATEMENT
