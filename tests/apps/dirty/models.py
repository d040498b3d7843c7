"""What SQLite lets in: a column for each kind of value that MySQL and MariaDB will not take."""

import uuid
from datetime import timedelta

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Values(models.Model):
    char = models.CharField(max_length=5, default="")
    text = models.TextField(default="")
    integer = models.IntegerField(default=1)
    small = models.SmallIntegerField(default=1)
    positive = models.PositiveIntegerField(default=1)
    big = models.BigIntegerField(default=1)
    decimal = models.DecimalField(max_digits=6, decimal_places=2, default=1)
    float = models.FloatField(default=1)
    boolean = models.BooleanField(default=True)
    date = models.DateField(default="2020-01-01")
    timestamp = models.DateTimeField(default="2020-01-01T00:00:00Z")
    time = models.TimeField(default="00:00")
    duration = models.DurationField(default=timedelta)
    json = models.JSONField(default=dict)
    uuid = models.UUIDField(default=uuid.uuid4)
    binary = models.BinaryField(default=b"")


class Name(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Pair(models.Model):
    left = models.CharField(max_length=20)
    right = models.IntegerField()

    class Meta:
        unique_together = (("left", "right"),)


class Code(models.Model):
    code = models.CharField(max_length=20, primary_key=True)


class Child(models.Model):
    values = models.ForeignKey(Values, models.CASCADE, related_name="+")
    loose = models.ForeignKey(
        Name, models.DO_NOTHING, db_constraint=False, null=True, related_name="+"
    )
    names = models.ManyToManyField(Name)


class Mark(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=40)
    marked = GenericForeignKey()


class Limited(models.Model):
    """Unique among some rows only: MySQL and MariaDB have no such index."""

    name = models.CharField(max_length=20)
    active = models.BooleanField(default=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(active=True), name="dirty_limited_name"
            ),
        )


class TagManager(models.Manager):
    def get_by_natural_key(self, word):
        return self.get(word=word)


class Tag(models.Model):
    """Several rows may have the same natural key."""

    word = models.CharField(max_length=20)
    broader = models.ForeignKey("self", models.CASCADE, null=True)

    objects = TagManager()

    def natural_key(self):
        return (self.word,)
