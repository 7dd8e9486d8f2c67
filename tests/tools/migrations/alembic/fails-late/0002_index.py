"""A unique index over an expression, whose rows are not searched beforehand: it fails when it is built."""

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_index("orders_buyer_idx", "orders", [text("(customer + 1)")], unique=True)
