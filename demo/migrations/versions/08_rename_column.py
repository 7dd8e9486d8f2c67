"""rename a column"""

from alembic import op

revision = "rename_column"
down_revision = None


def upgrade():
    op.alter_column("users", "name", new_column_name="full_name")
