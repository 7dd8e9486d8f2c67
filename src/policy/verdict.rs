//! What policy makes of a finding: exemptions, directives and severities.

use crate::rules::{self, rule::Finding};
use crate::sql::name::RelationName;

use super::directives::Answer;
use super::plan::Verdict;
use super::settings::{Exemption, PolicySettings, Principal, Severity};

/// Policy's word on a finding, where it is enforced, and why a directive did not change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    pub(super) not_honoured: Option<String>,
}

/// Exemptions stand before directives: what the configuration lets pass needs no word of the SQL.
pub(super) fn of(finding: &Finding, settings: &PolicySettings, principal: &Principal, asked: impl FnOnce() -> Answer) -> Ruling {
    let ruling = |verdict| Ruling { verdict, not_honoured: None };
    let severity = settings.rules.get(finding.rule.0).copied().unwrap_or_else(|| default_severity(finding));
    if severity == Severity::Off {
        return ruling(Verdict::Off);
    }
    if let Some(exemption) = settings.exemptions.iter().find(|exemption| covers(exemption, finding, principal)) {
        return ruling(Verdict::Exempted(exemption.reason.clone()));
    }
    let verdict = if severity == Severity::Warn { Verdict::Warned } else { Verdict::Enforced };
    match asked() {
        Answer::None => ruling(verdict),
        Answer::Honoured(reason) => ruling(Verdict::Allowed(reason)),
        Answer::Ignored(why) => Ruling { verdict, not_honoured: Some(why) },
    }
}

/// What a rule leads to where nothing is configured.
fn default_severity(finding: &Finding) -> Severity {
    if rules::is_remark(finding.rule) { Severity::Off } else { Severity::Refuse }
}

fn covers(exemption: &Exemption, finding: &Finding, principal: &Principal) -> bool {
    let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
    exemption.rules.iter().any(|rule| rule == finding.rule.0)
        && is(&exemption.role, Some(&principal.role))
        && is(&exemption.database, Some(&principal.database))
        && is(&exemption.application_name, principal.application_name.as_deref())
        && exemption.table.as_deref().is_none_or(|table| finding.relation.as_ref().is_some_and(|relation| names(table, relation)))
}

/// `schema.table`, or a bare name that means any schema.
fn names(table: &str, relation: &RelationName) -> bool {
    table == relation.name || relation.schema.as_ref().is_some_and(|schema| table == format!("{schema}.{}", relation.name))
}
