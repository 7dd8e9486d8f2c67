"""add a nullable column"""

import sqlalchemy as sa
from alembic import op

revision = "add_nullable_column"
down_revision = None


def upgrade():
    op.add_column("users", sa.Column("phone", sa.String(32), nullable=True))
