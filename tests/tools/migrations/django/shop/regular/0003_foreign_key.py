"""A foreign key that validates nothing yet."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_columns")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE invoices ADD CONSTRAINT invoices_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id) NOT VALID",
            "ALTER TABLE invoices DROP CONSTRAINT invoices_account_id_fkey",
        )
    ]
