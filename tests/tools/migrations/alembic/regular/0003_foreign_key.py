"""A foreign key that validates nothing yet."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.create_foreign_key(
        "invoices_account_id_fkey", "invoices", "accounts", ["account_id"], ["id"], postgresql_not_valid=True
    )


def downgrade():
    op.drop_constraint("invoices_account_id_fkey", "invoices")
