//! `--format json`: stable, for scripts (docs/check.md). Written piece by piece: a file may be as long as memory bears.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use serde::ser::SerializeSeq;

use crate::catalog::estimate::Estimate;
use crate::policy::message;
use crate::policy::plan::{Certainty, Judged, Verdict};

use super::report::{FileReport, Problem, StatementReport};

/// All files.
///
/// # Errors
/// When nobody reads it.
pub fn write(reports: &[FileReport], out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Document { version: 1, files: reports.iter().map(File::of).collect() })?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    statements: Statements<'a>,
    problems: Vec<Told<'a>>,
}

struct Statements<'a>(&'a FileReport);

#[derive(Serialize)]
struct Told<'a> {
    line: Option<usize>,
    message: &'a str,
}

#[derive(Serialize)]
struct One<'a> {
    index: usize,
    line: usize,
    sql: &'a str,
    decision: &'static str,
    in_transaction: bool,
    runs_as: Vec<String>,
    findings: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    rule: &'static str,
    message: &'a str,
    lock: Option<String>,
    work: String,
    certainty: &'static str,
    safe_sql: Vec<String>,
    relation: Option<String>,
    bytes: Option<u64>,
    estimate: Option<Expected>,
    policy: &'static str,
    /// Why policy lets it pass: of an exemption, or of a directive.
    reason: Option<&'a str>,
    /// Why a directive did not lift it.
    not_honoured: Option<&'a str>,
    help: String,
}

#[derive(Serialize)]
struct Expected {
    seconds: f64,
    at_most_seconds: f64,
    safe_seconds: Option<f64>,
    safe_at_most_seconds: Option<f64>,
    rows: u64,
    disk_bytes: u64,
    wal_bytes: u64,
    /// No ordinary role can ask a server for it.
    free_disk_bytes: Option<u64>,
    calibrated: bool,
}

impl Expected {
    fn of(estimate: &Estimate) -> Self {
        Self {
            seconds: seconds(estimate.takes.likely),
            at_most_seconds: seconds(estimate.takes.at_most),
            safe_seconds: estimate.safe.map(|safe| seconds(safe.likely)),
            safe_at_most_seconds: estimate.safe.map(|safe| seconds(safe.at_most)),
            rows: estimate.rows,
            disk_bytes: estimate.disk_bytes,
            wal_bytes: estimate.wal_bytes,
            free_disk_bytes: None,
            calibrated: estimate.calibrated,
        }
    }
}

/// To the millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}

impl Serialize for Statements<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.statements.len()))?;
        for statement in &self.0.statements {
            list.serialize_element(&One::of(self.0, statement))?;
        }
        list.end()
    }
}

impl<'a> File<'a> {
    fn of(report: &'a FileReport) -> Self {
        let problem = |problem: &'a Problem| Told { line: problem.at.map(|at| at.line), message: &problem.message };
        Self { path: &report.path, statements: Statements(report), problems: report.problems.iter().map(problem).collect() }
    }
}

impl<'a> One<'a> {
    fn of(report: &'a FileReport, statement: &'a StatementReport) -> Self {
        Self {
            index: statement.index,
            line: statement.at.line,
            sql: report.sql(statement),
            decision: statement.decision(),
            in_transaction: statement.in_transaction,
            runs_as: statement.instead(),
            findings: statement.findings.iter().map(|judged| Found::of(report, statement, judged)).collect(),
        }
    }
}

impl<'a> Found<'a> {
    fn of(report: &FileReport, statement: &StatementReport, judged: &'a Judged) -> Self {
        let finding = &judged.finding;
        Self {
            rule: finding.rule.0,
            message: &finding.consequence,
            lock: finding.lock.map(|lock| lock.to_string()),
            work: finding.work.to_string(),
            certainty: if finding.certainty == Certainty::Proven { "proven" } else { "assumed" },
            safe_sql: message::safe_statements(finding, statement.prefix_of(judged)),
            relation: finding.relation.as_ref().map(ToString::to_string),
            bytes: finding.bytes,
            estimate: finding.estimate.as_ref().map(Expected::of),
            policy: match &judged.verdict {
                Verdict::Enforced => "enforce",
                Verdict::Warned => "warn",
                Verdict::Off => "off",
                Verdict::Exempted(_) => "exempt",
                Verdict::Allowed(_) => "allow",
                Verdict::Approved(_) => "approve",
            },
            reason: match &judged.verdict {
                Verdict::Exempted(reason) | Verdict::Allowed(reason) | Verdict::Approved(reason) => Some(reason),
                Verdict::Enforced | Verdict::Warned | Verdict::Off => None,
            },
            not_honoured: judged.not_honoured.as_deref(),
            help: report.help(statement, judged),
        }
    }
}
