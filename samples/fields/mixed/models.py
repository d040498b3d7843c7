"""At least one field of each package, with and without NULL."""

import enum
import uuid

from annoying.fields import AutoOneToOneField
from annoying.fields import JSONField as AnnoyingJSONField
from autoslug import AutoSlugField
from bitfield import BitField
from ckeditor.fields import RichTextField
from colorfield.fields import ColorField
from django.contrib.auth.models import User
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django_choices_field import IntegerChoicesField, TextChoicesField
from django_countries.fields import CountryField
from django_cryptography.fields import encrypt
from django_fsm import FSMField, FSMIntegerField
from django_jsonform.models.fields import JSONField as FormJSONField
from django_quill.fields import QuillField
from djmoney.models.fields import CurrencyField, MoneyField
from easy_thumbnails.fields import ThumbnailerImageField
from encrypted_fields import fields as encrypted
from enumfields import EnumField, EnumIntegerField
from filer.fields.file import FilerFileField
from filer.fields.folder import FilerFolderField
from filer.fields.image import FilerImageField
from hashid_field import BigHashidAutoField, HashidField
from imagekit.models import ProcessedImageField
from jsonfield import JSONField as OldJSONField
from localflavor.us.models import USStateField, USZipCodeField
from macaddress.fields import MACAddressField
from model_utils import Choices
from model_utils.fields import (
    AutoCreatedField,
    AutoLastModifiedField,
    MonitorField,
    StatusField,
    UrlsafeTokenField,
)
from model_utils.models import SoftDeletableModel, TimeFramedModel, TimeStampedModel
from mptt.models import MPTTModel, TreeForeignKey, TreeManyToManyField
from multiselectfield import MultiSelectField
from ordered_model.models import OrderedModel
from parler.models import TranslatableModel, TranslatedFields
from phonenumber_field.modelfields import PhoneNumberField
from picklefield.fields import PickledObjectField
from polymorphic.models import PolymorphicModel
from recurrence.fields import RecurrenceField
from relativedeltafield import RelativeDeltaField
from safedelete.models import SafeDeleteModel
from simple_history.models import HistoricalRecords
from sorl.thumbnail import ImageField as SorlImageField
from sortedm2m.fields import SortedManyToManyField
from stdimage import JPEGField, StdImageField
from taggit.managers import TaggableManager
from taggit.models import GenericUUIDTaggedItemBase, TaggedItemBase
from timezone_field import TimeZoneField
from tinymce.models import HTMLField
from treebeard.al_tree import AL_Node
from treebeard.mp_tree import MP_Node
from treebeard.ns_tree import NS_Node
from unixtimestampfield.fields import UnixTimeStampField
from versatileimagefield.fields import PPOIField, VersatileImageField

COLORS = (("r", "red"), ("g", "green"), ("b", "blue,with comma"))
NUMBERS = ((1, "one"), (2, "two"), (3, "three"))


class Shade(models.TextChoices):
    DARK = "d", "dark"
    LIGHT = "l", "light"


class Grade(models.IntegerChoices):
    LOW = 1
    HIGH = 9


class Kind(enum.Enum):
    A = "a"
    B = "b"


class Level(enum.IntEnum):
    ONE = 1
    TWO = 2


class Choosing(models.Model):
    several = MultiSelectField(choices=COLORS, max_length=20)
    several_null = MultiSelectField(choices=COLORS, max_length=20, null=True, blank=True)
    numbers = MultiSelectField(choices=NUMBERS, max_length=20, null=True)
    zone = TimeZoneField()
    zone_null = TimeZoneField(null=True, blank=True)
    zone_pytz = TimeZoneField(null=True, use_pytz=True)
    flags = BitField(flags=("one", "two", "three"))
    flags_null = BitField(flags=("one", "two"), null=True)
    country = CountryField()
    country_null = CountryField(null=True)
    countries = CountryField(multiple=True, null=True)
    shade = TextChoicesField(choices_enum=Shade, null=True)
    grade = IntegerChoicesField(choices_enum=Grade, null=True)
    kind = EnumField(Kind, max_length=4, null=True)
    level = EnumIntegerField(Level, null=True)
    state = USStateField(null=True)
    zip = USZipCodeField(null=True)


class Pickling(models.Model):
    anything = PickledObjectField()
    anything_null = PickledObjectField(null=True)
    compressed = PickledObjectField(compress=True, null=True)


class Paying(models.Model):
    price = MoneyField(max_digits=14, decimal_places=2, default_currency="EUR")
    price_null = MoneyField(max_digits=14, decimal_places=4, null=True, default_currency=None)
    currency = CurrencyField()
    balance = models.DecimalField(max_digits=30, decimal_places=12, null=True)


class Phoning(models.Model):
    phone = PhoneNumberField()
    phone_null = PhoneNumberField(null=True)
    phone_unique = PhoneNumberField(unique=True, null=True)


class Jsons(models.Model):
    old = OldJSONField()
    old_null = OldJSONField(null=True)
    form = FormJSONField(schema={"type": "array", "items": {"type": "string"}}, null=True)
    annoying = AnnoyingJSONField(null=True)
    django = models.JSONField(null=True)
    quill = QuillField(null=True)


class Texts(models.Model):
    rich = RichTextField(null=True)
    tiny = HTMLField()
    color = ColorField()
    color_null = ColorField(format="hexa", null=True)
    slug = AutoSlugField(populate_from="tiny", max_length=80)
    slug_always = AutoSlugField(populate_from="tiny", always_update=True, null=True, max_length=80)
    mac = MACAddressField(null=True)
    mac_text = MACAddressField(null=True, integer=False)


class Secrets(models.Model):
    char = encrypted.EncryptedCharField(max_length=100)
    char_null = encrypted.EncryptedCharField(max_length=100, null=True)
    text = encrypted.EncryptedTextField(null=True)
    date = encrypted.EncryptedDateField(null=True)
    timestamp = encrypted.EncryptedDateTimeField(null=True)
    number = encrypted.EncryptedIntegerField(null=True)
    json = encrypted.EncryptedJSONField(null=True)
    email = encrypted.EncryptedEmailField(null=True)
    crypto = encrypt(models.CharField(max_length=50))
    crypto_null = encrypt(models.TextField(null=True))


class Times(TimeStampedModel, TimeFramedModel, SoftDeletableModel):
    STATUS = Choices("draft", "published")
    status = StatusField()
    changed = MonitorField(monitor="status")
    made = AutoCreatedField()
    touched = AutoLastModifiedField()
    recurring = RecurrenceField()
    recurring_null = RecurrenceField(null=True)
    delta = RelativeDeltaField(null=True)
    stamp = UnixTimeStampField(null=True)
    stamp_default = UnixTimeStampField(default=0.0)
    auto = models.DateTimeField(auto_now=True)


class Keys(models.Model):
    id = BigHashidAutoField(primary_key=True, salt="salt")
    other = HashidField(null=True, salt="x")
    token = UrlsafeTokenField(max_length=64)


class ToKeys(models.Model):
    key = models.ForeignKey(Keys, on_delete=models.CASCADE)
    keys = models.ManyToManyField(Keys, related_name="m")
    one = AutoOneToOneField(User, on_delete=models.CASCADE, null=True)


class Pictures(models.Model):
    sorl = SorlImageField(upload_to="s", null=True)
    easy = ThumbnailerImageField(upload_to="e", null=True)
    versatile = VersatileImageField(
        upload_to="v", null=True, ppoi_field="ppoi", width_field="width", height_field="height"
    )
    ppoi = PPOIField()
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    standard = StdImageField(upload_to="d", null=True, variations={"t": (10, 10)})
    jpeg = JPEGField(upload_to="j", null=True)
    kit = ProcessedImageField(upload_to="k", null=True)
    image = models.ImageField(upload_to="i", null=True, width_field="w", height_field="h")
    w = models.IntegerField(null=True)
    h = models.IntegerField(null=True)
    document = models.FileField(null=True)
    filer_image = FilerImageField(null=True, on_delete=models.CASCADE, related_name="i")
    filer_file = FilerFileField(null=True, on_delete=models.CASCADE, related_name="f")
    filer_folder = FilerFolderField(null=True, on_delete=models.CASCADE, related_name="o")


class Category(MPTTModel):
    name = models.CharField(max_length=50, unique=True)
    parent = TreeForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")


class InTree(models.Model):
    category = TreeForeignKey(Category, on_delete=models.CASCADE)
    categories = TreeManyToManyField(Category, related_name="m")


class Path(MP_Node):
    name = models.CharField(max_length=30, null=True)


class Nested(NS_Node):
    name = models.CharField(max_length=30)


class Adjacent(AL_Node):
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE)
    sib_order = models.PositiveIntegerField()


class Through(TaggedItemBase):
    content_object = models.ForeignKey("Tagged", on_delete=models.CASCADE)


class UuidTagged(GenericUUIDTaggedItemBase):
    tag = models.ForeignKey("taggit.Tag", on_delete=models.CASCADE, related_name="u")


class Tagged(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    tags = TaggableManager(through=Through)
    more = TaggableManager(through=UuidTagged, related_name="more")


class Sorted(models.Model):
    tags = SortedManyToManyField(Tagged)
    history = HistoricalRecords()
    name = models.CharField(max_length=30, null=True)
    image = models.ImageField(null=True)
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)


class Ordered(OrderedModel):
    name = models.CharField(max_length=30)


class Animal(PolymorphicModel):
    name = models.CharField(max_length=30, null=True)


class Dog(Animal):
    barks = models.BooleanField(null=True)
    friend = models.ForeignKey(Animal, null=True, on_delete=models.CASCADE, related_name="friends")


class Safe(SafeDeleteModel):
    name = models.CharField(max_length=30, null=True)


class SafeChild(models.Model):
    safe = models.ForeignKey(Safe, on_delete=models.CASCADE)


class Machine(models.Model):
    state = FSMField(default="new", protected=True)
    number = FSMIntegerField(default=0, protected=True, null=True)


class Speaking(TranslatableModel):
    translations = TranslatedFields(
        title=models.CharField(max_length=50, null=True), text=models.TextField()
    )


class News(models.Model):
    """Registered with modeltranslation."""

    title = models.CharField(max_length=50, null=True)
    text = models.TextField(blank=True)
    count = models.IntegerField(null=True)


class Noted(models.Model):
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.PositiveIntegerField()
    target = GenericForeignKey()
    type_by_number = models.IntegerField(null=True)
