-- schema
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t ADD COLUMN b int DEFAULT 1 REFERENCES nonesuch;
ALTER TABLE t ADD COLUMN b bool DEFAULT true REFERENCES t;
ALTER TABLE t ADD COLUMN b int DEFAULT 1 CHECK (b > 'x');
