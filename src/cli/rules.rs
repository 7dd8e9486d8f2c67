//! `pgairlock rules`.

use std::io::Write;
use std::ops::RangeInclusive;

use clap::{Args, ValueEnum};

use super::{FAILURE, SUCCESS, fail};
use crate::rules;
use crate::rules::listing::All;
use crate::rules::rule::Rule;

/// Flags of `rules`.
#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    Text,
    /// For programs: everything that each rule carries
    Json,
}

/// Prints all rules; returns the exit code.
pub(super) fn run(args: &RulesArgs) -> u8 {
    let text = match args.format {
        Format::Text => format!("{}\n{LEGEND}", table()),
        Format::Json => match serde_json::to_string_pretty(&All::default()) {
            Ok(json) => format!("{json}\n"),
            Err(error) => return fail(FAILURE, &error),
        },
    };
    print(&text);
    SUCCESS
}

/// Nobody may be reading to the end; that is no failure.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

const LEGEND: &str = "\
CLASS  what pgairlock does (enforce)
A      the safe form in the statement's place, in any transaction; what reads all rows after COMMIT
B      the safe form outside of a transaction: at once, or after COMMIT
C      refused with the steps to take: rows are filled in batches between releases
D      refused until a person lets it through: data, or names that code uses, go away
-      refused

LOCK and WORK are those of the statement as it was written. More: pgairlock explain RULE
";

fn table() -> String {
    let heads = ["RULE", "CLASS", "LOCK", "WORK", "VERSIONS", "SQLSTATE"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(heads).chain(rules::documented().map(row)).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(rule: &Rule) -> [String; 6] {
    [rule.id.0.to_owned(), class(rule), lock(rule), work(rule), versions(&rule.versions), rule.sqlstate.to_owned()]
}

/// Its letter, or a dash.
pub(super) fn class(rule: &Rule) -> String {
    rule.class.letter().map_or_else(nothing, String::from)
}

/// The name of the lock, or a dash.
pub(super) fn lock(rule: &Rule) -> String {
    rule.lock.map_or_else(nothing, |lock| lock.to_string())
}

/// The work under the lock, or a dash.
pub(super) fn work(rule: &Rule) -> String {
    rule.lock.map_or_else(nothing, |_| rule.work.to_string())
}

/// `13-18`.
pub(super) fn versions(versions: &RangeInclusive<u32>) -> String {
    format!("{}-{}", versions.start(), versions.end())
}

fn nothing() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_rule_in_a_line_of_its_own() {
        let table = table();
        assert_eq!(table.lines().count(), rules::documented().count() + 1);
        let line = table.lines().find(|line| line.starts_with("create-index-blocking ")).unwrap();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["create-index-blocking", "B", "Share", "scan", "13-18", "PA001"]);
        let line = table.lines().find(|line| line.starts_with("protected-setting ")).unwrap();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["protected-setting", "-", "-", "-", "13-18", "PA006"]);
    }

    #[test]
    fn the_json_has_all_that_a_rule_carries() {
        let json = serde_json::to_value(All::default()).unwrap();
        assert_eq!((json["version"].as_u64(), json["rules"].as_array().map(Vec::len)), (Some(1), Some(rules::documented().count())));
        let rule = json["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == "detach-partition-blocking").unwrap();
        assert_eq!(rule["good"][0], "ALTER TABLE t DETACH PARTITION p CONCURRENTLY");
        assert_eq!((rule["good_since"].as_u64(), rule["versions"]["from"].as_u64(), rule["class"].as_str()), (Some(14), Some(13), Some("B")));
        assert!(json["rules"].as_array().unwrap().iter().any(|rule| rule["lock"].is_null() && rule["class"].is_null()));
    }
}
