//! A file of migrations as its tool would send it: which parts of it, in which order, in what transaction.
//!
//! The conventions are those of the tools' own documentation: golang-migrate (`1_x.up.sql`), Flyway (`V1__x.sql`, `U1__x.sql`, `R__x.sql`), dbmate
//! (`-- migrate:up transaction:false`), goose (`-- +goose Up`), sql-migrate (`-- +migrate Up notransaction`), tern (`---- create above / drop below
//! ----`), sqlx (`-- no-transaction`), Prisma (`…/migration.sql`), Liquibase's formatted SQL. Everything else is a script as psql would run it, whose BEGIN and
//! COMMIT are followed: so are the output of `alembic upgrade --sql` and of Django's `sqlmigrate`.

use std::ops::Range;

/// A part of a file that is sent by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Bytes of the file's text.
    pub span: Range<usize>,
    /// What it does to the schema.
    pub direction: Direction,
    /// What stands around it.
    pub around: Around,
}

/// Which way a part goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Forward.
    Up,
    /// Back.
    Down,
}

/// How the statements of a part are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    /// One by one, outside of any transaction but those that they begin.
    Nothing,
    /// In a transaction of the tool's.
    Transaction,
    /// All of them as one string, which PostgreSQL runs in one transaction if there are several.
    String,
}

/// The parts of a file of this name.
#[must_use]
pub fn parts(path: &str, text: &str) -> Vec<Part> {
    let marks = marks(text);
    if marks.is_empty() {
        let (direction, around) = by_name(path, text);
        return vec![Part { span: 0..text.len(), direction, around }];
    }
    let ends = marks.iter().skip(1).map(|mark| mark.at).chain([text.len()]);
    let parts =
        marks.iter().zip(ends).filter_map(|(mark, end)| mark.opens.map(|direction| Part { span: mark.at..end, direction, around: mark.around }));
    let parts: Vec<Part> = parts.collect();
    let no_transaction = text.lines().any(|line| is_comment(line, &["+goose", "NO", "TRANSACTION"]) || line.trim().contains("tern: disable-tx"));
    let around = |part: Part| if no_transaction { Part { around: Around::Nothing, ..part } } else { part };
    parts.into_iter().map(around).collect()
}

/// A line that says what follows.
struct Mark {
    at: usize,
    /// None: what follows is not sent.
    opens: Option<Direction>,
    around: Around,
}

fn marks(text: &str) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some((opens, around)) = mark(line) {
            // What tern has above its line goes forward.
            if marks.is_empty() && opens == Some(Direction::Down) && line.contains("create above") {
                marks.push(Mark { at: 0, opens: Some(Direction::Up), around: Around::Transaction });
            }
            marks.push(Mark { at, opens, around });
        }
        at += line.len();
    }
    marks
}

fn mark(line: &str) -> Option<(Option<Direction>, Around)> {
    let line = line.trim();
    let rest = line.strip_prefix("--")?.trim_start();
    let lower = rest.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let without = |sign: &str| if words.contains(&sign) { Around::Nothing } else { Around::Transaction };
    match words.as_slice() {
        ["migrate:up", ..] => Some((Some(Direction::Up), without("transaction:false"))),
        ["migrate:down", ..] => Some((Some(Direction::Down), without("transaction:false"))),
        ["+goose", "up", ..] => Some((Some(Direction::Up), Around::Transaction)),
        ["+goose", "down", ..] => Some((Some(Direction::Down), Around::Transaction)),
        ["+migrate", "up", ..] => Some((Some(Direction::Up), without("notransaction"))),
        ["+migrate", "down", ..] => Some((Some(Direction::Down), without("notransaction"))),
        ["up", "migration", ..] => Some((Some(Direction::Up), Around::Transaction)),
        ["down", "migration", ..] => Some((Some(Direction::Down), Around::Transaction)),
        ["changeset", ..] if line.contains(':') => Some((Some(Direction::Up), without("runintransaction:false"))),
        _ if lower.trim_start_matches("-- ").starts_with("create above / drop below") => Some((Some(Direction::Down), Around::Transaction)),
        _ => None,
    }
}

fn is_comment(line: &str, words: &[&str]) -> bool {
    line.trim().strip_prefix("--").is_some_and(|rest| rest.split_whitespace().eq(words.iter().copied()))
}

fn by_name(path: &str, text: &str) -> (Direction, Around) {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let without = text.lines().any(|line| is_comment(line, &["no-transaction"]));
    let in_transaction = if without { Around::Nothing } else { Around::Transaction };
    if name.ends_with(".up.sql") {
        return (Direction::Up, if without { Around::Nothing } else { Around::String });
    }
    if name.ends_with(".down.sql") {
        return (Direction::Down, if without { Around::Nothing } else { Around::String });
    }
    match name.split_once("__") {
        Some((version, _)) if is_flyway(version) => (if version.starts_with('U') { Direction::Down } else { Direction::Up }, in_transaction),
        _ if name == "migration.sql" => (Direction::Up, Around::String),
        _ => (Direction::Up, Around::Nothing),
    }
}

/// `V1`, `V1.2`, `V2024_01`, `B7`, `U1`, `R`.
fn is_flyway(version: &str) -> bool {
    let number = |rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '_');
    version == "R" || ["V", "U", "B"].iter().any(|letter| version.strip_prefix(letter).is_some_and(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Around::{Nothing, String as AsString, Transaction};
    use Direction::{Down, Up};

    fn found(path: &str, text: &str) -> Vec<(Direction, Around, String)> {
        parts(path, text)
            .into_iter()
            .map(|part| (part.direction, part.around, text[part.span].lines().last().unwrap_or_default().to_owned()))
            .collect()
    }

    #[test]
    fn names_say_what_a_file_is() {
        for (path, direction, around) in [
            ("db/1_users.up.sql", Up, AsString),
            ("1_users.down.sql", Down, AsString),
            ("V1__users.sql", Up, Transaction),
            ("sql/V2024.01_2__users.sql", Up, Transaction),
            ("U1__users.sql", Down, Transaction),
            ("R__views.sql", Up, Transaction),
            ("Victory__users.sql", Up, Nothing),
            ("prisma/migrations/20240101000000_x/migration.sql", Up, AsString),
            ("schema.sql", Up, Nothing),
            ("-", Up, Nothing),
        ] {
            assert_eq!(found(path, "SELECT 1"), [(direction, around, "SELECT 1".to_owned())], "{path}");
        }
        assert_eq!(found("1_x.up.sql", "-- no-transaction\nSELECT 1"), [(Up, Nothing, "SELECT 1".to_owned())]);
    }

    #[test]
    fn marks_say_what_a_part_is() {
        for (text, around) in [
            ("-- migrate:up\nUP\n-- migrate:down\nDOWN", [Transaction, Transaction]),
            ("-- migrate:up transaction:false\nUP\n-- migrate:down\nDOWN", [Nothing, Transaction]),
            ("-- +goose Up\n-- +goose StatementBegin\nUP\n-- +goose Down\nDOWN", [Transaction, Transaction]),
            ("-- +goose NO TRANSACTION\n-- +goose Up\nUP\n-- +goose Down\nDOWN", [Nothing, Nothing]),
            ("-- +migrate Up notransaction\nUP\n-- +migrate Down\nDOWN", [Nothing, Transaction]),
            ("UP\n---- create above / drop below ----\nDOWN", [Transaction, Transaction]),
            ("-- Up Migration\nUP\n-- Down Migration\nDOWN", [Transaction, Transaction]),
        ] {
            assert_eq!(found("1_x.sql", text), [(Up, around[0], "UP".to_owned()), (Down, around[1], "DOWN".to_owned())], "{text}");
        }
        let changesets = "--liquibase formatted sql\n--changeset a:1\nONE\n--changeset a:2 runInTransaction:false\nTWO";
        assert_eq!(found("x.sql", changesets), [(Up, Transaction, "ONE".to_owned()), (Up, Nothing, "TWO".to_owned())]);
    }
}
