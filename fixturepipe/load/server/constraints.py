"""Foreign keys that the server did not check because they were off, checked with its own joins.

The constraints are those that the tables really have, not those that the models wish for:
a reference without one may point at nothing on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.catalog import Catalog, Constraint
from fixturepipe.databases.endpoints import connection_to
from fixturepipe.databases.fields import Model, key_fields
from fixturepipe.databases.integrity import from_orphans
from fixturepipe.databases.packets import results
from fixturepipe.databases.queries import rows_of
from fixturepipe.databases.threads import connected_threads
from fixturepipe.errors import LoadError

# Rows of one constraint in the message.
_NAMED = 20
# So many constraints share a round trip where each connection has enough to do.
_TOGETHER = 6


def require_no_dangling_rows(alias: str, covered: Iterable[Model], connections: int = 1) -> None:
    """Check whole tables, automatic many-to-many tables too. Raises LoadError with the rows.

    More than one of `connections` are new ones, which see what is committed.
    """

    def described(some: Sequence[tuple[Model, Constraint]]) -> list[str]:
        return list(_dangling_rows(connection_to(alias), some))

    def constraints() -> list[tuple[Model, Constraint]]:
        found = Catalog(connection_to(alias)).foreign_keys
        return [(m, each) for m in covered for each in found.get(m._meta.db_table.lower(), ())]

    if connections == 1:
        bad = described(constraints())
    else:
        with connected_threads(connections, alias) as pool:
            every = constraints()
            count = max(connections, len(every) // _TOGETHER)
            # Large tables are often neighbours.
            parts = [every[number::count] for number in range(count)]
            bad = sorted(each for found in pool.map(described, parts) for each in found)
    if bad:
        raise LoadError(
            "\n".join(["Rows of the target refer to rows that do not exist:", *bad]),
            hint="Correct or delete these rows; then check again with `fixturepipe load`.",
        )


def _dangling_rows(
    connection: BaseDatabaseWrapper, constraints: Sequence[tuple[Model, Constraint]]
) -> Iterator[str]:
    """In words, the first rows that refer to no row, for each constraint of a model."""
    quote = connection.ops.quote_name
    orphans = [
        from_orphans(connection, each.table, each.column, each.remote, each.to)
        for _, each in constraints
    ]
    exist = results(connection, [f"SELECT EXISTS (SELECT 1 {rows})" for rows in orphans])
    for (model, each), rows, ((there_are,),) in zip(constraints, orphans, exist, strict=True):
        if there_are:
            names = [*(field.column for field in key_fields(model)), each.column]
            columns = ", ".join(f"a.{quote(name)}" for name in names)
            where = f"which is not in {each.remote}.{each.to}"
            for *key, value in rows_of(connection, f"SELECT {columns} {rows} LIMIT {_NAMED}"):
                shown = key[0] if len(key) == 1 else tuple(key)
                yield f"{each.table} {shown}: {each.column} is {value}, {where}"
