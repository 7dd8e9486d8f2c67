"""Two tables and an index on one of them."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    initial = True

    operations = [
        migrations.CreateModel(
            "Account",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("email", models.TextField()),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={"db_table": "accounts"},
        ),
        migrations.CreateModel(
            "Invoice",
            [
                ("id", models.AutoField(primary_key=True)),
                ("account_number", models.BigIntegerField(db_column="account_id")),
                ("amount", models.DecimalField(max_digits=12, decimal_places=2, db_default=0)),
            ],
            options={"db_table": "invoices", "indexes": [models.Index(fields=["account_number"], name="invoices_account_id_idx")]},
        ),
    ]
