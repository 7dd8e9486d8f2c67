"""change int to bigint"""

import sqlalchemy as sa
from alembic import op

revision = "change_column_type"
down_revision = None


def upgrade():
    op.alter_column("users", "points", type_=sa.BigInteger(), existing_type=sa.Integer())
