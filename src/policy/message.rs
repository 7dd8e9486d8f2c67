//! What people read: refusals and notices. Consequence, then the way out with their own names; lock and size in the detail, exemption in the hint.

use crate::catalog::locks::Work;
use crate::deferred::step::Step;
use crate::rules::rule::{Certainty, Finding, Remedy, Rewrite};
use crate::sql::parse::ParseError;

use super::approval::Wanted;
use super::expected::{self, size};
use super::judge::{Found, Protected};
use super::plan::{Notice, Operation, Refusal, SafeForm};

/// Where a refused statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// By itself, outside of a transaction.
    Alone,
    /// In a transaction.
    Transaction,
    /// Among other statements of one string.
    String,
}

/// The refusal of a finding. `prefix` completes what stands in place of an ALTER TABLE's command.
pub(super) fn refusal(found: &Found, prefix: &str, place: Place, position: Option<usize>) -> Refusal {
    let finding = &found.finding;
    Refusal {
        sqlstate: finding.sqlstate,
        message: format!("{}. {}", sentence(finding), way_out(finding, prefix, place)),
        detail: detail(finding),
        hint: Some(found.protected.as_ref().map_or_else(|| hint(finding), |protected| hint_of_protected(finding, protected))),
        position,
    }
}

/// The refusal of what the grammar does not accept.
pub(super) fn not_understood(finding: &Finding, error: &ParseError) -> Refusal {
    Refusal {
        sqlstate: finding.sqlstate,
        message: format!("{}: {error}{}", sentence(finding), more_about(&error.to_string())),
        detail: Some("What cannot be read cannot be judged, so nothing of it was run.".to_owned()),
        hint: Some(hint(finding)),
        position: None,
    }
}

/// What another database would have taken.
fn more_about(error: &str) -> &'static str {
    if error.ends_with("at or near \"LIMIT\"") {
        ". PostgreSQL's UPDATE and DELETE have no LIMIT; in batches write: … WHERE id IN (SELECT id FROM … WHERE … LIMIT 5000);"
    } else {
        ""
    }
}

/// `pgairlock [rule]: consequence`.
pub(super) fn sentence(finding: &Finding) -> String {
    format!("pgairlock [{}]: {}", finding.rule.0, finding.consequence)
}

/// What to do, with the SQL to write.
pub(super) fn way_out(finding: &Finding, prefix: &str, place: Place) -> String {
    match &finding.remedy {
        Remedy::Advice(advice) | Remedy::Gate(advice) => advice.join(" "),
        Remedy::Rewrite(_) if place == Place::Alone => {
            format!(
                "It cannot be made safe together with the other commands: write each as a statement of its own. {}",
                safe_sql(finding, prefix, place)
            )
        }
        Remedy::Rewrite(_) => safe_sql(finding, prefix, place),
    }
}

fn safe_sql(finding: &Finding, prefix: &str, place: Place) -> String {
    let Remedy::Rewrite(rewrite) = &finding.remedy else { return String::new() };
    let steps = statements(rewrite, prefix);
    if steps.iter().any(|sql| sql.contains(" CONCURRENTLY ")) {
        let these = if steps.len() == 1 { "it" } else { "these one by one," };
        let place = if place == Place::String { "in a file or Query of its own, outside a transaction" } else { "outside a transaction" };
        return format!("Run {these} {place}: {};", joined(&steps.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    match steps.split_first() {
        Some((_, [_, ..])) if rewrite.then.iter().any(|operation| matches!(operation, Operation::DropTable(_))) => {
            format!("Run these one by one, each in a transaction of its own: {};", steps.join("; "))
        }
        Some((first, [])) if rewrite.then.is_empty() => format!("Write instead: {first};"),
        Some((first, [])) => format!("Run it in a transaction of its own: {first};"),
        Some((first, later)) => format!("Write instead: {first}; and after COMMIT, in a later transaction: {};", later.join("; ")),
        None => String::new(),
    }
}

/// What to do about a finding: in words, with the SQL to write; `alone` where its statement has no transaction and no other statements around it.
#[must_use]
pub fn help(finding: &Finding, prefix: &str, alone: bool) -> String {
    way_out(finding, prefix, if alone { Place::Alone } else { Place::Transaction })
}

/// The SQL to write instead, where it is known whole.
#[must_use]
pub fn safe_statements(finding: &Finding, prefix: &str) -> Vec<String> {
    match &finding.remedy {
        Remedy::Rewrite(rewrite) => statements(rewrite, prefix),
        Remedy::Gate(_) | Remedy::Advice(_) => Vec::new(),
    }
}

fn statements(rewrite: &Rewrite, prefix: &str) -> Vec<String> {
    let first = rewrite.instead.iter().map(|instead| format!("{prefix} {}", instead.sql).trim_start().to_owned());
    first.chain(rewrite.then.iter().flat_map(Operation::steps).map(|step| step.sql)).collect()
}

/// The NOTICE of a rewrite.
pub(super) fn runs_as(finding: &Finding, form: &SafeForm) -> Notice {
    notice("NOTICE", "00000", format!("{}; runs as: {}", sentence(finding), sql_of(&form.steps())), finding)
}

/// The NOTICE of a statement of which a part waits for COMMIT.
pub(super) fn deferred(finding: &Finding, form: &SafeForm) -> Notice {
    notice("NOTICE", "00000", format!("{}; {}", sentence(finding), now_and_then(form)), finding)
}

/// `now: …; after COMMIT: …`.
#[must_use]
pub fn now_and_then(form: &SafeForm) -> String {
    let then: Vec<Step> = form.then.iter().flat_map(Operation::steps).collect();
    match &form.now {
        Some(now) if form.then.is_empty() => format!("runs as: {}", now.sql),
        Some(now) => format!("now: {}; after COMMIT: {}", now.sql, sql_of(&then)),
        None => format!("runs after COMMIT: {}", sql_of(&then)),
    }
}

/// Steps as people read them.
#[must_use]
pub fn sql_of(steps: &[Step]) -> String {
    joined(&steps.iter().map(|step| step.sql.as_str()).collect::<Vec<_>>())
}

/// Statements of one message; a partitioned table may have thousands.
const MOST_TOLD: usize = 30;

fn joined(statements: &[&str]) -> String {
    match statements.split_last() {
        Some((last, before)) if before.len() >= MOST_TOLD => {
            let told = before.get(..MOST_TOLD - 1).unwrap_or_default();
            format!("{}; … {} more …; {last}", told.join("; "), before.len() - told.len())
        }
        _ => statements.join("; "),
    }
}

/// The NOTICE of code that runs unseen.
pub(super) fn gated_later(finding: &Finding) -> Notice {
    notice("NOTICE", "00000", format!("{}; what it locks is looked at before the COMMIT", sentence(finding)), finding)
}

/// The refusal of what such code has locked.
pub(super) fn gated(finding: &Finding) -> Refusal {
    Refusal {
        sqlstate: finding.sqlstate,
        message: format!("{}. Nothing of it is committed. {}", sentence(finding), way_out(finding, "", Place::Transaction)),
        detail: detail(finding),
        hint: Some(hint(finding)),
        position: None,
    }
}

/// The NOTICE of a further finding that the same rewrite settles.
pub(super) fn also(finding: &Finding) -> Notice {
    notice("NOTICE", "00000", sentence(finding), finding)
}

/// The WARNING of a finding that policy lets pass.
pub(super) fn warning(finding: &Finding) -> Notice {
    notice("WARNING", "01000", sentence(finding), finding)
}

/// The NOTICE of a finding that a directive lifts.
pub(super) fn allowed(finding: &Finding, reason: &str) -> Notice {
    notice("NOTICE", "00000", format!("{}; allowed by the directive in its SQL: {reason}", sentence(finding)), finding)
}

/// The NOTICE of a finding that persons lift.
pub(super) fn approved(finding: &Finding, told: &str) -> Notice {
    notice("NOTICE", "00000", format!("{}; approved by {told}", sentence(finding)), finding)
}

/// A refusal, and how persons let exactly this statement through.
pub(super) fn may_be_approved(refusal: &str, wanted: &Wanted) -> String {
    let who = if wanted.people > 1 { format!("{} persons, each", wanted.people) } else { "somebody".to_owned() };
    format!("{refusal} Or have exactly this statement approved, by {who} {}; then run it again.", wanted.how())
}

/// The NOTICE of a directive that lifts nothing.
pub(super) fn not_honoured(finding: &Finding, why: &str) -> Notice {
    Notice { severity: "NOTICE", sqlstate: "00000", message: format!("pgairlock [{}]: {why}", finding.rule.0), detail: None }
}

/// What enforce would have done.
pub(super) fn would(what: &str, finding: &Finding, rest: &str) -> Notice {
    let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
    notice("NOTICE", "00000", format!("{}; enforce would {what}{rest}", sentence(finding)), finding)
}

fn notice(severity: &'static str, sqlstate: &'static str, message: String, finding: &Finding) -> Notice {
    Notice { severity, sqlstate, message, detail: detail(finding) }
}

/// `lock Share on public.users (54 MB), work: scan; known from the catalog. It takes …`.
#[must_use]
pub fn detail(finding: &Finding) -> Option<String> {
    known(finding).map(|known| std::iter::once(known).chain(takes(finding)).collect::<Vec<_>>().join(" "))
}

/// The first sentence of [`detail`].
#[must_use]
pub fn known(finding: &Finding) -> Option<String> {
    let relation = finding.locked.as_ref().or(finding.relation.as_ref()).map(|name| format!(" on {name}")).unwrap_or_default();
    let size = finding.bytes.map(|bytes| format!(" ({})", size(bytes))).unwrap_or_default();
    let lock = finding.lock.map(|lock| format!("lock {lock}{relation}{size}, work: {}; ", finding.work));
    Some(match (lock, finding.certainty) {
        (Some(lock), Certainty::Proven) => format!("{lock}known from the catalog."),
        (Some(lock), Certainty::Assumed) => format!("{lock}assumed: not everything could be known beforehand."),
        (None, Certainty::Assumed) => "Assumed: not everything could be known beforehand.".to_owned(),
        (None, Certainty::Proven) => return None,
    })
}

/// The rest of it: how long the work takes, or that this is not known of a relation that is.
#[must_use]
pub fn takes(finding: &Finding) -> Option<String> {
    match &finding.estimate {
        Some(estimate) => Some(expected::sentence(estimate)),
        None if finding.work != Work::None && finding.bytes.is_some() => Some("How long it takes cannot be told beforehand.".to_owned()),
        None => None,
    }
}

fn hint(finding: &Finding) -> String {
    let rule = finding.rule.0;
    let table = finding.relation.as_ref().map(|name| match &name.schema {
        Some(schema) => format!("table = \"{schema}.{}\", ", name.name),
        None => format!("table = \"{}\", ", name.name),
    });
    format!(
        "To let it through, in pgairlock's configuration: [[exempt]] with {}rules = [\"{rule}\"], reason = \"…\"; or [rules] {rule} = \"off\".",
        table.unwrap_or_default()
    )
}

fn hint_of_protected(finding: &Finding, Protected { table, reason }: &Protected) -> String {
    let name = table.schema.as_ref().map_or_else(|| table.name.clone(), |schema| format!("{schema}.{}", table.name));
    format!(
        "{table} is under [[protect]] ({reason}), so its size does not count, and this alone lets it through: [[exempt]] with table = \"{name}\", \
         rules = [\"{}\"], reason = \"…\".",
        finding.rule.0
    )
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn of_very_many_statements_some_are_told() {
        let all: Vec<String> = (1..=100).map(|number| number.to_string()).collect();
        let told = |most: usize| joined(&all.iter().take(most).map(String::as_str).collect::<Vec<_>>());
        assert_eq!(told(2), "1; 2");
        assert!(told(30).ends_with("; 28; 29; 30"));
        assert!(told(100).ends_with("; 29; … 70 more …; 100"), "{}", told(100));
    }
}
