"""What stock dumpdata does not see, or trips over."""

import uuid

from django.db import models
from django.db.models import F

from tests.django_versions import HAS_COMPOSITE_KEYS, HAS_GENERATED_FIELDS


class Shown(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(hidden=False)


class Ghost(models.Model):
    """Its base manager hides rows, and the order of its parents is not that of its keys."""

    hidden = models.BooleanField(default=False)
    name = models.CharField(max_length=20)
    objects = Shown()
    everything = models.Manager()

    class Meta:
        base_manager_name = "objects"
        ordering = ("-name",)


class Poltergeist(Ghost):
    """A multi-table child of a hidden row."""

    noise = models.IntegerField(default=0)


class GhostProxy(Ghost):
    class Meta:
        proxy = True


class House(models.Model):
    ghosts = models.ManyToManyField(Ghost)
    next_to = models.ManyToManyField("self")
    # Stock dumpdata leaves it out.
    secret = models.CharField(max_length=20, default="none", serialize=False)
    if HAS_GENERATED_FIELDS:
        doubled = models.GeneratedField(
            expression=F("number") * 2, output_field=models.IntegerField(), db_persist=True
        )
    number = models.IntegerField(default=0)
    changed = models.DateTimeField(auto_now=True)


class Stay(models.Model):
    """A composite primary key, part of it a reference, part a UUID."""

    if HAS_COMPOSITE_KEYS:
        pk = models.CompositePrimaryKey("house", "number")
    house = models.ForeignKey(House, models.CASCADE)
    number = models.UUIDField(default=uuid.uuid4)
    note = models.CharField(max_length=20)


class Legacy(models.Model):
    """Its table was made by other hands."""

    name = models.CharField(max_length=20)

    class Meta:
        managed = False
        db_table = "hidden_legacy"


class Elsewhere(models.Model):
    """Its table is in another database."""

    class Meta:
        managed = False
        db_table = "hidden_elsewhere"
