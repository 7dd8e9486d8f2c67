//! `[rules]`, `[thresholds]`, `[[exempt]]`, `[[directive]]`, `[[approval]]`, `[[protect]]`, `[after_commit]`, `[limits]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use super::super::file::{self, DurationText, Maybe, Written};
use super::super::keys::suggestion;
use super::super::problem::Problems;
use super::super::settings::Settings;
use super::{Context, optional, required, take, text};
use crate::policy::settings::{Approvable, Exemption, Grant, PolicySettings, Protection, Severity, goes_by_size, guards_the_proxy};

/// `[limits]` with its defaults filled in.
pub(super) struct Limits {
    small_table: u64,
    statement: usize,
    pub(super) sessions: usize,
}

pub(super) fn limits(written: Option<file::Limits>, problems: &mut Problems<'_>) -> Limits {
    let (written, default) = (written.unwrap_or_default(), PolicySettings::default());
    let statement = optional(written.statement, "[limits] statement", problems);
    let sessions = optional(written.sessions, "[limits] sessions", problems);
    if let Some((0, span)) = &sessions {
        problems.at(span, "[limits] sessions: 0 would refuse everyone");
    }
    Limits {
        small_table: optional(written.small_table, "[limits] small_table", problems).map_or(default.small_table_bytes, |(size, _)| size.0),
        statement: statement.map_or(default.statement_bytes, |(size, span)| statement_bytes(size.0, &span, problems)),
        sessions: sessions.map_or(Settings::DEFAULT_MAX_SESSIONS, |(sessions, _)| sessions),
    }
}

/// A message of PostgreSQL's protocol holds 1 GB at most.
fn statement_bytes(bytes: u64, span: &Range<usize>, problems: &mut Problems<'_>) -> usize {
    if bytes == 0 || bytes > 1 << 30 {
        problems.at(span, "[limits] statement: must be between 1B and 1GB");
    }
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// `[after_commit]`, as far as it is given.
pub(super) struct AfterCommit {
    pub(super) defer: Option<bool>,
    pub(super) hold: Option<Duration>,
    pub(super) search: Option<Duration>,
}

/// Tables whose keys are rule ids.
pub(super) struct ByRule {
    pub(super) severities: BTreeMap<Spanned<String>, Written<file::Severity>>,
    pub(super) thresholds: BTreeMap<Spanned<String>, Written<file::SizeText>>,
}

/// Each with its place.
pub(super) struct Exceptions {
    pub(super) exemptions: Vec<(file::Exempt, Range<usize>)>,
    pub(super) directives: Vec<(file::Directive, Range<usize>)>,
    pub(super) approvals: Vec<(file::Approval, Range<usize>)>,
    pub(super) protected: Vec<(file::Protect, Range<usize>)>,
}

pub(super) fn settings(
    limits: &Limits,
    after_commit: AfterCommit,
    by_rule: ByRule,
    exceptions: Exceptions,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> PolicySettings {
    let default = PolicySettings::default();
    PolicySettings {
        small_table_bytes: limits.small_table,
        statement_bytes: limits.statement,
        defers: after_commit.defer.unwrap_or(default.defers),
        search_ms: after_commit.search.map_or(default.search_ms, milliseconds),
        hold_ms: after_commit.hold.map_or(default.hold_ms, milliseconds),
        thresholds: by_rule.thresholds.into_iter().filter_map(|(id, size)| threshold(&id, size, context, problems)).collect(),
        rules: by_rule.severities.into_iter().filter_map(|(id, severity)| rule(&id, severity, context, problems)).collect(),
        exemptions: exceptions.exemptions.into_iter().filter_map(|(exempt, at)| exemption(exempt, &at, context, problems)).collect(),
        directives: exceptions.directives.into_iter().filter_map(|(directive, at)| grant(directive, &at, context, problems)).collect(),
        approvals: exceptions.approvals.into_iter().filter_map(|(approval, at)| approvable(approval, &at, context, problems)).collect(),
        protected: exceptions.protected.into_iter().filter_map(|(protect, at)| protection(protect, &at, problems)).collect(),
        dashboard: default.dashboard,
        literals: default.literals,
        recorded: default.recorded,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn rule(id: &Spanned<String>, severity: Written<file::Severity>, context: &Context<'_>, problems: &mut Problems<'_>) -> Option<(String, Severity)> {
    check_rule(id, "[rules]", context, problems);
    let severity = take(severity, &format!("[rules] {}", id.get_ref()), problems)?;
    Some((id.get_ref().clone(), severity.into()))
}

fn threshold(id: &Spanned<String>, size: Written<file::SizeText>, context: &Context<'_>, problems: &mut Problems<'_>) -> Option<(String, u64)> {
    const SECTION: &str = "[thresholds]";
    let name = id.get_ref();
    check_rule(id, SECTION, context, problems);
    if context.rules.contains(&name.as_str()) && !goes_by_size(name) {
        problems.at(&id.span(), format!("{SECTION} {name}: does not go by the size of a table; [rules] or [[exempt]] say what becomes of it"));
    }
    let size = take(size, &format!("{SECTION} {name}"), problems)?;
    Some((name.clone(), size.0))
}

fn check_rule(id: &Spanned<String>, section: &str, context: &Context<'_>, problems: &mut Problems<'_>) {
    let name = id.get_ref().as_str();
    if !context.rules.contains(&name) {
        problems.at(&id.span(), format!("unknown rule \"{name}\" in {section}{}", suggestion(name, context.rules)));
    }
}

fn exemption(written: file::Exempt, at: &Range<usize>, context: &Context<'_>, problems: &mut Problems<'_>) -> Option<Exemption> {
    let rules = named_rules(written.rules, "[[exempt]]", at, context, problems);
    let reason = text(written.reason, "[[exempt]]", "reason", at, problems);
    let mut condition = |written, key: &str| optional(written, &format!("[[exempt]] {key}"), problems).map(|(value, _)| value);
    let (role, database) = (condition(written.role, "role"), condition(written.database, "database"));
    let (table, application_name) = (condition(written.table, "table"), condition(written.application_name, "application_name"));
    let rules = rules?.into_iter().map(Spanned::into_inner).collect();
    Some(Exemption { role, database, table, application_name, rules, reason: reason?.0 })
}

fn protection(written: file::Protect, at: &Range<usize>, problems: &mut Problems<'_>) -> Option<Protection> {
    const SECTION: &str = "[[protect]]";
    let table = text(written.table, SECTION, "table", at, problems);
    let reason = text(written.reason, SECTION, "reason", at, problems);
    if let Some((table, span)) = &table
        && (table.contains(['*', '"', ' ']) || table.split('.').count() > 2 || table.split('.').any(str::is_empty))
    {
        problems.at(
            span,
            format!("{SECTION} table: \"{table}\" is not schema.table, nor a bare name for any schema; write each table by itself, without quotes"),
        );
    }
    Some(Protection { table: table?.0, reason: reason?.0 })
}

/// The rules that a section lifts.
fn named_rules(
    written: Maybe<Vec<Spanned<String>>>,
    section: &str,
    at: &Range<usize>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Spanned<String>>> {
    let (rules, span) = required(written, section, "rules", at, problems)?;
    if rules.is_empty() {
        problems.at(&span, format!("{section} rules: is empty; name the rules that it lifts"));
    }
    rules.iter().for_each(|id| check_rule(id, section, context, problems));
    Some(rules)
}

fn grant(written: file::Directive, at: &Range<usize>, context: &Context<'_>, problems: &mut Problems<'_>) -> Option<Grant> {
    const SECTION: &str = "[[directive]]";
    let rules = liftable_rules(written.rules, SECTION, "directive", at, context, problems);
    let mut condition = |written, key: &str| optional(written, &format!("{SECTION} {key}"), problems).map(|(value, _)| value);
    let (role, database) = (condition(written.role, "role"), condition(written.database, "database"));
    let application_name = condition(written.application_name, "application_name");
    Some(Grant { role, database, application_name, rules: rules? })
}

fn approvable(written: file::Approval, at: &Range<usize>, context: &Context<'_>, problems: &mut Problems<'_>) -> Option<Approvable> {
    const SECTION: &str = "[[approval]]";
    let rules = liftable_rules(written.rules, SECTION, "approval", at, context, problems);
    let mut condition = |written, key: &str| optional(written, &format!("{SECTION} {key}"), problems).map(|(value, _)| value);
    let (role, database) = (condition(written.role, "role"), condition(written.database, "database"));
    let application_name = condition(written.application_name, "application_name");
    let people = optional(written.people, "[[approval]] people", problems);
    if let Some((people, span)) = &people
        && !(1..=2).contains(people)
    {
        problems.at(span, format!("{SECTION} people: {people}; one person approves, or two do"));
    }
    let wait = optional(written.wait, "[[approval]] wait", problems);
    if let Some((DurationText(wait), span)) = &wait
        && *wait > LONGEST_WAIT
    {
        problems.at(span, format!("{SECTION} wait: at most 1h: a deploy that waits longer for its reviewer is better run again"));
    }
    let people = people.map_or(1, |(people, _)| people);
    let wait_ms = wait.map_or(0, |(DurationText(wait), _)| milliseconds(wait));
    Some(Approvable { role, database, application_name, rules: rules?, people, wait_ms })
}

/// How long a statement may wait for persons at most.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Rules of which none guards the proxy.
fn liftable_rules(
    written: Maybe<Vec<Spanned<String>>>,
    section: &str,
    what: &str,
    at: &Range<usize>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<String>> {
    let rules = named_rules(written, section, at, context, problems)?;
    for rule in rules.iter().filter(|rule| guards_the_proxy(rule.get_ref())) {
        let name = rule.get_ref();
        problems.at(
            &rule.span(),
            format!("{section} rules: {name} guards what pgairlock itself stands on: no {what} lifts it; [[exempt]] or [rules] would"),
        );
    }
    Some(rules.into_iter().map(Spanned::into_inner).collect())
}

impl From<file::Severity> for Severity {
    fn from(severity: file::Severity) -> Self {
        match severity {
            file::Severity::Refuse => Self::Refuse,
            file::Severity::Warn => Self::Warn,
            file::Severity::Off => Self::Off,
        }
    }
}
