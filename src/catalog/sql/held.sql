-- Relations that the session's transaction holds a strong lock on, in SHARE mode or more. A relation that it has dropped has no name any more.
SELECT pg_catalog.json_build_object(
  'newest', (SELECT GREATEST(pg_catalog.max(c.oid), pg_catalog.max(c.relfilenode))::pg_catalog.int8 FROM pg_catalog.pg_class AS c),
  'locks', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'oid', l.relation::pg_catalog.int8,
      'mode', l.mode,
      'schema', s.nspname,
      'name', c.relname,
      'kind', c.relkind,
      'file', c.relfilenode::pg_catalog.int8,
      'temporary', c.relpersistence OPERATOR(pg_catalog.=) 't',
      'bytes', CASE WHEN t.relkind OPERATOR(pg_catalog.=) ANY ('{r,m}'::pg_catalog."char"[]) THEN
          pg_catalog.pg_relation_size(t.oid) OPERATOR(pg_catalog.+) CASE WHEN t.reltoastrelid::pg_catalog.int8 OPERATOR(pg_catalog.>) 0
            THEN pg_catalog.pg_relation_size(t.reltoastrelid) ELSE 0 END END
    ))
    FROM pg_catalog.pg_locks AS l
      LEFT JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) l.relation
      LEFT JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace
      LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid OPERATOR(pg_catalog.=) c.oid
      LEFT JOIN pg_catalog.pg_class AS t ON t.oid OPERATOR(pg_catalog.=) COALESCE(x.indrelid, c.oid)
    WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted
      AND l.relation::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
      -- What is kept out of line has a table that speaks for it.
      AND COALESCE(t.relkind OPERATOR(pg_catalog.<>) 't', true)
      AND l.mode OPERATOR(pg_catalog.=) ANY (
        '{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[])), '[]'::pg_catalog.json)
)::pg_catalog.text
