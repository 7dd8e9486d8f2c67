"""A unique constraint over rows that are not unique."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_unique_constraint("orders_customer_key", "orders", ["customer"])
