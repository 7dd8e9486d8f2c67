-- $1: names of relations, a JSON array. $2: modes of lock, a JSON array. $3: also the tables at the other end of their foreign keys.
-- One row of JSON: who holds such a lock on one of them, or on a partition or child, oldest transaction first; what this transaction holds itself that
-- others wait for; how many relations these are; and after how long an autovacuum makes way. What the role may not see is null.
WITH RECURSIVE named AS (
  SELECT pg_catalog.to_regclass(n.name)::pg_catalog.oid AS oid FROM pg_catalog.json_array_elements_text($1::pg_catalog.json) AS n(name)
),
tree AS (
  SELECT q.oid FROM (
    SELECT n.oid FROM named AS n WHERE n.oid IS NOT NULL
    UNION
    SELECT x.indrelid FROM pg_catalog.pg_index AS x, named AS n WHERE x.indexrelid OPERATOR(pg_catalog.=) n.oid
  ) AS q
  UNION
  SELECT i.inhrelid FROM tree AS t, pg_catalog.pg_inherits AS i WHERE i.inhparent OPERATOR(pg_catalog.=) t.oid
),
reached AS (
  SELECT t.oid FROM tree AS t
  UNION
  SELECT CASE WHEN k.conrelid OPERATOR(pg_catalog.=) t.oid THEN k.confrelid ELSE k.conrelid END
  FROM tree AS t, pg_catalog.pg_constraint AS k
  WHERE $3::pg_catalog.bool AND k.contype OPERATOR(pg_catalog.=) 'f'
    AND (k.conrelid OPERATOR(pg_catalog.=) t.oid OR k.confrelid OPERATOR(pg_catalog.=) t.oid)
),
locks AS (
  SELECT l.pid, l.relation, l.mode, l.virtualtransaction FROM pg_catalog.pg_locks AS l, pg_catalog.pg_database AS d
  WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted AND l.database OPERATOR(pg_catalog.=) d.oid
    AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
),
holders AS (
  SELECT COALESCE(l.pid, 0) AS pid, pg_catalog.min(l.virtualtransaction) AS transaction FROM locks AS l, reached AS r
  WHERE l.relation OPERATOR(pg_catalog.=) r.oid AND COALESCE(l.pid, 0) OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
    AND l.mode OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT m.mode FROM pg_catalog.json_array_elements_text($2::pg_catalog.json) AS m(mode)))
  GROUP BY COALESCE(l.pid, 0)
)
SELECT pg_catalog.json_build_object(
  'holders', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'transaction', h.transaction, 'pid', h.pid, 'role', a.usename, 'application', a.application_name,
      -- A backend without a role that has a lock on a table is a worker of autovacuum, and a role without pg_monitor does not see more of it.
      'kind', CASE WHEN a.backend_type IS NULL AND a.pid IS NOT NULL AND a.usesysid IS NULL THEN 'autovacuum worker' ELSE a.backend_type END,
      'state', a.state,
      'open_for', pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start))::pg_catalog.int8,
      'query', CASE WHEN a.query OPERATOR(pg_catalog.<>) '<insufficient privilege>' THEN pg_catalog."left"(a.query, 1000) END)
      ORDER BY a.xact_start, h.pid)
    FROM holders AS h LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) h.pid), '[]'::pg_catalog.json),
  'own', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', o.nspname, 'name', o.relname)) FROM (
      SELECT DISTINCT s.nspname, c.relname FROM locks AS l, pg_catalog.pg_class AS c, pg_catalog.pg_namespace AS s
      WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND c.oid OPERATOR(pg_catalog.=) l.relation
        AND s.oid OPERATOR(pg_catalog.=) c.relnamespace AND c.oid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
        AND l.mode OPERATOR(pg_catalog.<>) 'AccessShareLock' AND l.mode OPERATOR(pg_catalog.<>) 'RowShareLock'
        AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m,f}'::pg_catalog."char"[]) AND c.relpersistence OPERATOR(pg_catalog.<>) 't'
    ) AS o), '[]'::pg_catalog.json),
  'relations', (SELECT pg_catalog.count(*) FROM reached),
  'deadlock_timeout', pg_catalog.current_setting('deadlock_timeout')
)::pg_catalog.text
