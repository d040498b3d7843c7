"""One model a hazard of loading: what loaddata must read right, and what the server refuses."""

import datetime

from django.db import models
from django.db.models.functions import Upper

from tests.django_versions import CONDITION, HAS_COMPOSITE_KEYS, HAS_GENERATED_FIELDS


class Shade(models.Model):
    """The natural key is one field."""

    class Manager(models.Manager):
        def get_by_natural_key(self, slug):
            return self.get(slug=slug)

    slug = models.CharField(max_length=40)
    objects = Manager()

    def natural_key(self):
        return (self.slug,)


class Person(models.Model):
    """The natural key is of two fields, one of them a date; deleted persons hide."""

    class Present(models.Manager):
        def get_queryset(self):
            return super().get_queryset().filter(deleted=False)

        def get_by_natural_key(self, name, born):
            return self.get(name=name, born=born)

    name = models.CharField(max_length=40)
    born = models.DateField(null=True)
    deleted = models.BooleanField(default=False)
    shades = models.ManyToManyField(Shade)
    objects = Present()
    everyone = models.Manager()

    class Meta:
        ordering = ("-name",)

    def natural_key(self):
        return (self.name, self.born)


class Spot(models.Model):
    """The natural key is computed."""

    class Manager(models.Manager):
        def get_by_natural_key(self, place):
            x, y = place.split(":")
            return self.get(x=x, y=y)

    x = models.IntegerField()
    y = models.IntegerField()
    objects = Manager()

    def natural_key(self):
        return (f"{self.x}:{self.y}",)


class Membership(models.Model):
    """The natural key goes through a reference that has one itself."""

    class Manager(models.Manager):
        def get_by_natural_key(self, role, name, born):
            return self.get(role=role, person__name=name, person__born=born)

    role = models.CharField(max_length=20)
    person = models.ForeignKey(Person, models.CASCADE)
    objects = Manager()

    def natural_key(self):
        return (self.role, *self.person.natural_key())


class Pointer(models.Model):
    """Refers by every kind of key."""

    shade = models.ForeignKey(Shade, models.CASCADE, null=True)
    person = models.ForeignKey(Person, models.CASCADE, null=True)
    spot = models.ForeignKey(Spot, models.CASCADE, null=True)
    membership = models.ForeignKey(Membership, models.CASCADE, null=True)
    nowhere = models.ForeignKey(
        Shade, models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )


class Node(models.Model):
    """A tree whose references go by natural key."""

    class Manager(models.Manager):
        def get_by_natural_key(self, slug):
            return self.get(slug=slug)

    slug = models.CharField(max_length=40)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    objects = Manager()

    def natural_key(self):
        return (self.slug,)


class Hen(models.Model):
    """Comes from an egg, which comes from a hen."""

    egg = models.ForeignKey("Egg", models.CASCADE, related_name="+")


class Egg(models.Model):
    hen = models.ForeignKey(Hen, models.CASCADE, related_name="+")


class Place(models.Model):
    name = models.CharField(max_length=40)


class Restaurant(Place):
    stars = models.IntegerField()


class Pizzeria(Restaurant):
    oven = models.CharField(max_length=40)


class Line(models.Model):
    """Its place in the order is a column that saving computes."""

    place = models.ForeignKey(Place, models.CASCADE)

    class Meta:
        order_with_respect_to = "place"


class Stamped(models.Model):
    made = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)
    day = models.DateField(auto_now=True)


def _leap_day():
    return datetime.date(2020, 2, 29)


class Defaults(models.Model):
    """What an object gets that does not give a field."""

    name = models.CharField(max_length=20)
    python = models.IntegerField(default=7)
    called = models.DateField(default=_leap_day)
    if HAS_GENERATED_FIELDS:
        database = models.IntegerField(db_default=9)
        upper = models.GeneratedField(
            expression=Upper("name"), output_field=models.CharField(max_length=20), db_persist=True
        )


class Seat(models.Model):
    """The primary key is of two columns."""

    if HAS_COMPOSITE_KEYS:
        pk = models.CompositePrimaryKey("row", "number")
    row = models.CharField(max_length=2)
    number = models.IntegerField()
    taken = models.BooleanField(default=False)


class Product(models.Model):
    number = models.CharField(max_length=20, unique=True)


class Stock(models.Model):
    """Refers by another field than the primary key."""

    product = models.ForeignKey(Product, models.CASCADE, to_field="number")
    count = models.IntegerField()


class Passport(models.Model):
    """The primary key is a reference."""

    person = models.OneToOneField(Person, models.CASCADE, primary_key=True)
    number = models.CharField(max_length=20)


class Document(models.Model):
    """JSON null is not SQL NULL."""

    content = models.JSONField(null=True)
    required = models.JSONField()


class WordsField(models.TextField):
    """A list of words in Python, a text in the database."""

    def from_db_value(self, value, expression, connection):
        return None if value is None else value.split()

    def to_python(self, value):
        return value.split() if isinstance(value, str) else value

    def get_prep_value(self, value):
        return None if value is None else " ".join(value)

    def value_to_string(self, obj):
        return " ".join(self.value_from_object(obj))


class Shout:
    """A descriptor of the project's own: what is set is kept in capitals."""

    def __init__(self, name):
        self.name = name

    def __get__(self, instance, owner=None):
        return self if instance is None else instance.__dict__.get(self.name)

    def __set__(self, instance, value):
        instance.__dict__[self.name] = None if value is None else value.upper()


class LoudField(models.CharField):
    def contribute_to_class(self, cls, name, private_only=False):
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, name, Shout(name))


class AskingField(models.CharField):
    """Asks the database before it writes, as fields do that look at the server's version."""

    def get_db_prep_save(self, value, connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return super().get_db_prep_save(value, connection)


class Asking(models.Model):
    name = AskingField(max_length=200)


class Custom(models.Model):
    words = WordsField()
    loud = LoudField(max_length=40)


class Odd(models.Model):
    """Names that need quoting, and no key but a text."""

    name = models.CharField(max_length=40, primary_key=True)
    share = models.IntegerField(db_column="the share")

    class Meta:
        db_table = "loading odd table"


class Strict(models.Model):
    """What the server refuses: too long, twice, out of range, against a check, pointing nowhere."""

    short = models.CharField(max_length=5)
    once = models.CharField(max_length=20, unique=True)
    small = models.SmallIntegerField()
    positive = models.IntegerField()
    price = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    place = models.ForeignKey(Place, models.CASCADE, null=True)

    class Meta:
        constraints = (models.CheckConstraint(**{CONDITION: models.Q(positive__gt=0)}, name="gt0"),)


class StrictNote(models.Model):
    """Depends on a row that the server may refuse."""

    strict = models.ForeignKey(Strict, models.CASCADE)


class Watched(models.Model):
    """Tests connect receivers to its signals."""

    name = models.CharField(max_length=20)
