-- Before 18 it is added to each partition first: what cannot be is known before.
-- schema
CREATE TABLE p (id int PRIMARY KEY);
INSERT INTO p SELECT generate_series(1, 9);
CREATE TABLE t (id bigint PRIMARY KEY, a int, b text) PARTITION BY RANGE (id);
CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (1) TO (5);
CREATE TABLE t_2 PARTITION OF t DEFAULT;
INSERT INTO t SELECT i, i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p;
ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES p (id);
SAVEPOINT s;
ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES nonesuch;
ROLLBACK TO SAVEPOINT s;
ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES p;
