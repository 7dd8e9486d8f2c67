relations AS (SELECT DISTINCT ON (q.n) q.n, q.oid FROM candidates AS q WHERE q.oid IS NOT NULL ORDER BY q.n, q.k),
pairs AS (
  SELECT w.parent AS n, p.oid AS parent, c.oid AS child
  FROM pg_catalog.json_to_recordset($2::pg_catalog.json) AS w(parent pg_catalog.int4, child pg_catalog.int4)
    JOIN relations AS p ON p.n OPERATOR(pg_catalog.=) w.parent
    LEFT JOIN relations AS c ON c.n OPERATOR(pg_catalog.=) w.child
),
below AS (
  SELECT k.partdefid AS root, k.partdefid AS oid FROM pairs AS j, pg_catalog.pg_partitioned_table AS k
  WHERE k.partrelid OPERATOR(pg_catalog.=) j.parent
  UNION
  SELECT b.root, i.inhrelid FROM below AS b, pg_catalog.pg_inherits AS i WHERE i.inhparent OPERATOR(pg_catalog.=) b.oid
),
indexes AS (
  SELECT x.indrelid, x.indexrelid, c.relname, c.relam, c.reltablespace, c.relispartition, x.indisunique, x.indisvalid, x.indnkeyatts, x.indnatts,
    COALESCE(pg_catalog.to_jsonb(x) OPERATOR(pg_catalog.->>) 'indnullsnotdistinct', 'false') AS nulls,
    COALESCE(pg_catalog.pg_get_expr(x.indexprs, x.indrelid), '') AS expressions,
    COALESCE(pg_catalog.pg_get_expr(x.indpred, x.indrelid), '') AS predicate,
    x.indcollation::pg_catalog.oid[] AS collations,
    ARRAY(SELECT o.opcfamily FROM pg_catalog.unnest(x.indclass::pg_catalog.oid[]) WITH ORDINALITY AS k (oid, n), pg_catalog.pg_opclass AS o
      WHERE o.oid OPERATOR(pg_catalog.=) k.oid ORDER BY k.n) AS families,
    ARRAY(SELECT COALESCE(a.attname, '')::pg_catalog.text FROM pg_catalog.unnest(x.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (number, n)
        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) x.indrelid AND a.attnum OPERATOR(pg_catalog.=) k.number
      ORDER BY k.n) AS columns,
    k.contype, k.condeferrable, k.condeferred
  FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) x.indexrelid
    LEFT JOIN pg_catalog.pg_constraint AS k ON k.conindid OPERATOR(pg_catalog.=) x.indexrelid AND k.conrelid OPERATOR(pg_catalog.=) x.indrelid
      AND k.contype OPERATOR(pg_catalog.<>) 'f'
  WHERE x.indislive AND EXISTS (
    SELECT FROM pairs AS j WHERE x.indrelid OPERATOR(pg_catalog.=) j.parent OR x.indrelid OPERATOR(pg_catalog.=) j.child)
),
keys AS (
  SELECT k.*, pg_catalog.pg_get_constraintdef(k.oid) AS definition,
    ') REFERENCES ' OPERATOR(pg_catalog.||) k.confrelid::pg_catalog.regclass::pg_catalog.text OPERATOR(pg_catalog.||) '(' AS target,
    ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid OPERATOR(pg_catalog.=) k.conrelid AND a.attnum OPERATOR(pg_catalog.=) ANY (k.conkey) ORDER BY a.attname) AS columns
  FROM pg_catalog.pg_constraint AS k
  WHERE k.contype OPERATOR(pg_catalog.=) 'f' AND EXISTS (
    SELECT FROM pairs AS j WHERE k.conrelid OPERATOR(pg_catalog.=) j.parent OR k.conrelid OPERATOR(pg_catalog.=) j.child)
)
SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
  'n', j.n,
  'parent', j.parent::pg_catalog.int8,
  'child', j.child::pg_catalog.int8,
  'strategy', p.partstrat,
  'keys', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'column', COALESCE(a.attname, ''),
      'type_text', COALESCE(pg_catalog.format_type(a.atttypid, a.atttypmod), ''),
      'ordinary', COALESCE(o.opcdefault AND k.collation_oid OPERATOR(pg_catalog.=) a.attcollation
        AND t.typtype OPERATOR(pg_catalog.=) ANY ('{b,e,r,m}'::pg_catalog."char"[]), false),
      'collated', COALESCE(a.attcollation::pg_catalog.int8 OPERATOR(pg_catalog.<>) 0, true)) ORDER BY k.n)
    FROM ROWS FROM (pg_catalog.unnest(p.partattrs::pg_catalog.int2[]), pg_catalog.unnest(p.partclass::pg_catalog.oid[]),
        pg_catalog.unnest(p.partcollation::pg_catalog.oid[])) WITH ORDINALITY AS k (number, class_oid, collation_oid, n)
      LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) p.partrelid AND a.attnum OPERATOR(pg_catalog.=) k.number
      LEFT JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
      LEFT JOIN pg_catalog.pg_opclass AS o ON o.oid OPERATOR(pg_catalog.=) k.class_oid),
  'checks', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.pg_get_expr(k.conbin, k.conrelid) ORDER BY k.conname)
    FROM pg_catalog.pg_constraint AS k
    WHERE k.conrelid OPERATOR(pg_catalog.=) j.child AND k.contype OPERATOR(pg_catalog.=) 'c' AND k.convalidated AND NOT k.connoinherit),
    '[]'::pg_catalog.json),
  'above', pg_catalog.pg_get_partition_constraintdef(j.parent),
  'bounds', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.pg_get_expr(c.relpartbound, c.oid) ORDER BY c.oid)
    FROM pg_catalog.pg_inherits AS i, pg_catalog.pg_class AS c
    WHERE i.inhparent OPERATOR(pg_catalog.=) j.parent AND c.oid OPERATOR(pg_catalog.=) i.inhrelid
      AND c.oid OPERATOR(pg_catalog.<>) p.partdefid), '[]'::pg_catalog.json),
  'default', (SELECT pg_catalog.json_build_object('schema', s.nspname, 'name', d.relname,
      'bytes', (SELECT CASE WHEN pg_catalog.bool_and(c.relkind OPERATOR(pg_catalog.<>) 'f') THEN pg_catalog.sum(
            CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'r' THEN pg_catalog.pg_relation_size(c.oid) OPERATOR(pg_catalog.+)
              CASE WHEN c.reltoastrelid::pg_catalog.int8 OPERATOR(pg_catalog.=) 0 THEN 0 ELSE pg_catalog.pg_relation_size(c.reltoastrelid) END
            ELSE 0 END)::pg_catalog.int8 END
        FROM below AS b, pg_catalog.pg_class AS c WHERE b.root OPERATOR(pg_catalog.=) d.oid AND c.oid OPERATOR(pg_catalog.=) b.oid),
      'below', (SELECT pg_catalog.count(*) FROM below AS b WHERE b.root OPERATOR(pg_catalog.=) d.oid),
      'constraints', COALESCE((SELECT pg_catalog.json_agg(k.conname ORDER BY k.conname) FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid OPERATOR(pg_catalog.=) d.oid), '[]'::pg_catalog.json))
    FROM pg_catalog.pg_class AS d, pg_catalog.pg_namespace AS s
    WHERE d.oid OPERATOR(pg_catalog.=) p.partdefid AND s.oid OPERATOR(pg_catalog.=) d.relnamespace),
  'indexes', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', x.relname,
      'definition', pg_catalog.pg_get_indexdef(x.indexrelid),
      'placed', x.reltablespace::pg_catalog.int8 OPERATOR(pg_catalog.<>) 0,
      'names', (SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid OPERATOR(pg_catalog.=) x.indexrelid AND a.attnum OPERATOR(pg_catalog.>) 0),
      'key', pg_catalog.to_json(x.columns[1:x.indnkeyatts::pg_catalog.int4]),
      'unique', x.indisunique,
      'nulls_not_distinct', x.nulls OPERATOR(pg_catalog.=) 'true',
      'partial', x.predicate OPERATOR(pg_catalog.<>) '',
      'constraint', x.contype,
      'deferrable', COALESCE(x.condeferrable, false),
      'deferred', COALESCE(x.condeferred, false),
      'same', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', y.relname, 'valid', y.indisvalid, 'constraint', y.contype)
          ORDER BY y.indexrelid)
        FROM indexes AS y
        WHERE y.indrelid OPERATOR(pg_catalog.=) j.child AND NOT y.relispartition AND y.indisunique OPERATOR(pg_catalog.=) x.indisunique
          AND y.nulls OPERATOR(pg_catalog.=) x.nulls AND y.relam OPERATOR(pg_catalog.=) x.relam
          AND y.indnkeyatts OPERATOR(pg_catalog.=) x.indnkeyatts AND y.columns OPERATOR(pg_catalog.=) x.columns
          AND y.collations OPERATOR(pg_catalog.=) x.collations AND y.families OPERATOR(pg_catalog.=) x.families
          AND y.expressions OPERATOR(pg_catalog.=) x.expressions AND y.predicate OPERATOR(pg_catalog.=) x.predicate), '[]'::pg_catalog.json)
    ) ORDER BY x.indexrelid) FROM indexes AS x WHERE x.indrelid OPERATOR(pg_catalog.=) j.parent), '[]'::pg_catalog.json),
  'foreign_keys', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', k.conname,
      'definition', CASE WHEN k.confrelid OPERATOR(pg_catalog.<>) j.parent AND pg_catalog.strpos(k.definition, k.target) OPERATOR(pg_catalog.>) 0
        THEN pg_catalog.format('%s) REFERENCES %I.%I(%s',
          pg_catalog."left"(k.definition, pg_catalog.strpos(k.definition, k.target) OPERATOR(pg_catalog.-) 1), s.nspname, r.relname,
          pg_catalog.substr(k.definition, pg_catalog.strpos(k.definition, k.target) OPERATOR(pg_catalog.+) pg_catalog.length(k.target))) END,
      'there', EXISTS (SELECT FROM keys AS own WHERE own.conrelid OPERATOR(pg_catalog.=) j.child AND own.convalidated
        AND own.conparentid::pg_catalog.int8 OPERATOR(pg_catalog.=) 0 AND own.definition OPERATOR(pg_catalog.=) k.definition),
      'alike', EXISTS (SELECT FROM keys AS own WHERE own.conrelid OPERATOR(pg_catalog.=) j.child AND own.columns OPERATOR(pg_catalog.=) k.columns)
        OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS own
          WHERE own.conrelid OPERATOR(pg_catalog.=) j.child AND own.conname OPERATOR(pg_catalog.=) k.conname)
    ) ORDER BY k.oid) FROM keys AS k, pg_catalog.pg_class AS r, pg_catalog.pg_namespace AS s
    WHERE k.conrelid OPERATOR(pg_catalog.=) j.parent AND k.convalidated AND r.oid OPERATOR(pg_catalog.=) k.confrelid
      AND s.oid OPERATOR(pg_catalog.=) r.relnamespace
      AND NOT EXISTS (SELECT FROM keys AS up WHERE up.oid OPERATOR(pg_catalog.=) k.conparentid AND up.conrelid OPERATOR(pg_catalog.=) j.parent)),
    '[]'::pg_catalog.json)
))::pg_catalog.text
FROM pairs AS j, pg_catalog.pg_partitioned_table AS p WHERE p.partrelid OPERATOR(pg_catalog.=) j.parent
