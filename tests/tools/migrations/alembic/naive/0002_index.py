"""An index on a large table, as most people write it."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_index("orders_customer_idx", "orders", ["customer"])
