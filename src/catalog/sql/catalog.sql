wanted_types AS (
  SELECT t.oid FROM types AS t
  UNION
  SELECT a.atttypid FROM relations AS r, pg_catalog.pg_attribute AS a
  WHERE a.attrelid OPERATOR(pg_catalog.=) r.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
),
bases AS (
  SELECT w.oid AS root, t.oid, t.typtype, t.typbasetype, t.typtypmod AS modifier, t.typnotnull AS demanding
  FROM wanted_types AS w, pg_catalog.pg_type AS t WHERE t.oid OPERATOR(pg_catalog.=) w.oid
  UNION ALL
  SELECT b.root, t.oid, t.typtype, t.typbasetype,
    CASE WHEN b.modifier OPERATOR(pg_catalog.>=) 0 THEN b.modifier ELSE t.typtypmod END, b.demanding OR t.typnotnull
  FROM bases AS b, pg_catalog.pg_type AS t
  WHERE b.typtype OPERATOR(pg_catalog.=) 'd' AND t.oid OPERATOR(pg_catalog.=) b.typbasetype
),
base AS (
  SELECT b.root, b.oid, b.modifier,
    b.demanding OR EXISTS (
      SELECT FROM bases AS d, pg_catalog.pg_constraint AS k
      WHERE d.root OPERATOR(pg_catalog.=) b.root AND k.contypid OPERATOR(pg_catalog.=) d.oid AND d.typtype OPERATOR(pg_catalog.=) 'd') AS demanding
  FROM bases AS b WHERE b.typtype OPERATOR(pg_catalog.<>) 'd'
),
function_candidates AS (
  SELECT DISTINCT f.n, p.oid
  FROM pg_catalog.json_to_recordset($4::pg_catalog.json)
      AS f(n pg_catalog.int4, schema pg_catalog.text, name pg_catalog.text, path pg_catalog.bool, anywhere pg_catalog.bool),
    pg_catalog.pg_proc AS p, pg_catalog.pg_namespace AS s
  WHERE p.proname OPERATOR(pg_catalog.=) f.name::pg_catalog.name AND s.oid OPERATOR(pg_catalog.=) p.pronamespace
    AND CASE WHEN f.anywhere THEN p.oid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
        WHEN f.schema IS NULL THEN pg_catalog.pg_function_is_visible(p.oid)
        WHEN f.schema OPERATOR(pg_catalog.=) 'pg_temp' THEN s.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
        ELSE s.nspname OPERATOR(pg_catalog.=)
          (CASE WHEN f.path AND f.schema OPERATOR(pg_catalog.=) '$user' THEN CURRENT_USER ELSE f.schema::pg_catalog.name END) END
),
mentions AS (
  SELECT c.oid AS root, c.oid FROM function_candidates AS c WHERE c.oid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
  UNION
  SELECT m.root, found.oid
  FROM mentions AS m, LATERAL (
    SELECT q.oid FROM pg_catalog.pg_proc AS p,
      pg_catalog.regexp_matches(p.prosrc, '[^][:space:]"''().,;:=<>+*/%^|&!~@#?[-]+', 'g') AS word,
      pg_catalog.pg_proc AS q
    WHERE p.oid OPERATOR(pg_catalog.=) m.oid AND q.oid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
      AND q.proname OPERATOR(pg_catalog.=) ANY (ARRAY[word[1]::pg_catalog.name, pg_catalog.lower(word[1])::pg_catalog.name,
        pg_catalog.lower(word[1] COLLATE pg_catalog."C")::pg_catalog.name])
    UNION
    SELECT q.oid FROM pg_catalog.pg_proc AS p, pg_catalog.pg_proc AS q
    WHERE p.oid OPERATOR(pg_catalog.=) m.oid AND q.oid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
      AND q.proname::pg_catalog.text OPERATOR(pg_catalog.~) '[^A-Za-z0-9_$]'
      AND pg_catalog.strpos(p.prosrc, pg_catalog.replace(q.proname::pg_catalog.text, '"', '""')) OPERATOR(pg_catalog.>) 0
    UNION
    SELECT d.refobjid FROM pg_catalog.pg_depend AS d
    WHERE d.classid OPERATOR(pg_catalog.=) 1255 AND d.objid OPERATOR(pg_catalog.=) m.oid
      AND d.refclassid OPERATOR(pg_catalog.=) 1255 AND d.refobjid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
  ) AS found
)
SELECT pg_catalog.json_build_object(
  'relations', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
    'n', r.n,
    'oid', c.oid::pg_catalog.int8,
    'file', c.relfilenode::pg_catalog.int8,
    'schema', CASE WHEN s.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() THEN 'pg_temp'::pg_catalog.name ELSE s.nspname END,
    'name', c.relname,
    'kind', c.relkind,
    'persistence', c.relpersistence,
    'tablespace', CASE WHEN c.relkind OPERATOR(pg_catalog.=) ANY ('{r,i,m,t,S}'::pg_catalog."char"[]) THEN (
      SELECT p.spcname FROM pg_catalog.pg_tablespace AS p
      WHERE p.oid OPERATOR(pg_catalog.=) CASE WHEN c.reltablespace::pg_catalog.int8 OPERATOR(pg_catalog.<>) 0 THEN c.reltablespace ELSE (
        SELECT d.dattablespace FROM pg_catalog.pg_database AS d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) END) END,
    'access_method', (SELECT m.amname FROM pg_catalog.pg_am AS m WHERE m.oid OPERATOR(pg_catalog.=) c.relam),
    'populated', c.relispopulated,
    'has_children', EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent OPERATOR(pg_catalog.=) c.oid),
    'is_partition', c.relispartition,
    'partition_of', COALESCE((SELECT pg_catalog.json_agg(pn.nspname::pg_catalog.text OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) p.relname::pg_catalog.text)
      FROM pg_catalog.pg_partition_ancestors(COALESCE((
        SELECT x.indrelid::pg_catalog.regclass FROM pg_catalog.pg_index AS x WHERE x.indexrelid OPERATOR(pg_catalog.=) c.oid), c.oid::pg_catalog.regclass)) AS a(above),
        pg_catalog.pg_class AS p, pg_catalog.pg_namespace AS pn
      WHERE p.oid OPERATOR(pg_catalog.=) a.above::pg_catalog.oid AND p.oid OPERATOR(pg_catalog.<>) c.oid
        AND pn.oid OPERATOR(pg_catalog.=) p.relnamespace), '[]'::pg_catalog.json),
    'denied', pg_catalog.json_build_object(
        'alter', NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') OR NOT pg_catalog.has_schema_privilege(s.oid, 'USAGE'),
        'create', NOT pg_catalog.has_schema_privilege(s.oid, 'CREATE'),
        'drop', NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') AND NOT pg_catalog.pg_has_role(s.nspowner, 'USAGE'),
        'maintain', CASE WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.<) 170000
          THEN NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')
          ELSE NOT pg_catalog.has_table_privilege(COALESCE((
            SELECT x.indrelid FROM pg_catalog.pg_index AS x WHERE x.indexrelid OPERATOR(pg_catalog.=) c.oid), c.oid), 'MAINTAIN') END),
    'has_default_partition', EXISTS (
      SELECT FROM pg_catalog.pg_partitioned_table AS i
      WHERE i.partrelid OPERATOR(pg_catalog.=) c.oid AND i.partdefid::pg_catalog.int8 OPERATOR(pg_catalog.>) 0),
    'columns', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', a.attname,
        'type_oid', a.atttypid::pg_catalog.int8,
        'type_modifier', a.atttypmod,
        'type_text', pg_catalog.format_type(a.atttypid, a.atttypmod),
        'length', t.typlen,
        'base_oid', b.oid::pg_catalog.int8,
        'base_modifier', CASE WHEN a.atttypmod OPERATOR(pg_catalog.>=) 0 THEN a.atttypmod ELSE b.modifier END,
        'unsorted', EXISTS (
          SELECT FROM pg_catalog.pg_type AS bt WHERE bt.oid OPERATOR(pg_catalog.=) b.oid
            AND bt.typtype OPERATOR(pg_catalog.=) 'b' AND bt.typcategory OPERATOR(pg_catalog.<>) 'A')
          AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_opclass AS o
          WHERE o.opcmethod::pg_catalog.int8 OPERATOR(pg_catalog.=) 403 AND o.opcdefault AND (o.opcintype OPERATOR(pg_catalog.=) b.oid OR EXISTS (
            SELECT FROM pg_catalog.pg_cast AS k
            WHERE k.castsource OPERATOR(pg_catalog.=) b.oid AND k.casttarget OPERATOR(pg_catalog.=) o.opcintype
              AND k.castmethod OPERATOR(pg_catalog.=) 'b'))),
        'default_collation', a.attcollation OPERATOR(pg_catalog.=) t.typcollation,
        'not_null', a.attnotnull AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_constraint AS k
          WHERE k.conrelid OPERATOR(pg_catalog.=) c.oid AND k.contype OPERATOR(pg_catalog.=) 'n'
            AND k.conkey[1] OPERATOR(pg_catalog.=) a.attnum AND NOT k.convalidated),
        'has_default', a.atthasdef AND a.attgenerated OPERATOR(pg_catalog.=) ''
      ) ORDER BY a.attnum)
      FROM pg_catalog.pg_attribute AS a, pg_catalog.pg_type AS t, base AS b
      WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
        AND t.oid OPERATOR(pg_catalog.=) a.atttypid AND b.root OPERATOR(pg_catalog.=) a.atttypid), '[]'::pg_catalog.json),
    'constraints', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', k.conname,
        'kind', k.contype,
        'validated', k.convalidated,
        'columns', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
          WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.=) ANY (k.conkey)), '[]'::pg_catalog.json),
        'proves_not_null', k.contype OPERATOR(pg_catalog.=) 'c' AND COALESCE(k.conbin::pg_catalog.text OPERATOR(pg_catalog.~)
          '^\{NULLTEST :arg \{VAR [^{}]*\} :nulltesttype 1 :argisrow false :location -?[0-9]+\}$', false),
        'no_inherit', k.connoinherit,
        'references', (SELECT fs.nspname::pg_catalog.text OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) f.relname::pg_catalog.text
          FROM pg_catalog.pg_class AS f, pg_catalog.pg_namespace AS fs
          WHERE f.oid OPERATOR(pg_catalog.=) k.confrelid AND fs.oid OPERATOR(pg_catalog.=) f.relnamespace)
      ) ORDER BY k.conname)
      FROM pg_catalog.pg_constraint AS k WHERE k.conrelid OPERATOR(pg_catalog.=) c.oid), '[]'::pg_catalog.json),
    'indexes', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', ic.relname,
        'valid', x.indisvalid,
        'abandoned', CASE WHEN x.indisvalid THEN false ELSE NOT EXISTS (
          SELECT FROM pg_catalog.pg_locks AS l
          WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.relation OPERATOR(pg_catalog.=) c.oid AND l.granted
            AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database AS d
              WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
            AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock' AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()) END,
        'unique', x.indisunique,
        'method', (SELECT m.amname FROM pg_catalog.pg_am AS m WHERE m.oid OPERATOR(pg_catalog.=) ic.relam),
        'plain', x.indexprs IS NULL AND x.indpred IS NULL,
        'columns', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
          WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0
            AND (a.attnum OPERATOR(pg_catalog.=) ANY (x.indkey::pg_catalog.int2[]) OR EXISTS (
              SELECT FROM pg_catalog.pg_depend AS d
              WHERE d.classid OPERATOR(pg_catalog.=) 1259 AND d.objid OPERATOR(pg_catalog.=) x.indexrelid
                AND d.refclassid OPERATOR(pg_catalog.=) 1259 AND d.refobjid OPERATOR(pg_catalog.=) c.oid
                AND d.refobjsubid OPERATOR(pg_catalog.=) a.attnum::pg_catalog.int4))), '[]'::pg_catalog.json),
        'key', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
          WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.=) ANY (
            (x.indkey::pg_catalog.int2[])[0:x.indnkeyatts::pg_catalog.int4 OPERATOR(pg_catalog.-) 1])), '[]'::pg_catalog.json)
      ) ORDER BY ic.relname)
      FROM pg_catalog.pg_index AS x, pg_catalog.pg_class AS ic
      WHERE x.indrelid OPERATOR(pg_catalog.=) c.oid AND ic.oid OPERATOR(pg_catalog.=) x.indexrelid), '[]'::pg_catalog.json),
    'child_indexes', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', ic.relname,
        'plain', x.indexprs IS NULL AND x.indpred IS NULL,
        'columns', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
          WHERE a.attrelid OPERATOR(pg_catalog.=) t.oid AND a.attnum OPERATOR(pg_catalog.>) 0
            AND (a.attnum OPERATOR(pg_catalog.=) ANY (x.indkey::pg_catalog.int2[]) OR EXISTS (
              SELECT FROM pg_catalog.pg_depend AS d
              WHERE d.classid OPERATOR(pg_catalog.=) 1259 AND d.objid OPERATOR(pg_catalog.=) x.indexrelid
                AND d.refclassid OPERATOR(pg_catalog.=) 1259 AND d.refobjid OPERATOR(pg_catalog.=) t.oid
                AND d.refobjsubid OPERATOR(pg_catalog.=) a.attnum::pg_catalog.int4))), '[]'::pg_catalog.json)
      ) ORDER BY ic.relname)
      FROM descendants AS t, pg_catalog.pg_index AS x, pg_catalog.pg_class AS ic
      WHERE t.root OPERATOR(pg_catalog.=) c.oid AND x.indrelid OPERATOR(pg_catalog.=) t.oid
        AND ic.oid OPERATOR(pg_catalog.=) x.indexrelid AND NOT ic.relispartition), '[]'::pg_catalog.json),
    'child_checks', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', k.conname,
        'kind', k.contype,
        'validated', k.convalidated,
        'columns', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
          WHERE a.attrelid OPERATOR(pg_catalog.=) t.oid AND a.attnum OPERATOR(pg_catalog.=) ANY (k.conkey)), '[]'::pg_catalog.json)
      ) ORDER BY k.conname)
      FROM descendants AS t, pg_catalog.pg_constraint AS k
      WHERE t.root OPERATOR(pg_catalog.=) c.oid AND k.conrelid OPERATOR(pg_catalog.=) t.oid
        AND k.contype OPERATOR(pg_catalog.=) 'c' AND k.coninhcount OPERATOR(pg_catalog.=) 0), '[]'::pg_catalog.json),
    'bounded_by', CASE WHEN c.relispartition THEN (
      SELECT pg_catalog.json_agg(DISTINCT COALESCE(a.attname, ''))
      FROM pg_catalog.pg_partition_ancestors(c.oid) AS up (relid) CROSS JOIN pg_catalog.pg_partitioned_table AS p
        CROSS JOIN pg_catalog.unnest(p.partattrs::pg_catalog.int2[]) AS k (number)
        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) p.partrelid AND a.attnum OPERATOR(pg_catalog.=) k.number
      WHERE p.partrelid OPERATOR(pg_catalog.=) up.relid::pg_catalog.oid AND up.relid::pg_catalog.oid OPERATOR(pg_catalog.<>) c.oid) END,
    'partition_key', (SELECT k.columns FROM partition_keys AS k WHERE k.oid OPERATOR(pg_catalog.=) c.oid),
    'partitions', CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'p' THEN COALESCE((
      SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'schema', ps.nspname,
        'name', p.relname,
        'kind', p.relkind,
        'of_another_role', NOT pg_catalog.pg_has_role(p.relowner, 'USAGE'),
        'partition_key', partition_keys.columns,
        'not_null', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
          WHERE a.attrelid OPERATOR(pg_catalog.=) p.oid AND a.attnotnull AND a.attnum OPERATOR(pg_catalog.>) 0), '[]'::pg_catalog.json),
        'constraints', COALESCE((SELECT pg_catalog.json_agg(k.conname) FROM pg_catalog.pg_constraint AS k
          WHERE k.conrelid OPERATOR(pg_catalog.=) p.oid), '[]'::pg_catalog.json),
        'foreign_keys', COALESCE((SELECT pg_catalog.json_agg((
            SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid OPERATOR(pg_catalog.=) p.oid AND a.attnum OPERATOR(pg_catalog.=) ANY (k.conkey)))
          FROM pg_catalog.pg_constraint AS k
          WHERE k.conrelid OPERATOR(pg_catalog.=) p.oid AND k.contype OPERATOR(pg_catalog.=) 'f'
            AND k.conparentid::pg_catalog.int8 OPERATOR(pg_catalog.=) 0), '[]'::pg_catalog.json),
        'indexes', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', ic.relname,
            'valid', x.indisvalid,
            'unique', x.indisunique,
            'constraint', (SELECT k.contype FROM pg_catalog.pg_constraint AS k
              WHERE k.conindid OPERATOR(pg_catalog.=) x.indexrelid AND k.conrelid OPERATOR(pg_catalog.=) p.oid
                AND k.contype OPERATOR(pg_catalog.<>) 'f' LIMIT 1),
            'ordinary', x.indexprs IS NULL AND x.indpred IS NULL AND am.amname OPERATOR(pg_catalog.=) 'btree'
              AND COALESCE(pg_catalog.to_jsonb(x) OPERATOR(pg_catalog.->>) 'indnullsnotdistinct', 'false') OPERATOR(pg_catalog.=) 'false'
              AND NOT EXISTS (SELECT FROM pg_catalog.unnest(x.indclass::pg_catalog.oid[]) AS o (oid), pg_catalog.pg_opclass AS oc
                WHERE oc.oid OPERATOR(pg_catalog.=) o.oid AND NOT oc.opcdefault)
              AND NOT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest(x.indcollation::pg_catalog.oid[]), pg_catalog.unnest(x.indkey::pg_catalog.int2[]))
                    AS o (collation_oid, number),
                  pg_catalog.pg_attribute AS a
                WHERE a.attrelid OPERATOR(pg_catalog.=) p.oid AND a.attnum OPERATOR(pg_catalog.=) o.number
                  AND o.collation_oid IS NOT NULL AND o.collation_oid OPERATOR(pg_catalog.<>) a.attcollation),
            'key', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY o.n)
              FROM pg_catalog.unnest(x.indkey::pg_catalog.int2[]) WITH ORDINALITY AS o (number, n), pg_catalog.pg_attribute AS a
              WHERE a.attrelid OPERATOR(pg_catalog.=) p.oid AND a.attnum OPERATOR(pg_catalog.=) o.number
                AND o.n OPERATOR(pg_catalog.<=) x.indnkeyatts), '[]'::pg_catalog.json),
            'including', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY o.n)
              FROM pg_catalog.unnest(x.indkey::pg_catalog.int2[]) WITH ORDINALITY AS o (number, n), pg_catalog.pg_attribute AS a
              WHERE a.attrelid OPERATOR(pg_catalog.=) p.oid AND a.attnum OPERATOR(pg_catalog.=) o.number
                AND o.n OPERATOR(pg_catalog.>) x.indnkeyatts), '[]'::pg_catalog.json)
          ) ORDER BY ic.relname)
          FROM pg_catalog.pg_index AS x, pg_catalog.pg_class AS ic, pg_catalog.pg_am AS am
          WHERE x.indrelid OPERATOR(pg_catalog.=) p.oid AND ic.oid OPERATOR(pg_catalog.=) x.indexrelid AND NOT ic.relispartition
            AND am.oid OPERATOR(pg_catalog.=) ic.relam), '[]'::pg_catalog.json)
      ) ORDER BY p.oid)
      FROM descendants AS t, pg_catalog.pg_class AS p LEFT JOIN partition_keys ON partition_keys.oid OPERATOR(pg_catalog.=) p.oid,
        pg_catalog.pg_namespace AS ps
      WHERE t.root OPERATOR(pg_catalog.=) c.oid AND p.oid OPERATOR(pg_catalog.=) t.oid
        AND ps.oid OPERATOR(pg_catalog.=) p.relnamespace), '[]'::pg_catalog.json) ELSE '[]'::pg_catalog.json END,
    'partition_names', CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'p' THEN COALESCE((
      SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', beside.schema, 'name', taken.name, 'by_relation', taken.by_relation))
      FROM (SELECT DISTINCT p.relnamespace AS oid, ps.nspname AS schema, pg_catalog."left"(p.relname::pg_catalog.text, 12) AS beginning
          FROM descendants AS t, pg_catalog.pg_class AS p, pg_catalog.pg_namespace AS ps
          WHERE t.root OPERATOR(pg_catalog.=) c.oid AND p.oid OPERATOR(pg_catalog.=) t.oid
            AND ps.oid OPERATOR(pg_catalog.=) p.relnamespace) AS beside,
        LATERAL (
          SELECT o.relname AS name, true AS by_relation FROM pg_catalog.pg_class AS o WHERE o.relnamespace OPERATOR(pg_catalog.=) beside.oid
            AND pg_catalog.starts_with(o.relname::pg_catalog.text, beside.beginning)
          UNION
          SELECT o.conname, false FROM pg_catalog.pg_constraint AS o WHERE o.connamespace OPERATOR(pg_catalog.=) beside.oid
            AND pg_catalog.starts_with(o.conname::pg_catalog.text, beside.beginning)
        ) AS taken), '[]'::pg_catalog.json) ELSE '[]'::pg_catalog.json END,
    'referenced_by', COALESCE((SELECT pg_catalog.json_agg(DISTINCT
        fs.nspname::pg_catalog.text OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) f.relname::pg_catalog.text)
      FROM pg_catalog.pg_constraint AS k, pg_catalog.pg_class AS f, pg_catalog.pg_namespace AS fs
      WHERE k.confrelid OPERATOR(pg_catalog.=) c.oid AND k.contype OPERATOR(pg_catalog.=) 'f' AND k.conrelid OPERATOR(pg_catalog.<>) c.oid
        AND f.oid OPERATOR(pg_catalog.=) k.conrelid AND fs.oid OPERATOR(pg_catalog.=) f.relnamespace), '[]'::pg_catalog.json),
    'takes_along', COALESCE((SELECT pg_catalog.json_agg(gone.name ORDER BY gone.name) FROM (
        SELECT DISTINCT os.nspname::pg_catalog.text OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) o.relname::pg_catalog.text
            OPERATOR(pg_catalog.||) COALESCE('.' OPERATOR(pg_catalog.||) a.attname::pg_catalog.text, '') AS name
        FROM dependents AS d
          JOIN pg_catalog.pg_class AS o ON o.oid OPERATOR(pg_catalog.=) d.oid
          JOIN pg_catalog.pg_namespace AS os ON os.oid OPERATOR(pg_catalog.=) o.relnamespace
          LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) d.oid AND a.attnum::pg_catalog.int4 OPERATOR(pg_catalog.=) d.part
            AND d.part OPERATOR(pg_catalog.>) 0
        WHERE d.root OPERATOR(pg_catalog.=) c.oid AND d.class::pg_catalog.int8 OPERATOR(pg_catalog.=) 1259 AND d.oid OPERATOR(pg_catalog.<>) c.oid
          AND CASE WHEN d.part OPERATOR(pg_catalog.=) 0 THEN o.relkind OPERATOR(pg_catalog.=) 'm'
              ELSE o.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,f,c}'::pg_catalog."char"[]) AND NOT EXISTS (
                SELECT FROM dependents AS w WHERE w.root OPERATOR(pg_catalog.=) c.oid AND w.class OPERATOR(pg_catalog.=) d.class
                  AND w.oid OPERATOR(pg_catalog.=) d.oid AND w.part OPERATOR(pg_catalog.=) 0) END
      ) AS gone), '[]'::pg_catalog.json),
    'taken', (SELECT pg_catalog.json_build_object(
        'relations', COALESCE(pg_catalog.json_agg(taken.name) FILTER (WHERE taken.by_relation), '[]'::pg_catalog.json),
        'constraints', COALESCE(pg_catalog.json_agg(taken.name) FILTER (WHERE NOT taken.by_relation), '[]'::pg_catalog.json))
      FROM (
        SELECT o.relname AS name, true AS by_relation FROM pg_catalog.pg_class AS o WHERE o.relnamespace OPERATOR(pg_catalog.=) c.relnamespace
        UNION
        SELECT o.conname, false FROM pg_catalog.pg_constraint AS o WHERE o.connamespace OPERATOR(pg_catalog.=) c.relnamespace
      ) AS taken
      WHERE pg_catalog.starts_with(taken.name::pg_catalog.text, pg_catalog."left"(c.relname::pg_catalog.text, 12))
        OR taken.name OPERATOR(pg_catalog.=) ANY (
          SELECT w.name::pg_catalog.name FROM wanted AS w WHERE w.n OPERATOR(pg_catalog.=) r.n)),
    'index', (SELECT pg_catalog.json_build_object(
        'table_schema', CASE WHEN ts.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() THEN 'pg_temp'::pg_catalog.name ELSE ts.nspname END,
        'table', t.relname,
        'constraint', (SELECT k.conname FROM pg_catalog.pg_constraint AS k
          WHERE k.conindid OPERATOR(pg_catalog.=) c.oid AND k.conrelid OPERATOR(pg_catalog.=) t.oid
            AND k.contype OPERATOR(pg_catalog.<>) 'f' LIMIT 1),
        'valid', x.indisvalid)
      FROM pg_catalog.pg_index AS x, pg_catalog.pg_class AS t, pg_catalog.pg_namespace AS ts
      WHERE x.indexrelid OPERATOR(pg_catalog.=) c.oid AND t.oid OPERATOR(pg_catalog.=) x.indrelid
        AND ts.oid OPERATOR(pg_catalog.=) t.relnamespace)
  )) FROM relations AS r, pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS s
    WHERE c.oid OPERATOR(pg_catalog.=) r.oid AND s.oid OPERATOR(pg_catalog.=) c.relnamespace),
  'types', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
    'n', t.n,
    'oid', t.oid::pg_catalog.int8,
    'constrained_domain', b.demanding,
    'base_oid', b.oid::pg_catalog.int8,
    'base_modifier', b.modifier,
    'unsorted', EXISTS (
      SELECT FROM pg_catalog.pg_type AS bt WHERE bt.oid OPERATOR(pg_catalog.=) b.oid
        AND bt.typtype OPERATOR(pg_catalog.=) 'b' AND bt.typcategory OPERATOR(pg_catalog.<>) 'A')
      AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_opclass AS o
      WHERE o.opcmethod::pg_catalog.int8 OPERATOR(pg_catalog.=) 403 AND o.opcdefault AND (o.opcintype OPERATOR(pg_catalog.=) b.oid OR EXISTS (
        SELECT FROM pg_catalog.pg_cast AS k
        WHERE k.castsource OPERATOR(pg_catalog.=) b.oid AND k.casttarget OPERATOR(pg_catalog.=) o.opcintype
          AND k.castmethod OPERATOR(pg_catalog.=) 'b'))),
    'labels', COALESCE((SELECT pg_catalog.json_agg(v.enumlabel) FROM pg_catalog.pg_enum AS v
      WHERE v.enumtypid OPERATOR(pg_catalog.=) b.oid), '[]'::pg_catalog.json),
    'binary_from', COALESCE((SELECT pg_catalog.json_agg(k.castsource::pg_catalog.int8) FROM pg_catalog.pg_cast AS k
      WHERE k.casttarget OPERATOR(pg_catalog.=) b.oid AND k.castmethod OPERATOR(pg_catalog.=) 'b'), '[]'::pg_catalog.json)
  )) FROM types AS t, base AS b WHERE b.root OPERATOR(pg_catalog.=) t.oid),
  'functions', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
    'n', f.n,
    'schema', s.nspname,
    'builtin', p.oid::pg_catalog.int8 OPERATOR(pg_catalog.<) 16384,
    'volatility', p.provolatile,
    'language', l.lanname,
    'extension', (SELECT e.extname FROM pg_catalog.pg_depend AS d, pg_catalog.pg_extension AS e
      WHERE d.classid OPERATOR(pg_catalog.=) 1255 AND d.objid OPERATOR(pg_catalog.=) p.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
        AND d.refclassid OPERATOR(pg_catalog.=) 3079 AND e.oid OPERATOR(pg_catalog.=) d.refobjid LIMIT 1),
    'sources', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'language', CASE WHEN mp.prokind OPERATOR(pg_catalog.=) 'a' THEN 'sql'::pg_catalog.name ELSE ml.lanname END,
        'extension', (SELECT e.extname FROM pg_catalog.pg_depend AS d, pg_catalog.pg_extension AS e
          WHERE d.classid OPERATOR(pg_catalog.=) 1255 AND d.objid OPERATOR(pg_catalog.=) mp.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
            AND d.refclassid OPERATOR(pg_catalog.=) 3079 AND e.oid OPERATOR(pg_catalog.=) d.refobjid LIMIT 1),
        'source', CASE WHEN mp.prokind OPERATOR(pg_catalog.=) 'a' THEN ''::pg_catalog.text ELSE mp.prosrc END))
      FROM mentions AS m, pg_catalog.pg_proc AS mp, pg_catalog.pg_language AS ml
      WHERE m.root OPERATOR(pg_catalog.=) p.oid AND mp.oid OPERATOR(pg_catalog.=) m.oid
        AND ml.oid OPERATOR(pg_catalog.=) mp.prolang), '[]'::pg_catalog.json)
  )) FROM function_candidates AS f, pg_catalog.pg_proc AS p, pg_catalog.pg_language AS l, pg_catalog.pg_namespace AS s
    WHERE p.oid OPERATOR(pg_catalog.=) f.oid AND l.oid OPERATOR(pg_catalog.=) p.prolang AND s.oid OPERATOR(pg_catalog.=) p.pronamespace),
  'creation_schema', pg_catalog.current_schema(),
  'next_xid', pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text,
  'may_probe', pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')
    AND pg_catalog.current_setting('max_prepared_transactions') OPERATOR(pg_catalog.=) '0'
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger AS e WHERE e.evtenabled OPERATOR(pg_catalog.<>) 'D'),
  'paths', (SELECT pg_catalog.json_agg(found) FROM (
    SELECT DISTINCT ON (w.n) w.n, s.nspname AS schema
    FROM pg_catalog.json_to_recordset($5::pg_catalog.json) AS w(n pg_catalog.int4, k pg_catalog.int4, schema pg_catalog.text),
      pg_catalog.pg_namespace AS s
    WHERE s.nspname OPERATOR(pg_catalog.=)
        (CASE WHEN w.schema OPERATOR(pg_catalog.=) '$user' THEN CURRENT_USER ELSE w.schema::pg_catalog.name END)
      AND pg_catalog.has_schema_privilege(s.oid, 'USAGE')
    ORDER BY w.n, w.k) AS found)
)::pg_catalog.text
