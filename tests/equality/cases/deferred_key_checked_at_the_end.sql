-- By the extended protocol the statement has ended before its row is checked.
-- schema
CREATE TABLE t (id int PRIMARY KEY, a int REFERENCES t DEFERRABLE INITIALLY DEFERRED);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
INSERT INTO t VALUES (10, 11);
SET CONSTRAINTS ALL IMMEDIATE;
