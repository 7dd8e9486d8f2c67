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
      -- Whatever DDL changes of it; no statistics, which change by themselves.
      'shape', pg_catalog.md5(pg_catalog.concat_ws('|',
        (ROW(c.relname, c.relnamespace, c.relowner, c.relfilenode, c.reltablespace, c.relnatts, c.relchecks, c.relpersistence, c.relrowsecurity,
          c.relforcerowsecurity, c.relreplident, c.relispartition, c.reloptions, c.relacl))::pg_catalog.text,
        (SELECT pg_catalog.string_agg((ROW(a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull, a.attisdropped, a.attidentity,
            a.attgenerated))::pg_catalog.text, ',' ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute AS a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid),
        (SELECT pg_catalog.string_agg((ROW(d.oid, d.adnum))::pg_catalog.text, ',' ORDER BY d.oid)
          FROM pg_catalog.pg_attrdef AS d WHERE d.adrelid OPERATOR(pg_catalog.=) c.oid),
        (SELECT pg_catalog.string_agg((ROW(k.oid, k.conname, k.convalidated, k.condeferrable))::pg_catalog.text, ',' ORDER BY k.oid)
          FROM pg_catalog.pg_constraint AS k WHERE k.conrelid OPERATOR(pg_catalog.=) c.oid),
        (SELECT pg_catalog.string_agg((ROW(i.oid, i.relname, i.relfilenode))::pg_catalog.text, ',' ORDER BY i.oid)
          FROM pg_catalog.pg_index AS own, pg_catalog.pg_class AS i
          WHERE own.indrelid OPERATOR(pg_catalog.=) c.oid AND i.oid OPERATOR(pg_catalog.=) own.indexrelid),
        (SELECT pg_catalog.string_agg((ROW(g.oid, g.tgname, g.tgenabled))::pg_catalog.text, ',' ORDER BY g.oid)
          FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid OPERATOR(pg_catalog.=) c.oid),
        (SELECT pg_catalog.string_agg((ROW(w.oid, w.ev_enabled))::pg_catalog.text, ',' ORDER BY w.oid)
          FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class OPERATOR(pg_catalog.=) c.oid),
        (SELECT pg_catalog.string_agg(p.oid::pg_catalog.text, ',' ORDER BY p.oid)
          FROM pg_catalog.pg_policy AS p WHERE p.polrelid OPERATOR(pg_catalog.=) c.oid),
        (SELECT pg_catalog.string_agg(h.inhparent::pg_catalog.text, ',' ORDER BY h.inhparent)
          FROM pg_catalog.pg_inherits AS h WHERE h.inhrelid OPERATOR(pg_catalog.=) c.oid))),
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
