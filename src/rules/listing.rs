//! The rules as programs read them. Scripts of others depend on the fields.

use serde::Serialize;

use super::rule::Rule;

/// All of them.
#[derive(Debug, Serialize)]
pub struct All {
    version: u32,
    rules: Vec<Described>,
}

#[derive(Debug, Serialize)]
struct Described {
    id: &'static str,
    sqlstate: &'static str,
    hazard: &'static str,
    lock: Option<String>,
    work: String,
    versions: Versions,
    class: Option<char>,
    remedy: &'static str,
    bad: &'static str,
    good: &'static [&'static str],
    good_since: u32,
}

#[derive(Debug, Serialize)]
struct Versions {
    from: u32,
    to: u32,
}

impl Default for All {
    fn default() -> Self {
        Self { version: 1, rules: super::documented().map(Described::of).collect() }
    }
}

impl Described {
    fn of(rule: &'static Rule) -> Self {
        Self {
            id: rule.id.0,
            sqlstate: rule.sqlstate,
            hazard: rule.hazard,
            lock: rule.lock.map(|lock| lock.to_string()),
            work: rule.work.to_string(),
            versions: Versions { from: *rule.versions.start(), to: *rule.versions.end() },
            class: rule.class.letter(),
            remedy: rule.remedy,
            bad: rule.bad,
            good: rule.good,
            good_since: rule.good_since,
        }
    }
}
