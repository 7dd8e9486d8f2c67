//! The policy to start with, from what enforce would have refused: TOML for the config file, with a comment for every line of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::summary::{OfRule, Summary, Tables};

/// A rule that refuses so many statements stands in the way of those who deploy, more than it tells them.
const OFTEN: u64 = 5;
/// So many tables are named in a comment.
const NAMED: usize = 5;

/// What is known of rules where the config is read.
pub struct Rules<'a> {
    /// Those that `[rules]` may name.
    pub ids: &'a [&'a str],
    /// One that must not be taken lightly.
    pub guards_the_proxy: &'a dyn Fn(&str) -> bool,
}

/// The text. It is read as config as it stands.
#[must_use]
pub fn toml(summary: &Summary, known: &Rules<'_>, since: &str) -> String {
    let mut severities = String::new();
    let mut exemptions = String::new();
    let mut remarks = String::new();
    let mut rules: Vec<(&str, &OfRule)> = summary.rules.iter().map(|(rule, of_rule)| (rule.as_str(), of_rule)).collect();
    rules.sort_by_key(|(rule, of_rule)| (std::cmp::Reverse(of_rule.counts.refuse), *rule));
    for (rule, of_rule) in rules.iter().filter(|(rule, _)| known.ids.contains(rule)) {
        let refused = of_rule.counts.refuse;
        let whom = format!("{} would be refused, on {}", statements(refused), named(&of_rule.refused));
        match of_rule.refused.only() {
            _ if refused == 0 => {
                let _ = writeln!(remarks, "# {rule}: left at its default; {}", without_refusal(of_rule));
            }
            _ if (known.guards_the_proxy)(rule) => {
                let _ = writeln!(remarks, "# {rule}: left at its default; {whom}. It guards what pgairlock stands on: look at them one by one");
            }
            Some(table) => exemptions.push_str(&exemption(rule, table, of_rule, &whom, since)),
            None if refused >= OFTEN => {
                let _ = writeln!(severities, "# {whom}\n{rule} = \"warn\"");
            }
            None => {
                let _ = writeln!(remarks, "# {rule}: left at its default; {whom}. So few are better looked at");
            }
        }
    }
    let fired: BTreeSet<&str> = rules.iter().map(|(rule, _)| *rule).collect();
    let silent = known.ids.iter().filter(|id| !fired.contains(*id)).count();
    let _ = writeln!(remarks, "# {silent} other rules found nothing: left at their defaults");
    format!(
        "# To start with, from {} since {since}: warn where enforce would refuse often, and go on from there.\n[rules]\n{severities}{remarks}{exemptions}",
        if summary.counts.all() == 1 { "1 recorded decision".to_owned() } else { format!("{} recorded decisions", summary.counts.all()) }
    )
}

fn statements(count: u64) -> String {
    if count == 1 { "1 statement".to_owned() } else { format!("{count} statements") }
}

fn without_refusal(of_rule: &OfRule) -> String {
    let counts = of_rule.counts;
    match counts.rewrite + counts.defer {
        0 => format!("{} would pass", statements(counts.pass)),
        safe => format!("it would only make {} safe", statements(safe)),
    }
}

/// `public.a, public.b and 3 more tables`; names are others' words, and a comment ends with its line.
fn named(tables: &Tables) -> String {
    let names: Vec<String> = tables.iter().take(NAMED).map(plain).collect();
    let more = tables.count().saturating_sub(names.len());
    match (names.is_empty(), more, tables.more) {
        (true, ..) => "no table in particular".to_owned(),
        (false, 0, false) => names.join(", "),
        (false, more, beyond) => format!("{} and {}{more} more tables", names.join(", "), if beyond { "at least " } else { "" }),
    }
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Narrower than a severity: one table, and one role where it was one.
fn exemption(rule: &str, table: &str, of_rule: &OfRule, whom: &str, since: &str) -> String {
    let role = of_rule.roles.first().filter(|_| of_rule.roles.len() == 1);
    let role = role.map(|role| format!("role = {}\n", string(role))).unwrap_or_default();
    let reason = string(&format!(
        "{} since {since} in warn mode; replace this by why they are safe, or take the entry out",
        statements(of_rule.counts.refuse)
    ));
    format!("\n# {rule}: {whom}\n[[exempt]]\n{role}table = {}\nrules = [\"{rule}\"]\nreason = {reason}\n", string(&unquoted(table)))
}

/// As `[[exempt]]` wants it: the names themselves, with a period between them.
fn unquoted(table: &str) -> String {
    let mut plain = String::with_capacity(table.len());
    let mut letters = table.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if letters.peek() == Some(&'"') => plain.extend(letters.next()),
            '"' => {}
            letter => plain.push(letter),
        }
    }
    plain
}

/// A basic string of TOML.
fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::summary::{Decided, Found};

    fn refused(summary: &mut Summary, times: usize, decision: &str, rule: &str, tables: &[&str]) {
        for number in 0..times {
            summary.add(&Decided {
                at_unix_micros: 1,
                role: "deploy\"er".into(),
                application_name: None,
                sql: String::new(),
                decision: decision.into(),
                findings: vec![Found {
                    rule: rule.into(),
                    relation: tables.get(number % tables.len().max(1)).map(|table| (*table).to_owned()),
                    verdict: "warned".into(),
                }],
            });
        }
    }

    #[test]
    fn every_rule_has_its_line_and_its_reason() {
        let mut summary = Summary::default();
        refused(&mut summary, 6, "would-refuse", "drop-column", &["public.a", "public.b"]);
        refused(&mut summary, 2, "would-refuse", "drop-table", &["public.a", "public.b"]);
        refused(&mut summary, 9, "would-refuse", "rename-table", &["app.\"Old \"\"t\""]);
        refused(&mut summary, 3, "would-rewrite", "create-index-blocking", &["public.a"]);
        refused(&mut summary, 7, "would-refuse", "protected-setting", &[]);
        refused(&mut summary, 7, "would-refuse", "of-another-version", &["public.a"]);
        let ids = ["drop-column", "drop-table", "rename-table", "create-index-blocking", "protected-setting", "truncate"];
        let toml = toml(&summary, &Rules { ids: &ids, guards_the_proxy: &|rule| rule == "protected-setting" }, "2026-01-01");
        let expected = r#"# To start with, from 34 recorded decisions since 2026-01-01: warn where enforce would refuse often, and go on from there.
[rules]
# 6 statements would be refused, on public.a, public.b
drop-column = "warn"
# protected-setting: left at its default; 7 statements would be refused, on no table in particular. It guards what pgairlock stands on: look at them one by one
# drop-table: left at its default; 2 statements would be refused, on public.a, public.b. So few are better looked at
# create-index-blocking: left at its default; it would only make 3 statements safe
# 1 other rules found nothing: left at their defaults

# rename-table: 9 statements would be refused, on app."Old ""t"
[[exempt]]
role = "deploy\"er"
table = "app.Old \"t"
rules = ["rename-table"]
reason = "9 statements since 2026-01-01 in warn mode; replace this by why they are safe, or take the entry out"
"#;
        assert_eq!(toml, expected);
    }

    #[test]
    fn of_many_tables_some_are_named() {
        let mut summary = Summary::default();
        let tables: Vec<String> = (0..8).map(|number| format!("t{number}")).collect();
        refused(&mut summary, 8, "would-refuse", "drop-column", &tables.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(named(&summary.rules["drop-column"].refused), "t0, t1, t2, t3, t4 and 3 more tables");
        assert_eq!(plain("a\nb"), "a\u{fffd}b");
    }
}
