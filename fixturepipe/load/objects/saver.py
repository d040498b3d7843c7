"""Saves the objects of one chunk: what loaddata's `save` does object by object, in bulk.

The objects are taken in groups of one model. For each group: natural keys are resolved together,
keys that the target holds already are found with one query, new rows are inserted in multi-row
statements, rows that exist are updated by their key, as a raw save does. Foreign keys stay
checked by the server as each row goes in; where a chunk's objects refer to each other in a
cycle they are checked for the chunk's own rows before its transaction ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.serializers import base
from django.core.serializers.python import Deserializer
from django.db import Error as DatabaseError
from django.db import router, transaction

from fixturepipe.artifacts.records import key_text
from fixturepipe.databases.endpoints import connection_to
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.packets import in_batches
from fixturepipe.databases.plainquery import every_row
from fixturepipe.databases.text import is_utf8
from fixturepipe.load.objects.columns import MISSING
from fixturepipe.load.objects.groups import Group
from fixturepipe.load.objects.modelplan import ModelPlan
from fixturepipe.load.objects.ownkeys import OwnKeys, natural_key_in
from fixturepipe.load.objects.reading import ReadChunk
from fixturepipe.load.objects.receivers import has_receivers
from fixturepipe.load.objects.references import KeyResolver, keys_of_rows
from fixturepipe.load.objects.rejection import ExistingRowError, problem_of
from fixturepipe.load.objects.rows import FixtureObject, RowProblem, Rows
from fixturepipe.load.server.literals import NULL
from fixturepipe.load.server.servererrors import DUPLICATE, code_of, columns_in_error, stops_chunk
from fixturepipe.load.server.statements import StatementWriter

_LOOKUP_BATCH = 1_000
# The key, as a literal, of a row that the server is to number.
_NO_KEY = NULL
# So many problems tell what is wrong with a chunk that is not going to be loaded.
_ENOUGH = 10


class _EnoughError(Exception):
    """Ends the saving of a chunk that cannot be saved."""


@dataclass(frozen=True)
class SaverOptions:
    """How chunks are saved.

    `keep_going`: go on after a refused object, to report them all. `signals`: save the objects
    of models that have receivers of `pre_save` or `post_save` as Django does. `fresh`: take rows
    with a primary key for new. `overwrite`: where the server says that a key is not new after
    all, update the row; otherwise the object is refused, since the row is not this run's.
    `is_kept`, if given, says of a label and a key as text whether that row may be there already.
    """

    keep_going: bool = False
    signals: bool = False
    fresh: bool = False
    overwrite: bool = False
    is_kept: Callable[[str, str], bool] | None = None


class ChunkSaver:
    """Saves one chunk within the transaction that its caller holds.

    Afterwards `problems` names the objects that are not in, `models` counts those that are by
    label. With `deferred`, foreign keys are off while the rows go in and are checked by the
    caller, for whom `saved` holds the objects of the rows by plan and key (literal).
    `meanwhile` is the writer's.
    """

    def __init__(
        self,
        alias: str,
        packet_size: int,
        resolver: KeyResolver,
        options: SaverOptions,
        *,
        deferred: bool,
        meanwhile: Callable[[], bool],
    ) -> None:
        self._alias = alias
        self._resolver = resolver
        self._options = options
        self._deferred = deferred
        self._connection = connection_to(alias)
        self._writer = StatementWriter(
            self._connection,
            packet_size,
            self._refused,
            keep_going=options.keep_going,
            meanwhile=meanwhile,
        )
        self._own = OwnKeys(())
        self.problems: list[RowProblem] = []
        self.models: dict[str, int] = {}
        self.saved: dict[ModelPlan, dict[str, FixtureObject]] = {}

    def save(self, chunk: ReadChunk) -> None:
        """Save the chunk's groups in their order. Raises nothing for a bad object."""
        self._own = OwnKeys(chunk.objects)
        try:
            with self._connection.execute_wrapper(self._writer.in_turn):
                for group in chunk.groups:
                    if isinstance(group, Group):
                        self._save_group(group)
                    else:
                        self.problems += group
                self._writer.drain()
        except _EnoughError:
            pass
        finally:
            self._writer.close()

    def take_back(self, plan: ModelPlan, problems: Sequence[RowProblem]) -> None:
        """Objects are not in after all: their rows have been deleted."""
        self.problems += problems
        self.models[plan.label] -= len(problems)

    def _save_group(self, group: Group) -> None:
        group.read()
        self.problems += group.problems
        model = group.plan.model
        if not router.allow_migrate_model(self._alias, model):
            why = f"a database router keeps {group.plan.label} out of {self._alias!r}"
            self.problems += [RowProblem(each, why) for each in group.objects]
        elif self._options.signals and has_receivers(model):
            self._save_as_django(group)
        else:
            self._save_in_bulk(group)

    def _save_in_bulk(self, group: Group) -> None:
        plan = group.plan
        if bad := self._resolver.put_in_place(group, self._own, self._writer.drain):
            self.problems += bad.values()
            group.leave_out(bad)
        look = self._find_by_natural_key(group) or not self._options.fresh
        look = look or plan in self.saved
        for rows, problems in group.rows():
            self.problems += problems
            self._save_rows(rows, look=look)
        if group.lists:
            self._writer.drain()
            self._set_lists(plan, group.lists)

    def _save_rows(self, rows: Rows, *, look: bool) -> None:
        plan = rows.plan
        self.models[plan.label] = self.models.get(plan.label, 0) + len(rows)
        saved = self.saved.setdefault(plan, {})
        if self._deferred:
            saved.update(zip(rows.keys, rows.objects, strict=True))
        if look:
            rows = self._update_existing(plan, rows)
        if self._deferred and saved.pop(_NO_KEY, None) is not None:
            self._insert_numbered(plan, rows)
        else:
            self._writer.insert(rows)

    def _insert_numbered(self, plan: ModelPlan, rows: Rows) -> None:
        """One by one, because whoever checks these rows' references has to know their keys."""
        for position, key in enumerate(rows.keys):
            row = rows.part(position, position + 1)
            if key != _NO_KEY:
                self._writer.insert(row)
                continue
            given = self._writer.insert_numbered(row)
            if given is not None:
                self.saved[plan][str(given)] = row.objects[0]

    # ---- objects without a key

    def _find_by_natural_key(self, group: Group) -> bool:
        """Give objects without a primary key that of the row with their natural key."""
        plan = group.plan
        position = next((i for i, c in enumerate(plan.columns) if c.field is plan.pk), None)
        if position is None or not group.objects:
            return False
        keys = group.cells[position]
        without = [row for row, key in enumerate(keys) if key is MISSING or key is None]
        if not without:
            return False
        self._writer.drain()
        meant = keys_of_rows(self._alias, group, without)
        for row, found in zip(without, meant, strict=True):
            keys[row] = found
            if plan.kept_ids and (found is None or found is MISSING):
                natural_key = natural_key_in(group.objects[row], plan.model)
                keys[row] = plan.kept_ids.get(natural_key or (), found)
        return True

    # ---- rows that exist

    def _update_existing(self, plan: ModelPlan, rows: Rows) -> Rows:
        """Update the rows that the target holds with other values; gives those it does not hold."""
        held = self._held(plan, rows)
        if not held:
            return rows
        for position, key in enumerate(rows.keys):
            if key in held and not self._may_exist(plan, rows.objects[position]):
                self._refused(rows.part(position, position + 1), ExistingRowError())
            elif key in held and held[key] != rows.cells[position]:
                self._update(plan, rows.part(position, position + 1))
        return rows.pick(i for i, key in enumerate(rows.keys) if key not in held)

    def _may_exist(self, plan: ModelPlan, each: FixtureObject) -> bool:
        is_kept, pk = self._options.is_kept, each.get("pk")
        if is_kept is None or pk is None or plan.label in NATURAL_PRIMARY:
            return True
        return is_kept(plan.label, key_text(pk))

    def _held(self, plan: ModelPlan, rows: Rows) -> dict[str, tuple[str, ...] | None]:
        """What the table holds under the rows' keys, see `ModelPlan.rows_of`."""
        self._writer.drain()
        found: dict[str, tuple[str, ...] | None] = {}
        wanted = [key for key in rows.keys if key not in (_NO_KEY, "DEFAULT")]
        table = every_row(plan.model, self._alias)
        for keys in in_batches(self._connection, wanted, _LOOKUP_BATCH):
            condition = plan.key_condition(keys)
            # Literals only, all quoted; `extra` reads the keys back as the fields' own types.
            chosen = table.extra(where=[condition.replace("%", "%%")])  # noqa: S610
            found.update(plan.rows_of(chosen))
        return found

    def _update(self, plan: ModelPlan, row: Rows) -> None:
        parts = [f"{name}{row.cells[0][position]}" for position, name in plan.assignments]
        if not parts:
            return
        condition = plan.key_condition(row.keys)
        try:
            self._writer.execute(f"UPDATE {plan.table} SET {', '.join(parts)} WHERE {condition}")
        except DatabaseError as error:
            if stops_chunk(error):
                raise
            self._refused(row, error)

    # ---- what the server refuses

    def _refused(self, row: Rows, error: Exception) -> None:
        """A single row that the server does not take."""
        plan = row.plan
        if code_of(error) in DUPLICATE and self._exists_after_all(plan, row):
            if self._options.overwrite or self._writer.has_left_rows:
                self._update(plan, row)
                return
            error = ExistingRowError(*error.args)
        self.models[plan.label] -= 1
        if isinstance(error, UnicodeEncodeError):
            columns = tuple(
                column.name
                for column, cell in zip(plan.columns, row.cells[0], strict=True)
                if not is_utf8(cell)
            )
        else:
            columns = columns_in_error(error, plan.model, self._connection)
        self.problems.append(problem_of(plan, row.objects[0], error, columns))
        if not self._options.keep_going and len(self.problems) >= _ENOUGH:
            raise _EnoughError

    def _exists_after_all(self, plan: ModelPlan, row: Rows) -> bool:
        """Whether the table has a row under a key that was thought to be new.

        A key that the table's collation merely considers equal is another row's.
        """
        return self._options.fresh and row.keys[0] in self._held(plan, row)

    # ---- what is done object by object

    def _set_lists(
        self, plan: ModelPlan, lists: list[tuple[FixtureObject, dict[str, Any]]]
    ) -> None:
        """`.set()`, as loaddata does."""
        for each, named in lists:
            instance = (
                every_row(plan.model, self._alias)
                .filter(pk=plan.pk.to_python(each.get("pk")))
                .first()
            )
            if instance is None:
                continue
            try:
                with transaction.atomic(using=self._alias):
                    for name, values in named.items():
                        relation: Any = plan.lists[name]
                        keys = base.deserialize_m2m_values(relation, values, self._alias, False)
                        getattr(instance, name).set(keys)
            except (base.M2MDeserializationError, DatabaseError) as error:
                if stops_chunk(error):
                    raise
                self._refuse_lists(plan, each, named, error)

    def _refuse_lists(
        self, plan: ModelPlan, each: FixtureObject, named: dict[str, Any], error: Exception
    ) -> None:
        """ManyToMany that cannot be made: the object goes with them."""
        (key,) = plan.keys_of(
            every_row(plan.model, self._alias).filter(pk=plan.pk.to_python(each.get("pk")))
        )
        self._writer.execute(f"DELETE FROM {plan.table} WHERE {plan.key_condition([key])}")
        self.saved[plan].pop(key, None)
        said = getattr(error, "original_exc", error)
        self.take_back(plan, [RowProblem(each, str(said), ", ".join(named), named)])

    def _save_as_django(self, group: Group) -> None:
        """Django's own deserializer and raw save, which send the signals."""
        plan = group.plan
        self._writer.drain()
        for each in group.objects:
            try:
                for saved in Deserializer([each], using=self._alias):
                    saved.save(using=self._alias)
            except (DatabaseError, base.DeserializationError) as error:
                if stops_chunk(error):
                    raise
                columns = columns_in_error(error, plan.model, self._connection)
                self.problems.append(problem_of(plan, each, error, columns))
                continue
            self.models[plan.label] = self.models.get(plan.label, 0) + 1
