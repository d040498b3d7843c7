"""What MySQL refuses and MariaDB takes, for a rehearsal on MariaDB: FP320.

MariaDB shortens a plain index that is too long, and keeps a long unique column in a hash; MySQL
refuses both (https://dev.mysql.com/doc/refman/9.4/en/innodb-limits.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.fields import Model
from fixturepipe.databases.tablesql import Index, statements_if_writable
from fixturepipe.findings.finding import Finding
from fixturepipe.findings.rules import RULES

_MOST_BYTES = 3_072
# A character of utf8mb4.
_CHARACTER = 4
_HINT = "For MySQL, {instead}; or declare a fix for the index once `check` names it on MySQL."


def refused_by_mysql(model: Model, connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """FP320 for each index of a model's table that MySQL refuses."""
    statements = statements_if_writable(model, connection)
    if statements is None:
        return
    create, uniques = statements.create.apart()
    definitions = create.columns()
    for index in (*uniques, *statements.indexes):
        reason, instead = _refusal(index, definitions)
        if reason:
            columns = ", ".join(index.column_names)
            fields = model._meta.local_concrete_fields
            yield RULES["FP320"].finding(
                model._meta.label_lower,
                ", ".join(field.name for field in fields if field.column in index.column_names),
                what=f"{'unique' if index.unique else 'the index on'} {columns}",
                reason=reason,
                hint=_HINT.format(instead=instead),
            )


def _refusal(index: Index, definitions: dict[str, str]) -> tuple[str, str]:
    """Why MySQL refuses an index, and what the model could have in its place; "" if it does not."""
    kinds = [_kind(definitions.get(name, "")) for name in index.column_names]
    if any(re.match(r"(?:long|medium|tiny)?(?:text|blob)\b", kind) for kind in kinds):
        return "a text without a length cannot be in an index", "use a CharField"
    size = sum(map(_bytes, kinds))
    if size > _MOST_BYTES:
        return f"its {size} bytes are more than {_MOST_BYTES}", "lower max_length"
    return "", ""


def _kind(definition: str) -> str:
    """A column's type, as its definition begins after the name."""
    return definition.partition("` ")[2].lower()


def _bytes(kind: str) -> int:
    """About what a column takes in an index; exactly, for text."""
    text = re.match(r"(?:var)?char\((\d+)\)", kind)
    return int(text[1]) * _CHARACTER if text else 8
