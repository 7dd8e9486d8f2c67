//! `--format json`: stable, for scripts (docs/check.md).

use serde_json::{Value, json};

use crate::policy::message;
use crate::policy::plan::{Certainty, Judged, Verdict};

use super::report::{FileReport, Problem, StatementReport};

/// All files.
#[must_use]
pub fn document(reports: &[FileReport]) -> String {
    let files: Vec<Value> = reports.iter().map(file).collect();
    format!("{:#}\n", json!({"version": 1, "files": files}))
}

fn file(report: &FileReport) -> Value {
    let statements: Vec<Value> = report.statements.iter().map(|statement| one(report, statement)).collect();
    let problems: Vec<Value> = report.problems.iter().map(problem).collect();
    json!({"path": report.path, "statements": statements, "problems": problems})
}

fn problem(problem: &Problem) -> Value {
    json!({"line": problem.at.map(|at| at.line), "message": problem.message})
}

fn one(report: &FileReport, statement: &StatementReport) -> Value {
    let findings: Vec<Value> = statement.findings.iter().map(|judged| finding(report, statement, judged)).collect();
    json!({
        "index": statement.index,
        "line": statement.at.line,
        "sql": report.sql(statement),
        "decision": statement.outcome().word(),
        "in_transaction": statement.in_transaction,
        "runs_as": statement.instead(),
        "findings": findings,
    })
}

fn finding(report: &FileReport, statement: &StatementReport, judged: &Judged) -> Value {
    let finding = &judged.finding;
    let policy = match &judged.verdict {
        Verdict::Enforced => "enforce",
        Verdict::Warned => "warn",
        Verdict::Off => "off",
        Verdict::Exempted(_) => "exempt",
    };
    json!({
        "rule": finding.rule.0,
        "message": finding.consequence,
        "lock": finding.lock.map(|lock| lock.to_string()),
        "work": finding.work.to_string(),
        "certainty": if finding.certainty == Certainty::Proven { "proven" } else { "assumed" },
        "safe_sql": message::safe_statements(finding, &statement.prefix),
        "relation": finding.relation.as_ref().map(ToString::to_string),
        "bytes": finding.bytes,
        "policy": policy,
        "help": report.help(statement, finding),
    })
}
