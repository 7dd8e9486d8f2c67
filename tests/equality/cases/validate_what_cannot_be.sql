-- schema
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t ADD COLUMN b int, ADD CHECK (b > 0), VALIDATE CONSTRAINT nonesuch;
ALTER TABLE t ADD UNIQUE (a), VALIDATE CONSTRAINT t_pkey;
