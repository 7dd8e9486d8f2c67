"""A column that must not be empty, and an index that nobody needs."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade():
    op.alter_column("orders", "amount", nullable=False)
    op.drop_index("orders_note_idx", "orders")
