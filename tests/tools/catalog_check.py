"""A comparison that notices nothing would let every set pass: here each kind of difference is made and must be seen."""

import catalog

BASE = """
    CREATE TABLE parent (id bigint PRIMARY KEY);
    CREATE TABLE child (id bigint PRIMARY KEY, parent_id bigint, label varchar(20) DEFAULT 'x', serial_number serial);
    CREATE INDEX child_label_idx ON child (label);
    ALTER TABLE child ADD CONSTRAINT child_parent_fkey FOREIGN KEY (parent_id) REFERENCES parent NOT VALID;
    CREATE SEQUENCE ticket;
    CREATE VIEW labels AS SELECT label FROM child;
    CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TYPE mood AS ENUM ('calm');
    CREATE TABLE alembic_version (version_num varchar(32) NOT NULL);
    INSERT INTO alembic_version VALUES ('0001');
"""

# Each change with the kind of line that has to differ after it.
CHANGES = [
    ("schema", "CREATE SCHEMA more"),
    ("table", "CREATE TABLE extra (id int)"),
    ("table", "ALTER TABLE child SET (fillfactor = 70)"),
    ("column", "ALTER TABLE child ADD COLUMN more text"),
    ("column", "ALTER TABLE parent DROP COLUMN id CASCADE"),
    ("column", "ALTER TABLE child ALTER label SET DEFAULT 'y'"),
    ("column", "ALTER TABLE child ALTER parent_id SET NOT NULL"),
    ("column", "ALTER TABLE child ALTER serial_number TYPE numeric"),
    ("column", "ALTER TABLE parent ALTER id ADD GENERATED ALWAYS AS IDENTITY"),
    ("constraint", "ALTER TABLE child VALIDATE CONSTRAINT child_parent_fkey"),
    ("constraint", "ALTER TABLE child RENAME CONSTRAINT child_parent_fkey TO other"),
    ("constraint", "ALTER TABLE child ADD CHECK (parent_id > 0)"),
    ("index", "DROP INDEX child_label_idx"),
    ("index", "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'child_label_idx'::regclass"),
    ("index", "DROP INDEX child_label_idx; CREATE UNIQUE INDEX child_label_idx ON child (label)"),
    ("sequence", "ALTER SEQUENCE ticket INCREMENT 2"),
    ("sequence", "ALTER SEQUENCE child_serial_number_seq OWNED BY NONE"),
    ("view", "CREATE OR REPLACE VIEW labels AS SELECT label FROM child WHERE id > 0"),
    ("function", "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'"),
    ("trigger", "CREATE TRIGGER t AFTER TRUNCATE ON child EXECUTE FUNCTION suppress_redundant_updates_trigger()"),
    ("enum", "ALTER TYPE mood RENAME VALUE 'calm' TO 'cheerful'"),
    ("comment", "COMMENT ON TABLE child IS 'a child'"),
    ("version", "UPDATE alembic_version SET version_num = '0002'"),
]


def unseen_changes(connection):
    """The changes that the comparison did not notice, and any difference that it saw where there is none."""
    connection.execute(BASE)
    before = catalog.snapshot(connection)
    wrong = [] if catalog.snapshot(connection) == before else ["two snapshots of one database differ"]
    for kind, change in CHANGES:
        if kind not in _kinds_changed(connection, before, change):
            wrong.append(f"no `{kind}` line differs after: {change}")
    return wrong


def _kinds_changed(connection, before, change):
    with connection.transaction(force_rollback=True):
        connection.execute(change)
        lines = catalog.difference(before, catalog.snapshot(connection), "before", "after")
    return {line[1:].split(" ")[0] for line in lines[2:] if line[0] in "+-"}
