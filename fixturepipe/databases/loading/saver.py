"""Saves the objects of one chunk: what loaddata's `save` does object by object, in bulk.

The objects are taken in groups of one model. For each group: natural keys are resolved together,
keys that the target holds already are found with one query, new rows are inserted in multi-row
statements, rows that exist are updated by their key, as a raw save does. Foreign keys stay
checked by the server as each row goes in; where a chunk's objects refer to each other in a
circle they are checked for the chunk's own rows before its transaction ends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.core.serializers import base
from django.core.serializers.python import Deserializer
from django.db import Error as DatabaseError
from django.db import router, transaction

from fixturepipe.databases.ends import connection_to
from fixturepipe.databases.loading.groups import groups_of
from fixturepipe.databases.loading.literals import NULL
from fixturepipe.databases.loading.naturalmatch import NaturalMatcher
from fixturepipe.databases.loading.ownkeys import OwnKeys
from fixturepipe.databases.loading.receivers import has_receivers
from fixturepipe.databases.loading.references import KeyResolver, References, every_row
from fixturepipe.databases.loading.rejection import is_utf8, problem_of
from fixturepipe.databases.loading.rows import (
    MISSING,
    FixtureObject,
    Model,
    ModelPlan,
    RowProblem,
    Rows,
)
from fixturepipe.databases.loading.servererrors import (
    DUPLICATE,
    code_of,
    culprit_of,
    stops_chunk,
)
from fixturepipe.databases.loading.statements import StatementWriter

_LOOKUP_BATCH = 1_000
_SLICE = 1_000
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
    with a primary key for new, and look whether they exist only when the server says so.
    """

    keep_going: bool = False
    signals: bool = False
    fresh: bool = False
    json_nulls: dict[str, dict[str, Any]] = field(default_factory=dict)


class ModelPlans:
    """The compiled plans of the models of one load, made when first asked for."""

    def __init__(self, alias: str, options: SaverOptions) -> None:
        self._alias = alias
        self._options = options
        self._plans: dict[str, ModelPlan] = {}
        self._packet_size = 0
        self.resolver = KeyResolver(alias)

    def plan(self, label: str) -> ModelPlan:
        """The plan of the model that a fixture names. Raises LookupError if there is none."""
        found = self._plans.get(label)
        if found is None:
            named = apps.get_model(label)
            model: Model = named._meta.concrete_model or named
            nulls = self._options.json_nulls.get(model._meta.label_lower, {})
            found = ModelPlan(model, connection_to(self._alias), nulls)
            self._plans[label] = found
        return found

    @property
    def packet_size(self) -> int:
        """The bytes that a statement may have."""
        if not self._packet_size:
            with connection_to(self._alias).cursor() as cursor:
                cursor.execute("SELECT @@max_allowed_packet")
                (size,) = cursor.fetchone() or (0,)
            # The packet's header and the statement's own words count as well.
            self._packet_size = int(size) - 1024
        return self._packet_size


class ChunkSaver:
    """Saves one chunk within the transaction that its caller holds.

    Afterwards `problems` names the objects that are not in, `models` counts those that are by
    label, and `saved` holds the objects of the rows by plan and key (literal). With `deferred`,
    foreign keys are off while the rows go in and are checked by the caller. `once_sent` is called
    while the server works on the last rows.
    """

    def __init__(
        self,
        alias: str,
        plans: ModelPlans,
        options: SaverOptions,
        *,
        deferred: bool,
        once_sent: Callable[[], None] = lambda: None,
    ) -> None:
        self._alias = alias
        self._plans = plans
        self._options = options
        self._deferred = deferred
        self._once_sent = once_sent
        self._connection = connection_to(alias)
        self._writer = StatementWriter(
            self._connection, plans.packet_size, self._refused, keep_going=options.keep_going
        )
        self._references = References(OwnKeys(()), plans.resolver, self._writer.drain)
        self.problems: list[RowProblem] = []
        self.models: dict[str, int] = {}
        self.saved: dict[ModelPlan, dict[str, FixtureObject]] = {}

    def save(self, objects: Sequence[FixtureObject]) -> None:
        """Save the objects, in file order or model by model. Raises nothing for a bad object."""
        own = OwnKeys(objects)
        self._references = References(own, self._plans.resolver, self._writer.drain)
        try:
            with self._connection.execute_wrapper(self._writer.in_turn):
                for label, group in groups_of(objects, by_model=self._deferred):
                    self._save_group(label, group)
                self._once_sent()
                self._writer.drain()
        except _EnoughError:
            pass
        finally:
            self._writer.close()

    def take_back(self, plan: ModelPlan, problems: Sequence[RowProblem]) -> None:
        """Objects are not in after all: their rows have been deleted."""
        self.problems += problems
        self.models[plan.label] -= len(problems)

    def _save_group(self, label: str, group: list[FixtureObject]) -> None:
        try:
            plan = self._plans.plan(label)
        except LookupError as error:
            self.problems += [RowProblem(each, str(error)) for each in group]
            return
        if not router.allow_migrate_model(self._alias, plan.model):
            why = f"a database router keeps {label} out of {self._alias!r}"
            self.problems += [RowProblem(each, why) for each in group]
        elif self._options.signals and has_receivers(plan.model):
            self._save_as_django(plan, group)
        else:
            self._save_in_bulk(plan, group)

    def _save_in_bulk(self, plan: ModelPlan, group: list[FixtureObject]) -> None:
        # Usually one: every object of a dump gives the same fields in the same order.
        given = {tuple(each["fields"]) for each in group}
        known = plan.names | plan.lent | plan.lists.keys() | plan.generated
        if any(not known.issuperset(names) for names in given):
            group = self._without_unknown_fields(plan, group, known)
        lists = self._take_lists(plan, group)
        cells = plan.cells(group, whole=all(plan.names.issubset(names) for names in given))
        bad = self._references.resolve(plan, group, cells)
        if bad:
            self.problems += bad.values()
            good = [row for row in range(len(group)) if row not in bad]
            group = [group[row] for row in good]
            cells = [[values[row] for row in good] for values in cells]
        look = self._find_by_natural_key(plan, group, cells) or not self._options.fresh
        look = look or plan in self.saved
        for start in range(0, len(group), _SLICE):
            part = slice(start, start + _SLICE)
            self._save_rows(plan, group[part], [values[part] for values in cells], look=look)
        if lists:
            self._writer.drain()
            self._set_lists(plan, lists)

    def _save_rows(
        self,
        plan: ModelPlan,
        group: list[FixtureObject],
        cells: list[list[Any]],
        *,
        look: bool,
    ) -> None:
        """Write some rows: so many at a time that the server has work while more are prepared."""
        rows, problems = plan.rows(group, cells)
        self.problems += problems
        self.models[plan.label] = self.models.get(plan.label, 0) + len(rows)
        saved = self.saved.setdefault(plan, {})
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

    def _find_by_natural_key(
        self, plan: ModelPlan, group: list[FixtureObject], cells: list[list[Any]]
    ) -> bool:
        """Give objects without a primary key that of the row with their natural key."""
        position = next((i for i, c in enumerate(plan.columns) if c.field is plan.pk), None)
        if position is None or not group:
            return False
        keys = cells[position]
        without = [row for row, key in enumerate(keys) if key is MISSING or key is None]
        if not without:
            return False
        self._writer.drain()
        matcher = NaturalMatcher(self._alias, plan)
        for row, found in zip(without, matcher.match(without, group, cells), strict=True):
            keys[row] = found
        return True

    # ---- rows that exist

    def _update_existing(self, plan: ModelPlan, rows: Rows) -> Rows:
        """Update the rows that the target holds; gives the others."""
        existing = self._existing(plan, rows)
        if not existing:
            return rows
        for position, key in enumerate(rows.keys):
            if key in existing:
                self._update(plan, rows.part(position, position + 1))
        return rows.pick(i for i, key in enumerate(rows.keys) if key not in existing)

    def _existing(self, plan: ModelPlan, rows: Rows) -> set[str]:
        """The keys (literals) among the rows' that the table holds, exactly."""
        self._writer.drain()
        found: set[str] = set()
        wanted = [key for key in rows.keys if key not in (_NO_KEY, "DEFAULT")]
        table = every_row(plan.model, self._alias)
        for start in range(0, len(wanted), _LOOKUP_BATCH):
            condition = plan.key_condition(wanted[start : start + _LOOKUP_BATCH])
            # Literals only, all quoted; `extra` reads the keys back as the fields' own types.
            held = table.extra(where=[condition.replace("%", "%%")])  # noqa: S610
            found.update(plan.keys_of(held))
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
            return
        self.models[plan.label] -= 1
        if isinstance(error, UnicodeEncodeError):
            columns = tuple(
                column.name
                for column, cell in zip(plan.columns, row.cells[0], strict=True)
                if not is_utf8(cell)
            )
        else:
            columns = culprit_of(error, plan.model, self._connection)
        self.problems.append(problem_of(plan, row.objects[0], error, columns))
        if not self._options.keep_going and len(self.problems) >= _ENOUGH:
            raise _EnoughError

    def _exists_after_all(self, plan: ModelPlan, row: Rows) -> bool:
        """A key that was thought to be new: the row is updated, as loaddata would.

        One that the table's collation merely takes for the same is another row's.
        """
        if not self._options.fresh or row.keys[0] not in self._existing(plan, row):
            return False
        self._update(plan, row)
        return True

    # ---- what is done object by object

    def _without_unknown_fields(
        self, plan: ModelPlan, group: list[FixtureObject], known: Collection[str]
    ) -> list[FixtureObject]:
        good: list[FixtureObject] = []
        for each in group:
            unknown = sorted(each["fields"].keys() - known)
            if unknown:
                text = f"{plan.model._meta.label} has no field named {unknown[0]!r}"
                self.problems.append(RowProblem(each, text, unknown[0]))
            else:
                good.append(each)
        return good

    def _take_lists(
        self, plan: ModelPlan, group: list[FixtureObject]
    ) -> list[tuple[FixtureObject, dict[str, Any]]]:
        """The many-to-many lists of objects that were not arranged."""
        if not plan.lists:
            return []
        found = []
        for each in group:
            lists = {name: each["fields"][name] for name in plan.lists if name in each["fields"]}
            if lists:
                found.append((each, lists))
        return found

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
        """Links that cannot be made: the object goes with them."""
        (key,) = plan.keys_of(
            every_row(plan.model, self._alias).filter(pk=plan.pk.to_python(each.get("pk")))
        )
        self._writer.execute(f"DELETE FROM {plan.table} WHERE {plan.key_condition([key])}")
        self.saved[plan].pop(key, None)
        said = getattr(error, "original_exc", error)
        self.take_back(plan, [RowProblem(each, str(said), ", ".join(named), named)])

    def _save_as_django(self, plan: ModelPlan, group: list[FixtureObject]) -> None:
        """Django's own deserializer and raw save, which send the signals."""
        self._writer.drain()
        for each in group:
            try:
                for saved in Deserializer([each], using=self._alias):
                    saved.save(using=self._alias)
            except (DatabaseError, base.DeserializationError) as error:
                if stops_chunk(error):
                    raise
                columns = culprit_of(error, plan.model, self._connection)
                self.problems.append(problem_of(plan, each, error, columns))
                continue
            self.models[plan.label] = self.models.get(plan.label, 0) + 1
