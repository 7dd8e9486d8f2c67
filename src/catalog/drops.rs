//! What the server said about a table that is to be dropped: what its drop would meet with others.

use serde::Deserialize;

use crate::sql::name::RelationName;

/// What a DROP of one table meets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct DropFacts {
    /// The server refuses it to this role, or to anybody: it is somebody else's, or an extension's.
    pub forbidden: bool,
    /// Something besides foreign keys depends on it: without CASCADE the server refuses.
    pub used: bool,
    /// Names of relations in its schema that go with it: indexes, sequences.
    pub parts: Vec<String>,
    /// Names of views that go with it by CASCADE.
    pub views: Vec<String>,
    /// The foreign keys that join it with other tables, in either direction.
    pub keys: Vec<KeyFacts>,
}

/// One foreign key between two tables.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct KeyFacts {
    /// Its name.
    pub name: String,
    /// The schema of the table that has it.
    pub schema: String,
    /// The table that has it.
    pub table: String,
    /// The oid of that.
    pub oid: u32,
    /// The schema of the table that it references.
    pub joined_schema: String,
    /// The table that it references.
    pub joined: String,
    /// The oid of that.
    pub joined_oid: u32,
    /// `FOREIGN KEY … REFERENCES …`, which means the same under every search path.
    pub definition: Option<String>,
    /// `convalidated`.
    pub validated: bool,
    /// One of the two is partitioned, or a partition.
    pub partitioned: bool,
    /// This role may drop it, and add it again.
    pub permitted: bool,
    /// The other table, seen from the one that is dropped, is temporary.
    pub temporary: bool,
    /// The size of the other table in bytes, TOAST included.
    pub bytes: Option<u64>,
}

impl KeyFacts {
    /// The table that has it.
    #[must_use]
    pub fn table_name(&self) -> RelationName {
        RelationName::qualified(&*self.schema, &*self.table)
    }

    /// The table that it references.
    #[must_use]
    pub fn joined_name(&self) -> RelationName {
        RelationName::qualified(&*self.joined_schema, &*self.joined)
    }

    /// The table of this oid is the one that it references.
    #[must_use]
    pub fn comes_to(&self, oid: u32) -> bool {
        self.joined_oid == oid
    }

    /// The table that it joins the one of this oid with, and the oid of that.
    #[must_use]
    pub fn other(&self, oid: u32) -> (RelationName, u32) {
        if self.comes_to(oid) { (self.table_name(), self.oid) } else { (self.joined_name(), self.joined_oid) }
    }
}
