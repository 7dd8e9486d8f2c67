-- An owner who may not make an index in the schema, or not even look into it.
-- schema
CREATE SCHEMA closed;
CREATE SCHEMA shut;
GRANT USAGE ON SCHEMA shut TO owner;
CREATE TABLE closed.t (id int, a int);
CREATE TABLE shut.t (id int, a int);
CREATE TABLE shut.part (id int, a int) PARTITION BY RANGE (id);
CREATE TABLE shut.part_1 PARTITION OF shut.part DEFAULT;
INSERT INTO closed.t SELECT i, i FROM generate_series(1, 9) AS i;
INSERT INTO shut.t SELECT i, i FROM generate_series(1, 9) AS i;
INSERT INTO shut.part SELECT i, i FROM generate_series(1, 9) AS i;
ALTER TABLE closed.t OWNER TO owner;
ALTER TABLE shut.t OWNER TO owner;
ALTER TABLE shut.part OWNER TO owner;
ALTER TABLE shut.part_1 OWNER TO owner;
-- migration
SAVEPOINT s;
SET ROLE owner;
CREATE INDEX ON closed.t (a);
ROLLBACK TO SAVEPOINT s;
SET ROLE owner;
ALTER TABLE closed.t ADD PRIMARY KEY (a);
ROLLBACK TO SAVEPOINT s;
SET ROLE owner;
CREATE INDEX ON shut.t (a);
ROLLBACK TO SAVEPOINT s;
SET ROLE owner;
ALTER TABLE shut.t ADD UNIQUE (a);
ROLLBACK TO SAVEPOINT s;
SET ROLE owner;
CREATE INDEX ON shut.part (a);
ROLLBACK TO SAVEPOINT s;
SET ROLE owner;
ALTER TABLE shut.part ADD UNIQUE (id);
ROLLBACK TO SAVEPOINT s;
SET ROLE owner;
ALTER TABLE shut.t ALTER a SET NOT NULL;
ALTER TABLE shut.t ADD CHECK (a > 0);
