-- What SET NOT NULL in the same statement gives the partitions is inherited, as the rest.
-- schema
CREATE TABLE t (id int, a int) PARTITION BY RANGE (id);
CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (1) TO (5);
CREATE TABLE t_2 PARTITION OF t DEFAULT;
INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
CREATE TABLE u (id int, a int) PARTITION BY RANGE (id);
CREATE TABLE u_1 PARTITION OF u DEFAULT;
INSERT INTO u SELECT i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE t ALTER a SET NOT NULL, ADD PRIMARY KEY (id);
ALTER TABLE u VALIDATE CONSTRAINT nonesuch, ALTER a SET NOT NULL, ADD CONSTRAINT c PRIMARY KEY (a);
