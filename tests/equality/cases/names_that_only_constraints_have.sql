-- PostgreSQL looks for the name of an index among relations, and for that of a CHECK or a foreign key among constraints.
-- schema
CREATE TABLE t (id int PRIMARY KEY, a int, b int, CONSTRAINT t_a_idx CHECK (id > 0), CONSTRAINT t_b_key CHECK (id > 0));
INSERT INTO t SELECT i, i, i FROM generate_series(1, 9) AS i;
CREATE TABLE t_a_check (x int);
CREATE SEQUENCE t_b_fkey;
CREATE INDEX t_b_idx ON t (b);
CREATE TABLE other (x int CONSTRAINT t_b_check CHECK (x > 0));
-- migration
CREATE INDEX ON t (a);
ALTER TABLE t ADD UNIQUE (b);
ALTER TABLE t ADD CHECK (a > 0), ADD CHECK (b > 0);
ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES t;
ALTER TABLE t ALTER COLUMN a SET NOT NULL;
DROP INDEX t_b_idx;
CREATE INDEX ON t (b);
