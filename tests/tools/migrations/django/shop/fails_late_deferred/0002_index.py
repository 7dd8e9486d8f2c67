"""The same beside a new foreign key, whose index Django puts off: then its version row comes alone, after the COMMIT."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_orders")]

    operations = [
        migrations.AddField("Order", "parent", models.ForeignKey("shop.Order", django.db.models.deletion.PROTECT, null=True)),
        migrations.AddConstraint("Order", models.UniqueConstraint(models.F("customer") + 1, name="orders_buyer_idx")),
    ]
