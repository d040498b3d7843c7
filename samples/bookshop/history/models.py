"""What is kept after the things it speaks of are gone."""

from catalog.models import Product
from django.conf import settings
from django.db import models


class PriceChange(models.Model):
    """Outlives its product and its user: those columns may point at nothing."""

    product = models.ForeignKey(Product, on_delete=models.DO_NOTHING, db_constraint=False)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, db_constraint=False
    )
    old_price = models.DecimalField(max_digits=10, decimal_places=2)
    new_price = models.DecimalField(max_digits=10, decimal_places=2)
    factor = models.FloatField()
    reason = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField()

    def __str__(self):
        return f"{self.old_price} to {self.new_price}"
