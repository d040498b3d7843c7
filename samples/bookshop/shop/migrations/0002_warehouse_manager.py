import django
import django.db.models.deletion
from django.db import migrations, models

# Django 5.1 renamed the argument.
CONDITION = "condition" if django.VERSION >= (5, 1) else "check"


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("shop", "0001_initial"),
        ("staff", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="warehouse",
            name="manager",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="manages",
                to="staff.employee",
            ),
        ),
        migrations.AddField(
            model_name="stocklevel",
            name="warehouse",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, to="shop.warehouse"
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="warehouse",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, to="shop.warehouse"
            ),
        ),
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.CheckConstraint(
                **{CONDITION: models.Q(("quantity__gt", 0))}, name="shop_orderline_some"
            ),
        ),
        migrations.AlterUniqueTogether(
            name="stocklevel",
            unique_together={("warehouse", "product")},
        ),
    ]
