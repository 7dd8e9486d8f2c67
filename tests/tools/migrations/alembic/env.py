"""What `alembic init` writes, reduced to the online mode; the URL comes from the environment."""

import os

from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(os.environ["MIGRATIONS_URL"], poolclass=pool.NullPool)

with engine.connect() as connection:
    context.configure(
        connection=connection,
        transaction_per_migration=os.environ["MIGRATIONS_TRANSACTION"] == "each",
    )
    with context.begin_transaction():
        context.run_migrations()
