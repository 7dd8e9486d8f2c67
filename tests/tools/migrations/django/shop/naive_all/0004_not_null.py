"""A column that must not be empty, and an index that nobody needs."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0003_foreign_keys")]

    operations = [
        migrations.AlterField("Order", "amount", models.IntegerField()),
        migrations.RemoveIndex("Order", "orders_note_idx"),
    ]
