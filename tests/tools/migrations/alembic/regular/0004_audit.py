"""A table and its index in one migration."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade():
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.String(200), nullable=False),
    )
    op.create_index("audit_entries_happened_at_idx", "audit_entries", ["happened_at"])


def downgrade():
    op.drop_index("audit_entries_happened_at_idx", "audit_entries")
    op.drop_table("audit_entries")
