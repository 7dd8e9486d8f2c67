-- schema
CREATE TABLE t (id int, a point, b json, c jsonb, d int[], e varchar);
INSERT INTO t SELECT i, point(i, i), '{}', to_jsonb(i), ARRAY[i], i::text FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t ADD UNIQUE (c), ADD UNIQUE (d), ADD UNIQUE (e);
SAVEPOINT s;
ALTER TABLE t ADD COLUMN g point UNIQUE;
ROLLBACK TO SAVEPOINT s;
CREATE INDEX ON t (b);
ROLLBACK TO SAVEPOINT s;
ALTER TABLE t ADD UNIQUE (id, a);
ROLLBACK TO SAVEPOINT s;
CREATE INDEX ON t USING gist (a);
CREATE INDEX ON t (c jsonb_ops);
