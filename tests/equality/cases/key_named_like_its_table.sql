-- A relation has the name: known at once, not after the COMMIT.
-- schema
CREATE TABLE t (id int, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t ADD CONSTRAINT t UNIQUE (id);
