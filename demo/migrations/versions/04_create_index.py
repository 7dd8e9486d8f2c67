"""create an index"""

from alembic import op

revision = "create_index"
down_revision = None


def upgrade():
    op.create_index("users_email_idx", "users", ["email"])
