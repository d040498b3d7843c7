"""Natural keys, good and bad: each model but the last has one, the last points at them all."""

from django.db import models


class BySlug(models.Manager):
    def get_by_natural_key(self, slug):
        return self.get(slug=slug)


class Slugged(models.Model):
    """The model to copy: a unique field, and a look-up by it."""

    slug = models.CharField(max_length=40)
    objects = BySlug()

    class Meta:
        abstract = True

    def natural_key(self):
        return (self.slug,)


class Unique(Slugged):
    slug = models.CharField(max_length=40, unique=True)


class Repeated(Slugged):
    """Nothing keeps its key unique."""


class Optional(Slugged):
    """Part of the key may be NULL."""

    slug = models.CharField(max_length=40, null=True)


class Visible(BySlug):
    def get_queryset(self):
        return super().get_queryset().filter(deleted=False)


class SoftlyDeleted(Slugged):
    deleted = models.BooleanField(default=False)
    objects = Visible()


class ByFoldedSlug(models.Manager):
    def get_by_natural_key(self, slug):
        return self.get(slug__iexact=slug)


class LookedUpFolded(Slugged):
    """Found by another look-up than the fields of the key."""

    objects = ByFoldedSlug()


class Wrong(models.Manager):
    def get_by_natural_key(self, slug):
        return self.order_by("pk")[0]


class FoundWrong(Slugged):
    """Whatever is asked for, the first row is found."""

    objects = Wrong()


class Titled(models.Manager):
    def get_by_natural_key(self, title):
        return self.get(slug=title.removeprefix("The "))


class Computed(Slugged):
    """Its key is no field, and it asks for another row to make it."""

    kind = models.ForeignKey(Unique, models.CASCADE, null=True)
    objects = Titled()

    def natural_key(self):
        return (f"The {self.slug}" if self.kind is None or self.kind.slug else "",)


class ByKind(models.Manager):
    def get_by_natural_key(self, kind, number):
        return self.get(kind__slug=kind, number=number)


class Nested(models.Model):
    """Its key goes through another natural key."""

    kind = models.ForeignKey(Unique, models.CASCADE)
    number = models.IntegerField()
    objects = ByKind()

    class Meta:
        unique_together = (("kind", "number"),)

    def natural_key(self):
        return (*self.kind.natural_key(), self.number)


class Keyed(models.Model):
    """Its primary key is a reference: `loaddata` goes one step further for its natural key."""

    class ByOwner(models.Manager):
        def get_by_natural_key(self, slug):
            return self.get(owner__slug=slug)

    owner = models.OneToOneField(Unique, models.CASCADE, primary_key=True)
    objects = ByOwner()

    def natural_key(self):
        return self.owner.natural_key()


class UniqueProxy(Unique):
    class Meta:
        proxy = True


class Pointer(models.Model):
    """References of each kind, and two more: one unconstrained, one that a field names."""

    unique = models.ForeignKey(Unique, models.CASCADE, null=True, related_name="+")
    by_slug = models.ForeignKey(
        Unique, models.CASCADE, null=True, to_field="slug", related_name="+"
    )
    loose = models.ForeignKey(
        Unique, models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )
    proxied = models.ForeignKey(UniqueProxy, models.CASCADE, null=True, related_name="+")
    repeated = models.ForeignKey(Repeated, models.CASCADE, null=True, related_name="+")
    optional = models.ForeignKey(Optional, models.CASCADE, null=True, related_name="+")
    deleted = models.ForeignKey(SoftlyDeleted, models.CASCADE, null=True, related_name="+")
    folded = models.ForeignKey(LookedUpFolded, models.CASCADE, null=True, related_name="+")
    wrong = models.ForeignKey(FoundWrong, models.CASCADE, null=True, related_name="+")
    computed = models.ForeignKey(Computed, models.CASCADE, null=True, related_name="+")
    nested = models.ForeignKey(Nested, models.CASCADE, null=True, related_name="+")
    keyed = models.ForeignKey(Keyed, models.CASCADE, null=True, related_name="+")
    many = models.ManyToManyField(Unique, related_name="+")
