"""The table that the runner fills before the next migration."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    operations = [
        migrations.CreateModel(
            "Order",
            [("id", models.BigAutoField(primary_key=True)), ("customer", models.IntegerField()), ("note", models.TextField(null=True))],
            options={"db_table": "orders"},
        ),
    ]
