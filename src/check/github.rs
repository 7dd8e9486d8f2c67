//! `--format github`: workflow commands, which become annotations of the lines.

use crate::policy::plan::Verdict;

use super::report::{FileReport, Outcome};

/// All files.
#[must_use]
pub fn document(reports: &[FileReport]) -> String {
    reports.iter().map(file).collect()
}

fn file(report: &FileReport) -> String {
    let mut lines = String::new();
    for problem in &report.problems {
        let at = problem.at.map(|at| format!(",line={},col={}", at.line, at.column)).unwrap_or_default();
        lines += &format!("::error file={}{at},title=pgairlock::{}\n", property(&report.path), data(&problem.message));
    }
    for statement in &report.statements {
        for judged in statement.findings.iter().filter(|judged| matches!(judged.verdict, Verdict::Enforced | Verdict::Warned)) {
            let refused = statement.outcome() == Outcome::Refuse && judged.verdict == Verdict::Enforced;
            lines += &format!(
                "::{} file={},line={},col={},title={}::{}\n",
                if refused { "error" } else { "warning" },
                property(&report.path),
                statement.at.line,
                statement.at.column,
                property(&format!("pgairlock [{}]", judged.finding.rule.0)),
                data(&format!("{}. {}", judged.finding.consequence, report.help(statement, judged)))
            );
        }
    }
    lines
}

/// What ends a message is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// In a property, what ends one as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
        assert_eq!(data("a,b:c%\r"), "a,b:c%25%0D");
    }
}
