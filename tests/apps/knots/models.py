"""References in every shape that an order has to respect: trees, cycles, natural keys."""

import uuid

from django.db import models


class ByName(models.Manager):
    def get_by_natural_key(self, name):
        return self.get(name=name)


class Area(models.Model):
    """A tree with a natural key, whose areas also have peers in any direction."""

    name = models.CharField(max_length=40, unique=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="parts")
    peer = models.ForeignKey("self", models.CASCADE, null=True, related_name="+")
    objects = ByName()

    def natural_key(self):
        return (self.name,)


class Hen(models.Model):
    """Hens and eggs need each other."""

    egg = models.ForeignKey("knots.Egg", models.CASCADE, related_name="+")


class Egg(models.Model):
    hen = models.ForeignKey(Hen, models.CASCADE, related_name="+")


class Author(models.Model):
    """Authors have books, and one of them is the best: two models by natural key."""

    name = models.CharField(max_length=40, unique=True)
    best = models.ForeignKey("knots.Book", models.CASCADE, null=True, related_name="+")
    home = models.ForeignKey(Area, models.CASCADE, null=True)
    objects = ByName()

    def natural_key(self):
        return (self.name,)


class Books(models.Manager):
    def get_by_natural_key(self, title, author):
        return self.get(title=title, author__name=author)


class Book(models.Model):
    """Its natural key goes through its author's."""

    title = models.CharField(max_length=40)
    author = models.ForeignKey(Author, models.CASCADE)
    areas = models.ManyToManyField(Area)
    objects = Books()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["title", "author"], name="one_title"),)

    def natural_key(self):
        return (self.title, *self.author.natural_key())

    natural_key.dependencies = ("knots.author",)


class Novel(Book):
    """A row in two tables, which continues another one."""

    sequel_to = models.ForeignKey("self", models.CASCADE, null=True, related_name="+")


class Plate(models.Model):
    """Chained by another unique field than the primary key, which is a UUID."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    number = models.CharField(max_length=20, unique=True)
    next = models.ForeignKey("self", models.CASCADE, to_field="number", null=True)


class Screw(models.Model):
    """Its primary key is a reference, and it refers to another of its kind."""

    plate = models.OneToOneField(Plate, models.CASCADE, primary_key=True)
    neighbor = models.ForeignKey("self", models.CASCADE, null=True)


class Person(models.Model):
    """Friends both ways."""

    friends = models.ManyToManyField("self")
