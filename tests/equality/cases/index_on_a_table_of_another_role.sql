-- schema
CREATE TABLE t (id int, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
CREATE INDEX t_a ON t (a);
-- migration
SET ROLE owner;
CREATE INDEX ON t (id);
DROP INDEX t_a;
REINDEX INDEX t_a;
