-- schema
CREATE TABLE t (id int, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
CREATE INDEX t_a ON t (a);
-- migration
DROP INDEX t_a;
DROP INDEX IF EXISTS t_a;
DROP INDEX t_a;
