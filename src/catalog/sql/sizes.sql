relations AS (
  SELECT DISTINCT ON (q.n) q.n, q.oid, COALESCE((
    SELECT x.indrelid FROM pg_catalog.pg_index AS x WHERE x.indexrelid OPERATOR(pg_catalog.=) q.oid), q.oid) AS rows_in
  FROM candidates AS q WHERE q.oid IS NOT NULL ORDER BY q.n, q.k
),
tree AS (
  SELECT r.n, r.rows_in AS oid FROM relations AS r
  UNION
  SELECT t.n, i.inhrelid FROM tree AS t, pg_catalog.pg_inherits AS i WHERE i.inhparent OPERATOR(pg_catalog.=) t.oid
),
sizes AS (
  SELECT t.n, CASE WHEN c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m,t}'::pg_catalog."char"[]) THEN pg_catalog.pg_relation_size(c.oid)
      OPERATOR(pg_catalog.+) CASE WHEN c.reltoastrelid::pg_catalog.int8 OPERATOR(pg_catalog.=) 0 THEN 0
        ELSE pg_catalog.pg_relation_size(c.reltoastrelid) END
    WHEN c.relkind OPERATOR(pg_catalog.=) 'p' THEN 0 END AS bytes
  FROM tree AS t, pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) t.oid
)
SELECT pg_catalog.json_agg(pg_catalog.json_build_object('n', r.n, 'oid', r.oid::pg_catalog.int8, 'bytes', (
  SELECT CASE WHEN pg_catalog.bool_and(s.bytes IS NOT NULL) THEN pg_catalog.sum(s.bytes)::pg_catalog.int8 END
  FROM sizes AS s WHERE s.n OPERATOR(pg_catalog.=) r.n)))::pg_catalog.text
FROM relations AS r
