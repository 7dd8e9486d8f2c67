"""A nullable column and one with a constant default."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("accounts", sa.Column("nickname", sa.Text))
    op.add_column("accounts", sa.Column("plan", sa.Text, nullable=False, server_default="free"))


def downgrade():
    op.drop_column("accounts", "plan")
    op.drop_column("accounts", "nickname")
