-- A row waits to be checked at the end, which CREATE INDEX would not bear within the transaction.
-- schema
CREATE TABLE t (id int PRIMARY KEY, a int REFERENCES t DEFERRABLE INITIALLY DEFERRED);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
UPDATE t SET a = 1 WHERE id = 2;
CREATE INDEX ON t (a);
