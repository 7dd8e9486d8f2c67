//! Tables that somebody has put under protection.

use crate::catalog::facts::RelationFacts;
use crate::sql::name::RelationName;

use super::case::Case;
use super::rule::Finding;

/// `[[protect]]`: whatever hits this table counts as if it were large, and is let through by its own exemption alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// `schema.table`, or a bare name that means any schema.
    pub table: String,
    /// Why; never empty.
    pub reason: String,
}

/// `schema.table`, or a bare name that means any schema.
#[must_use]
pub fn is_named(table: &str, relation: &RelationName) -> bool {
    table == relation.name || relation.schema.as_ref().is_some_and(|schema| table == format!("{schema}.{}", relation.name))
}

impl Protection {
    /// It is about this relation, or may be: where nobody has said in which schema that is, it is the protected one.
    #[must_use]
    pub fn covers(&self, relation: &RelationName) -> bool {
        is_named(&self.table, relation) || relation.schema.is_none() && self.table.rsplit('.').next() == Some(relation.name.as_str())
    }

    /// It is about the table of these facts, or the table that this index is of, or one that this is a partition of. A temporary table is nobody else's.
    fn covers_found(&self, facts: &RelationFacts) -> bool {
        let table = facts.index.as_ref().map_or_else(|| facts.qualified(), |index| index.table_name());
        let above = facts.partition_of.iter().any(|above| *above == self.table || above.rsplit('.').next() == Some(self.table.as_str()));
        facts.persistence != 't' && (above || is_named(&self.table, &table))
    }
}

/// The protection of a relation that the server knows.
#[must_use]
pub(super) fn of_facts<'a>(protected: &'a [Protection], facts: &RelationFacts) -> Option<&'a Protection> {
    protected.iter().find(|protection| protection.covers_found(facts))
}

/// The protection that a finding meets, and the relation that is protected: what it is about, or what it locks.
#[must_use]
pub fn met<'a>(case: &Case<'a>, finding: &Finding) -> Option<(&'a Protection, RelationName)> {
    let relations = finding.relation.iter().chain(&finding.locked);
    let mut met = relations.filter_map(|relation| Some((of_relation(case, relation)?, relation.clone())));
    met.next()
}

fn of_relation<'a>(case: &Case<'a>, relation: &RelationName) -> Option<&'a Protection> {
    if case.protected.is_empty() {
        return None;
    }
    let known = case.scope.relations.values().filter_map(|lookup| lookup.found()).find(|facts| facts.qualified() == *relation);
    match known {
        Some(facts) => of_facts(case.protected, facts),
        None => case.protected.iter().find(|protection| protection.covers(relation)),
    }
}
