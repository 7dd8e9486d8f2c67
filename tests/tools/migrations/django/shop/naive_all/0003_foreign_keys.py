"""A column becomes a foreign key, with the index that Django adds by itself; and a new column that is one."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_indexes")]

    operations = [
        migrations.AlterField(
            "Order", "customer", models.ForeignKey("shop.Customer", django.db.models.deletion.PROTECT, db_column="customer_id")
        ),
        migrations.AddField(
            "Order", "payer", models.ForeignKey("shop.Customer", django.db.models.deletion.PROTECT, null=True, related_name="+")
        ),
    ]
