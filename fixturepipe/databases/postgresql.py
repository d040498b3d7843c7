"""PostgreSQL values that Python cannot represent, read as the text that the server writes.

psycopg raises for "infinity", for years before 1 and after 9999, for 24:00:00 and for intervals
beyond `timedelta`, in the middle of a result and without the row. As text, `check` and `dump`
can report such a value with its model, key and field.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.errors import ConfigurationError

_TYPES = ("date", "time", "timestamp", "timestamptz", "interval")


def set_up_session(connection: BaseDatabaseWrapper) -> None:
    """Set up a new connection: no limit on the time of a statement, and lenient values.

    Raises ConfigurationError for psycopg2, which takes the last day of 9999 for infinity.
    """
    from django.db.backends.postgresql.psycopg_any import (  # type: ignore[import-untyped]
        is_psycopg3,
    )

    if not is_psycopg3:
        raise ConfigurationError(
            "PostgreSQL is read through psycopg 3, and only psycopg2 is installed",
            hint="pip install 'fixturepipe[postgresql]'",
        )
    from psycopg.pq import Format

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
    adapters = connection.connection.adapters
    for name in _TYPES:
        oid = adapters.types[name].oid
        adapters.register_loader(oid, _lenient(adapters.get_loader(oid, Format.TEXT)))


@lru_cache
def _lenient(loader: type[Any]) -> type[Any]:
    """A loader that gives the text where `loader` raises."""
    import psycopg
    from psycopg.types import datetime as in_python

    # The loaders in C do not call the `load` of a subclass: take their equals in Python.
    base: Any = getattr(in_python, loader.__name__, loader)

    class Lenient(base):  # type: ignore[misc]
        def load(self, data: Any) -> Any:
            try:
                return super().load(data)
            except psycopg.DataError:
                return bytes(data).decode()

    return Lenient
