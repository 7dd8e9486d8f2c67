"""Indexes on a large table, as most people write them."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_index("orders_customer_id_idx", "orders", ["customer_id"])
    op.create_index("orders_number_idx", "orders", ["number"], unique=True)
