"""A project whose every field class, descriptor, manager, `__init__`, `from_db`, `save` and
receiver raises when it is called."""

from django.db import models
from django.db.models.signals import (
    m2m_changed,
    post_init,
    post_save,
    pre_init,
    pre_save,
)


class CalledError(RuntimeError):
    pass


def refuse(*_args, **_kwargs):
    raise CalledError


class Refusing:
    """Stands for the value of a field on an instance."""

    def __init__(self, field):
        self.field = field

    def __get__(self, instance, owner):
        if instance is None:
            return self
        raise CalledError

    def __set__(self, instance, value):
        raise CalledError


class RefusingCode:
    descriptor_class = Refusing
    from_db_value = to_python = value_to_string = value_from_object = refuse
    get_prep_value = get_db_prep_value = get_db_prep_save = pre_save = refuse
    clean = validate = run_validators = get_default = refuse


class RefusingChar(RefusingCode, models.CharField):
    pass


class RefusingText(RefusingCode, models.TextField):
    pass


class RefusingInteger(RefusingCode, models.IntegerField):
    pass


class RefusingBoolean(RefusingCode, models.BooleanField):
    pass


class RefusingDecimal(RefusingCode, models.DecimalField):
    pass


class RefusingDateTime(RefusingCode, models.DateTimeField):
    pass


class RefusingDuration(RefusingCode, models.DurationField):
    pass


class RefusingUUID(RefusingCode, models.UUIDField):
    pass


class RefusingBinary(RefusingCode, models.BinaryField):
    pass


class RefusingJSON(RefusingCode, models.JSONField):
    pass


class RefusingAddress(RefusingCode, models.GenericIPAddressField):
    pass


class RefusingFile(RefusingCode, models.FileField):
    pass


class RefusingKind(RefusingCode, models.Field):
    """A column type of its own."""

    def db_type(self, connection):
        return "varchar(30)"


class RefusingManager(models.Manager):
    get_queryset = get_by_natural_key = refuse


class Base(models.Model):
    objects = RefusingManager()

    __init__ = from_db = save = save_base = full_clean = natural_key = refuse

    class Meta:
        abstract = True


class Parent(Base):
    key = RefusingChar(max_length=20, primary_key=True)


class Child(Base):
    parent = models.ForeignKey(Parent, models.CASCADE, null=True)
    friends = models.ManyToManyField("self")
    char = RefusingChar(max_length=20, null=True, default="x")
    text = RefusingText(null=True)
    integer = RefusingInteger(null=True)
    boolean = RefusingBoolean(null=True)
    decimal = RefusingDecimal(max_digits=8, decimal_places=2, null=True)
    timestamp = RefusingDateTime(null=True)
    duration = RefusingDuration(null=True)
    uuid = RefusingUUID(null=True)
    binary = RefusingBinary(null=True)
    json = RefusingJSON(null=True)
    address = RefusingAddress(null=True)
    file = RefusingFile(null=True)
    kind = RefusingKind(null=True)


for sender in (Parent, Child):
    for signal in (pre_init, post_init, pre_save, post_save):
        signal.connect(refuse, sender=sender)
m2m_changed.connect(refuse, sender=Child.friends.through)
