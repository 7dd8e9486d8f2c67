"""add a NOT NULL column"""

import sqlalchemy as sa
from alembic import op

revision = "add_required_column"
down_revision = None


def upgrade():
    op.add_column("users", sa.Column("country", sa.String(2), nullable=False))
