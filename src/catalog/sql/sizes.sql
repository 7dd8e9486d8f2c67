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
      WHEN c.relkind OPERATOR(pg_catalog.=) 'p' THEN 0 END AS heap,
    CASE WHEN c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m,t}'::pg_catalog."char"[]) AND c.reltoastrelid::pg_catalog.int8 OPERATOR(pg_catalog.<>) 0
      THEN pg_catalog.pg_relation_size(c.reltoastrelid) ELSE 0 END AS apart,
    CASE WHEN c.reltuples OPERATOR(pg_catalog.>) 0::pg_catalog.float4 AND c.relpages OPERATOR(pg_catalog.>) 0
      THEN c.reltuples::pg_catalog.float8 OPERATOR(pg_catalog./) c.relpages::pg_catalog.float8 END AS dense
  FROM tree AS t, pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) t.oid
)
SELECT pg_catalog.json_agg(pg_catalog.json_build_object('n', r.n, 'oid', r.oid::pg_catalog.int8, 'bytes', s.bytes, 'volume', s.volume))::pg_catalog.text
FROM relations AS r, LATERAL (
  SELECT CASE WHEN pg_catalog.bool_and(s.heap IS NOT NULL) THEN pg_catalog.sum(s.heap OPERATOR(pg_catalog.+) s.apart)::pg_catalog.int8 END AS bytes,
    CASE WHEN pg_catalog.bool_and(s.heap IS NOT NULL) THEN pg_catalog.json_build_object(
      'heap', pg_catalog.sum(s.heap)::pg_catalog.int8,
      'rows', COALESCE(pg_catalog.sum(s.dense OPERATOR(pg_catalog.*) (s.heap OPERATOR(pg_catalog./) 8192)::pg_catalog.float8), 0)::pg_catalog.int8,
      'uncounted', COALESCE(pg_catalog.sum(CASE WHEN s.dense IS NULL THEN s.heap END), 0)::pg_catalog.int8) END AS volume
  FROM sizes AS s WHERE s.n OPERATOR(pg_catalog.=) r.n
) AS s
