-- schema
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t SELECT i FROM generate_series(1, 9) AS i;
-- migration
LOCK TABLE t;
LOCK TABLE t IN SHARE MODE;
