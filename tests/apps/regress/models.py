"""Natural keys as Django's own tests of fixtures and serializers use them, in our words.

After tests/serializers/models/natural.py and tests/fixtures_regress/models.py of Django: keys
inherited and not, references that are primary keys, many-to-many in cycles and by hand.
"""

import uuid

from django.db import models


class ByData(models.Manager):
    def get_by_natural_key(self, data):
        return self.get(data=data)


class Anchor(models.Model):
    data = models.CharField(max_length=40, unique=True)
    title = models.CharField(max_length=40, null=True)
    objects = ByData()

    def natural_key(self):
        return (self.data,)


class ToAnchor(models.Model):
    """Refers by natural key, without one of its own."""

    anchor = models.ForeignKey(Anchor, models.SET_NULL, null=True)


class OnAnchor(models.Model):
    """Its primary key is a reference to a model with a natural key."""

    anchor = models.OneToOneField(Anchor, models.CASCADE, primary_key=True)


class Thing(models.Model):
    """A natural key, a tree and many-to-many with itself at once."""

    data = models.CharField(max_length=40, unique=True)
    other = models.ForeignKey("self", models.CASCADE, null=True, related_name="+")
    others = models.ManyToManyField("self", related_name="+", symmetrical=False)
    objects = ByData()

    def natural_key(self):
        return (self.data,)


class Labelled(models.Model):
    """A primary key with a default, and a natural key too."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    data = models.CharField(max_length=40, unique=True)
    objects = ByData()

    def natural_key(self):
        return (self.data,)


class Parent(models.Model):
    name = models.CharField(max_length=40)


class Child(Parent):
    """Two tables; the natural key is in the second one."""

    data = models.CharField(max_length=40, unique=True)
    objects = ByData()

    def natural_key(self):
        return (self.data,)


class ToChild(models.Model):
    child = models.ForeignKey(Child, models.CASCADE, related_name="one")
    children = models.ManyToManyField(Child, related_name="many")


class Left(models.Model):
    """Left and right list each other; each has a natural key."""

    data = models.CharField(max_length=40, unique=True)
    rights = models.ManyToManyField("regress.Right", related_name="+")
    objects = ByData()

    def natural_key(self):
        return (self.data,)


class Right(models.Model):
    data = models.CharField(max_length=40, unique=True)
    lefts = models.ManyToManyField(Left, related_name="+", through="regress.Between")
    objects = ByData()

    def natural_key(self):
        return (self.data,)


class Between(models.Model):
    """A through model with a column of its own."""

    left = models.ForeignKey(Left, models.CASCADE)
    right = models.ForeignKey(Right, models.CASCADE)
    note = models.CharField(max_length=40)


class ByAnchorAndNumber(models.Manager):
    def get_by_natural_key(self, data, number):
        return self.get(anchor__data=data, number=number)


class Numbered(models.Model):
    """A natural key that goes through a reference, and refers on by it."""

    anchor = models.ForeignKey(Anchor, models.CASCADE)
    number = models.IntegerField()
    before = models.ForeignKey("self", models.CASCADE, null=True)
    objects = ByAnchorAndNumber()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["anchor", "number"], name="numbered"),)

    def natural_key(self):
        return (*self.anchor.natural_key(), self.number)

    natural_key.dependencies = ("regress.anchor",)


class Named(models.Model):
    data = models.CharField(max_length=40, unique=True)
    objects = ByData()

    class Meta:
        abstract = True

    def natural_key(self):
        return (self.data,)


class First(Named):
    """First to second to third to first, each through rows that have natural keys, too."""

    seconds = models.ManyToManyField("regress.Second", through="regress.FirstSecond")
    fellows = models.ManyToManyField("self")


class Second(Named):
    thirds = models.ManyToManyField("regress.Third", through="regress.SecondThird")


class Third(Named):
    firsts = models.ManyToManyField(First, through="regress.ThirdFirst")
    label = models.ForeignKey(Anchor, models.SET_NULL, null=True, to_field="data")


class FirstSecond(Named):
    first = models.ForeignKey(First, models.CASCADE)
    second = models.ForeignKey(Second, models.CASCADE)


class SecondThird(Named):
    second = models.ForeignKey(Second, models.CASCADE)
    third = models.ForeignKey(Third, models.CASCADE)


class ThirdFirst(Named):
    third = models.ForeignKey(Third, models.CASCADE)
    first = models.ForeignKey(First, models.CASCADE)


def keyed(name, key):
    """A model with a primary key of this kind, whose rows form chains by it."""
    following = models.ForeignKey("self", models.CASCADE, null=True)
    return type(name, (models.Model,), {"__module__": __name__, "key": key, "next": following})


KEYED = (
    keyed("ByBoolean", models.BooleanField(primary_key=True)),
    keyed("ByDate", models.DateField(primary_key=True)),
    keyed("ByMoment", models.DateTimeField(primary_key=True)),
    keyed("ByDecimal", models.DecimalField(primary_key=True, max_digits=12, decimal_places=3)),
    keyed("ByFloat", models.FloatField(primary_key=True)),
    keyed("ByAddress", models.GenericIPAddressField(primary_key=True)),
    keyed("BySlug", models.SlugField(primary_key=True)),
    keyed("ByTime", models.TimeField(primary_key=True)),
    keyed("ByUUID", models.UUIDField(primary_key=True)),
    keyed("ByLarge", models.BigIntegerField(primary_key=True)),
)
