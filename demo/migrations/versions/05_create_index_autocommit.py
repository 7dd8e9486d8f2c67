"""the same in autocommit_block()"""

from alembic import op

revision = "create_index_autocommit"
down_revision = None


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("users_email_idx", "users", ["email"])
