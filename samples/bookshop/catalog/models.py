"""What the shop sells, who wrote it and who publishes it."""

from django.db import models


class Category(models.Model):
    """A tree; a parent may have been made after its children."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=80, unique=True)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    position = models.SmallIntegerField(default=0)

    class Meta:
        verbose_name_plural = "categories"

    def __str__(self):
        return self.name


class TagManager(models.Manager):
    def get_by_natural_key(self, slug):
        return self.get(slug=slug)


class Tag(models.Model):
    slug = models.SlugField(max_length=60, unique=True)
    label = models.CharField(max_length=60)

    objects = TagManager()

    def __str__(self):
        return self.label

    def natural_key(self):
        return (self.slug,)


class Publisher(models.Model):
    """Needs an imprint, which needs a publisher: both come in one transaction."""

    name = models.CharField(max_length=120)
    country = models.CharField(max_length=2)
    founded_on = models.DateField(null=True, blank=True)
    flagship_imprint = models.ForeignKey("Imprint", on_delete=models.PROTECT, related_name="+")

    def __str__(self):
        return self.name


class Imprint(models.Model):
    name = models.CharField(max_length=120)
    publisher = models.ForeignKey(Publisher, on_delete=models.CASCADE, related_name="imprints")

    def __str__(self):
        return self.name


class PresentManager(models.Manager):
    """Hides the rows that are deleted, which stay in the table."""

    def get_queryset(self):
        return super().get_queryset().filter(deleted_at=None)


class Author(models.Model):
    """Deleted softly: `objects` hides such rows, Django's base manager does not."""

    name = models.CharField(max_length=120)
    born_on = models.DateField(null=True, blank=True)
    biography = models.TextField(blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = PresentManager()
    everything = models.Manager()

    def __str__(self):
        return self.name


class Product(models.Model):
    """Parent table of books and magazines; a mug is a product and nothing more."""

    sku = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=200)
    category = models.ForeignKey(Category, on_delete=models.PROTECT)
    description = models.TextField(blank=True)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    weight_kg = models.FloatField(null=True, blank=True)
    # None: the supplier has not answered.
    available = models.BooleanField(null=True, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    tags = models.ManyToManyField(Tag, blank=True)
    related = models.ManyToManyField("self", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        permissions = [("set_price", "Can set prices")]

    def __str__(self):
        return self.name


class Book(Product):
    isbn = models.CharField(max_length=13, unique=True)
    pages = models.PositiveIntegerField()
    imprint = models.ForeignKey(Imprint, on_delete=models.PROTECT)
    authors = models.ManyToManyField(Author, through="Authorship")
    reading_time = models.DurationField(null=True, blank=True)
    cover = models.FileField(upload_to="covers/", blank=True)


class Magazine(Product):
    issn = models.CharField(max_length=9)
    issue_number = models.PositiveSmallIntegerField()
    publisher = models.ForeignKey(Publisher, on_delete=models.PROTECT)
    on_sale_from = models.TimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issn", "issue_number"], name="catalog_magazine_issue")
        ]


class Authorship(models.Model):
    """The through model of authors and books, with the author's role."""

    class Role(models.TextChoices):
        WRITER = "writer"
        EDITOR = "editor"
        TRANSLATOR = "translator"

    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    book = models.ForeignKey(Book, on_delete=models.CASCADE)
    role = models.CharField(max_length=12, choices=Role.choices)
    position = models.PositiveSmallIntegerField()
    royalty = models.DecimalField(max_digits=5, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["book", "author", "role"], name="catalog_authorship_once"
            )
        ]

    def __str__(self):
        return f"{self.role} {self.position}"


class Chapter(models.Model):
    book = models.ForeignKey(Book, on_delete=models.CASCADE)
    title = models.CharField(max_length=200)
    first_page = models.PositiveIntegerField()

    class Meta:
        order_with_respect_to = "book"

    def __str__(self):
        return self.title
