built_on AS (
  SELECT t.n, t.oid FROM types AS t WHERE t.n OPERATOR(pg_catalog.=) ANY (ARRAY(
    SELECT w.place::pg_catalog.int4 FROM pg_catalog.json_array_elements_text($2::pg_catalog.json) AS w (place)))
  UNION
  SELECT b.n, found.oid
  FROM built_on AS b, LATERAL (
    SELECT t.oid FROM pg_catalog.pg_type AS t
    WHERE t.typbasetype OPERATOR(pg_catalog.=) b.oid
      OR t.typelem OPERATOR(pg_catalog.=) b.oid AND t.typlen::pg_catalog.int4 OPERATOR(pg_catalog.=) -1
    UNION ALL
    SELECT c.reltype FROM pg_catalog.pg_attribute AS a, pg_catalog.pg_class AS c
    WHERE a.atttypid OPERATOR(pg_catalog.=) b.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
      AND c.oid OPERATOR(pg_catalog.=) a.attrelid AND c.relkind OPERATOR(pg_catalog.=) 'c'
  ) AS found
),
users AS (
  SELECT DISTINCT b.n, c.oid, s.nspname AS schema, c.relname AS name, c.reltoastrelid
  FROM built_on AS b, pg_catalog.pg_attribute AS a, pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS s
  WHERE a.atttypid OPERATOR(pg_catalog.=) b.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
    AND c.oid OPERATOR(pg_catalog.=) a.attrelid AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m}'::pg_catalog."char"[])
    AND s.oid OPERATOR(pg_catalog.=) c.relnamespace
)
SELECT pg_catalog.json_agg(pg_catalog.json_build_object('n', t.n, 'users', COALESCE((
  SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', u.schema, 'name', u.name, 'bytes', pg_catalog.pg_relation_size(u.oid)
      OPERATOR(pg_catalog.+) CASE WHEN u.reltoastrelid::pg_catalog.int8 OPERATOR(pg_catalog.=) 0 THEN 0
        ELSE pg_catalog.pg_relation_size(u.reltoastrelid) END) ORDER BY u.schema, u.name)
  FROM users AS u WHERE u.n OPERATOR(pg_catalog.=) t.n), '[]'::pg_catalog.json)))::pg_catalog.text
FROM types AS t
