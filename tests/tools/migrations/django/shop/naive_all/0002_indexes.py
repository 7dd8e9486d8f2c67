"""Indexes and constraints on a large table, as `makemigrations` writes them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_tables")]

    operations = [
        migrations.AddIndex("Order", models.Index(fields=["customer"], name="orders_customer_id_idx")),
        migrations.AddConstraint("Order", models.UniqueConstraint(models.F("number"), name="orders_number_idx")),
        migrations.AddConstraint("Order", models.UniqueConstraint(fields=["reference"], name="orders_reference_key")),
        migrations.AddConstraint("Order", models.CheckConstraint(condition=models.Q(amount__gte=0), name="orders_amount_check")),
    ]
