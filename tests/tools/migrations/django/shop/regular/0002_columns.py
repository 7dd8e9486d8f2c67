"""A nullable column, and one whose default Django takes away again after it is made."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_tables")]

    operations = [
        migrations.AddField("Account", "nickname", models.TextField(null=True)),
        migrations.AddField("Account", "plan", models.TextField(default="free")),
    ]
