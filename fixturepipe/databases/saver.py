"""Saves the objects of one chunk: what loaddata's `save` does object by object, in bulk.

The objects are taken in runs of one model. For each run: natural keys are resolved together,
keys that the target holds already are found with one query, new rows are inserted in multi-row
statements, rows that exist are updated by their key, as a raw save does. Foreign keys stay
checked by the server as each row goes in; where a chunk's objects refer to each other in a
circle they are checked for the chunk's own rows before its transaction ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.apps import apps
from django.core.serializers import base
from django.core.serializers.python import Deserializer
from django.db import Error as DatabaseError
from django.db import models, router
from django.db.models.signals import post_save, pre_save

from fixturepipe.databases.ends import connection_to
from fixturepipe.databases.literals import NULL
from fixturepipe.databases.ownkeys import OwnKeys
from fixturepipe.databases.references import (
    AmbiguousKeyError,
    KeyResolver,
    any_of,
    every_row,
    hashable,
    key_paths,
)
from fixturepipe.databases.rows import (
    MISSING,
    Column,
    FixtureObject,
    Model,
    ModelPlan,
    RowProblem,
    Rows,
)
from fixturepipe.databases.servererrors import (
    DUPLICATE,
    code_of,
    culprit_of,
    hint_for,
    is_transient,
    said_by,
)
from fixturepipe.databases.statements import StatementWriter

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


class ChunkSaver:
    """Saves one chunk within the transaction that its caller holds.

    Afterwards `problems` names the objects that are not in, `models` counts those that are by
    label, and `saved` holds the objects of the rows by plan and key (literal). With `deferred`,
    foreign keys are off while the rows go in and are checked by the caller.
    """

    def __init__(
        self, alias: str, plans: ModelPlans, options: SaverOptions, *, deferred: bool
    ) -> None:
        self._alias = alias
        self._plans = plans
        self._options = options
        self._deferred = deferred
        self._connection = connection_to(alias)
        self._writer = StatementWriter(
            self._connection, self._refused, keep_going=options.keep_going
        )
        self._own: OwnKeys = OwnKeys(())
        self.problems: list[RowProblem] = []
        self.models: dict[str, int] = {}
        self.saved: dict[ModelPlan, dict[str, FixtureObject]] = {}

    def save(self, objects: Sequence[FixtureObject]) -> None:
        """Save the objects, in file order or model by model. Raises nothing for a bad object."""
        self._own = OwnKeys(objects)
        try:
            for label, run in self._runs(objects):
                self._save_run(label, run)
            self._writer.drain()
        except _EnoughError:
            pass
        finally:
            self._writer.close()

    def take_back(self, plan: ModelPlan, problems: Sequence[RowProblem]) -> None:
        """Objects are not in after all: their rows have been deleted."""
        self.problems += problems
        self.models[plan.label] -= len(problems)

    def _runs(self, objects: Sequence[FixtureObject]) -> Iterator[tuple[str, list[FixtureObject]]]:
        """Objects of one model together; with foreign keys off, all of a model at once.

        An object that comes twice begins a run of its own: the second updates the first.
        """
        if self._deferred:
            objects = sorted(objects, key=_order_of_appearance(objects))
        for label, group in groupby(objects, key=_label):
            for run in _without_repeated_keys(list(group)):
                yield label, run

    def _save_run(self, label: str, run: list[FixtureObject]) -> None:
        try:
            plan = self._plans.plan(label)
        except LookupError as error:
            self.problems += [RowProblem(each, str(error)) for each in run]
            return
        if not router.allow_migrate_model(self._alias, plan.model):
            why = f"a database router keeps {label} out of {self._alias!r}"
            self.problems += [RowProblem(each, why) for each in run]
        elif self._options.signals and has_receivers(plan.model):
            self._save_as_django(plan, run)
        else:
            self._save_in_bulk(plan, run)

    def _save_in_bulk(self, plan: ModelPlan, run: list[FixtureObject]) -> None:
        # Usually one: every object of a dump gives the same fields in the same order.
        given = {tuple(each["fields"]) for each in run}
        known = plan.names | plan.lent | plan.lists.keys() | plan.generated
        if any(not known.issuperset(names) for names in given):
            run = self._without_unknown_fields(plan, run, known)
        lists = self._take_lists(plan, run)
        cells = plan.cells(run, whole=all(plan.names.issubset(names) for names in given))
        run, cells = self._resolve(plan, run, cells)
        look = self._find_by_natural_key(plan, run, cells) or not self._options.fresh
        look = look or plan in self.saved
        for start in range(0, len(run), _SLICE):
            part = slice(start, start + _SLICE)
            self._save_rows(plan, run[part], [values[part] for values in cells], look=look)
        if lists:
            self._writer.drain()
            self._set_lists(plan, lists)

    def _save_rows(
        self,
        plan: ModelPlan,
        run: list[FixtureObject],
        cells: list[list[Any]],
        *,
        look: bool,
    ) -> None:
        """Write some rows: so many at a time that the server has work while more are prepared."""
        rows, problems = plan.rows(run, cells)
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

    # ---- references

    def _resolve(
        self, plan: ModelPlan, run: list[FixtureObject], cells: list[list[Any]]
    ) -> tuple[list[FixtureObject], list[list[Any]]]:
        """Put what natural keys stand for in their place; drop objects whose keys mean nothing."""
        bad: dict[int, RowProblem] = {}
        for column, values in zip(plan.columns, cells, strict=True):
            if column.remote is not None and list in set(map(type, values)):
                self._resolve_column(column, run, values, bad)
        if not bad:
            return run, cells
        self.problems += bad.values()
        good = [row for row in range(len(run)) if row not in bad]
        return [run[row] for row in good], [[values[row] for row in good] for values in cells]

    def _resolve_column(
        self,
        column: Column,
        run: list[FixtureObject],
        values: list[Any],
        bad: dict[int, RowProblem],
    ) -> None:
        assert column.remote is not None
        keys = {row: tuple(v) for row, v in enumerate(values) if type(v) is list}
        try:
            distinct = set(keys.values())
        except TypeError:  # a key within a key
            keys = {row: hashable(key) for row, key in keys.items()}
            distinct = set(keys.values())
        found = self._meanings(column.remote, column.to, distinct)
        for row, key in keys.items():
            meaning = found.get(key, MISSING)
            if meaning is MISSING:
                text = f"no {column.remote._meta.label} has the natural key {list(key)}"
                bad[row] = RowProblem(
                    run[row],
                    text,
                    column.field.name,
                    values[row],
                    "The object it refers to is not in the target.",
                )
            values[row] = meaning

    def _meanings(self, remote: Model, to: str, keys: set[tuple[Any, ...]]) -> dict[Any, Any]:
        """Keys found among the chunk's own objects first: those rows may be still to come."""
        own = self._own.find(remote, to, keys)
        rest = keys - own.keys()
        if not rest:
            return own
        self._writer.drain()
        try:
            known = self._plans.resolver.resolve(remote, to, rest)
        except AmbiguousKeyError:
            known = {}
        return {**{key: known[key] for key in rest if key in known}, **own}

    def _find_by_natural_key(
        self, plan: ModelPlan, run: list[FixtureObject], cells: list[list[Any]]
    ) -> bool:
        """Give objects without a primary key that of the row with their natural key."""
        position = next((i for i, c in enumerate(plan.columns) if c.field is plan.pk), None)
        if position is None or not run:
            return False
        keys = cells[position]
        without = [row for row, key in enumerate(keys) if key is MISSING or key is None]
        if not without:
            return False
        self._writer.drain()
        matcher = NaturalMatcher(self._alias, plan)
        for row, found in zip(without, matcher.match(without, run, cells), strict=True):
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
            if is_transient(error):
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
                if not _is_utf8(cell)
            )
        else:
            columns = culprit_of(error, plan.model, self._connection)
        self.problems.append(_problem(plan, row.objects[0], error, columns))
        if not self._options.keep_going and len(self.problems) >= _ENOUGH:
            raise _EnoughError

    def _exists_after_all(self, plan: ModelPlan, row: Rows) -> bool:
        """A key that was thought to be new: the row is updated, as loaddata would."""
        if not self._options.fresh or not self._existing(plan, row):
            return False
        self._update(plan, row)
        return True

    # ---- what is done object by object

    def _without_unknown_fields(
        self, plan: ModelPlan, run: list[FixtureObject], known: Collection[str]
    ) -> list[FixtureObject]:
        good: list[FixtureObject] = []
        for each in run:
            unknown = sorted(each["fields"].keys() - known)
            if unknown:
                text = f"{plan.model._meta.label} has no field named {unknown[0]!r}"
                self.problems.append(RowProblem(each, text, unknown[0]))
            else:
                good.append(each)
        return good

    def _take_lists(
        self, plan: ModelPlan, run: list[FixtureObject]
    ) -> list[tuple[FixtureObject, dict[str, Any]]]:
        """The many-to-many lists of objects that were not arranged."""
        if not plan.lists:
            return []
        found = []
        for each in run:
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
            for name, values in named.items():
                relation: Any = plan.lists[name]
                keys = base.deserialize_m2m_values(relation, values, self._alias, False)
                getattr(instance, name).set(keys)

    def _save_as_django(self, plan: ModelPlan, run: list[FixtureObject]) -> None:
        """Django's own deserializer and raw save, which send the signals."""
        self._writer.drain()
        for each in run:
            try:
                for saved in Deserializer([each], using=self._alias):
                    saved.save(using=self._alias)
            except (DatabaseError, base.DeserializationError) as error:
                if is_transient(error):
                    raise
                columns = culprit_of(error, plan.model, self._connection)
                self.problems.append(_problem(plan, each, error, columns))
                continue
            self.models[plan.label] = self.models.get(plan.label, 0) + 1


class NaturalMatcher:
    """Finds the rows that objects without a primary key stand for, by their natural keys.

    The key's parts are columns of the object's own row where its references go by the whole
    natural key of what they refer to; such objects are matched with one query. Others are made
    into instances and asked, as loaddata does.
    """

    def __init__(self, alias: str, plan: ModelPlan) -> None:
        self._alias = alias
        self._plan = plan
        self._columns = _key_columns(plan)

    def match(
        self, rows: Sequence[int], run: Sequence[FixtureObject], cells: Sequence[list[Any]]
    ) -> list[Any]:
        """The primary key for each of these rows, None where the target has no such row."""
        plan = self._plan
        if self._columns:
            return self._by_columns(rows, cells)
        if not key_paths(plan.model) and not hasattr(plan.model, "natural_key"):
            return [MISSING if plan.pk.has_default() else None for _ in rows]
        return [self._by_instance(run[row]) for row in rows]

    def _by_columns(self, rows: Sequence[int], cells: Sequence[list[Any]]) -> list[Any]:
        wanted = [tuple(_python(c, cells[i][row]) for i, c in self._columns) for row in rows]
        names = [column.field.attname for _, column in self._columns]
        found: dict[tuple[Any, ...], Any] = {}
        table = every_row(self._plan.model, self._alias)
        for start in range(0, len(wanted), _LOOKUP_BATCH):
            condition = any_of(names, wanted[start : start + _LOOKUP_BATCH])
            for key, *parts in table.filter(condition).values_list("pk", *names):
                found[tuple(parts)] = key
        return [found.get(key, self._new_key()) for key in wanted]

    def _by_instance(self, each: FixtureObject) -> Any:
        (made,) = Deserializer([each], using=self._alias)
        return made.object.pk if made.object.pk is not None else self._new_key()

    def _new_key(self) -> Any:
        return MISSING if self._plan.pk.has_default() else None


def _problem(
    plan: ModelPlan, each: FixtureObject, error: Exception, columns: Collection[str]
) -> RowProblem:
    """What an error says of an object, `columns` being those that it speaks of."""
    named = [c.field.name for c in plan.columns if c.name in columns]
    values = [
        each.get("pk") if name == plan.pk.name else each["fields"].get(name) for name in named
    ]
    return RowProblem(
        each,
        said_by(error),
        ", ".join(named),
        values[0] if len(values) == 1 else values or None,
        hint_for(error),
        code_of(error),
    )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def has_receivers(model: Model) -> bool:
    """Whether the project has asked to be told when the model's objects are saved."""
    if model._meta.auto_created:
        return False
    return any(
        _is_the_projects(each) for s in (pre_save, post_save) for each in _receivers(s, model)
    )


def _receivers(signal: Any, model: Model) -> list[Any]:
    called, awaited = signal._live_receivers(model)
    return [*called, *awaited]


def _is_the_projects(receiver: Any) -> bool:
    """Django's own receivers clear caches of the process that saves, and no more."""
    return not str(getattr(receiver, "__module__", "")).startswith("django.")


def _key_columns(plan: ModelPlan) -> list[tuple[int, Column]]:
    paths = key_paths(plan.model)
    by_prefix: dict[str, list[str]] = {}
    for path in paths:
        prefix, _, rest = path.partition("__")
        by_prefix.setdefault(prefix, []).append(rest)
    found: list[tuple[int, Column]] = []
    for prefix, rests in by_prefix.items():
        for position, column in enumerate(plan.columns):
            if prefix not in (column.field.name, column.field.attname):
                continue
            if rests != [""] and (
                column.remote is None or tuple(rests) != key_paths(column.remote)
            ):
                return []
            found.append((position, column))
    return found if len(found) == len(by_prefix) else []


def _python(column: Column, value: Any) -> Any:
    if value is MISSING:
        return column.field.get_default()
    if value is None:
        return None
    if isinstance(column.field, models.ForeignKey):
        return column.field.target_field.to_python(value)
    return column.field.to_python(value)


_label = itemgetter("model")


def _without_repeated_keys(run: list[FixtureObject]) -> Iterator[list[FixtureObject]]:
    """The run, cut before each object whose primary key has come already."""
    keys = [repr(key) if type(key := each.get("pk")) is list else key for each in run]
    if len(set(keys)) == len(keys):
        yield run
        return
    seen: set[Any] = set()
    start = 0
    for position, key in enumerate(keys):
        if key in seen:
            yield run[start:position]
            start, seen = position, set()
        if key is not None:
            seen.add(key)
    yield run[start:]


def _order_of_appearance(objects: Sequence[FixtureObject]) -> Any:
    first: dict[str, int] = {}
    for each in objects:
        first.setdefault(_label(each), len(first))
    return lambda each: first[_label(each)]
