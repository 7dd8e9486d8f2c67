-- The name is free: constraints have theirs for each table.
-- schema
CREATE TABLE t (id int, a int);
CREATE TABLE other (id int, CONSTRAINT positive CHECK (id > 0));
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t ADD CONSTRAINT positive UNIQUE (a);
CREATE INDEX positive1 ON t (a);
