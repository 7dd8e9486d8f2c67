-- Its index would be built for nothing.
-- schema
CREATE TABLE t (id int, a int, CONSTRAINT positive CHECK (id > 0));
INSERT INTO t SELECT i, i % 3 FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t RENAME TO u;
ALTER TABLE u ADD CONSTRAINT positive UNIQUE (a);
