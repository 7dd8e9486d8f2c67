//! SQL that runs in another session or on another server.

use crate::catalog::locks::Work;
use crate::sql::functions::Special;
use crate::sql::statement::{External, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, RemedyClass, Rule, RuleId};
use super::special;

pub(super) const RULE: Rule = Rule {
    id: RuleId("remote-access"),
    sqlstate: "PA001",
    hazard: "dblink, foreign servers, subscriptions and job queues run SQL in sessions that do not pass through here.",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "Run it by itself in a session of the other server; or an exemption with a reason.",
    bad: "SELECT dblink_exec('dbname=app', 'DROP TABLE t')",
    good: &["SELECT count(*) FROM t"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let what = match &case.parsed.statement {
        Statement::External(External::Subscription) => "a subscription connects to another server".to_owned(),
        Statement::External(External::ForeignData) => "foreign data connects to another server".to_owned(),
        _ => format!("{}() runs SQL in another session", special::called(case, Special::Remote)?),
    };
    Some(case.general(&RULE, format!("{what}, past every judgement"), vec!["Run it by itself, by someone who may, past pgairlock.".to_owned()]))
}
