"""Orders, what they hold, and where they are sent from."""

import uuid

import django
from catalog.models import PresentManager, Product
from django.conf import settings
from django.db import models

# Django 5.1 renamed the argument.
CONDITION = "condition" if django.VERSION >= (5, 1) else "check"


class ShippingMethodManager(models.Manager):
    def get_by_natural_key(self, code):
        return self.get(code=code)


class ShippingMethod(models.Model):
    """A migration makes the first three rows, so no migrated target is empty."""

    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=80)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    active = models.BooleanField(default=True)

    objects = ShippingMethodManager()

    def __str__(self):
        return self.name

    def natural_key(self):
        return (self.code,)


class Warehouse(models.Model):
    """Led by an employee, who works in a warehouse: two apps that need each other."""

    name = models.CharField(max_length=80)
    city = models.CharField(max_length=80)
    opens_at = models.TimeField()
    manager = models.ForeignKey(
        "staff.Employee",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="manages",
    )

    def __str__(self):
        return self.name


class StockLevel(models.Model):
    warehouse = models.ForeignKey(Warehouse, on_delete=models.CASCADE)
    # By article number rather than by key, as scanners do.
    product = models.ForeignKey(Product, to_field="sku", on_delete=models.CASCADE)
    quantity = models.IntegerField()
    counted_on = models.DateField()

    class Meta:
        unique_together = [("warehouse", "product")]

    def __str__(self):
        return f"{self.product_id}: {self.quantity}"


class Coupon(models.Model):
    """Deleted softly, and hidden from Django's base manager as well."""

    code = models.CharField(max_length=20, unique=True)
    percent = models.DecimalField(max_digits=5, decimal_places=2)
    valid_from = models.DateField()
    valid_for = models.DurationField()
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = PresentManager()
    everything = models.Manager()

    class Meta:
        base_manager_name = "objects"

    def __str__(self):
        return self.code


class Order(models.Model):
    class Status(models.TextChoices):
        OPEN = "open"
        PAID = "paid"
        SENT = "sent"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # None: bought as a guest.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    shipping_method = models.ForeignKey(ShippingMethod, on_delete=models.PROTECT)
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT)
    status = models.CharField(max_length=10, choices=Status.choices)
    placed_at = models.DateTimeField(db_index=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    note = models.TextField(blank=True)
    details = models.JSONField(default=dict, blank=True)
    coupons = models.ManyToManyField(Coupon, blank=True)

    def __str__(self):
        return str(self.id)


class OpenOrder(Order):
    """A proxy: a content type and permissions of its own, but no table."""

    class Meta:
        proxy = True


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)
    tax_rate = models.DecimalField(max_digits=5, decimal_places=4)
    gift_text = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                **{CONDITION: models.Q(quantity__gt=0)}, name="shop_orderline_some"
            )
        ]

    def __str__(self):
        return f"{self.quantity} of {self.product_id}"


class Receipt(models.Model):
    """A printed receipt; its key is a foreign key to a UUID."""

    order = models.OneToOneField(Order, on_delete=models.CASCADE, primary_key=True)
    # Above 2**53, where a float would lose the last digits.
    number = models.BigIntegerField(unique=True)
    document = models.BinaryField()
    exchange_rate = models.FloatField()
    printed_at = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return str(self.number)
