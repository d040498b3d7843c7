"""Fields of models as columns: which columns a table has, and of which kind.

What only newer versions of Django have is asked here, so that the others need not know it.
"""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import LOOKUP_SEP
from django.db.models.fields import NOT_PROVIDED

Field: TypeAlias = "models.Field[Any, Any]"
Model: TypeAlias = type[models.Model]

_SIZES = ("", "Big", "Small")
INTEGERS = [f"{size}AutoField" for size in _SIZES] + [
    f"{sign}{size}IntegerField" for sign in ("", "Positive") for size in _SIZES
]
TEXTS = [
    *("CharField", "TextField", "SlugField", "FileField", "FilePathField"),
    *("GenericIPAddressField", "IPAddressField"),
]
_OTHERS = [
    *("BinaryField", "BooleanField", "DateField", "DateTimeField", "DecimalField"),
    *("DurationField", "FloatField", "JSONField", "TimeField", "UUIDField"),
]
# The internal types whose values Django itself reads and writes on every database.
BUILT_IN = frozenset([*INTEGERS, *TEXTS, *_OTHERS])

# The methods that wrap a column or its value in SQL; Django 6.1 renamed the second.
_WRAPPING = ("select_format", "get_placeholder", "get_placeholder_sql")
# The methods that decide what a column holds and what Python makes of it.
_DECIDING = (
    *_WRAPPING,
    "get_db_converters",
    "from_db_value",
    "to_python",
    "value_to_string",
    "value_from_object",
    "get_prep_value",
    "get_db_prep_value",
    "get_db_prep_save",
)
# Those of the standard library and of Django's backend; for them there are encoders.
_KNOWN_DECLARATIONS = frozenset({"BOOL", "DATE", "TIME", "DATETIME", "TIMESTAMP"})


def names_of(fields: Iterable[Field]) -> str:
    """The names of fields, as a finding has them."""
    return ", ".join(field.name for field in fields)


def key_fields(model: Model) -> tuple[Field, ...]:
    """The columns that make up the primary key, in order."""
    # Composite keys came with Django 5.2.
    return tuple(getattr(model._meta, "pk_fields", None) or (model._meta.pk,))


def has_composite_key(model: Model) -> bool:
    """Whether the primary key is a CompositePrimaryKey."""
    return bool(getattr(model._meta, "is_composite_pk", False))


def condition_of(constraint: models.CheckConstraint) -> Any:
    """The condition of a CHECK constraint; the attribute was `check` before Django 5.1."""
    return getattr(constraint, "condition", None) or getattr(constraint, "check", None)


def has_db_default(field: Field) -> bool:
    """Whether the database has a default of its own for the column (Django 5.0 and later)."""
    return getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED


def stored_fields(model: Model) -> tuple[Field, ...]:
    """The table's own columns, the key's first; those that the database computes left out."""
    key = key_fields(model)
    return (*key, *(field for field in dumped_fields(model) if field not in key))


def generated_fields(model: Model) -> tuple[Field, ...]:
    """The table's columns that the database computes."""
    fields = model._meta.local_concrete_fields
    return tuple(field for field in fields if getattr(field, "generated", False))


def dumped_fields(model: Model) -> list[Field]:
    """The fields in an object's "fields": the table's own columns but the key.

    Generated columns are left out, since the target computes them; so are relations over several
    columns, since the columns themselves are there.
    """
    left_out = {model._meta.pk, *generated_fields(model)}
    return [field for field in model._meta.local_concrete_fields if field not in left_out]


def root_field(field: Field) -> Field:
    """The column at the end of a chain of foreign keys; the field itself if it is none."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field


def field_at(model: Model, path: str) -> Field:
    """The root field of the last name of a lookup path; "pk" is the primary key."""
    *relations, name = path.split(LOOKUP_SEP)
    for relation in relations:
        related = model._meta.get_field(relation).related_model
        assert isinstance(related, type)
        model = related
    field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    return root_field(field)


def is_integer(field: Field) -> bool:
    """Whether the column holds whole numbers."""
    return root_field(field).get_internal_type() in INTEGERS


def is_custom(field: Field, connection: BaseDatabaseWrapper) -> bool:
    """Whether code that is not Django's takes part in reading or writing the field."""
    return has_own_code(field) or declared_converter(field, connection) is not None


def has_own_code(field: Field) -> bool:
    """Whether the field's class is not Django's, or changes how its values are read or written.

    Django's own GenericIPAddressField does, too: it stores "::1" for "0::1".
    """
    if field.get_internal_type() not in BUILT_IN or isinstance(field, models.GenericIPAddressField):
        return True
    return any(not _is_djangos(getattr(type(field), name, None)) for name in _DECIDING)


def has_own_sql(field: Field) -> bool:
    """Whether SQL that is not Django's is wrapped around the column or around its values."""
    return any(not _is_djangos(getattr(type(field), name, None)) for name in _WRAPPING)


def is_read_by_django(field: Field) -> bool:
    """Whether Django's own code makes the field's value of what a fixture holds."""
    return _is_djangos(type(field).to_python)


def has_built_in_column(field: Field, connection: BaseDatabaseWrapper) -> bool:
    """Whether the column's type is that of Django's own field of the same internal type."""
    kind = field.get_internal_type()
    if kind not in BUILT_IN:
        return False
    if kind == "DecimalField" and not isinstance(field, models.DecimalField):
        return False  # without places and digits
    return field.db_type(connection) == models.Field.db_type(field, connection)


def without_code(field: Field, connection: BaseDatabaseWrapper) -> Field | None:
    """The field at the end of a chain of foreign keys, to convert values past a custom one's code.

    For a custom field it is Django's own of the same internal type, or None if the column has
    another type: its values are used as they are.
    """
    root = root_field(field)
    return as_django_made(root, connection) if is_custom(root, connection) else root


def as_django_made(field: Field, connection: BaseDatabaseWrapper) -> Field | None:
    """Django's own field of the same column, which stores what it is given.

    None if the column is not one that a field of Django's has. A FileField stores '' for NULL, a
    GenericIPAddressField "::1" for "0::1": a CharField takes their place.
    """
    if not has_built_in_column(field, connection):
        return None
    kind = field.get_internal_type()
    plain: Any = copy.copy(field)
    is_rewritten = kind in ("FileField", "GenericIPAddressField")
    plain.__class__ = models.CharField if is_rewritten else getattr(models, kind)
    if kind == "JSONField":
        plain.encoder = plain.decoder = None
    return plain  # type: ignore[no-any-return]


def _is_djangos(method: object) -> bool:
    return method is None or str(getattr(method, "__module__", "")).startswith("django.")


def declared_converter(
    field: Field, connection: BaseDatabaseWrapper
) -> Callable[[bytes], Any] | None:
    """What the project registered with `sqlite3.register_converter` for the column's type."""
    if connection.vendor != "sqlite":
        return None
    declared = (field.db_type(connection) or "").partition("(")[0].partition(" ")[0].upper()
    if declared in _KNOWN_DECLARATIONS:
        return None
    converters: dict[str, Callable[[bytes], Any]] = sqlite3.converters
    return converters.get(declared)
