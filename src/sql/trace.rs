//! By what it shows in the catalog whether a statement took effect: kept with its decision, and asked for where nobody heard its end (`catalog::aftermath`).

use serde::{Deserialize, Serialize};

use super::name::RelationName;

/// One thing that the statement alone makes, takes away or changes; before it, it was the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// What it is.
    pub kind: Kind,
    /// The schema of the relation, as the server resolved it.
    pub schema: String,
    /// The relation; of an index, column or constraint its table.
    pub relation: String,
    /// The oid of that; none where the statement makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oid: Option<u32>,
    /// The index, column or constraint, or the new name of the relation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// It is there behind the statement; otherwise it is gone.
    pub there: bool,
}

/// What a trace is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A table, view or materialized view; an index that goes.
    Relation,
    /// Another name of a relation.
    Name,
    /// A valid index.
    Index,
    /// A column.
    Column,
    /// A constraint, valid or not.
    Constraint,
    /// A constraint that all rows are known to meet, where none of that name was there.
    ValidConstraint,
    /// The same where it was there and not valid.
    Validated,
    /// NOT NULL of a column.
    NotNull,
}

impl Trace {
    /// The name without which nobody else can have done or undone the same.
    #[must_use]
    pub fn own_name(&self) -> &str {
        self.part.as_deref().unwrap_or(&self.relation)
    }

    /// What it is about, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let relation = RelationName::qualified(&*self.schema, &*self.relation);
        let part = self.part.as_deref().unwrap_or_default();
        match self.kind {
            Kind::Relation => relation.to_string(),
            Kind::Name => format!("the name {part} of {relation}"),
            Kind::Index => format!("index {part} on {relation}"),
            Kind::Column => format!("column {part} of {relation}"),
            Kind::Constraint | Kind::ValidConstraint | Kind::Validated => format!("constraint {part} of {relation}"),
            Kind::NotNull => format!("NOT NULL of column {part} of {relation}"),
        }
    }
}
