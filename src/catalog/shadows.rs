//! User functions that a text may call though it does not look so: overloads of names that are known to be harmless or special, and functions of
//! one row, which `row.name` calls.
//!
//! To ask for every `now()` and every `t.a` would cost a question a statement. A session asks once for the names that matter, and again after a
//! string that [`may_change`] them; other sessions' later functions are not seen.

use std::collections::HashSet;

use serde::Deserialize;

use crate::sql::functions;
use crate::sql::statement::{Script, Statement};

use super::questions::{Answer, Question};

/// The names. The default knows none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shadows {
    calls: HashSet<String>,
    attributes: HashSet<String>,
    /// They could not be asked for: any name may be one.
    any: bool,
}

#[derive(Deserialize)]
struct Found {
    calls: Option<Vec<String>>,
    attributes: Option<Vec<String>>,
}

impl Shadows {
    /// What to ask.
    #[must_use]
    pub fn question() -> Question {
        let harmless: Vec<&str> = functions::harmless().collect();
        Question { sql: include_str!("sql/shadows.sql"), parameters: vec![harmless.join(" ")] }
    }

    /// Where the answer did not come: every name needs a look.
    #[must_use]
    pub fn unknown() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// Adds what came back; whether it could be read. Nothing is forgotten: a ROLLBACK brings a dropped function back.
    pub fn learn(&mut self, answer: &Answer) -> bool {
        let Answer::Text(Some(text)) = answer else { return false };
        let Ok(found) = serde_json::from_str::<Found>(text) else { return false };
        self.calls.extend(found.calls.into_iter().flatten());
        self.attributes.extend(found.attributes.into_iter().flatten());
        true
    }

    /// Some user function has this name, which otherwise needs no look.
    pub(super) fn calls(&self, name: &str) -> bool {
        self.any || self.calls.contains(name)
    }

    /// `row.name` may call a user function.
    pub(super) fn attributes(&self, name: &str) -> bool {
        self.any || self.attributes.contains(name)
    }

    #[cfg(test)]
    pub(crate) fn of(names: impl Iterator<Item = String> + Clone) -> Self {
        Self { calls: names.clone().collect(), attributes: names.collect(), any: false }
    }
}

/// Whether the names can matter for `script`: it calls something, or runs what was prepared earlier. Before anything else no question may stand:
/// SET TRANSACTION and LOCK TABLE come before the transaction's first snapshot.
#[must_use]
pub fn matter_to(script: &Script) -> bool {
    script.statements.iter().any(|parsed| {
        let by_name = match &parsed.statement {
            Statement::Execute { .. } => true,
            Statement::CreateTable(create) => create.execute.is_some(),
            _ => false,
        };
        by_name || !parsed.functions.is_empty() || !parsed.attributes.is_empty()
    })
}

/// Whether the names have to be asked again once `script` has run.
#[must_use]
pub fn may_change(script: &Script) -> bool {
    script.statements.iter().any(|parsed| {
        let elsewhere = match &parsed.statement {
            Statement::Brief(what) => ["CREATE EXTENSION", "ALTER … SET SCHEMA"].contains(what),
            Statement::Unjudged { relations, .. } => relations.is_empty(),
            _ => false,
        };
        parsed.defines.is_some() || elsewhere
    })
}
