-- schema
CREATE TABLE t (id int, b int);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t ADD CONSTRAINT k UNIQUE (b), ADD CONSTRAINT k CHECK (b > 0);
