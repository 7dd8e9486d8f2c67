"""Alembic's environment, as `alembic init` writes it, plus one thing: what the server has to say (NOTICE) is printed.

The database comes from DEMO_DATABASE_URL. Whether a proxy stands behind that address is nothing that Alembic knows.
"""

import os
import sys

from alembic import context
from sqlalchemy import create_engine, event, pool


def print_notice(diagnostic):
    print(f"{diagnostic.severity}: {diagnostic.message_primary}", file=sys.stderr, flush=True)


engine = create_engine(os.environ["DEMO_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1), poolclass=pool.NullPool)


@event.listens_for(engine, "connect")
def listen_for_notices(connection, _record):
    # Alembic hides the server's notices; here they are half of what is to be seen.
    connection.add_notice_handler(print_notice)


with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
