//! For people: where, what, and what to write instead.

use std::fmt::Write as _;

use crate::policy::message;
use crate::policy::plan::{Judged, Verdict};

use super::report::{FileReport, Outcome, Problem, StatementReport};

/// More lines of one statement are not quoted.
const MOST_LINES: usize = 4;

/// One file, without what passes; the last line of all is [`summary`].
#[must_use]
pub fn file(report: &FileReport) -> String {
    let mut out = String::new();
    for problem in &report.problems {
        out.push_str(&told_problem(report, problem));
    }
    for statement in &report.statements {
        out.push_str(&told(report, statement));
    }
    out
}

/// How many statements of how many files come to what.
#[must_use]
pub fn summary(reports: &[FileReport]) -> String {
    let statements = || reports.iter().flat_map(|report| &report.statements);
    let count = |outcome: Outcome| statements().filter(|statement| statement.outcome() == outcome).count();
    let mut parts = vec![format!("{} in {}", plural(statements().count(), "statement"), plural(reports.len(), "file"))];
    for (outcome, words) in [
        (Outcome::Refuse, "would be refused"),
        (Outcome::Defer, "would run after COMMIT in part"),
        (Outcome::Rewrite, "would be rewritten"),
        (Outcome::Pass, "would pass"),
    ] {
        parts.extend(Some(count(outcome)).filter(|count| *count > 0).map(|count| format!("{count} {words}")));
    }
    let problems: usize = reports.iter().map(|report| report.problems.len()).sum();
    parts.extend((problems > 0).then(|| format!("{problems} could not be judged")));
    let assumed = reports.iter().any(|report| report.assumed && report.statements.iter().any(|statement| statement.outcome() != Outcome::Pass));
    let note = if assumed { "\nNo database was asked: every table counts as large and in use. --database-url asks one." } else { "" };
    format!("{}{note}\n", parts.join(", "))
}

fn plural(count: usize, of: &str) -> String {
    if count == 1 { format!("1 {of}") } else { format!("{count} {of}s") }
}

fn told_problem(report: &FileReport, problem: &Problem) -> String {
    let place = problem.at.map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
    format!("error: {}\n  --> {}{place}\n\n", problem.message, report.path)
}

fn told(report: &FileReport, statement: &StatementReport) -> String {
    let acting = |judged: &&Judged| matches!(judged.verdict, Verdict::Enforced | Verdict::Warned);
    let mut out = String::new();
    for judged in statement.findings.iter().filter(acting) {
        let level = match (&judged.verdict, statement.outcome()) {
            (Verdict::Enforced, Outcome::Refuse) => "error",
            _ => "warning",
        };
        let finding = &judged.finding;
        let _ = writeln!(out, "{level}[{}]: {}", finding.rule.0, finding.consequence);
        let _ = writeln!(out, "  --> {}:{}:{}", report.path, statement.at.line, statement.at.column);
        out.push_str(&quoted(report, statement));
        for detail in message::known(finding).into_iter().chain(message::takes(finding)) {
            let _ = writeln!(out, "   = {detail}");
        }
        if let Some(why) = &judged.not_honoured {
            let _ = writeln!(out, "   = note: {why}");
        }
        if statement.outcome() >= Outcome::Defer && statement.instead().is_empty() {
            let _ = writeln!(out, "   = help: {}", report.help(statement, judged));
        }
        out.push('\n');
    }
    if !statement.instead().is_empty() {
        out.truncate(out.trim_end().len());
        out.push('\n');
        out.push_str(&difference(report, statement));
        out.push('\n');
    }
    out
}

/// The statement with its line numbers, and a line under its beginning.
fn quoted(report: &FileReport, statement: &StatementReport) -> String {
    let line_start =
        statement.span.start - report.text.get(..statement.span.start).map_or(0, |before| before.len() - before.rfind('\n').map_or(0, |at| at + 1));
    let shown = report.text.get(line_start..statement.span.end).unwrap_or_default();
    let last = statement.at.line + shown.lines().count().min(MOST_LINES);
    let width = last.to_string().len();
    let mut out = format!("{:width$} |\n", "");
    for (number, line) in shown.lines().take(MOST_LINES).enumerate() {
        let _ = writeln!(out, "{:width$} | {line}", statement.at.line + number);
        if number == 0 {
            let under = line.chars().count().saturating_sub(statement.at.column - 1).max(1);
            let _ = writeln!(out, "{:width$} | {}{}", "", " ".repeat(statement.at.column - 1), "^".repeat(under));
        }
    }
    let more = shown.lines().count().saturating_sub(MOST_LINES);
    if more > 0 {
        let _ = writeln!(out, "{:width$} | … {}", "", plural(more, "more line"));
    }
    out
}

/// What stands there, and what the proxy runs in its place.
fn difference(report: &FileReport, statement: &StatementReport) -> String {
    let mut out = format!("   = {}:\n", if statement.outcome() == Outcome::Defer { "runs as, the last steps after COMMIT" } else { "runs as" });
    for line in report.sql(statement).lines().take(MOST_LINES) {
        let _ = writeln!(out, "   - {line}");
    }
    for sql in statement.instead() {
        let _ = writeln!(out, "   + {sql};");
    }
    out
}
