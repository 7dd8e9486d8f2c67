-- Nothing has been done, so nothing is left to take back.
-- schema
CREATE TABLE t (id int, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
SET ROLE owner;
ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (a);
ALTER TABLE t ALTER COLUMN a SET NOT NULL;
