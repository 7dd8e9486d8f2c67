-- schema
CREATE TABLE t (id int, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
CREATE UNIQUE INDEX ON t USING hash (a);
CREATE INDEX ON t USING hash (a, id);
CREATE INDEX ON t USING hash (a DESC);
CREATE INDEX ON t USING hash (a);
