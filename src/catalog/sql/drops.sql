relations AS (SELECT DISTINCT ON (q.n) q.n, q.oid FROM candidates AS q WHERE q.oid IS NOT NULL ORDER BY q.n, q.k),
parts AS (
  SELECT r.oid AS root, 1259::pg_catalog.oid AS class, r.oid FROM relations AS r
  UNION
  SELECT p.root, d.classid, d.objid FROM parts AS p, pg_catalog.pg_depend AS d
  WHERE d.refclassid OPERATOR(pg_catalog.=) p.class AND d.refobjid OPERATOR(pg_catalog.=) p.oid
    AND d.deptype OPERATOR(pg_catalog.=) ANY ('{a,i}'::pg_catalog."char"[])
),
users AS (
  SELECT DISTINCT p.root, d.classid AS class, d.objid AS oid FROM parts AS p, pg_catalog.pg_depend AS d
  WHERE d.refclassid OPERATOR(pg_catalog.=) p.class AND d.refobjid OPERATOR(pg_catalog.=) p.oid AND d.deptype OPERATOR(pg_catalog.=) 'n'
    AND NOT EXISTS (SELECT FROM parts AS w WHERE w.class OPERATOR(pg_catalog.=) d.classid AND w.oid OPERATOR(pg_catalog.=) d.objid)
),
views AS (
  SELECT u.root, w.ev_class AS oid FROM users AS u, pg_catalog.pg_rewrite AS w
  WHERE u.class OPERATOR(pg_catalog.=) 2618::pg_catalog.oid AND w.oid OPERATOR(pg_catalog.=) u.oid
  UNION
  SELECT v.root, w.ev_class FROM views AS v, pg_catalog.pg_depend AS d, pg_catalog.pg_rewrite AS w
  WHERE d.refclassid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid AND d.refobjid OPERATOR(pg_catalog.=) v.oid
    AND d.classid OPERATOR(pg_catalog.=) 2618::pg_catalog.oid AND w.oid OPERATOR(pg_catalog.=) d.objid
),
joins AS (
  SELECT r.oid AS root, k.*, pg_catalog.pg_get_constraintdef(k.oid) AS definition,
    ') REFERENCES ' OPERATOR(pg_catalog.||) k.confrelid::pg_catalog.regclass::pg_catalog.text OPERATOR(pg_catalog.||) '(' AS target,
    CASE WHEN k.conrelid OPERATOR(pg_catalog.=) r.oid THEN k.confrelid ELSE k.conrelid END AS other
  FROM relations AS r, pg_catalog.pg_constraint AS k
  WHERE k.contype OPERATOR(pg_catalog.=) 'f' AND k.conrelid OPERATOR(pg_catalog.<>) k.confrelid
    AND (k.conrelid OPERATOR(pg_catalog.=) r.oid OR k.confrelid OPERATOR(pg_catalog.=) r.oid)
)
SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
  'n', r.n,
  'oid', r.oid::pg_catalog.int8,
  'forbidden', NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') AND NOT pg_catalog.pg_has_role(s.nspowner, 'USAGE') OR EXISTS (
    SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid AND d.objid OPERATOR(pg_catalog.=) r.oid
      AND d.deptype OPERATOR(pg_catalog.=) 'e'),
  'used', EXISTS (SELECT FROM users AS u WHERE u.root OPERATOR(pg_catalog.=) r.oid AND NOT (
    u.class OPERATOR(pg_catalog.=) 2606::pg_catalog.oid AND EXISTS (
      SELECT FROM pg_catalog.pg_constraint AS k WHERE k.oid OPERATOR(pg_catalog.=) u.oid AND k.contype OPERATOR(pg_catalog.=) 'f'))),
  'parts', COALESCE((SELECT pg_catalog.json_agg(o.relname ORDER BY o.relname) FROM parts AS p, pg_catalog.pg_class AS o
    WHERE p.root OPERATOR(pg_catalog.=) r.oid AND p.class OPERATOR(pg_catalog.=) 1259::pg_catalog.oid AND o.oid OPERATOR(pg_catalog.=) p.oid
      AND p.oid OPERATOR(pg_catalog.<>) r.oid AND o.relnamespace OPERATOR(pg_catalog.=) c.relnamespace), '[]'::pg_catalog.json),
  'views', COALESCE((SELECT pg_catalog.json_agg(o.relname ORDER BY o.relname) FROM views AS v, pg_catalog.pg_class AS o
    WHERE v.root OPERATOR(pg_catalog.=) r.oid AND o.oid OPERATOR(pg_catalog.=) v.oid), '[]'::pg_catalog.json),
  'keys', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', j.conname,
      'schema', fs.nspname,
      'table', f.relname,
      'oid', j.conrelid::pg_catalog.int8,
      'joined_schema', ps.nspname,
      'joined', p.relname,
      'joined_oid', j.confrelid::pg_catalog.int8,
      'definition', CASE WHEN pg_catalog.strpos(j.definition, j.target) OPERATOR(pg_catalog.>) 0 THEN pg_catalog.format('%s) REFERENCES %I.%I(%s',
        pg_catalog."left"(j.definition, pg_catalog.strpos(j.definition, j.target) OPERATOR(pg_catalog.-) 1), ps.nspname, p.relname,
        pg_catalog.substr(j.definition, pg_catalog.strpos(j.definition, j.target) OPERATOR(pg_catalog.+) pg_catalog.length(j.target))) END,
      'validated', j.convalidated,
      'partitioned', f.relkind OPERATOR(pg_catalog.<>) 'r' OR p.relkind OPERATOR(pg_catalog.<>) 'r' OR f.relispartition OR p.relispartition,
      'permitted', pg_catalog.pg_has_role(f.relowner, 'USAGE') AND pg_catalog.has_any_column_privilege(j.confrelid, 'REFERENCES'),
      'temporary', o.relpersistence OPERATOR(pg_catalog.=) 't',
      'bytes', pg_catalog.pg_relation_size(o.oid) OPERATOR(pg_catalog.+) CASE WHEN o.reltoastrelid::pg_catalog.int8 OPERATOR(pg_catalog.=) 0 THEN 0
        ELSE pg_catalog.pg_relation_size(o.reltoastrelid) END
    ) ORDER BY j.conname, j.oid)
    FROM joins AS j, pg_catalog.pg_class AS f, pg_catalog.pg_namespace AS fs, pg_catalog.pg_class AS p, pg_catalog.pg_namespace AS ps,
      pg_catalog.pg_class AS o
    WHERE j.root OPERATOR(pg_catalog.=) r.oid AND f.oid OPERATOR(pg_catalog.=) j.conrelid AND fs.oid OPERATOR(pg_catalog.=) f.relnamespace
      AND p.oid OPERATOR(pg_catalog.=) j.confrelid AND ps.oid OPERATOR(pg_catalog.=) p.relnamespace
      AND o.oid OPERATOR(pg_catalog.=) j.other), '[]'::pg_catalog.json)
))::pg_catalog.text
FROM relations AS r, pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS s
WHERE c.oid OPERATOR(pg_catalog.=) r.oid AND s.oid OPERATOR(pg_catalog.=) c.relnamespace
