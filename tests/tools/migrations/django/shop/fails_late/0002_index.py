"""A unique index over an expression, whose rows are not searched beforehand: it fails when it is built."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_orders")]

    operations = [
        migrations.AddConstraint("Order", models.UniqueConstraint(models.F("customer") + 1, name="orders_buyer_idx")),
    ]
