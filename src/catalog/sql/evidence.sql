relations AS (SELECT DISTINCT ON (q.n) q.n, q.oid FROM candidates AS q WHERE q.oid IS NOT NULL ORDER BY q.n, q.k),
wanted AS (
  SELECT w.n, w."column", r.oid, c.relname AS name, s.nspname AS schema
  FROM pg_catalog.json_to_recordset($2::pg_catalog.json) AS w(n pg_catalog.int4, relation pg_catalog.int4, "column" pg_catalog.text),
    relations AS r, pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS s
  WHERE r.n OPERATOR(pg_catalog.=) w.relation AND c.oid OPERATOR(pg_catalog.=) r.oid AND s.oid OPERATOR(pg_catalog.=) c.relnamespace
),
-- The view is there, the role may read it, and the server has loaded what it reads.
seen AS (
  SELECT v.relnamespace::pg_catalog.regnamespace::pg_catalog.text AS schema
  FROM pg_catalog.pg_extension AS e, pg_catalog.pg_class AS v
  WHERE e.extname OPERATOR(pg_catalog.=) 'pg_stat_statements' AND v.relname OPERATOR(pg_catalog.=) 'pg_stat_statements'
    AND v.relnamespace OPERATOR(pg_catalog.=) e.extnamespace AND pg_catalog.has_table_privilege(v.oid, 'SELECT')
    AND pg_catalog.has_schema_privilege(e.extnamespace, 'USAGE')
    AND pg_catalog.current_setting('pg_stat_statements.max', true) IS NOT NULL
),
-- The text of a query cannot name a view that may not be there; a function that takes the query as a text can. Its answer is JSON within XML.
statements AS (
  SELECT pg_catalog."substring"(pg_catalog.query_to_xml(pg_catalog.format($pgairlock$
      SELECT pg_catalog.json_agg(found)::pg_catalog.text AS j FROM (
        SELECT s.query, pg_catalog.sum(s.calls)::pg_catalog.int8 AS calls FROM %s.pg_stat_statements AS s
        WHERE s.dbid OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database AS d
            WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
          AND (s.query OPERATOR(pg_catalog.=) '<insufficient privilege>' OR EXISTS (
            SELECT FROM pg_catalog.json_array_elements_text(%L::pg_catalog.json) AS w (name)
            WHERE pg_catalog.strpos(pg_catalog.lower(s.query), pg_catalog.lower(w.name)) OPERATOR(pg_catalog.>) 0))
        GROUP BY s.query ORDER BY pg_catalog.sum(s.calls) DESC LIMIT 200) AS found$pgairlock$,
      seen.schema, (SELECT pg_catalog.json_agg(DISTINCT w.name::pg_catalog.text) FROM wanted AS w)), true, true, '')::pg_catalog.text, '<j>(.*)</j>') AS found
  FROM seen
)
SELECT pg_catalog.json_build_object(
  'objects', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'n', w.n,
      'oid', w.oid::pg_catalog.int8,
      'column', w."column",
      'views', COALESCE((SELECT pg_catalog.json_agg(DISTINCT v.oid::pg_catalog.regclass::pg_catalog.text)
        FROM pg_catalog.pg_depend AS d, pg_catalog.pg_rewrite AS k, pg_catalog.pg_class AS v
        WHERE d.classid::pg_catalog.int8 OPERATOR(pg_catalog.=) 2618 AND d.refclassid::pg_catalog.int8 OPERATOR(pg_catalog.=) 1259
          AND d.refobjid OPERATOR(pg_catalog.=) w.oid AND k.oid OPERATOR(pg_catalog.=) d.objid AND v.oid OPERATOR(pg_catalog.=) k.ev_class
          AND v.oid OPERATOR(pg_catalog.<>) w.oid AND (w."column" IS NULL OR EXISTS (
            SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid OPERATOR(pg_catalog.=) w.oid
              AND a.attname OPERATOR(pg_catalog.=) w."column"::pg_catalog.name
              AND a.attnum::pg_catalog.int4 OPERATOR(pg_catalog.=) d.refobjsubid))), '[]'::pg_catalog.json),
      'functions', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', f.proname, 'source', f.prosrc)) FROM (
          SELECT p.proname, p.prosrc FROM pg_catalog.pg_proc AS p, pg_catalog.pg_language AS l
          WHERE p.oid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384 AND l.oid OPERATOR(pg_catalog.=) p.prolang
            AND l.lanname OPERATOR(pg_catalog.=) ANY ('{sql,plpgsql}'::pg_catalog.name[])
            AND pg_catalog.strpos(pg_catalog.lower(p.prosrc), pg_catalog.lower(w.name::pg_catalog.text)) OPERATOR(pg_catalog.>) 0
          LIMIT 100) AS f), '[]'::pg_catalog.json)
    )) FROM wanted AS w),
  'statements', (SELECT pg_catalog."replace"(pg_catalog."replace"(pg_catalog."replace"(COALESCE(s.found, '[]'),
      '&lt;', '<'), '&gt;', '>'), '&amp;', '&')::pg_catalog.json FROM statements AS s)
)::pg_catalog.text
