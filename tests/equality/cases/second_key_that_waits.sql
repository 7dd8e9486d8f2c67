-- schema
CREATE TABLE t (id int, a int, b int);
INSERT INTO t SELECT i, i, i FROM generate_series(1, 9) AS i;
CREATE INDEX ON t (a);
-- migration
ALTER TABLE t ADD CONSTRAINT one PRIMARY KEY (a);
ALTER TABLE public.t ADD CONSTRAINT two PRIMARY KEY (b), ADD CHECK (b > 0);
ALTER TABLE t ADD CONSTRAINT t_a_idx PRIMARY KEY (b), ALTER a SET NOT NULL;
