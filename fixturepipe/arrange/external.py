"""Objects of fixtures that others wrote, brought to the form of our own dumps.

What stock loaddata takes is taken, in the same sense: many-to-many lists become rows of their
through model, a parent's at its child too; a proxy's objects are those of its concrete model; a
field may be named with its column's "_id", the primary key may be among the fields, and values
that carry nothing (generated columns, a parent's fields, which loaddata does not save either) fall
away.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fixturepipe.arrange.intake import Models
from fixturepipe.arrange.keys import PK
from fixturepipe.artifacts.fixtures import model_label
from fixturepipe.artifacts.manifest import ManyToMany, ModelSchema

_HINT = (
    "Is the fixture of another version of the project? --ignorenonexistent leaves out models"
    " and fields that the project does not have."
)


class UnusableObjectError(Exception):
    """An object that cannot be brought to our form: `problem` says why, `hint` what to do."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


class Plain(NamedTuple):
    """An object in the form of our dumps: a known model, fields of its own table, no lists."""

    label: str
    pk: Any
    fields: dict[str, Any]


class Normalizer:
    """Brings objects to our form.

    `ignored` counts what was left out, by label or field; `proxied` the objects that a proxy's
    label stood at, by that label.
    """

    def __init__(
        self,
        schemas: Mapping[str, ModelSchema],
        models: Models,
        connection: sqlite3.Connection,
        *,
        ignorenonexistent: bool,
    ) -> None:
        self._schemas = schemas
        self._models = models
        self._connection = connection
        self._ignorenonexistent = ignorenonexistent
        self._tables: set[str] = set()
        self._lists = {
            label: {each.field: each for each in self._inherited_lists(schema)}
            for label, schema in schemas.items()
        }
        self._concrete = {
            proxy: schema.label for schema in schemas.values() for proxy in schema.proxies
        }
        self.ignored: Counter[str] = Counter()
        self.proxied: Counter[str] = Counter()

    def label_of(self, name: str) -> str:
        """The label of the concrete model that a fixture names."""
        label = model_label(name)
        return self._concrete.get(label, label)

    def plain(self, item: Mapping[str, Any]) -> Iterator[Plain]:
        """The object itself, then the rows that its many-to-many lists mean.

        Raises UnusableObjectError for a model or a field that the project does not have,
        unless these are to be ignored.
        """
        label = self.label_of(item["model"])
        self._note_proxy(model_label(item["model"]), label)
        schema = self._schemas.get(label)
        if schema is None:
            self._ignore(label, f"the project has no model {item['model']!r}")
            return
        pk = item.get("pk")
        known = set(schema.fields)
        fields: dict[str, Any] = {}
        lists: list[tuple[ManyToMany, list[Any]]] = []
        many_to_many = self._lists[label]
        for name, value in item["fields"].items():
            if name in known:
                fields[name] = value
            elif name in many_to_many and many_to_many[name].through in self._schemas:
                lists.append((many_to_many[name], self._list(name, value)))
            elif name == schema.pk and isinstance(value, list):
                # The key of a content type or permission, which each database numbers itself.
                fields[name] = value
            elif name == schema.pk:
                pk = value
            elif name.endswith("_id") and name[:-3] in known and name[:-3] not in item["fields"]:
                fields[name[:-3]] = value
            elif name not in schema.derived and not self._is_inherited(schema, name):
                self._ignore(f"{label}.{name}", f"{label} has no field {name!r}")
        yield Plain(label, pk, fields)
        for each, values in lists:
            yield from self._rows(each, self._owner(Plain(label, pk, fields), each), values)

    def _note_proxy(self, written: str, label: str) -> None:
        if written != label:
            self.proxied[written] += 1

    def _ignore(self, name: str, problem: str) -> None:
        if not self._ignorenonexistent:
            raise UnusableObjectError(problem, _HINT)
        self.ignored[name] += 1

    def _is_inherited(self, schema: ModelSchema, name: str) -> bool:
        """Whether a field is one of a parent's, whose own object carries it."""
        for reference in schema.references:
            parent = self._schemas.get(reference.model) if reference.parent else None
            if parent is not None and (
                name in parent.fields or name == parent.pk or self._is_inherited(parent, name)
            ):
                return True
        return False

    def _inherited_lists(self, schema: ModelSchema) -> Iterator[ManyToMany]:
        """A model's many-to-many fields, those of its parents first."""
        for reference in schema.references:
            if reference.parent and reference.model in self._schemas:
                yield from self._inherited_lists(self._schemas[reference.model])
        yield from schema.many_to_many

    def _owner(self, plain: Plain, relation: ManyToMany) -> Plain:
        """The object that has the many-to-many field: this one or its parent's, by its key."""
        schema = self._schemas[plain.label]
        if relation in schema.many_to_many:
            return plain
        for reference in schema.references:
            if reference.parent and relation in self._lists.get(reference.model, {}).values():
                key = plain.pk if reference.field == PK else plain.fields.get(reference.field)
                return self._owner(Plain(reference.model, key, {}), relation)
        raise AssertionError(f"{plain.label} does not inherit {relation.field}")

    def _list(self, name: str, value: Any) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise UnusableObjectError(f"field {name!r} is many-to-many: it takes a list")
        return value

    def _rows(self, relation: ManyToMany, owner: Plain, values: list[Any]) -> Iterator[Plain]:
        """The rows of a list, each once; those of a symmetrical field go both ways."""
        natural = self._natural_key(owner) if relation.symmetrical or owner.pk is None else None
        for value in values:
            # The other object's list may name this one, by the kind of key that it uses here.
            own = owner.pk
            if natural is not None and (own is None or isinstance(value, list)):
                own = natural
            if own is None:
                raise UnusableObjectError(
                    "it has a many-to-many list, but no primary or natural key for its rows"
                )
            pairs = [(own, value), (value, own)] if relation.symmetrical else [(own, value)]
            for source, target in pairs:
                if self._is_new(relation, source, target):
                    yield Plain(
                        relation.through, None, {relation.source: source, relation.target: target}
                    )

    def _natural_key(self, owner: Plain) -> list[Any] | None:
        return self._models.natural_keys.of(owner.label, owner.pk, owner.fields)

    def _is_new(self, relation: ManyToMany, source: object, target: object) -> bool:
        table = f'"rows_{relation.through}_{relation.source}"'
        execute = self._connection.execute
        if table not in self._tables:
            self._tables.add(table)
            execute(f"CREATE TABLE {table} (source, target, PRIMARY KEY (source, target))")
        row = (
            self._models.key_in(relation.through, relation.source, source),
            self._models.key_in(relation.through, relation.target, target),
        )
        return execute(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", row).rowcount == 1
