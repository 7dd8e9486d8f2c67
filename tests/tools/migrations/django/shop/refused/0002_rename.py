"""A column of another name, which no running code knows yet."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_orders")]

    operations = [migrations.RenameField("Order", "note", "remark")]
