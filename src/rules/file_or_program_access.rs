//! Files and programs of the server.

use crate::catalog::locks::Work;
use crate::sql::functions::Special;
use crate::sql::statement::{Copy, External, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, RemedyClass, Rule, RuleId};
use super::special;

pub(super) const RULE: Rule = Rule {
    id: RuleId("file-or-program-access"),
    sqlstate: "PA001",
    hazard: "COPY … PROGRAM, COPY of a server file, pg_read_file and LOAD reach the server's files and programs, past every judgement.",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "COPY … FROM STDIN or TO STDOUT: the client sends or keeps the file.",
    bad: "COPY t FROM PROGRAM 'cat /etc/passwd'",
    good: &["COPY t FROM STDIN"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let what = match &case.parsed.statement {
        Statement::Copy(Copy::Program) => "COPY … PROGRAM runs a program on the database server".to_owned(),
        Statement::Copy(Copy::ServerFile) => "COPY reads or writes a file on the database server".to_owned(),
        Statement::External(External::Load) => "this loads a library into the database server".to_owned(),
        _ => format!("{}() reads or writes files on the database server", special::called(case, Special::File)?),
    };
    Some(case.general(&RULE, what, vec!["Let the client send the data: COPY … FROM STDIN, or TO STDOUT.".to_owned()]))
}
