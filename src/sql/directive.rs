//! Directives: words to pgairlock that stand in the comments of a statement, or in a setting where a tool sends no comments.
//!
//! ```text
//! -- pgairlock:allow drop-table, drop-column reason="replaced by accounts, read by nobody since March"
//! SET pgairlock.allow = 'drop-table, drop-column: replaced by accounts, read by nobody since March'
//! ```
//!
//! A directive is about one statement: the one that its comment stands in, or in front of. Here it is only read; whether it may do anything is policy.

use std::ops::Range;

use thiserror::Error;

use super::parse::comments::{self, Comment};
use super::statement::{Parsed, Script};

/// How every directive begins.
const MARK: &str = "pgairlock:";
/// The only one that there is.
const ALLOW: &str = "allow";
/// The parameter that says the same.
pub const SETTING: &str = "pgairlock.allow";
/// More is no reason, but a text that is in the wrong place.
const LONGEST_REASON: usize = 500;

/// What is asked to be let through, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The rules, as written; never empty.
    pub rules: Vec<String>,
    /// Why; never blank.
    pub reason: String,
}

/// Why words that begin as a directive are none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// `pgairlock:alow`.
    #[error("there is no directive \"pgairlock:{0}\"; write: -- pgairlock:allow RULE reason=\"…\"")]
    Unknown(String),
    /// No rule is named.
    #[error("it names no rule; write: {0}")]
    NoRule(&'static str),
    /// A name that no rule can have.
    #[error("\"{0}\" is no rule; rules are separated by commas, and then: {1}")]
    NotARule(String, &'static str),
    /// No reason, or a blank one.
    #[error("it gives no reason; write: {0}")]
    NoReason(&'static str),
    /// Something follows the reason.
    #[error("something follows its reason, which must be the last in it; write: {0}")]
    Trailing(&'static str),
    /// Too long.
    #[error("its reason is longer than {LONGEST_REASON} characters")]
    TooLong,
    /// Behind a statement, on its line.
    #[error("it stands behind a statement: write it in front of the one that it is about")]
    Behind,
}

/// A directive, or why it is none.
pub type Read = Result<Directive, Malformed>;

/// How each form is written right.
const IN_COMMENT: &str = "-- pgairlock:allow RULE reason=\"why it is safe here\"";
const IN_SETTING: &str = "SET pgairlock.allow = 'RULE: why it is safe here'";

/// The directives at each statement of the script, as many lists as statements.
#[must_use]
pub fn of_script(script: &Script) -> Vec<Vec<Read>> {
    let mut found = vec![Vec::new(); script.statements.len()];
    for comment in marked(&script.text) {
        match place(&script.text, &script.statements, &comment) {
            Place::At(index) => {
                if let Some(here) = found.get_mut(index) {
                    here.extend(of_comment(script.text.get(comment.span).unwrap_or_default()));
                }
            }
            Place::Behind(index) => {
                let is_one = script.text.get(comment.span).is_some_and(|text| !of_comment(text).is_empty());
                // Whichever of the two was meant hears of it.
                for here in found.iter_mut().skip(index).take(2).filter(|_| is_one) {
                    here.push(Err(Malformed::Behind));
                }
            }
        }
    }
    found
}

/// Where the statement stands with the directives in front of it.
#[must_use]
pub fn span_with_directives(script: &Script, index: usize) -> Range<usize> {
    let Some(parsed) = script.statements.get(index) else { return 0..0 };
    // Between two statements nothing is open, so that it can be read from there.
    let from = index.checked_sub(1).and_then(|before| script.statements.get(before)).map_or(0, |before| before.span.end);
    let to = script.statements.get(index + 1).map_or(script.text.len(), |next| next.span.start);
    let moved = |comment: Comment| Comment { span: comment.span.start + from..comment.span.end + from, behind: comment.behind + from };
    let found = marked(script.text.get(from..to).unwrap_or_default()).into_iter().map(moved);
    let here = found.filter(|comment| matches!(place(&script.text, &script.statements, comment), Place::At(at) if at == index));
    here.fold(parsed.span.clone(), |span, comment| span.start.min(comment.span.start)..span.end.max(comment.span.end))
}

/// What the value of [`SETTING`] says; nothing where it is blank.
#[must_use]
pub fn of_setting(value: &str) -> Option<Read> {
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    let Some((rules, reason)) = value.split_once(':') else { return Some(Err(Malformed::NoReason(IN_SETTING))) };
    Some(directive(rules, reason, IN_SETTING))
}

/// Comments that may hold a directive.
fn marked(text: &str) -> Vec<Comment> {
    if !text.contains(MARK) {
        return Vec::new();
    }
    let mut found = comments::all(text);
    found.retain(|comment| text.get(comment.span.clone()).is_some_and(|text| text.contains(MARK)));
    found
}

enum Place {
    /// In this statement, in front of it, or behind its last word and before its semicolon.
    At(usize),
    /// Behind the semicolon of this one, on its line.
    Behind(usize),
}

fn place(text: &str, statements: &[Parsed], comment: &Comment) -> Place {
    let next = statements.partition_point(|parsed| parsed.span.end <= comment.span.start);
    let Some((before, previous)) = next.checked_sub(1).and_then(|index| Some((index, statements.get(index)?))) else { return Place::At(next) };
    let inside = statements.get(next).is_some_and(|parsed| parsed.span.start < comment.span.start);
    if inside {
        return Place::At(next);
    }
    if !text.get(..comment.behind).unwrap_or_default().ends_with(';') {
        return Place::At(before);
    }
    let breaks = |from: usize, to: usize| text.get(from..to).is_some_and(|between| between.contains(['\n', '\r']));
    let leads = statements.get(next).is_some_and(|parsed| !breaks(comment.span.end, parsed.span.start));
    if leads || statements.get(next).is_some() && breaks(previous.span.end, comment.span.start) { Place::At(next) } else { Place::Behind(before) }
}

/// The directives of one comment: each begins on a line of its own, and goes on to the next.
fn of_comment(comment: &str) -> Vec<Read> {
    let body = match comment.strip_prefix("/*") {
        Some(body) => body.strip_suffix("*/").unwrap_or(body),
        None => comment.trim_start_matches('-'),
    };
    let mut found: Vec<String> = Vec::new();
    let mut begun = false;
    for line in body.lines() {
        let line = line.trim_start_matches(|c: char| c.is_whitespace() || c == '*').trim_end();
        if let Some(words) = line.strip_prefix(MARK) {
            begun = true;
            found.push(words.to_owned());
        } else if let Some(last) = found.last_mut().filter(|_| begun && !line.is_empty()) {
            last.push(' ');
            last.push_str(line);
        } else {
            begun = false;
        }
    }
    found.iter().map(|words| of_words(words)).collect()
}

/// `allow RULE[, RULE…] reason="…"`.
fn of_words(words: &str) -> Read {
    let (name, rest) = words.split_at(words.find(char::is_whitespace).unwrap_or(words.len()));
    if name != ALLOW {
        return Err(Malformed::Unknown(name.chars().take(40).collect()));
    }
    let Some((rules, reason)) = rest.split_once("reason=") else {
        return if rest.trim().is_empty() { Err(Malformed::NoRule(IN_COMMENT)) } else { Err(Malformed::NoReason(IN_COMMENT)) };
    };
    let quoted = reason.strip_prefix('"').and_then(|reason| reason.split_once('"'));
    let Some((reason, after)) = quoted else { return Err(Malformed::NoReason(IN_COMMENT)) };
    if !after.trim().is_empty() {
        return Err(Malformed::Trailing(IN_COMMENT));
    }
    directive(rules, reason, IN_COMMENT)
}

fn directive(rules: &str, reason: &str, form: &'static str) -> Read {
    let rules = rules.trim().trim_end_matches(',');
    if rules.trim().is_empty() {
        return Err(Malformed::NoRule(form));
    }
    let rules: Vec<String> = rules.split(',').map(|rule| rule.trim().to_owned()).collect();
    let is_name = |rule: &str| !rule.is_empty() && rule.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if let Some(other) = rules.iter().find(|rule| !is_name(rule)) {
        return Err(Malformed::NotARule(other.chars().take(60).collect(), form));
    }
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    match reason.chars().count() {
        0 => Err(Malformed::NoReason(form)),
        1..=LONGEST_REASON => Ok(Directive { rules, reason }),
        _ => Err(Malformed::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::script;

    fn allow(rules: &[&str], reason: &str) -> Read {
        Ok(Directive { rules: rules.iter().map(|rule| (*rule).to_owned()).collect(), reason: reason.to_owned() })
    }

    fn script_of(sql: &str) -> Script {
        script(sql, 1 << 20).unwrap()
    }

    fn read(sql: &str) -> Vec<Vec<Read>> {
        of_script(&script_of(sql))
    }

    #[test]
    fn a_comment_is_about_the_statement_that_it_stands_at() {
        let a = || vec![allow(&["drop-table"], "old")];
        for (sql, expected) in [
            ("-- pgairlock:allow drop-table reason=\"old\"\nDROP TABLE a", vec![a()]),
            ("--pgairlock:allow drop-table reason=\"old\"\r\nDROP TABLE a", vec![a()]),
            ("/* pgairlock:allow drop-table reason=\"old\" */ DROP TABLE a", vec![a()]),
            ("DROP /* pgairlock:allow drop-table reason=\"old\" */ TABLE a", vec![a()]),
            ("DROP TABLE a -- pgairlock:allow drop-table reason=\"old\"", vec![a()]),
            ("DROP TABLE a -- pgairlock:allow drop-table reason=\"old\"\n; DROP TABLE b", vec![a(), vec![]]),
            ("DROP TABLE a;\n-- pgairlock:allow drop-table reason=\"old\"\nDROP TABLE b;", vec![vec![], a()]),
            ("DROP TABLE a; /* pgairlock:allow drop-table reason=\"old\" */ DROP TABLE b;", vec![vec![], a()]),
            ("-- pgairlock:allow drop-table reason=\"old\"\n-- and why\n\nDROP TABLE a; DROP TABLE b", vec![a(), vec![]]),
        ] {
            assert_eq!(read(sql), expected, "{sql}");
        }
    }

    #[test]
    fn behind_a_statement_it_is_about_none() {
        let behind = || vec![Err(Malformed::Behind)];
        assert_eq!(read("DROP TABLE a; -- pgairlock:allow drop-table reason=\"x\"\nDROP TABLE b"), [behind(), behind()]);
        assert_eq!(read("DROP TABLE a; -- pgairlock:allow drop-table reason=\"x\""), [behind()]);
        assert_eq!(read("DROP TABLE a;\n-- pgairlock:allow drop-table reason=\"x\"\n"), [behind()]);
    }

    #[test]
    fn what_only_looks_like_a_comment_is_none() {
        let directive = "pgairlock:allow drop-table reason=\"x\"";
        for sql in [
            format!("COMMENT ON TABLE a IS '-- {directive}\n'"),
            format!("COMMENT ON TABLE a IS E'\\'\n-- {directive}\n'"),
            format!("COMMENT ON TABLE a IS $$\n-- {directive}\n$$"),
            format!("COMMENT ON TABLE a IS $d$/* {directive} */$d$"),
            format!("SELECT 1 AS \"/* {} */\"", directive.replace('"', "'")),
            format!("-- see {directive}\nDROP TABLE a"),
            "-- pgairlock\nDROP TABLE a".to_owned(),
        ] {
            assert_eq!(read(&sql), [vec![]], "{sql}");
        }
    }

    #[test]
    fn a_comment_of_several_lines_may_hold_several() {
        let sql = "/*\n * Why: the design is old.\n *\n * pgairlock:allow drop-table,\n *   drop-column reason=\"of  the\n *   old design\"\n * pgairlock:allow truncate reason=\"empty\"\n */ SELECT 1";
        assert_eq!(read(sql), [vec![allow(&["drop-table", "drop-column"], "of the old design"), allow(&["truncate"], "empty")]]);
    }

    #[test]
    fn what_is_malformed_says_what_is_wrong() {
        for (words, wrong) in [
            ("alow drop-table reason=\"x\"", "no directive \"pgairlock:alow\""),
            ("allow", "names no rule"),
            ("allow reason=\"x\"", "names no rule"),
            ("allow drop-table", "gives no reason"),
            ("allow drop-table reason=", "gives no reason"),
            ("allow drop-table reason=\"\"", "gives no reason"),
            ("allow drop-table reason=\"  \"", "gives no reason"),
            ("allow drop-table reason='x'", "gives no reason"),
            ("allow drop-table reason=\"x", "gives no reason"),
            ("allow drop-table drop-column reason=\"x\"", "\"drop-table drop-column\" is no rule"),
            ("allow *, drop-column reason=\"x\"", "\"*\" is no rule"),
            ("allow drop-table reason=\"x\" drop-column", "follows its reason"),
        ] {
            let read = of_words(words);
            assert!(read.as_ref().is_err_and(|error| error.to_string().contains(wrong)), "{words}: {read:?}");
        }
        let long = format!("allow drop-table reason=\"{}\"", "x".repeat(501));
        assert_eq!(of_words(&long), Err(Malformed::TooLong));
    }

    #[test]
    fn a_setting_says_the_same() {
        assert_eq!(
            of_setting(" drop-table, drop-column: agreed: see the plan "),
            Some(allow(&["drop-table", "drop-column"], "agreed: see the plan"))
        );
        assert_eq!(of_setting("  "), None);
        for (value, wrong) in
            [("drop-table", "gives no reason"), ("drop-table: ", "gives no reason"), (": x", "names no rule"), ("a b: x", "is no rule")]
        {
            let read = of_setting(value).unwrap();
            assert!(read.as_ref().is_err_and(|error| error.to_string().contains(wrong)), "{value}: {read:?}");
        }
    }

    #[test]
    fn a_statement_by_itself_keeps_its_directive() {
        let sql = "SELECT 1;\n-- a comment\n-- pgairlock:allow drop-table reason=\"x\"\nDROP TABLE a; DROP TABLE b";
        let script = script_of(sql);
        assert_eq!(&sql[span_with_directives(&script, 1)], "-- pgairlock:allow drop-table reason=\"x\"\nDROP TABLE a");
        assert_eq!(&sql[span_with_directives(&script, 2)], "DROP TABLE b");
        let sql = "DROP TABLE a -- pgairlock:allow drop-table reason=\"x\"\n; DROP TABLE b; -- pgairlock:allow drop-table reason=\"x\"\nDROP TABLE c";
        let script = script_of(sql);
        assert_eq!(&sql[span_with_directives(&script, 0)], "DROP TABLE a -- pgairlock:allow drop-table reason=\"x\"");
        assert_eq!(&sql[span_with_directives(&script, 1)], "DROP TABLE b");
        assert_eq!(&sql[span_with_directives(&script, 2)], "DROP TABLE c");
    }
}
