"""drop a column"""

from alembic import op

revision = "drop_column"
down_revision = None


def upgrade():
    op.drop_column("users", "nickname")
