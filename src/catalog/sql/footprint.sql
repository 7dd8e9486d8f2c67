-- Relations that the session's transaction holds a strong lock on, in SHARE mode or more, and what it has done to each. An index is spoken for by its
-- table where that is locked too. A relation that was dropped has no name any more.
SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
  'oid', l.relation::pg_catalog.int8,
  'mode', l.mode,
  'schema', s.nspname,
  'name', c.relname,
  'file', c.relfilenode::pg_catalog.int8,
  'scans', pg_catalog.pg_stat_get_xact_numscans(l.relation),
  'rows_read', pg_catalog.pg_stat_get_xact_tuples_returned(l.relation)
) ORDER BY s.nspname, c.relname, l.mode), '[]'::pg_catalog.json)
FROM pg_catalog.pg_locks AS l
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) l.relation
  LEFT JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace
  LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid OPERATOR(pg_catalog.=) c.oid
WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted
  AND l.relation::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
  AND COALESCE(c.relkind OPERATOR(pg_catalog.<>) 't' AND c.relpersistence OPERATOR(pg_catalog.<>) 't', true)
  AND s.nspname IS DISTINCT FROM 'pg_toast'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS of_table
    WHERE of_table.pid OPERATOR(pg_catalog.=) l.pid AND of_table.relation OPERATOR(pg_catalog.=) x.indrelid AND of_table.granted
      AND of_table.mode OPERATOR(pg_catalog.=) ANY ('{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[]))
  AND l.mode OPERATOR(pg_catalog.=) ANY ('{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[])
