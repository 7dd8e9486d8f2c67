//! For people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Report;
use crate::audit::summary::{Counts, Group, Key, Tables};
use crate::cli::deferred::{one_line, utc};

/// So many tables of a group are named.
const NAMED: usize = 5;
/// An example is cut to one line of so many characters.
const LONGEST: usize = 120;

/// All of it.
pub(super) fn report(report: &Report) -> String {
    let mut out = format!("{} to {}: {}\n", report.since, report.until, told(&report.summary.counts));
    if report.summary.counts.all() == 0 {
        out.push_str("Nothing was recorded in this time. --since goes further back; the listener's mode must be warn or enforce.\n");
        return out;
    }
    let mut users: BTreeMap<(&str, &str), Vec<(&Key, &Group)>> = BTreeMap::new();
    for (key, group) in &report.summary.groups {
        users.entry((&key.team, key.tool)).or_default().push((key, group));
    }
    for ((team, tool), groups) in users {
        let _ = writeln!(out, "\n{} with {tool}", one_line(team));
        for (key, group) in groups {
            out.push_str(&of_group(key, group));
        }
    }
    let _ = write!(out, "\n{}", report.toml);
    out
}

fn of_group(key: &Key, group: &Group) -> String {
    let mut out = format!("  {}: {}\n", key.rule.as_deref().unwrap_or("no finding"), told(&group.counts));
    if group.tables.count() > 0 {
        let _ = writeln!(out, "    on {}", named(&group.tables));
    }
    let _ = writeln!(out, "    first {}, last {}", utc(group.first), utc(group.last));
    if key.rule.is_some() {
        let _ = writeln!(out, "    such as {}", example(&group.example));
    }
    out
}

/// `7 statements: 2 refused, 5 pass`.
fn told(counts: &Counts) -> String {
    let all = counts.all();
    let parts = [(counts.refuse, "refused"), (counts.defer, "after COMMIT in part"), (counts.rewrite, "rewritten"), (counts.pass, "pass")];
    let parts: Vec<String> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let separator = if parts.is_empty() { "" } else { ": " };
    format!("{all} {}{separator}{}", if all == 1 { "statement" } else { "statements" }, parts.join(", "))
}

fn named(tables: &Tables) -> String {
    let names: Vec<String> = tables.iter().take(NAMED).map(one_line).collect();
    let more = tables.count().saturating_sub(names.len());
    let beyond = if tables.more { "at least " } else { "" };
    if more == 0 { names.join(", ") } else { format!("{} and {beyond}{more} more", names.join(", ")) }
}

fn example(sql: &str) -> String {
    let line = one_line(sql);
    if line.chars().count() <= LONGEST { line } else { line.chars().take(LONGEST - 1).chain(['…']).collect() }
}
