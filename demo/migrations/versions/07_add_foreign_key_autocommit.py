"""the same in autocommit_block()"""

from alembic import op

revision = "add_foreign_key_autocommit"
down_revision = None


def upgrade():
    with op.get_context().autocommit_block():
        op.create_foreign_key("orders_user_id_fkey", "orders", "users", ["user_id"], ["id"])
