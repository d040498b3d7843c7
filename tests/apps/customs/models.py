"""Fields with code of their own, good and bad at saying what they hold."""

import sqlite3
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.fields.related import RelatedField, lazy_related_operation


class WordsField(models.TextField):
    """A list, without a `value_to_string`: stock dumpdata writes "['a', 'b c']"."""

    def from_db_value(self, value, expression, connection):
        return None if value is None else value.split("|")

    def to_python(self, value):
        return value.split("|") if isinstance(value, str) else value

    def get_prep_value(self, value):
        return "|".join(value) if isinstance(value, list) else value


class Money:
    def __init__(self, cents):
        self.cents = cents

    def __eq__(self, other):
        return isinstance(other, Money) and self.cents == other.cents

    def __hash__(self):
        return hash(self.cents)


class MoneyField(models.IntegerField):
    """Says itself as "EUR 1.50", and understands it."""

    def from_db_value(self, value, expression, connection):
        return None if value is None else Money(value)

    def to_python(self, value):
        if isinstance(value, str):
            return Money(int(Decimal(value.removeprefix("EUR ")) * 100))
        return value

    def get_prep_value(self, value):
        return value.cents if isinstance(value, Money) else value

    def value_to_string(self, obj):
        value = self.value_from_object(obj)
        return None if value is None else f"EUR {value.cents // 100}.{value.cents % 100:02}"


class EurosField(models.IntegerField):
    """Stores cents, reads euros, and cannot read 13 of them."""

    def from_db_value(self, value, expression, connection):
        return None if value is None else Decimal(value) / 100

    def to_python(self, value):
        if value == "13":
            raise ValidationError("Bad luck")
        return None if value is None else Decimal(value)

    def get_prep_value(self, value):
        return None if value is None else int(value * 100)


class AmountField(models.DecimalField):
    """Understands amounts, as a field of amounts and currencies does, and reads decimals."""

    def to_python(self, value):
        return super().to_python(value.cents if isinstance(value, Money) else value)


class RotatedField(models.CharField):
    """Never stored twice in the same letters, as an encrypted field is not."""

    turn = 0

    def from_db_value(self, value, expression, connection):
        return None if value is None else value[1:]

    def get_prep_value(self, value):
        RotatedField.turn += 1
        return None if value is None else f"{RotatedField.turn % 10}{value}"


class HashedField(models.CharField):
    """Stored as something else each time it is saved: nothing written comes back as it was."""

    def get_prep_value(self, value):
        return None if value is None else f"#{value}"


class PickyField(models.CharField):
    """Refuses what it does not like, as `to_python` may."""

    def to_python(self, value):
        if value == "spoilt":
            raise ValidationError("It is spoilt")
        return value


class NoNullField(models.CharField):
    """Stores '' for None, as fields of time zones and of choices do."""

    def get_prep_value(self, value):
        return "" if value is None else value


class PrefixedField(models.CharField):
    """Adds a prefix each time it is saved, which makes it a poor key."""

    def from_db_value(self, value, expression, connection):
        return value.removeprefix("k:")

    def get_prep_value(self, value):
        return f"k:{value}"

    def to_python(self, value):
        return value and f"again {value}"


class HexField(models.Field):
    """A column type of its own, read by a converter that sqlite3 knows."""

    def db_type(self, connection):
        return "fphex" if connection.vendor == "sqlite" else "varchar(20)"

    def from_db_value(self, value, expression, connection):
        if isinstance(value, str) and connection.vendor != "sqlite":
            return int(value, 16)
        return value

    def get_prep_value(self, value):
        return value if value is None or isinstance(value, str) else f"{value:x}"

    def to_python(self, value):
        return int(value, 16) if isinstance(value, str) else value


sqlite3.register_converter("fphex", lambda raw: int(raw, 16))


class Custom(models.Model):
    words = WordsField(null=True)
    money = MoneyField(null=True)
    euros = EurosField(null=True)
    refunds = EurosField(null=True)
    rotated = RotatedField(max_length=40, null=True)
    hex = HexField(null=True)
    amount = AmountField(max_digits=12, decimal_places=4, null=True)


class Hopeless(models.Model):
    hashed = HashedField(max_length=40, null=True)
    picky = PickyField(max_length=40, null=True)


class Stubborn(models.Model):
    name = NoNullField(max_length=40, null=True)
    other = NoNullField(max_length=40, null=True)
    file = models.FileField(null=True)


class Keyed(models.Model):
    key = PrefixedField(max_length=40, primary_key=True)


class Pointing(models.Model):
    to = models.ForeignKey(Keyed, models.CASCADE)


class LabelsField(RelatedField):
    """Calls itself many-to-many, as a tagging field does: its rows have a generic key."""

    many_to_many, many_to_one, one_to_many, one_to_one = True, False, False, False

    def __init__(self, through):
        rel = models.ManyToManyRel(self, "customs.Label", related_name="+", through=through)
        super().__init__(rel=rel, serialize=False, null=True)

    def deconstruct(self):
        name, path, _, _ = super().deconstruct()
        return name, path, ["customs.Labelled"], {}

    def contribute_to_class(self, cls, name):
        self.set_attributes_from_name(name)
        self.model, self.opts = cls, cls._meta
        cls._meta.add_field(self)
        rel = self.remote_field
        lazy_related_operation(self.resolve, cls, rel.model, rel.through, field=self)

    @staticmethod
    def resolve(model, label, labelled, field):
        field.remote_field.model, field.remote_field.through = label, labelled


class Label(models.Model):
    name = models.CharField(max_length=20)


class Labelled(models.Model):
    label = models.ForeignKey(Label, models.CASCADE)
    kind = models.CharField(max_length=20)
    object_id = models.IntegerField()


class Thing(models.Model):
    labels = LabelsField("customs.Labelled")
