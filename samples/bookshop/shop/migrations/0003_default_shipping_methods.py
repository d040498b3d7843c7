"""The three shipping methods every shop starts with."""

from django.db import migrations

# The keys are given, so that every database has the same ones.
METHODS = [
    (1, "standard", "Standard parcel", "4.90"),
    (2, "express", "Express by noon", "12.50"),
    (3, "pickup", "Pick up in the shop", "0.00"),
]


def add_methods(apps, schema_editor):
    ShippingMethod = apps.get_model("shop", "ShippingMethod")
    alias = schema_editor.connection.alias
    for pk, code, name, price in METHODS:
        ShippingMethod.objects.using(alias).create(pk=pk, code=code, name=name, price=price)


def remove_methods(apps, schema_editor):
    ShippingMethod = apps.get_model("shop", "ShippingMethod")
    alias = schema_editor.connection.alias
    ShippingMethod.objects.using(alias).filter(pk__in=[m[0] for m in METHODS]).delete()


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_warehouse_manager")]

    operations = [migrations.RunPython(add_methods, remove_methods)]
