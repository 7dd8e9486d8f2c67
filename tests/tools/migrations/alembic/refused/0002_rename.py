"""A column of another name, which no running code knows yet."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.alter_column("orders", "note", new_column_name="remark")
