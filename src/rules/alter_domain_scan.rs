//! ALTER DOMAIN that looks at the rows of every table that uses the domain.

use crate::catalog::facts::TypeUser;
use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::RelationName;
use crate::sql::statement::{DomainChange, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Certainty, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("alter-domain-scan"),
    sqlstate: "PA001",
    hazard: "ALTER DOMAIN … ADD CHECK, SET NOT NULL and VALIDATE hold a Share lock on every table that uses the domain while its rows are read.",
    lock: Some(LockMode::Share),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Backfill,
    remedy: "ADD CONSTRAINT … NOT VALID holds for new rows and reads nothing; a CHECK on each table can be validated beside its writers.",
    bad: "ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 100)",
    good: &["ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 100) NOT VALID"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::AlterDomain { name, change } = &case.parsed.statement else { return None };
    if case.is_missing(name) {
        return None;
    }
    let domain = name.names.join(".");
    let (what, not_valid) = match change {
        DomainChange::AddCheck => ("ADD CONSTRAINT", true),
        DomainChange::SetNotNull => ("SET NOT NULL", false),
        DomainChange::Validate(_) => ("VALIDATE CONSTRAINT", false),
    };
    let users = case.type_facts(name).filter(|_| !case.stale.domains).and_then(|facts| facts.users.as_ref());
    let large = |user: &&TypeUser| !case.is_small(&RelationName::qualified(&*user.schema, &*user.name), user.bytes);
    let (relation, bytes, tables) = match users {
        Some(users) => {
            let first = users.iter().filter(large).max_by_key(|user| user.bytes)?;
            (Some(RelationName::qualified(&*first.schema, &*first.name)), first.bytes, first.of(users))
        }
        None => (None, None, "every table that uses it".to_owned()),
    };
    let consequence = format!("ALTER DOMAIN {domain} {what} blocks the writers of {tables} while every row is read");
    let advice = if not_valid {
        vec![format!("Add NOT VALID, which holds for new rows and reads none: ALTER DOMAIN {domain} ADD CONSTRAINT … CHECK (…) NOT VALID;")]
    } else {
        vec![
            "PostgreSQL has no way to check a domain beside its writers.".to_owned(),
            "For each table: ALTER TABLE … ADD CONSTRAINT … CHECK (…) NOT VALID; and in a later transaction ALTER TABLE … VALIDATE CONSTRAINT …;"
                .to_owned(),
        ]
    };
    Some(Finding {
        rule: RULE.id,
        sqlstate: RULE.sqlstate,
        certainty: if users.is_some() { Certainty::Proven } else { Certainty::Assumed },
        relation,
        consequence,
        lock: RULE.lock,
        locked: None,
        work: RULE.work,
        bytes,
        rebuilds: Vec::new(),
        estimate: None,
        probe: None,
        remedy: Remedy::Advice(advice),
    })
}

impl TypeUser {
    /// The table's name, and how many others there are.
    fn of(&self, all: &[Self]) -> String {
        match all.len().saturating_sub(1) {
            0 => format!("{}.{}", self.schema, self.name),
            others => format!("{}.{} and {others} more", self.schema, self.name),
        }
    }
}
