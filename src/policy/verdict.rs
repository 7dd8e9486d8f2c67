//! What policy makes of a finding: exemptions, directives and severities.

use crate::rules::protection::is_named;
use crate::rules::rule::Finding;
use crate::rules::{self, Stance};
use crate::sql::name::RelationName;

use super::directives::Answer;
use super::judge::Found;
use super::plan::Verdict;
use super::settings::{Exemption, PolicySettings, Principal, Severity};

/// Policy's word on a finding, where it is enforced, and why a directive did not change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    pub(super) not_honoured: Option<String>,
}

/// Exemptions stand before directives: what the configuration lets pass needs no word of the SQL. On a protected table severities do not count, and of
/// exemptions those alone that name it.
pub(super) fn of(found: &Found, settings: &PolicySettings, principal: &Principal, asked: impl FnOnce() -> Answer) -> Ruling {
    let ruling = |verdict| Ruling { verdict, not_honoured: None };
    let finding = &found.finding;
    let configured = settings.rules.get(finding.rule.0).copied().filter(|_| found.protected.is_none());
    let severity = configured.unwrap_or_else(|| default_severity(finding));
    if severity == Severity::Off {
        return ruling(Verdict::Off);
    }
    if let Some(exemption) = settings.exemptions.iter().find(|exemption| covers(exemption, found, principal)) {
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
    match rules::stance(finding.rule) {
        Stance::Act => Severity::Refuse,
        Stance::Warn => Severity::Warn,
        Stance::Note => Severity::Off,
    }
}

fn covers(exemption: &Exemption, found: &Found, principal: &Principal) -> bool {
    let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
    let names = |relation: Option<&RelationName>| exemption.table.as_deref().zip(relation).is_some_and(|(table, relation)| is_named(table, relation));
    exemption.rules.iter().any(|rule| rule == found.finding.rule.0)
        && is(&exemption.role, Some(&principal.role))
        && is(&exemption.database, Some(&principal.database))
        && is(&exemption.application_name, principal.application_name.as_deref())
        && match &found.protected {
            Some(protected) => names(Some(&protected.table)),
            None => exemption.table.is_none() || names(found.finding.relation.as_ref()),
        }
}
