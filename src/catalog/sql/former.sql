relations AS (SELECT DISTINCT ON (q.n) q.n, q.oid FROM candidates AS q WHERE q.oid IS NOT NULL ORDER BY q.n, q.k),
wanted AS (
  SELECT * FROM pg_catalog.json_to_recordset($2::pg_catalog.json) AS w(n pg_catalog.int4, aspect pg_catalog.text, place pg_catalog.text,
    schema pg_catalog.text, name pg_catalog.text, part pg_catalog.text, arguments pg_catalog.json)
),
targets AS (
  -- Where CREATE puts what has no schema of its own.
  SELECT w.*, s.oid AS namespace FROM wanted AS w, pg_catalog.pg_namespace AS s
  WHERE s.nspname OPERATOR(pg_catalog.=) COALESCE(w.schema::pg_catalog.name, pg_catalog.current_schema())
),
found AS (
  SELECT w.n, 1259 AS class, r.oid, 0 AS part FROM wanted AS w, relations AS r
  WHERE w.place OPERATOR(pg_catalog.=) ANY ('{relation,index}'::pg_catalog.text[]) AND r.n OPERATOR(pg_catalog.=) w.n
  UNION ALL
  SELECT w.n, 1259, r.oid, a.attnum::pg_catalog.int4 FROM wanted AS w, relations AS r, pg_catalog.pg_attribute AS a
  WHERE w.place OPERATOR(pg_catalog.=) 'column' AND r.n OPERATOR(pg_catalog.=) w.n AND a.attrelid OPERATOR(pg_catalog.=) r.oid
    AND a.attname OPERATOR(pg_catalog.=) w.part::pg_catalog.name AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
  UNION ALL
  SELECT w.n, 2606, k.oid, 0 FROM wanted AS w, relations AS r, pg_catalog.pg_constraint AS k
  WHERE w.place OPERATOR(pg_catalog.=) 'constraint' AND r.n OPERATOR(pg_catalog.=) w.n AND k.conrelid OPERATOR(pg_catalog.=) r.oid
    AND k.conname OPERATOR(pg_catalog.=) w.part::pg_catalog.name
  UNION ALL
  SELECT w.n, 1259, c.oid, 0 FROM wanted AS w, relations AS r, pg_catalog.pg_class AS t, pg_catalog.pg_class AS c
  WHERE w.place OPERATOR(pg_catalog.=) 'beside' AND r.n OPERATOR(pg_catalog.=) w.n AND t.oid OPERATOR(pg_catalog.=) r.oid
    AND c.relname OPERATOR(pg_catalog.=) w.part::pg_catalog.name AND c.relnamespace OPERATOR(pg_catalog.=) t.relnamespace
  UNION ALL
  SELECT w.n, 1259, c.oid, 0 FROM targets AS w, pg_catalog.pg_class AS c
  WHERE w.place OPERATOR(pg_catalog.=) ANY ('{new,view}'::pg_catalog.text[]) AND c.relname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
    AND c.relnamespace OPERATOR(pg_catalog.=) w.namespace
  UNION ALL
  SELECT w.n, 1255, p.oid, 0 FROM targets AS w, pg_catalog.pg_proc AS p
  WHERE w.place OPERATOR(pg_catalog.=) 'routine' AND p.proname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
    AND p.pronamespace OPERATOR(pg_catalog.=) w.namespace AND p.pronargs::pg_catalog.int4 OPERATOR(pg_catalog.=) pg_catalog.json_array_length(w.arguments)
    AND NOT EXISTS (
      SELECT FROM pg_catalog.json_array_elements(w.arguments) WITH ORDINALITY AS g(argument, place), pg_catalog.pg_type AS t
        LEFT JOIN pg_catalog.pg_type AS e ON e.typarray OPERATOR(pg_catalog.=) t.oid
        CROSS JOIN LATERAL (SELECT COALESCE(e.typname, t.typname) AS name, COALESCE(e.typnamespace, t.typnamespace) AS namespace) AS element
      WHERE t.oid OPERATOR(pg_catalog.=) (p.proargtypes::pg_catalog.oid[])[g.place::pg_catalog.int4 OPERATOR(pg_catalog.-) 1]
        AND ((e.oid IS NOT NULL) OPERATOR(pg_catalog.<>) (g.argument OPERATOR(pg_catalog.->>) 'array')::pg_catalog.bool
          OR element.name OPERATOR(pg_catalog.<>) (g.argument OPERATOR(pg_catalog.->>) 'name')::pg_catalog.name
          OR (g.argument OPERATOR(pg_catalog.->>) 'schema') OPERATOR(pg_catalog.<>) (
            SELECT s.nspname::pg_catalog.text FROM pg_catalog.pg_namespace AS s WHERE s.oid OPERATOR(pg_catalog.=) element.namespace)))
  UNION ALL
  SELECT w.n, 2615, s.oid, 0 FROM wanted AS w, pg_catalog.pg_namespace AS s
  WHERE w.place OPERATOR(pg_catalog.=) 'schema' AND s.nspname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
  UNION ALL
  SELECT w.n, 3079, x.oid, 0 FROM wanted AS w, pg_catalog.pg_extension AS x
  WHERE w.place OPERATOR(pg_catalog.=) 'extension' AND x.extname OPERATOR(pg_catalog.=) w.name::pg_catalog.name
),
told AS (
  SELECT w.n, f.oid, CASE
    WHEN w.aspect OPERATOR(pg_catalog.=) 'default' THEN (
      -- Without its table, of which it knows no column: so nothing is locked.
      SELECT pg_catalog.pg_get_expr(d.adbin, 0) FROM pg_catalog.pg_attrdef AS d, pg_catalog.pg_attribute AS a
      WHERE d.adrelid OPERATOR(pg_catalog.=) f.oid AND d.adnum::pg_catalog.int4 OPERATOR(pg_catalog.=) f.part AND a.attrelid OPERATOR(pg_catalog.=) d.adrelid
        AND a.attnum OPERATOR(pg_catalog.=) d.adnum AND a.attgenerated OPERATOR(pg_catalog.=) ''
        AND pg_catalog.octet_length(d.adbin::pg_catalog.text) OPERATOR(pg_catalog.<) 100000)
    WHEN w.aspect OPERATOR(pg_catalog.=) 'type' THEN (
      SELECT pg_catalog.concat(pg_catalog.format_type(a.atttypid, a.atttypmod), (
          SELECT pg_catalog.format(' COLLATE %I.%I', s.nspname, c.collname) FROM pg_catalog.pg_type AS t, pg_catalog.pg_collation AS c, pg_catalog.pg_namespace AS s
          WHERE t.oid OPERATOR(pg_catalog.=) a.atttypid AND c.oid OPERATOR(pg_catalog.=) a.attcollation
            AND a.attcollation OPERATOR(pg_catalog.<>) t.typcollation AND s.oid OPERATOR(pg_catalog.=) c.collnamespace))
      FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid OPERATOR(pg_catalog.=) f.oid AND a.attnum::pg_catalog.int4 OPERATOR(pg_catalog.=) f.part)
    WHEN w.aspect OPERATOR(pg_catalog.=) 'not-null' THEN (
      SELECT 'NOT NULL' FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid OPERATOR(pg_catalog.=) f.oid AND a.attnum::pg_catalog.int4 OPERATOR(pg_catalog.=) f.part AND a.attnotnull)
    WHEN w.aspect OPERATOR(pg_catalog.=) 'comment' THEN (
      SELECT d.description FROM pg_catalog.pg_description AS d
      WHERE d.classoid OPERATOR(pg_catalog.=) f.class::pg_catalog.oid AND d.objoid OPERATOR(pg_catalog.=) f.oid AND d.objsubid OPERATOR(pg_catalog.=) f.part)
    WHEN w.aspect OPERATOR(pg_catalog.=) 'schema' THEN (
      SELECT s.nspname::pg_catalog.text FROM pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS s
      WHERE c.oid OPERATOR(pg_catalog.=) f.oid AND s.oid OPERATOR(pg_catalog.=) c.relnamespace)
    WHEN w.place OPERATOR(pg_catalog.=) 'constraint' THEN pg_catalog.pg_get_constraintdef(f.oid)
    WHEN w.place OPERATOR(pg_catalog.=) 'index' THEN (
      -- That of a partitioned table does not say what its partitions have.
      SELECT pg_catalog.pg_get_indexdef(c.oid) FROM pg_catalog.pg_class AS c
      WHERE c.oid OPERATOR(pg_catalog.=) f.oid AND c.relkind OPERATOR(pg_catalog.=) 'i')
    WHEN w.place OPERATOR(pg_catalog.=) 'routine' THEN (
      -- A body that is a tree names tables, which its text would lock (14 and later: prosqlbody).
      SELECT pg_catalog.pg_get_functiondef(p.oid) FROM pg_catalog.pg_proc AS p
      WHERE p.oid OPERATOR(pg_catalog.=) f.oid AND p.prokind OPERATOR(pg_catalog.=) ANY ('{f,p}'::pg_catalog."char"[])
        AND (pg_catalog.to_jsonb(p) OPERATOR(pg_catalog.->>) 'prosqlbody') IS NULL)
    WHEN w.place OPERATOR(pg_catalog.=) 'view' THEN (
      SELECT pg_catalog.concat(
        'WITH (' OPERATOR(pg_catalog.||) pg_catalog.array_to_string(c.reloptions, ', ') OPERATOR(pg_catalog.||) ') ',
        'AS', pg_catalog.chr(10), pg_catalog.pg_get_viewdef(c.oid))
      FROM pg_catalog.pg_class AS c
      WHERE c.oid OPERATOR(pg_catalog.=) f.oid AND c.relkind OPERATOR(pg_catalog.=) 'v'
        -- Its text takes the weakest lock on what it reads: not where somebody keeps that from it, or is about to.
        AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_locks AS l
          WHERE l.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock' AND l.locktype OPERATOR(pg_catalog.=) 'relation'
            AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
            AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database AS d
              WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())))
    END AS text
  FROM wanted AS w, found AS f WHERE f.n OPERATOR(pg_catalog.=) w.n
)
SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
  'n', w.n,
  'there', (SELECT pg_catalog.count(*) FROM told AS t WHERE t.n OPERATOR(pg_catalog.=) w.n)::pg_catalog.int4,
  'long', EXISTS (SELECT FROM told AS t WHERE t.n OPERATOR(pg_catalog.=) w.n AND pg_catalog.octet_length(t.text) OPERATOR(pg_catalog.>) 4096),
  'text', (SELECT pg_catalog.min(t.text) FROM told AS t
    WHERE t.n OPERATOR(pg_catalog.=) w.n AND pg_catalog.octet_length(t.text) OPERATOR(pg_catalog.<=) 4096)
))::pg_catalog.text
FROM wanted AS w
