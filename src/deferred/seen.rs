//! What there is of an operation's objects at the moment: asked before it runs, so that nothing is done twice and nothing of others is touched.

use serde::Deserialize;

/// The answer to [`QUESTION`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// The table's oid; none when there is no such table.
    pub table: Option<u32>,
    /// The index of the name that was asked for.
    pub index: Option<SeenIndex>,
    /// The constraint of that name on the table.
    pub constraint: Option<SeenConstraint>,
    /// The column is NOT NULL.
    pub not_null: bool,
    /// A column that it needs is not there (any more).
    pub lacks_column: bool,
    /// The partition that was asked for.
    pub partition: Option<SeenPartition>,
    /// The oids of further relations that were asked for, in order; none where there is no such relation.
    pub others: Vec<Option<u32>>,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SeenIndex {
    /// Its oid.
    pub oid: u32,
    /// It is one of the table that was asked for.
    pub on_table: bool,
    /// `indisvalid`.
    pub valid: bool,
    /// INVALID, and no other session holds the lock of a concurrent build on its table: what a failed build left.
    pub abandoned: bool,
    /// `indisunique`.
    pub unique: bool,
    /// The columns of its key, in order; expressions have none.
    pub key: Vec<String>,
}

/// A constraint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SeenConstraint {
    /// `convalidated`.
    pub validated: bool,
}

/// A table that is, or was, a partition of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SeenPartition {
    /// It is one of the table that was asked for.
    pub attached: bool,
    /// It is being detached (`inhdetachpending`): only FINALIZE goes on with that.
    pub pending: bool,
    /// Its own CHECKs of nothing but the columns that were asked for, but for those of the names that were given.
    pub checks: Vec<String>,
}

/// Parameters: the table, the index, the constraint's name, the column's name, a JSON array of columns, and one of further relations; the partition,
/// and a JSON array of the names of CHECKs that it had. What does not matter is empty. The answer is JSON text.
///
/// An index counts as abandoned only when no other session holds the lock of a concurrent build on its table. (An autovacuum holds that lock too;
/// then it counts as being built, and is looked at again.)
pub const QUESTION: &str = "SELECT pg_catalog.json_build_object('table', t.oid::pg_catalog.int8, \
     'index', (SELECT pg_catalog.json_build_object('oid', x.indexrelid::pg_catalog.int8, 'on_table', x.indrelid OPERATOR(pg_catalog.=) t.oid, \
        'valid', x.indisvalid, 'unique', x.indisunique, \
        'abandoned', NOT x.indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l, pg_catalog.pg_database d \
           WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.relation OPERATOR(pg_catalog.=) x.indrelid AND l.granted \
             AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock' AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() \
             AND d.oid OPERATOR(pg_catalog.=) l.database AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()), \
        'key', COALESCE((SELECT pg_catalog.json_agg(a.attname ORDER BY k.n) \
           FROM pg_catalog.unnest(x.indkey::pg_catalog.int2[]) WITH ORDINALITY k (number, n) \
           JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) x.indrelid AND a.attnum OPERATOR(pg_catalog.=) k.number \
           WHERE k.n OPERATOR(pg_catalog.<=) x.indnkeyatts), '[]'::pg_catalog.json)) \
        FROM pg_catalog.pg_index x WHERE x.indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(NULLIF($2, ''))::pg_catalog.oid), \
     'constraint', (SELECT pg_catalog.json_build_object('validated', c.convalidated) FROM pg_catalog.pg_constraint c \
        WHERE c.conrelid OPERATOR(pg_catalog.=) t.oid AND c.conname OPERATOR(pg_catalog.=) $3::pg_catalog.name), \
     'not_null', COALESCE((SELECT a.attnotnull FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) t.oid \
        AND a.attname OPERATOR(pg_catalog.=) $4::pg_catalog.name AND NOT a.attisdropped), false), \
     'lacks_column', EXISTS (SELECT FROM pg_catalog.json_array_elements_text($5::pg_catalog.json) c (name) WHERE NOT EXISTS \
        (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) t.oid \
           AND a.attname OPERATOR(pg_catalog.=) c.name::pg_catalog.name AND NOT a.attisdropped)), \
     'others', COALESCE((SELECT pg_catalog.json_agg(pg_catalog.to_regclass(o.name)::pg_catalog.oid::pg_catalog.int8 ORDER BY o.n) \
        FROM pg_catalog.json_array_elements_text($6::pg_catalog.json) WITH ORDINALITY o (name, n)), '[]'::pg_catalog.json), \
     'partition', (SELECT pg_catalog.json_build_object('attached', i.inhrelid IS NOT NULL, \
        'pending', COALESCE(pg_catalog.to_jsonb(i) OPERATOR(pg_catalog.->>) 'inhdetachpending', 'false') OPERATOR(pg_catalog.=) 'true', \
        'checks', COALESCE((SELECT pg_catalog.json_agg(k.conname ORDER BY k.conname) FROM pg_catalog.pg_constraint k \
           WHERE k.conrelid OPERATOR(pg_catalog.=) p.oid AND k.contype OPERATOR(pg_catalog.=) 'c' AND k.coninhcount::pg_catalog.int4 OPERATOR(pg_catalog.=) 0 \
             AND k.conname::pg_catalog.text OPERATOR(pg_catalog.<>) ALL (ARRAY(SELECT pg_catalog.json_array_elements_text($8::pg_catalog.json))) \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) p.oid \
                AND a.attnum OPERATOR(pg_catalog.=) ANY (k.conkey) AND a.attname::pg_catalog.text OPERATOR(pg_catalog.<>) ALL \
                  (ARRAY(SELECT pg_catalog.json_array_elements_text($5::pg_catalog.json))))), '[]'::pg_catalog.json)) \
        FROM (SELECT pg_catalog.to_regclass(NULLIF($7, ''))::pg_catalog.oid AS oid) p LEFT JOIN pg_catalog.pg_inherits i \
          ON i.inhrelid OPERATOR(pg_catalog.=) p.oid AND i.inhparent OPERATOR(pg_catalog.=) t.oid WHERE p.oid IS NOT NULL))::pg_catalog.text \
     FROM (SELECT pg_catalog.to_regclass(NULLIF($1, ''))::pg_catalog.oid AS oid) t";

impl Seen {
    /// Reads the answer.
    ///
    /// # Errors
    /// When it is not what the question asks for.
    pub fn read(answer: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(answer)
    }
}
