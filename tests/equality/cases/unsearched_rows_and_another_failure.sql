-- Behind a strong lock rows are not searched; then the transaction fails for another reason.
-- schema
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
INSERT INTO t SELECT i, i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t ADD COLUMN c int;
ALTER TABLE t ADD CONSTRAINT k CHECK (a > 1);
ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES t;
