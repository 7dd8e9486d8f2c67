WITH RECURSIVE
candidates AS (
  SELECT r.n, r.k,
    CASE WHEN r.schema IS NULL THEN pg_catalog.to_regclass(pg_catalog.quote_ident(r.name))::pg_catalog.oid
    ELSE (
      SELECT c.oid FROM pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS s
      WHERE c.relname OPERATOR(pg_catalog.=) r.name::pg_catalog.name AND c.relnamespace OPERATOR(pg_catalog.=) s.oid
        AND CASE WHEN r.schema OPERATOR(pg_catalog.=) 'pg_temp' THEN s.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
            ELSE s.nspname OPERATOR(pg_catalog.=)
              (CASE WHEN r.path AND r.schema OPERATOR(pg_catalog.=) '$user' THEN CURRENT_USER ELSE r.schema::pg_catalog.name END) END
        AND (NOT r.path OR pg_catalog.has_schema_privilege(s.oid, 'USAGE'))
    ) END AS oid
  FROM pg_catalog.json_to_recordset($1::pg_catalog.json)
    AS r(n pg_catalog.int4, k pg_catalog.int4, schema pg_catalog.text, name pg_catalog.text, path pg_catalog.bool)
),
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
