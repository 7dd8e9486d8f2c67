type_candidates AS (
  SELECT r.n, r.k,
    CASE WHEN r.schema IS NULL THEN pg_catalog.to_regtype(pg_catalog.quote_ident(r.name))::pg_catalog.oid
    ELSE (
      SELECT t.oid FROM pg_catalog.pg_type AS t, pg_catalog.pg_namespace AS s
      WHERE t.typname OPERATOR(pg_catalog.=) r.name::pg_catalog.name AND t.typnamespace OPERATOR(pg_catalog.=) s.oid
        AND CASE WHEN r.schema OPERATOR(pg_catalog.=) 'pg_temp' THEN s.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
            ELSE s.nspname OPERATOR(pg_catalog.=)
              (CASE WHEN r.path AND r.schema OPERATOR(pg_catalog.=) '$user' THEN CURRENT_USER ELSE r.schema::pg_catalog.name END) END
        AND (NOT r.path OR pg_catalog.has_schema_privilege(s.oid, 'USAGE'))
    ) END AS oid, r."array"
  FROM pg_catalog.json_to_recordset($3::pg_catalog.json)
    AS r(n pg_catalog.int4, k pg_catalog.int4, schema pg_catalog.text, name pg_catalog.text, path pg_catalog.bool, "array" pg_catalog.bool)
),
types AS (
  SELECT DISTINCT ON (q.n) q.n, CASE WHEN q."array" THEN t.typarray ELSE t.oid END AS oid
  FROM type_candidates AS q, pg_catalog.pg_type AS t WHERE t.oid OPERATOR(pg_catalog.=) q.oid ORDER BY q.n, q.k
),
