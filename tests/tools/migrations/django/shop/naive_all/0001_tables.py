"""The tables that the runner fills before the next migrations."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    operations = [
        migrations.CreateModel(
            "Customer",
            [("id", models.BigAutoField(primary_key=True)), ("email", models.TextField())],
            options={"db_table": "customers"},
        ),
        migrations.CreateModel(
            "Order",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("customer", models.BigIntegerField(db_column="customer_id")),
                ("number", models.BigIntegerField()),
                ("reference", models.TextField(null=True)),
                ("amount", models.IntegerField(null=True)),
                ("note", models.TextField(null=True)),
            ],
            options={"db_table": "orders", "indexes": [models.Index(fields=["note"], name="orders_note_idx")]},
        ),
    ]
