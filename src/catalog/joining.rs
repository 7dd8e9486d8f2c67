//! What the server said about a table that gets a partition: what has to be proven, and what the partition has to have.

use serde::Deserialize;

use crate::sql::name::RelationName;

/// What a partition meets that joins a table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct JoiningFacts {
    /// The oid of the partitioned table.
    pub parent: u32,
    /// The oid of the table that joins it; none where that is still to be made.
    pub child: Option<u32>,
    /// `partstrat`: `r`, `l`, `h`.
    pub strategy: char,
    /// What the table is partitioned by, in order.
    pub keys: Vec<KeyColumn>,
    /// What valid CHECKs of the table that joins say of all its rows, as the server writes it.
    pub checks: Vec<String>,
    /// What every row of the table has to be, where it is a partition itself: an expression.
    pub above: Option<String>,
    /// The bounds of its partitions but the default one, as the server says them.
    pub bounds: Vec<String>,
    /// Its default partition.
    pub default: Option<DefaultPartition>,
    /// Its indexes.
    pub indexes: Vec<WantedIndex>,
    /// Its foreign keys that hold for all rows.
    pub foreign_keys: Vec<WantedKey>,
}

/// A column of a partition key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct KeyColumn {
    /// Its name; empty for an expression.
    pub column: String,
    /// `format_type`.
    pub type_text: String,
    /// Compared by the default operators of its type and the collation of the column, and of a type whose constants are constants to the server:
    /// no domain, and no row.
    pub ordinary: bool,
    /// Its type has a collation.
    pub collated: bool,
}

/// A default partition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct DefaultPartition {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its size in bytes, with all that is below it; unknown where that is a foreign table.
    pub bytes: Option<u64>,
    /// How many tables are below it.
    pub below: u64,
    /// The names of its constraints.
    pub constraints: Vec<String>,
}

/// An index that every partition of a table has to have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct WantedIndex {
    /// Its name.
    pub name: String,
    /// `CREATE INDEX …`.
    pub definition: String,
    /// It lies in a tablespace of its own.
    pub placed: bool,
    /// The names of its columns, from which that on a partition gets its name.
    pub names: Vec<String>,
    /// The columns of its key.
    pub key: Vec<String>,
    /// `indisunique`.
    pub unique: bool,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// It has a predicate.
    pub partial: bool,
    /// The kind of constraint that it backs: `p`, `u`, `x`.
    pub constraint: Option<char>,
    /// DEFERRABLE.
    pub deferrable: bool,
    /// INITIALLY DEFERRED.
    pub deferred: bool,
    /// Those of the joining table that are the same.
    pub same: Vec<SameIndex>,
}

/// An index that PostgreSQL may take for another.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct SameIndex {
    /// Its name.
    pub name: String,
    /// `indisvalid`.
    pub valid: bool,
    /// The kind of constraint that it backs.
    pub constraint: Option<char>,
}

/// A foreign key that every partition of a table has to have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct WantedKey {
    /// Its name.
    pub name: String,
    /// `FOREIGN KEY … REFERENCES …`, which means the same under every search path.
    pub definition: Option<String>,
    /// The joining table has the same, validated.
    pub there: bool,
    /// The joining table has one of the same columns, or a constraint of that name.
    pub alike: bool,
}

impl DefaultPartition {
    /// Its name, wherever the search path points.
    #[must_use]
    pub fn qualified(&self) -> RelationName {
        RelationName::qualified(&*self.schema, &*self.name)
    }
}
