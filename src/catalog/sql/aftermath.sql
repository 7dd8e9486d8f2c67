-- $1: traces of statements, a JSON array of {n, kind, schema, relation, oid, part, since}; `since` is the first transaction number that had not ended then.
-- One row of JSON, for each: whether it is there and whole, or in part; whether its row was written by a transaction of that number or later; and whether
-- what it belongs to is there. A row has the lower half of a number, which says enough as long as fewer than 2^31 have come since.
WITH wanted AS (
  SELECT w.n, w.kind, w.schema, w.relation, w.oid::pg_catalog.oid AS oid, w.part, w.since
  FROM pg_catalog.json_to_recordset($1::pg_catalog.json) AS w(n pg_catalog.int4, kind pg_catalog.text, schema pg_catalog.text,
    relation pg_catalog.text, oid pg_catalog.int8, part pg_catalog.text, since pg_catalog.int8)
),
sights AS (
  SELECT w.n, w.since, c.oid IS NOT NULL AND COALESCE(x.indisvalid, true) AS found, COALESCE(NOT x.indisvalid, false) AS partly, c.xmin AS written,
    w.oid IS NOT NULL OR s.oid IS NOT NULL AS place
  FROM wanted AS w
    LEFT JOIN pg_catalog.pg_namespace AS s ON s.nspname OPERATOR(pg_catalog.=) w.schema::pg_catalog.name
    LEFT JOIN pg_catalog.pg_class AS c ON CASE WHEN w.oid IS NULL
      THEN c.relnamespace OPERATOR(pg_catalog.=) s.oid AND c.relname OPERATOR(pg_catalog.=) w.relation::pg_catalog.name
      ELSE c.oid OPERATOR(pg_catalog.=) w.oid END
    LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid OPERATOR(pg_catalog.=) c.oid
  WHERE w.kind OPERATOR(pg_catalog.=) 'relation'
  UNION ALL
  SELECT w.n, w.since, COALESCE(c.relname OPERATOR(pg_catalog.=) w.part::pg_catalog.name, false), false, c.xmin,
    COALESCE(c.relname OPERATOR(pg_catalog.=) w.relation::pg_catalog.name, false)
  FROM wanted AS w LEFT JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) w.oid
  WHERE w.kind OPERATOR(pg_catalog.=) 'name'
  UNION ALL
  SELECT w.n, w.since, COALESCE(i.valid, false), COALESCE(NOT i.valid, false), i.written, t.oid IS NOT NULL
  FROM wanted AS w
    LEFT JOIN pg_catalog.pg_class AS t ON t.oid OPERATOR(pg_catalog.=) w.oid
    LEFT JOIN (SELECT x.indrelid AS of_table, c.relname AS name, x.indisvalid AS valid, c.xmin AS written
      FROM pg_catalog.pg_index AS x, pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) x.indexrelid) AS i
      ON i.of_table OPERATOR(pg_catalog.=) t.oid AND i.name OPERATOR(pg_catalog.=) w.part::pg_catalog.name
  WHERE w.kind OPERATOR(pg_catalog.=) 'index'
  UNION ALL
  SELECT w.n, w.since, a.attnum IS NOT NULL, false, a.xmin, t.oid IS NOT NULL
  FROM wanted AS w
    LEFT JOIN pg_catalog.pg_class AS t ON t.oid OPERATOR(pg_catalog.=) w.oid
    LEFT JOIN pg_catalog.pg_attribute AS a
      ON a.attrelid OPERATOR(pg_catalog.=) t.oid AND a.attname OPERATOR(pg_catalog.=) w.part::pg_catalog.name AND NOT a.attisdropped
  WHERE w.kind OPERATOR(pg_catalog.=) 'column'
  UNION ALL
  SELECT w.n, w.since, k.oid IS NOT NULL AND (k.convalidated OR w.kind OPERATOR(pg_catalog.=) 'constraint'),
    CASE WHEN w.kind OPERATOR(pg_catalog.=) 'valid-constraint' THEN COALESCE(NOT k.convalidated, false)
      ELSE w.kind OPERATOR(pg_catalog.=) 'validated' AND k.oid IS NULL END,
    k.xmin, t.oid IS NOT NULL
  FROM wanted AS w
    LEFT JOIN pg_catalog.pg_class AS t ON t.oid OPERATOR(pg_catalog.=) w.oid
    LEFT JOIN pg_catalog.pg_constraint AS k
      ON k.conrelid OPERATOR(pg_catalog.=) t.oid AND k.conname OPERATOR(pg_catalog.=) w.part::pg_catalog.name
  WHERE w.kind OPERATOR(pg_catalog.=) ANY ('{constraint,valid-constraint,validated}'::pg_catalog.text[])
  UNION ALL
  SELECT w.n, w.since, COALESCE(a.attnotnull, false) AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_constraint AS k
      WHERE k.conrelid OPERATOR(pg_catalog.=) a.attrelid AND k.contype OPERATOR(pg_catalog.=) 'n'
        AND k.conkey[1] OPERATOR(pg_catalog.=) a.attnum AND NOT k.convalidated),
    a.attnum IS NULL, a.xmin, a.attnum IS NOT NULL
  FROM wanted AS w
    LEFT JOIN pg_catalog.pg_attribute AS a
      ON a.attrelid OPERATOR(pg_catalog.=) w.oid AND a.attname OPERATOR(pg_catalog.=) w.part::pg_catalog.name AND NOT a.attisdropped
  WHERE w.kind OPERATOR(pg_catalog.=) 'not-null'
),
now AS (SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8 AS xid)
SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
  'n', s.n,
  'found', s.found,
  'partly', s.partly,
  'new', COALESCE(now.xid OPERATOR(pg_catalog.-) s.since OPERATOR(pg_catalog.<) 2147483648
    AND ((s.written::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.-) s.since) OPERATOR(pg_catalog.%) 4294967296
      OPERATOR(pg_catalog.+) 4294967296) OPERATOR(pg_catalog.%) 4294967296
      OPERATOR(pg_catalog.<) (now.xid OPERATOR(pg_catalog.-) s.since), false),
  'place', s.place
)), '[]'::pg_catalog.json)::pg_catalog.text
FROM sights AS s, now
