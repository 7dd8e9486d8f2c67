-- What is said of the parent alone does not reach its children.
-- schema
CREATE TABLE t (id int, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
CREATE TABLE child () INHERITS (t);
INSERT INTO child VALUES (10, NULL);
CREATE TABLE childless (id int, a int);
INSERT INTO childless SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE ONLY t ALTER COLUMN a SET NOT NULL;
ALTER TABLE ONLY childless ALTER COLUMN a SET NOT NULL;
