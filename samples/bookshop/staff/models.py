"""Who works in which warehouse, and when."""

from django.conf import settings
from django.db import models


class Employee(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    warehouse = models.ForeignKey("shop.Warehouse", on_delete=models.PROTECT)
    supervisor = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL)
    badge = models.CharField(max_length=12, unique=True)
    salary = models.DecimalField(max_digits=12, decimal_places=2)
    hired_on = models.DateField()
    contract = models.FileField(upload_to="contracts/", blank=True)

    def __str__(self):
        return self.badge


class Shift(models.Model):
    employee = models.ForeignKey(Employee, on_delete=models.CASCADE)
    day = models.DateField()
    # As the time clock has it, to the microsecond.
    starts_at = models.TimeField()
    length = models.DurationField()
    # Negative: overtime taken off.
    balance = models.DurationField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["employee", "day"], name="staff_shift_one_a_day")
        ]

    def __str__(self):
        return f"{self.day} {self.starts_at}"
