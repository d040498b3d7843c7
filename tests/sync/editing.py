"""Random edits of a source: rows of every kind of model made, changed, rekeyed and deleted.

What it leaves is sound: every reference finds its row, every unique value occurs once.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connections, models

from fixturepipe.databases.fields import key_fields, root_field
from tests.apps.everyfield.models import ByText, ByUUID, ContentTypeNote, Remark
from tests.apps.knots import models as knots
from tests.apps.loading import models as loading

ALIAS = "default"
# Models whose rows are made, changed and deleted at random.
EDITED: tuple[type[models.Model], ...] = (
    *(User, Group, ByText, ByUUID, Remark, ContentTypeNote),
    *(knots.Area, knots.Hen, knots.Egg, knots.Author, knots.Book, knots.Novel),
    *(knots.Plate, knots.Screw, knots.Person),
    *(loading.Shade, loading.Person, loading.Membership, loading.Pointer, loading.Node),
    *(loading.Place, loading.Restaurant, loading.Pizzeria, loading.Line, loading.Seat),
    *(loading.Product, loading.Stock, loading.Passport, loading.Document, loading.Odd),
    *(loading.Strict, loading.Defaults, loading.Custom),
)
REKEYED = (
    *(knots.Area, knots.Hen, knots.Egg, knots.Author, knots.Book, knots.Plate, ByText, ByUUID),
    *(loading.Person, loading.Place, loading.Product, loading.Document, loading.Odd, User, Group),
)
SWAPPED = (
    *((knots.Area, "name"), (knots.Author, "name"), (loading.Strict, "once")),
    *((User, "username"), (Group, "name")),
)


def rows(model: type[models.Model]) -> models.QuerySet[Any]:
    """All rows of a model, past its managers."""
    return models.QuerySet(model, using=ALIAS).order_by("pk")


class Editor:
    """Edits the database that "default" is bound to; the same seed makes the same edits."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._serial = 0

    def fill(self, rows_each: int) -> None:
        """Make rows of every model."""
        for model in EDITED:
            for _ in range(rows_each):
                self._make(model)
        for _ in range(rows_each * 4):
            self._link()

    def edit(self, times: int) -> None:
        """Make so many random edits."""
        acts: list[Callable[[], None]] = [
            *[lambda: self._make(self._random.choice(EDITED))] * 3,
            *[self._change] * 3,
            *[self._delete, self._rekey, self._swap, self._link, self._unlink, self._permit],
        ]
        for _ in range(times):
            self._random.choice(acts)()

    # ---- the edits

    def _make(self, model: type[models.Model]) -> None:
        if model is loading.Strict or model is ContentTypeNote:
            pass
        if model in (knots.Hen, loading.Hen):
            return self._hatch()
        if model is knots.Egg:
            return None
        values = self._values(model)
        if values is not None:
            created = model(**values)
            created.save(using=ALIAS, force_insert=True)
        return None

    def _hatch(self) -> None:
        """A hen and an egg that need each other."""
        key = (max(rows(knots.Hen).values_list("pk", flat=True), default=0)) + 1
        other = (max(rows(knots.Egg).values_list("pk", flat=True), default=0)) + 1
        self._execute(f"INSERT INTO knots_hen (id, egg_id) VALUES ({key}, {other})")
        self._execute(f"INSERT INTO knots_egg (id, hen_id) VALUES ({other}, {key})")

    def _change(self) -> None:
        """Give a row the values of a new one, all but its key."""
        model = self._random.choice([m for m in EDITED if m not in (knots.Hen, knots.Egg)])
        row = self._any(model)
        values = self._values(model)
        if row is None or values is None:
            return
        kept = {field.name for field in key_fields(model)} | {"row", "number", "person"}
        own = {field.name for field in model._meta.local_concrete_fields} - kept
        if changed := {name: each for name, each in values.items() if name in own}:
            rows(model).filter(pk=row.pk).update(**changed)

    def _delete(self) -> None:
        row = self._any(self._random.choice(EDITED))
        if row is not None:
            row.delete(using=ALIAS)

    def _swap(self) -> None:
        """Two rows trade a unique value."""
        model, name = self._random.choice(SWAPPED)
        one, other = self._any(model), self._any(model)
        if one is None or other is None or one.pk == other.pk:
            return
        first, second = getattr(one, name), getattr(other, name)
        rows(model).filter(pk=one.pk).update(**{name: f"~{self._next()}"})
        rows(model).filter(pk=other.pk).update(**{name: first})
        rows(model).filter(pk=one.pk).update(**{name: second})

    def _rekey(self) -> None:
        """A row gets another primary key, and what refers to it follows."""
        model = self._random.choice(REKEYED)
        row = self._any(model)
        if row is None:
            return
        pk: Any = model._meta.pk
        old = pk.get_db_prep_value(row.pk, connections[ALIAS])
        new = pk.get_db_prep_value(self._key(pk), connections[ALIAS])
        for other in apps.get_models(include_auto_created=True):
            for field in other._meta.local_concrete_fields:
                if not other._meta.proxy and root_field(field) is pk:
                    self._execute(
                        f'UPDATE "{other._meta.db_table}" SET "{field.column}" = %s'
                        f' WHERE "{field.column}" = %s',
                        [new, old],
                    )

    def _link(self) -> None:
        owner, name = self._random.choice(MANY)
        row = self._any(owner)
        other = self._any(owner._meta.get_field(name).related_model)  # type: ignore[arg-type]
        if row is not None and other is not None:
            getattr(row, name).add(other.pk)

    def _unlink(self) -> None:
        owner, name = self._random.choice(MANY)
        row = self._any(owner)
        if row is not None:
            getattr(row, name).clear()

    def _permit(self) -> None:
        """A permission of the project's own, which no migration makes."""
        number = self._next()
        content_type = ContentType.objects.using(ALIAS).first()
        assert content_type is not None
        Permission.objects.using(ALIAS).create(
            codename=f"act_{number}", name=f"May {number}", content_type=content_type
        )

    # ---- values

    def _values(self, model: type[models.Model]) -> dict[str, Any] | None:
        """Values for a row of a model; None where what it refers to is not there."""
        number = self._next()
        word = f"{self._random.choice(_WORDS)} {number}"
        values = _MADE[model](self, number, word)
        needed = [n for n, v in values.items() if v is None and n in _NEEDED.get(model, ())]
        return None if needed else values

    def one(self, model: type[models.Model], *, null: bool = False) -> Any:
        """A row of a model at random, or sometimes None."""
        return None if null and self._random.random() < 0.3 else self._any(model)

    def key(self) -> uuid.UUID:
        """A key that MariaDB's uuid columns take, which is not every one."""
        return uuid.UUID(int=self._random.getrandbits(128), version=4)

    def _any(self, model: type[models.Model]) -> Any:
        keys = list(rows(model).values_list("pk", flat=True))
        return rows(model).get(pk=self._random.choice(keys)) if keys else None

    def _key(self, field: Any) -> Any:
        kind = field.get_internal_type()
        if kind == "UUIDField":
            return self.key()
        if kind == "CharField":
            return f"key {self._next()}"
        highest = rows(field.model).order_by("-pk").values_list("pk", flat=True).first() or 0
        return highest + self._random.randint(1, 40)

    def _next(self) -> int:
        self._serial += 1
        return self._random.randrange(10**6) * 1000 + self._serial

    @staticmethod
    def _execute(statement: str, parameters: list[Any] | None = None) -> None:
        connection = connections[ALIAS]
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            cursor.execute(statement, parameters)


_WORDS = ("plain", "Größe", "naïve", "雪", 'O\'Brien \\ "x"', "tab\tline\n")
MANY: tuple[tuple[type[models.Model], str], ...] = (
    *((knots.Person, "friends"), (knots.Book, "areas"), (loading.Person, "shades")),
    *((User, "groups"), (User, "user_permissions"), (Group, "permissions"), (Remark, "labels")),
)
_NEEDED: dict[type[models.Model], tuple[str, ...]] = {
    knots.Book: ("author",),
    knots.Novel: ("author",),
    knots.Screw: ("plate",),
    loading.Membership: ("person",),
    loading.Line: ("place",),
    loading.Stock: ("product",),
    loading.Passport: ("person",),
    ContentTypeNote: ("content_type",),
}


def _free(editor: Editor, model: type[models.Model], name: str, remote: type[models.Model]) -> Any:
    """A row of `remote` that no row of the model refers to yet."""
    taken = set(rows(model).values_list(name, flat=True))
    free = [row for row in rows(remote) if row.pk not in taken]
    return editor._random.choice(free) if free else None


Maker = Callable[[Editor, int, str], dict[str, Any]]
_MADE: dict[type[models.Model], Maker] = {
    User: lambda e, n, w: {"username": f"u{n}", "first_name": w[:30], "password": "!"},
    Group: lambda e, n, w: {"name": w},
    ByText: lambda e, n, w: {"name": f"t {n}", "value": n % 100},
    ByUUID: lambda e, n, w: {
        "id": e.key(),
        "parent": e.one(ByUUID, null=True),
        "value": n % 100,
    },
    Remark: lambda e, n, w: {
        "content_type": ContentType.objects.using(ALIAS).first(),
        "object_id": str(n),
    },
    ContentTypeNote: lambda e, n, w: {
        "content_type": _free(e, ContentTypeNote, "content_type", ContentType),
        "text": w,
    },
    knots.Area: lambda e, n, w: {
        "name": w,
        "parent": e.one(knots.Area, null=True),
        "peer": e.one(knots.Area, null=True),
    },
    knots.Author: lambda e, n, w: {
        "name": w,
        "best": e.one(knots.Book, null=True),
        "home": e.one(knots.Area, null=True),
    },
    knots.Book: lambda e, n, w: {"title": w, "author": e.one(knots.Author)},
    knots.Novel: lambda e, n, w: {
        "title": w,
        "author": e.one(knots.Author),
        "sequel_to": e.one(knots.Novel, null=True),
    },
    knots.Plate: lambda e, n, w: {
        "id": e.key(),
        "number": f"p{n}",
        "next": e.one(knots.Plate, null=True),
    },
    knots.Screw: lambda e, n, w: {
        "plate": _free(e, knots.Screw, "plate", knots.Plate),
        "neighbor": e.one(knots.Screw, null=True),
    },
    knots.Person: lambda e, n, w: {},
    loading.Shade: lambda e, n, w: {"slug": w},
    loading.Person: lambda e, n, w: {"name": w, "deleted": n % 2 == 0},
    loading.Membership: lambda e, n, w: {"role": f"r{n}", "person": e.one(loading.Person)},
    loading.Pointer: lambda e, n, w: {
        "shade": e.one(loading.Shade, null=True),
        "person": e.one(loading.Person, null=True),
        "membership": e.one(loading.Membership, null=True),
    },
    loading.Node: lambda e, n, w: {"slug": w, "parent": e.one(loading.Node, null=True)},
    loading.Place: lambda e, n, w: {"name": w},
    loading.Restaurant: lambda e, n, w: {"name": w, "stars": n % 6},
    loading.Pizzeria: lambda e, n, w: {"name": w, "stars": n % 6, "oven": w},
    loading.Line: lambda e, n, w: {"place": e.one(loading.Place)},
    loading.Seat: lambda e, n, w: {"row": chr(65 + n % 20), "number": n, "taken": n % 2 == 0},
    loading.Product: lambda e, n, w: {"number": f"p{n}"},
    loading.Stock: lambda e, n, w: {"product": e.one(loading.Product), "count": n % 100},
    loading.Passport: lambda e, n, w: {
        "person": _free(e, loading.Passport, "person", loading.Person),
        "number": f"n{n}",
    },
    loading.Document: lambda e, n, w: {
        "content": e._random.choice([None, {"a": [n, 1.5, w]}, [], n]),
        "required": e._random.choice([{}, n, [w, None, True]]),
    },
    loading.Odd: lambda e, n, w: {"name": f"{n} odd", "share": n % 100},
    loading.Strict: lambda e, n, w: {
        "short": "abc",
        "once": f"o{n}",
        "small": n % 100,
        "positive": 1 + n % 9,
        "price": e._random.choice([None, "1.50", "999.99"]),
        "place": e.one(loading.Place, null=True),
    },
    loading.Defaults: lambda e, n, w: {"name": f"d{n}"[:20]},
    loading.Custom: lambda e, n, w: {"words": w.split(), "loud": f"L{n}"},
}
