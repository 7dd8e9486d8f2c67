-- $1: the process id of a session. $2: those of other sessions that it waits for between two looks, a JSON array.
-- One row of JSON: how far its concurrent build is, whom it waits for, oldest transaction first, and the strong locks that it holds: SHARE UPDATE
-- EXCLUSIVE or more, on what others can see. An index is spoken for by its table where that is locked too.
-- A prepared transaction that is waited for has process id 0. Where the role may not see a session's statistics, they are null.
SELECT pg_catalog.json_build_object(
    'progress', (SELECT pg_catalog.to_json(p) FROM pg_catalog.pg_stat_progress_create_index p WHERE p.pid OPERATOR(pg_catalog.=) watched.pid),
    'blockers', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'pid', b.pid, 'role', a.usename, 'application', a.application_name, 'kind', a.backend_type, 'state', a.state,
            'open_for', pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start))::pg_catalog.int8,
            'query', CASE WHEN a.query OPERATOR(pg_catalog.<>) '<insufficient privilege>' THEN pg_catalog."left"(a.query, 1000) END)
            ORDER BY a.xact_start, b.pid)
        FROM (SELECT l.pid FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(watched.pid)) l (pid)
              UNION
              SELECT k.pid::pg_catalog.int4 FROM pg_catalog.json_array_elements_text($2::pg_catalog.json) k (pid)
              UNION
              SELECT p.current_locker_pid::pg_catalog.int4 FROM pg_catalog.pg_stat_progress_create_index p
              WHERE p.pid OPERATOR(pg_catalog.=) watched.pid AND p.current_locker_pid OPERATOR(pg_catalog.<>) 0) b
        LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) b.pid), '[]'::pg_catalog.json),
    'locks', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', s.nspname, 'name', c.relname, 'mode', l.mode)
            ORDER BY s.nspname, c.relname, l.mode)
        FROM pg_catalog.pg_locks l
          JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
          JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace
          LEFT JOIN pg_catalog.pg_index x ON x.indexrelid OPERATOR(pg_catalog.=) c.oid
        WHERE l.pid OPERATOR(pg_catalog.=) watched.pid AND l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted AND NOT l.fastpath
          AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d
            WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
          AND l.relation::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
          AND c.relkind OPERATOR(pg_catalog.<>) 't' AND s.nspname OPERATOR(pg_catalog.<>) 'pg_toast'
          AND l.mode OPERATOR(pg_catalog.=) ANY (
            '{ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[])
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks t
            WHERE t.pid OPERATOR(pg_catalog.=) l.pid AND t.relation OPERATOR(pg_catalog.=) x.indrelid AND t.granted
              AND t.mode OPERATOR(pg_catalog.=) ANY (
                '{ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[]))),
        '[]'::pg_catalog.json))::pg_catalog.text
FROM (SELECT $1::pg_catalog.int4) watched (pid)
