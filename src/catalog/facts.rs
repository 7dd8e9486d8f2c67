//! What the server said about the objects that a statement names. Unknown is a value.

use std::collections::HashMap;

use serde::Deserialize;

use crate::sql::name::RelationName;
use crate::sql::statement::{FunctionCall, TypeName};

use super::drops::DropFacts;
use super::estimate::Speed;
use super::evidence::Evidence;
use super::former::Formerly;
use super::held::Held;
use super::joining::JoiningFacts;
use super::probe::Probed;

/// Everything that was asked for one string of SQL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `server_version_num`, e.g. 150018.
    pub server_version: u32,
    /// What names mean, by the search path in force: the first is the session's own, others follow where the string itself changes it.
    pub scopes: Vec<Scope>,
    /// TimeZone has no offset, now and throughout the string.
    pub time_zone_is_utc: bool,
    /// The strong locks that the transaction holds: asked where code may run that is not seen.
    pub held: Option<Held>,
    /// How fast the server is, where that was measured.
    pub speed: Option<Speed>,
    /// The first transaction number that had not ended when the catalog was asked.
    pub next_xid: Option<String>,
    /// A command may be tried on a temporary table.
    pub may_probe: bool,
    /// Commands that were tried.
    pub probed: Vec<Probed>,
    /// What the statements write over or take away, as it is before the string runs.
    pub former: Vec<Formerly>,
}

/// What names mean under one search path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Each relation that a statement names.
    pub relations: HashMap<RelationName, Lookup<RelationFacts>>,
    /// Each type that a statement names.
    pub types: HashMap<TypeName, Lookup<TypeFacts>>,
    /// Functions of a name, all overloads in reach; empty when there is none.
    pub functions: HashMap<FunctionCall, Lookup<Vec<FunctionFacts>>>,
    /// User functions of a name, in any schema, by the words of code that is not parsed (DO): only those that exist are listed.
    pub mentioned: HashMap<String, Vec<FunctionFacts>>,
    /// The words of unparsed code were asked, and answered.
    pub mentions_known: bool,
    /// The schema in which an unqualified CREATE lands.
    pub creation_schema: Option<String>,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// The server knows it.
    Found(T),
    /// The server says that there is none.
    Missing,
    /// Not asked, or the question failed: judge as the worst.
    Unknown,
}

impl<T> Lookup<T> {
    /// The answer, where there is one.
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found(value) => Some(value),
            Self::Missing | Self::Unknown => None,
        }
    }
}

/// One relation: table, index, view …
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct RelationFacts {
    /// Its oid.
    pub oid: u32,
    /// `pg_class.relfilenode`: another one is another file.
    pub file: Option<u32>,
    /// Its schema; that of the session's temporary tables is called `pg_temp`.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_class.relkind`.
    pub kind: char,
    /// `pg_class.relpersistence`: `p`, `u`, `t`.
    pub persistence: char,
    /// `pg_relation_size`, with what is kept out of line (TOAST), over itself, all partitions and children; for an index that of its table.
    /// Unknown when absent.
    pub bytes: Option<u64>,
    /// How many rows that is, as far as the statistics say. Unknown when absent.
    #[serde(skip)]
    pub volume: Option<Volume>,
    /// Its tablespace; none where it has no storage of its own.
    pub tablespace: Option<String>,
    /// Its access method; none where it has none.
    pub access_method: Option<String>,
    /// A materialized view has rows to be read (`relispopulated`).
    pub populated: bool,
    /// It has partitions or inheritance children.
    pub has_children: bool,
    /// It is a partition.
    pub is_partition: bool,
    /// `schema.table` of every partitioned table that it, or the table that it is an index of, is a partition of, however far above.
    pub partition_of: Vec<String>,
    /// It is partitioned and has a default partition.
    pub has_default_partition: bool,
    /// Its columns, in order, without dropped ones.
    pub columns: Vec<ColumnFacts>,
    /// Its constraints.
    pub constraints: Vec<ConstraintFacts>,
    /// Its indexes.
    pub indexes: Vec<IndexFacts>,
    /// Indexes that partitions and children have of their own.
    pub child_indexes: Vec<IndexFacts>,
    /// CHECKs that partitions and children have of their own.
    pub child_checks: Vec<ConstraintFacts>,
    /// Where it is a partition: the columns by which its parents are partitioned; an expression has an empty name.
    pub bounded_by: Option<Vec<String>>,
    /// Where it is partitioned: the columns by which; an expression has an empty name.
    pub partition_key: Option<Vec<String>>,
    /// Where it is partitioned: everything below it, sub-partitioned tables included.
    pub partitions: Vec<PartitionFacts>,
    /// Names of relations and constraints that an automatic name of something on a partition may collide with.
    pub partition_names: Vec<NameBeside>,
    /// Foreign keys of *other* tables that reference it: `schema.table` of each, once.
    pub referenced_by: Vec<String>,
    /// What holds rows of its own and goes with it by CASCADE, its children aside: columns of its row type in other tables
    /// (`schema.table.column`), materialized views.
    pub takes_along: Vec<String>,
    /// Names in its schema that an automatic name may collide with, and of those asked for the ones that exist.
    pub taken: Taken,
    /// What the role may not do to it.
    pub denied: Denied,
    /// Set when it is an index.
    pub index: Option<IndexOf>,
    /// Who still uses it, or a column of it: asked where it, or the column, is to go or to change its name.
    #[serde(skip)]
    pub evidence: Vec<Evidence>,
    /// What its drop would meet: asked where a DROP TABLE names it.
    #[serde(skip)]
    pub drop: Option<DropFacts>,
    /// What a new partition of it would meet: asked where a statement gives it one.
    #[serde(skip)]
    pub joining: Vec<JoiningFacts>,
}

/// The rows of a table, its partitions and children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
pub struct Volume {
    /// Bytes of the rows, without what is kept out of line.
    pub heap: u64,
    /// Rows of those tables that were ever analyzed: `reltuples` for each page, times the pages that there are now.
    pub rows: u64,
    /// Bytes of those tables that never were, part of `heap`.
    pub uncounted: u64,
}

/// Names in a schema, by what has them: an index is a relation, its constraint is a constraint, and PostgreSQL looks among the ones or the others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct Taken {
    /// Of relations.
    pub relations: Vec<String>,
    /// Of constraints.
    pub constraints: Vec<String>,
}

/// What the server refuses to the session's role, whatever else there is to say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct Denied {
    /// ALTER TABLE and CREATE INDEX: it belongs to another role.
    pub alter: bool,
    /// Make an index beside it.
    pub create: bool,
    /// DROP: its schema does, too.
    pub drop: bool,
    /// REINDEX.
    pub maintain: bool,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// `pg_attribute.atttypid`.
    pub type_oid: u32,
    /// `pg_attribute.atttypmod`.
    pub type_modifier: i32,
    /// `format_type`.
    pub type_text: String,
    /// Bytes of each value; negative where they vary (`pg_type.typlen`).
    pub length: i16,
    /// The base type under all domains; `type_oid` otherwise.
    pub base_oid: u32,
    /// The modifier that counts: its own, or that of the domain.
    pub base_modifier: i32,
    /// Its base type has no operator class that a B-tree would take by default (`json`, `point`).
    pub unsorted: bool,
    /// Its collation is that of its type.
    pub default_collation: bool,
    /// NOT NULL (and, on 18, valid).
    pub not_null: bool,
    /// It has a DEFAULT; a generated column has none.
    pub has_default: bool,
}

/// One constraint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct ConstraintFacts {
    /// Its name.
    pub name: String,
    /// `pg_constraint.contype`: `c`, `f`, `p`, `u`, `x`, `n`, `t`.
    pub kind: char,
    /// `convalidated`.
    pub validated: bool,
    /// Names of its columns.
    pub columns: Vec<String>,
    /// It is a CHECK of nothing but `column IS NOT NULL`.
    pub proves_not_null: bool,
    /// It does not hold for children (NO INHERIT).
    pub no_inherit: bool,
    /// The referenced table of a foreign key, `schema.table`.
    pub references: Option<String>,
}

/// One index of a table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct IndexFacts {
    /// Its name.
    pub name: String,
    /// `indisvalid`.
    pub valid: bool,
    /// INVALID, and no other session holds the lock of a concurrent build on its table: what a failed build left behind. (An autovacuum holds that
    /// lock too; then the index counts as being built, and the next run will know better.)
    pub abandoned: bool,
    /// `indisunique`.
    pub unique: bool,
    /// Its access method.
    pub method: String,
    /// It has no expression and no predicate.
    pub plain: bool,
    /// Its columns and expressions use these columns (expressions included through `pg_depend`).
    pub columns: Vec<String>,
    /// The columns of its key.
    pub key: Vec<String>,
}

/// A table below a partitioned one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct PartitionFacts {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_class.relkind`: `r`, `p` (partitioned itself), `f`.
    pub kind: char,
    /// It belongs to a role that the session's has no part in.
    pub of_another_role: bool,
    /// See [`RelationFacts::partition_key`].
    pub partition_key: Option<Vec<String>>,
    /// Its columns that are NOT NULL (on 18, be it NOT VALID).
    pub not_null: Vec<String>,
    /// The names of its constraints.
    pub constraints: Vec<String>,
    /// The columns, in the order of the table, of each foreign key of its own.
    pub foreign_keys: Vec<Vec<String>>,
    /// Indexes of its own: those that no index of its parent has taken over.
    pub indexes: Vec<OwnIndex>,
}

/// An index that a partition has of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct OwnIndex {
    /// Its name.
    pub name: String,
    /// `indisvalid`.
    pub valid: bool,
    /// `indisunique`.
    pub unique: bool,
    /// The kind of constraint that it backs: `p`, `u`, `x`.
    pub constraint: Option<char>,
    /// A B-tree of columns alone, all rows, default operator classes and collations, NULLs distinct.
    pub ordinary: bool,
    /// The columns of its key, in order; expressions have none.
    pub key: Vec<String>,
    /// INCLUDE.
    pub including: Vec<String>,
}

/// A name in a schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct NameBeside {
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
    /// A relation has it; otherwise a constraint.
    pub by_relation: bool,
}

/// What an index belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct IndexOf {
    /// The table's schema.
    pub table_schema: String,
    /// The table's name.
    pub table: String,
    /// The constraint that it backs.
    pub constraint: Option<String>,
    /// `indisvalid`.
    pub valid: bool,
}

/// A type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct TypeFacts {
    /// Its oid.
    pub oid: u32,
    /// A domain that, with those it is based on, has a CHECK or NOT NULL.
    pub constrained_domain: bool,
    /// The base type under all domains; itself otherwise.
    pub base_oid: u32,
    /// The modifier that the domain gives its base type; −1 otherwise.
    pub base_modifier: i32,
    /// The base type has no operator class that a B-tree would take by default.
    pub unsorted: bool,
    /// Tables with columns of it, of domains over it, of arrays and row types of these: asked where an ALTER DOMAIN looks at their rows.
    #[serde(skip)]
    pub users: Option<Vec<TypeUser>>,
    /// Where it is an enum: its values.
    pub labels: Vec<String>,
    /// Types whose values are stored the same, so that a cast from them writes nothing (`pg_cast.castmethod = 'b'`).
    pub binary_from: Vec<u32>,
}

/// A table that uses a type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TypeUser {
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub name: String,
    /// As [`RelationFacts::bytes`], of the table alone.
    pub bytes: Option<u64>,
}

/// One function or procedure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct FunctionFacts {
    /// Its schema.
    pub schema: String,
    /// PostgreSQL itself brought it.
    pub builtin: bool,
    /// `provolatile`: `i`, `s`, `v`.
    pub volatility: char,
    /// Language: `sql`, `plpgsql`, `c`, `internal` …
    pub language: String,
    /// It belongs to an extension: which one.
    pub extension: Option<String>,
    /// Its source, and that of every user function that its source mentions, transitively, each with its language; empty for PostgreSQL's own.
    /// An aggregate counts as empty SQL beside the functions that it is made of.
    pub sources: Vec<SourceFacts>,
}

/// The source of a function.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
pub struct SourceFacts {
    /// Its language.
    pub language: String,
    /// It belongs to an extension.
    pub extension: Option<String>,
    /// Its text.
    pub source: String,
}

impl Facts {
    /// What names mean under the search path of that number.
    #[must_use]
    pub fn scope(&self, number: usize) -> Option<&Scope> {
        self.scopes.get(number)
    }
}

impl RelationFacts {
    /// The table as a RelationName that resolves wherever the search path points.
    #[must_use]
    pub fn qualified(&self) -> RelationName {
        RelationName::qualified(&*self.schema, &*self.name)
    }

    /// Who uses it, or this column of it, as the end of a sentence; empty where that is not known.
    #[must_use]
    pub fn evidence_of(&self, column: Option<&str>) -> String {
        self.evidence.iter().find(|evidence| evidence.column.as_deref() == column).map(Evidence::told).unwrap_or_default()
    }

    /// The column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnFacts> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl PartitionFacts {
    /// Its name, wherever the search path points.
    #[must_use]
    pub fn qualified(&self) -> RelationName {
        RelationName::qualified(&*self.schema, &*self.name)
    }
}

impl IndexOf {
    /// The index's table.
    #[must_use]
    pub fn table_name(&self) -> RelationName {
        RelationName::qualified(&*self.table_schema, &*self.table)
    }
}
