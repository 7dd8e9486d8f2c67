-- schema
CREATE TABLE t (id int, a int) PARTITION BY LIST (id);
CREATE TABLE t_1 PARTITION OF t DEFAULT;
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
GRANT ALL ON SCHEMA public TO owner;
ALTER TABLE t OWNER TO owner;
-- migration
SET ROLE owner;
CREATE INDEX ON t (a);
ALTER TABLE t ADD COLUMN b int;
