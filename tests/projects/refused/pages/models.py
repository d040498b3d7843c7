"""A model for each thing that a server refuses, and one that all take."""

import django
from django.db import models
from django.db.models.functions import Lower

# Django 5.1 renamed the argument.
CONDITION = "condition" if django.VERSION >= (5, 1) else "check"


class LongIndex(models.Model):
    title = models.CharField(max_length=1000, db_index=True)
    a = models.CharField(max_length=500)
    b = models.CharField(max_length=500)

    class Meta:
        indexes = (models.Index(fields=["a", "b"], name="pages_a_b"),)


class LongUnique(models.Model):
    slug = models.CharField(max_length=1000, unique=True)
    text = models.TextField(unique=True)
    a = models.CharField(max_length=500)
    b = models.CharField(max_length=500)
    short = models.CharField(max_length=20, unique=True)

    class Meta:
        unique_together = (("a", "b"),)


class UnknownCollation(models.Model):
    fine = models.CharField(max_length=20, db_index=True)
    name = models.CharField(max_length=20, db_collation="NOCASE", unique=True)


class LongColumn(models.Model):
    text = models.CharField(max_length=20_000)


class TextKey(models.Model):
    key = models.TextField(primary_key=True)
    other = models.IntegerField(db_index=True)


class LongName(models.Model):
    number = models.IntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["number"], name=f"pages_{'unique_' * 9}number"),
        )


class WideRow(models.Model):
    """Twenty columns of 4,000 bytes."""


for _number in range(20):
    models.CharField(max_length=1000, default="").contribute_to_class(WideRow, f"f{_number}")


class ManyIndexes(models.Model):
    """With the primary key's, one index more than a table can have."""


for _number in range(64):
    models.IntegerField(default=0, db_index=True).contribute_to_class(ManyIndexes, f"f{_number}")


class Fine(models.Model):
    name = models.CharField(max_length=200, default="a, UNIQUE (", unique=True, db_comment="it's")
    page = models.ForeignKey(LongUnique, models.CASCADE)
    others = models.ManyToManyField("self")
    amount = models.DecimalField(max_digits=9, decimal_places=2)
    data = models.JSONField(default=dict)
    day = models.DateField(null=True, db_index=True)

    class Meta:
        unique_together = (("page", "day"),)
        indexes = (models.Index(fields=["-amount", "day"], name="pages_amount_day"),)
        constraints = (
            models.CheckConstraint(
                **{CONDITION: models.Q(amount__gte=0)}, name="pages_not_negative"
            ),
            models.UniqueConstraint(Lower("name"), name="pages_lower_name"),
        )


class Check(models.Model):
    """Its automatic through table has a field called check, which hides `Model.check`."""

    fine = models.ManyToManyField(Fine)


class Partial(models.Model):
    name = models.CharField(max_length=20)
    day = models.DateField(null=True)
    share = models.IntegerField(db_column="share_%")

    class Meta:
        indexes = (
            models.Index(fields=["day"], name="pages_some", condition=models.Q(day__isnull=False)),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["name"], name="pages_current", condition=models.Q(day__isnull=True)
            ),
            models.UniqueConstraint(
                fields=["day"], name="pages_later", deferrable=models.Deferrable.DEFERRED
            ),
        )


class Rate(models.Model):
    class Meta:
        db_table = "pages_rate_%"


class Tick(models.Model):
    share = models.IntegerField(db_column="1`share")


class LongTable(models.Model):
    class Meta:
        db_table = "t" * 65


class Commented(models.Model):
    class Meta:
        # Django's schema editor fails to write it on MySQL.
        db_table_comment = "rates in % of the price"
