"""Constraints on a large table, two of them without a name."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.create_unique_constraint(None, "orders", ["reference"])
    op.create_foreign_key(None, "orders", "customers", ["customer_id"], ["id"])
    op.create_check_constraint("orders_amount_check", "orders", "amount >= 0")
