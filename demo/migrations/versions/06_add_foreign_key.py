"""add a foreign key"""

from alembic import op

revision = "add_foreign_key"
down_revision = None


def upgrade():
    op.create_foreign_key("orders_user_id_fkey", "orders", "users", ["user_id"], ["id"])
