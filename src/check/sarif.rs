//! `--format sarif`: SARIF 2.1.0, which code hosts and editors read.

use serde_json::{Value, json};

use crate::policy::plan::Verdict;
use crate::rules;

use super::report::{FileReport, Outcome, StatementReport};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// All files.
#[must_use]
pub fn document(reports: &[FileReport], version: &str) -> String {
    let results: Vec<Value> = reports.iter().flat_map(|report| report.statements.iter().flat_map(|statement| of(report, statement))).collect();
    let notifications: Vec<Value> = reports.iter().flat_map(problems).collect();
    let rules: Vec<Value> = rules::all().iter().map(rule).collect();
    let run = json!({
        "tool": {"driver": {"name": "pgairlock", "version": version, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": notifications.is_empty(), "toolExecutionNotifications": notifications}],
        "results": results,
    });
    format!("{:#}\n", json!({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}))
}

fn rule(rule: &rules::rule::Rule) -> Value {
    json!({"id": rule.id.0, "shortDescription": {"text": rule.hazard}, "help": {"text": rule.remedy}})
}

fn problems(report: &FileReport) -> Vec<Value> {
    let one = |problem: &super::report::Problem| {
        let region = problem.at.map(|at| json!({"startLine": at.line, "startColumn": at.column}));
        json!({"level": "error", "message": {"text": problem.message}, "locations": [location(report, region)]})
    };
    report.problems.iter().map(one).collect()
}

fn location(report: &FileReport, region: Option<Value>) -> Value {
    let mut place = json!({"artifactLocation": {"uri": uri(&report.path)}});
    if let (Some(region), Some(fields)) = (region, place.as_object_mut()) {
        fields.insert("region".to_owned(), region);
    }
    json!({"physicalLocation": place})
}

/// A path as a relative reference: what would mean something else there is escaped.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

fn of(report: &FileReport, statement: &StatementReport) -> Vec<Value> {
    let acting = statement.findings.iter().filter(|judged| matches!(judged.verdict, Verdict::Enforced | Verdict::Warned));
    let one = |judged: &crate::policy::plan::Judged| {
        let finding = &judged.finding;
        let level = if statement.outcome() == Outcome::Refuse && judged.verdict == Verdict::Enforced { "error" } else { "warning" };
        let region = json!({"startLine": statement.at.line, "startColumn": statement.at.column, "snippet": {"text": report.sql(statement)}});
        let text = format!("{}. {}", finding.consequence, report.help(statement, judged));
        json!({"ruleId": finding.rule.0, "level": level, "message": {"text": text}, "locations": [location(report, Some(region))]})
    };
    acting.map(one).collect()
}
