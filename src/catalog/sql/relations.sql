relations AS (SELECT DISTINCT ON (q.n) q.n, q.oid FROM candidates AS q WHERE q.oid IS NOT NULL ORDER BY q.n, q.k),
descendants AS (
  SELECT r.oid AS root, i.inhrelid AS oid FROM relations AS r, pg_catalog.pg_inherits AS i WHERE i.inhparent OPERATOR(pg_catalog.=) r.oid
  UNION
  SELECT d.root, i.inhrelid FROM descendants AS d, pg_catalog.pg_inherits AS i WHERE i.inhparent OPERATOR(pg_catalog.=) d.oid
),
partition_keys AS (
  SELECT p.partrelid AS oid, COALESCE((SELECT pg_catalog.json_agg(COALESCE(a.attname, '') ORDER BY k.n)
    FROM pg_catalog.unnest(p.partattrs::pg_catalog.int2[]) WITH ORDINALITY AS k (number, n)
      LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) p.partrelid AND a.attnum OPERATOR(pg_catalog.=) k.number),
    '[]'::pg_catalog.json) AS columns
  FROM pg_catalog.pg_partitioned_table AS p
  WHERE EXISTS (SELECT FROM relations AS r WHERE r.oid OPERATOR(pg_catalog.=) p.partrelid)
    OR EXISTS (SELECT FROM descendants AS d WHERE d.oid OPERATOR(pg_catalog.=) p.partrelid)
),
dependents AS (
  SELECT r.oid AS root, 1259::pg_catalog.oid AS class, r.oid, 0 AS part FROM relations AS r
  UNION
  SELECT d.root, found.class, found.oid, found.part
  FROM dependents AS d, LATERAL (
    SELECT p.classid AS class, p.objid AS oid, p.objsubid AS part FROM pg_catalog.pg_depend AS p
    WHERE p.refclassid OPERATOR(pg_catalog.=) d.class AND p.refobjid OPERATOR(pg_catalog.=) d.oid
      AND (d.part OPERATOR(pg_catalog.=) 0 OR p.refobjsubid OPERATOR(pg_catalog.=) d.part)
    UNION ALL
    SELECT p.refclassid, p.refobjid, p.refobjsubid FROM pg_catalog.pg_depend AS p
    WHERE p.classid OPERATOR(pg_catalog.=) d.class AND p.objid OPERATOR(pg_catalog.=) d.oid
      AND p.objsubid OPERATOR(pg_catalog.=) d.part AND p.deptype OPERATOR(pg_catalog.=) 'i'
  ) AS found
),
wanted AS (
  SELECT w.n, w.name FROM pg_catalog.json_to_recordset($2::pg_catalog.json) AS w(n pg_catalog.int4, name pg_catalog.text)
),
