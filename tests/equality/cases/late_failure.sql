-- Behind a strong lock rows are not searched: what does not hold is told after the COMMIT, and settled by `deferred run`.
-- schema
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t ADD COLUMN c int;
ALTER TABLE t ADD CONSTRAINT k CHECK (a > 1);
CREATE INDEX ON t (a);
