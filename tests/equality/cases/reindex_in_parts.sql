-- schema
CREATE TABLE t (id int, a int) PARTITION BY LIST (id);
CREATE TABLE t_1 PARTITION OF t DEFAULT;
CREATE INDEX t_a ON t (a);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
REINDEX TABLE t;
REINDEX INDEX t_a;
