//! `--format gitlab`: a code quality report.

use serde_json::{Value, json};

use crate::policy::plan::Verdict;

use super::report::{FileReport, Outcome};

/// All files.
#[must_use]
pub fn document(reports: &[FileReport]) -> String {
    let mut seen = std::collections::HashMap::<String, usize>::new();
    let mut issues = Vec::new();
    for report in reports {
        for (rule, line, severity, description, sql) in found(report) {
            // The same statement keeps its fingerprint when lines are put before it.
            let what = format!("{}\0{rule}\0{sql}", report.path);
            let nth = seen.entry(what.clone()).or_default();
            *nth += 1;
            issues.push(json!({
                "description": description,
                "check_name": rule,
                "fingerprint": fingerprint(&format!("{what}\0{nth}")),
                "severity": severity,
                "location": {"path": report.path, "lines": {"begin": line}},
            }));
        }
    }
    format!("{:#}\n", Value::from(issues))
}

type Issue<'a> = (&'a str, usize, &'static str, String, &'a str);

fn found(report: &FileReport) -> Vec<Issue<'_>> {
    let mut issues: Vec<Issue<'_>> = Vec::new();
    for problem in &report.problems {
        issues.push(("not-understood", problem.at.map_or(1, |at| at.line), "blocker", problem.message.clone(), ""));
    }
    for statement in &report.statements {
        for judged in statement.findings.iter().filter(|judged| matches!(judged.verdict, Verdict::Enforced | Verdict::Warned)) {
            let refused = statement.outcome() == Outcome::Refuse && judged.verdict == Verdict::Enforced;
            let text = format!("{}. {}", judged.finding.consequence, report.help(statement, judged));
            issues.push((judged.finding.rule.0, statement.at.line, if refused { "critical" } else { "minor" }, text, report.sql(statement)));
        }
    }
    issues
}

/// FNV-1a, 128 bits: an identity, not a secret.
fn fingerprint(text: &str) -> String {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let hash = text.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_the_published_function() {
        assert_eq!(fingerprint(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(fingerprint("a"), "d228cb696f1a8caf78912b704e4a8964");
    }
}
