-- What takes it back says nothing to the client.
-- schema
CREATE TABLE t (id int, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t ADD COLUMN b int DEFAULT 1 NOT NULL CHECK (b > 0), ADD CONSTRAINT c CHECK (a > 1), ALTER COLUMN a SET NOT NULL;
