SELECT pg_catalog.json_build_object(
  'calls', (SELECT pg_catalog.json_agg(DISTINCT p.proname) FROM pg_catalog.pg_proc AS p
    WHERE p.oid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
      AND (EXISTS (SELECT FROM pg_catalog.pg_proc AS b
          WHERE b.proname OPERATOR(pg_catalog.=) p.proname AND b.oid::pg_catalog.int8 OPERATOR(pg_catalog.<) 16384)
        OR p.proname::pg_catalog.text OPERATOR(pg_catalog.~) '^(lo_|pg_|dblink|postgres_fdw_|crosstab)|^(connectby|xpath_table)$'
        OR p.proname OPERATOR(pg_catalog.=) ANY (pg_catalog.string_to_array($1, ' ')::pg_catalog.name[]))),
  'attributes', (SELECT pg_catalog.json_agg(DISTINCT p.proname) FROM pg_catalog.pg_proc AS p, pg_catalog.pg_type AS t
    WHERE p.oid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384 AND p.pronargs OPERATOR(pg_catalog.>=) 1::pg_catalog.int2
      AND p.pronargs::pg_catalog.int4 OPERATOR(pg_catalog.-) p.pronargdefaults::pg_catalog.int4 OPERATOR(pg_catalog.<=) 1
      AND t.oid OPERATOR(pg_catalog.=) p.proargtypes[0] AND t.typtype OPERATOR(pg_catalog.=) ANY ('{c,d,p}'::pg_catalog."char"[]))
)::pg_catalog.text
