//! The statements of a runner that are not an operation's own. All qualify what they call: the client's search path may hold anything.

/// Reads the limits, and what an operation may need otherwise, as JSON; transaction_timeout exists from 17 on. What the session has not set
/// is null: it goes back to where it came from, and follows a reload of the server's configuration as before. `role` is not in pg_settings.
pub(super) const SAVE: &str = "SELECT pg_catalog.json_object_agg(n, CASE WHEN s.source IS NULL OR s.source OPERATOR(pg_catalog.=) 'session' \
       THEN pg_catalog.current_setting(n, true) END)::pg_catalog.text FROM pg_catalog.unnest(ARRAY[\
     'role', 'lock_timeout', 'statement_timeout', 'transaction_timeout', 'search_path', 'DateStyle', 'IntervalStyle', 'TimeZone', \
     'default_tablespace', 'default_transaction_read_only', 'default_transaction_isolation']) n \
     LEFT JOIN pg_catalog.pg_settings s ON s.name OPERATOR(pg_catalog.=) n \
     WHERE s.name IS NOT NULL OR n OPERATOR(pg_catalog.=) 'role'";

/// The first key is ours; `hashtext` of a name may collide, which costs a wait and nothing else.
pub(super) const ACQUIRE: &str = "SELECT pg_catalog.pg_try_advisory_lock(1885813100, pg_catalog.hashtext($1))::pg_catalog.text";
pub(super) const RELEASE: &str = "SELECT pg_catalog.pg_advisory_unlock(1885813100, pg_catalog.hashtext($1))::pg_catalog.text";
/// Between two tries the session holds no snapshot for longer than this.
pub(in crate::session) const NAP: &str = "SELECT pg_catalog.pg_sleep(0.2)::pg_catalog.text";
/// Whoever stood behind a try that did not get its lock gets this long (facts: postgres, "the lock queue").
pub(in crate::session) const SLEEP: &str = "SELECT pg_catalog.pg_sleep($1::pg_catalog.float8)::pg_catalog.text";

/// `valid`, `abandoned` or `busy`; nothing when there is no such index.
pub(super) const STATE: &str = "SELECT CASE WHEN x.indisvalid THEN 'valid' WHEN EXISTS (SELECT FROM pg_catalog.pg_locks l, pg_catalog.pg_database d \
     WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.relation OPERATOR(pg_catalog.=) x.indrelid AND l.granted \
       AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock' AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() \
       AND d.oid OPERATOR(pg_catalog.=) l.database AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) THEN 'busy' ELSE 'abandoned' END \
     FROM pg_catalog.pg_index x WHERE x.indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid";

/// `leaving`, where a partition has begun to leave its table; nothing otherwise.
pub(super) const LEAVING: &str = "SELECT 'leaving' FROM pg_catalog.pg_inherits i \
     WHERE i.inhparent OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid \
       AND i.inhrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($2)::pg_catalog.oid \
       AND pg_catalog.to_jsonb(i) OPERATOR(pg_catalog.->>) 'inhdetachpending' OPERATOR(pg_catalog.=) 'true'";

/// What rebuilds have left on a table, or on any: a JSON array of names.
pub(super) const REBUILT: &str = "SELECT COALESCE(pg_catalog.json_agg(x.indexrelid::pg_catalog.regclass::pg_catalog.text), '[]'::pg_catalog.json)::pg_catalog.text \
     FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) x.indexrelid \
     LEFT JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(NULLIF($1, ''))::pg_catalog.oid \
     WHERE NOT x.indisvalid AND c.relname OPERATOR(pg_catalog.~) '_cc(new|old)[0-9]*$' \
       AND ($1 OPERATOR(pg_catalog.=) '' OR x.indrelid OPERATOR(pg_catalog.=) t.oid OR x.indrelid OPERATOR(pg_catalog.=) t.reltoastrelid) \
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l, pg_catalog.pg_database d \
         WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.relation OPERATOR(pg_catalog.=) x.indrelid AND l.granted \
           AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock' AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() \
           AND d.oid OPERATOR(pg_catalog.=) l.database AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())";

/// Lifts the limits that exist: a concurrent build that one of them ends leaves an INVALID index. In their place the deadline for a step, as
/// statement_timeout: what it ends is cleaned up.
pub(super) const LIFT: &str = "SELECT pg_catalog.set_config(s.name, CASE WHEN s.name OPERATOR(pg_catalog.=) 'statement_timeout' THEN $1 ELSE '0' END, false) \
     FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) ANY (ARRAY['lock_timeout', 'statement_timeout', 'transaction_timeout'])";

/// Sets the limits back to what [`SAVE`] read; to set null is to RESET.
pub(super) const BACK: &str = "SELECT pg_catalog.set_config(s.key, s.value, false) FROM pg_catalog.json_each_text($1::pg_catalog.json) s \
     WHERE s.key OPERATOR(pg_catalog.=) ANY (ARRAY['lock_timeout', 'statement_timeout', 'transaction_timeout'])";

/// Sets everything back to what [`SAVE`] read.
pub(super) const ALL_BACK: &str = "SELECT pg_catalog.set_config(s.key, s.value, false) FROM pg_catalog.json_each_text($1::pg_catalog.json) s";

/// Sets whatever the object names.
pub(super) const APPLY: &str =
    "SELECT pg_catalog.set_config(s.key, s.value, false) FROM pg_catalog.json_each_text($1::pg_catalog.json) s WHERE s.value IS NOT NULL";

/// The settings that an operation needs when it runs later. Temporary tables must not hide what it names then.
pub(in crate::session) const CONTEXT: &str = "SELECT pg_catalog.json_build_object('role', pg_catalog.current_setting('role'), \
     'search_path', pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.||) ', pg_temp', \
     'DateStyle', pg_catalog.current_setting('DateStyle'), 'IntervalStyle', pg_catalog.current_setting('IntervalStyle'), \
     'TimeZone', pg_catalog.current_setting('TimeZone'), 'default_tablespace', pg_catalog.current_setting('default_tablespace'), \
     'default_transaction_read_only', 'off', 'default_transaction_isolation', 'read committed')::pg_catalog.text";
