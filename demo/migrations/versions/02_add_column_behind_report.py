"""the same while a slow report runs"""

import sqlalchemy as sa
from alembic import op

revision = "add_column_behind_report"
down_revision = None


def upgrade():
    op.add_column("users", sa.Column("phone", sa.String(32), nullable=True))
