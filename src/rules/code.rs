//! Reads code that is not parsed (bodies of DO and of functions) for words that could change the schema.
//!
//! Constants do not count, whatever their quotes: only a command or a function makes their words act, and that is a word itself.

use crate::catalog::words as catalog;
use crate::sql::functions::{self, Special};
use crate::sql::parse::code::{self, BEGINNINGS, Word};
use crate::sql::statement::FunctionCall;

/// Commands that change the schema, take strong locks, or run text as SQL.
const COMMANDS: &[&str] = &[
    "alter", "call", "cluster", "copy", "create", "do", "drop", "execute", "grant", "import", "load", "lock", "reassign", "refresh", "reindex",
    "rename", "revoke", "truncate", "vacuum",
];

/// Settings that guard the session, and the view whose UPDATE is a SET.
const SETTINGS: &[&str] =
    &["client_encoding", "event_triggers", "lock_timeout", "pg_settings", "session_replication_role", "standard_conforming_strings"];

/// Why `code` may do more than read and write rows, as the end of "runs code that …".
#[must_use]
pub(super) fn doubt(code: &str) -> Option<String> {
    let Some(words) = code::words(code) else { return Some("could not be read".to_owned()) };
    let places = words.iter().enumerate();
    places.filter(|(at, word)| acts(word, words.get(at + 1)) || changes_catalog(&words, *at)).map(|(_, word)| says(&word.name)).next()
}

/// What leaves no lock in its transaction, or ends that.
const ESCAPES: &[&str] = &["commit", "copy", "cron", "import", "load", "prepare", "program", "rollback", "subscription", "system"];

/// Besides what locks tell of, it may do something else, be it by text that it runs: so constants count, too.
#[must_use]
pub(super) fn escapes(code: &str) -> bool {
    let words = catalog::words(code);
    let is = |names: &[&str], word: &String| names.binary_search(&word.as_str()).is_ok();
    let special = |word: &String| {
        let found = functions::special(&FunctionCall { schema: None, name: word.clone() });
        found.is_some_and(|special| special != Special::AdvisoryLock)
    };
    code::words(code).is_none_or(|read| (0..read.len()).any(|at| changes_catalog(&read, at)))
        || words.iter().any(|word| is(SETTINGS, word) || is(ESCAPES, word) || special(word))
}

/// A SET, RESET or DISCARD stands in it.
#[must_use]
pub(super) fn sets(code: &str) -> bool {
    let Some(words) = code::words(code) else { return true };
    let begins = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        words.get(at).is_some_and(|word| word.apart) || before.is_some_and(|word| BEGINNINGS.contains(&word.name.as_str()))
    };
    words.iter().enumerate().any(|(at, word)| !word.quoted && ["set", "reset", "discard"].contains(&word.name.as_str()) && begins(at))
}

fn says(word: &str) -> String {
    format!("says {}", word.to_uppercase())
}

fn acts(word: &Word, next: Option<&Word>) -> bool {
    is_command(word, next) || SETTINGS.binary_search(&word.name.as_str()).is_ok() || is_special(word)
}

fn is_command(word: &Word, next: Option<&Word>) -> bool {
    // ON CONFLICT DO NOTHING, WHEN MATCHED THEN DO NOTHING.
    let harmless_do = || word.name == "do" && next.is_some_and(|next| !next.apart && ["nothing", "update"].contains(&next.name.as_str()));
    !word.quoted && COMMANDS.binary_search(&word.name.as_str()).is_ok() && !harmless_do()
}

fn is_special(word: &Word) -> bool {
    let call = |schema: Option<String>| FunctionCall { schema, name: word.name.clone() };
    let harms = |call: FunctionCall| functions::special(&call).is_some_and(|special| special != Special::AdvisoryLock);
    // What stands before the period may be a row as well as a schema.
    harms(call(None)) || harms(call(word.schema.clone()))
}

/// INSERT INTO, UPDATE or DELETE FROM a system catalog.
fn changes_catalog(words: &[Word], at: usize) -> bool {
    let in_catalog = |word: &&Word| word.name.starts_with("pg_") && word.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
    let Some(word) = words.get(at).filter(in_catalog).filter(|word| word.name != "pg_catalog") else { return false };
    let first = if word.schema.is_some() { at.saturating_sub(1) } else { at };
    let mut before = words.iter().take(first).rev().filter(|word| word.name != "only").map(|word| word.name.as_str());
    match before.next() {
        Some("into" | "update") => !word.apart || word.schema.is_some(),
        Some("from") => before.next() == Some("delete"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        assert!(COMMANDS.is_sorted() && SETTINGS.is_sorted() && ESCAPES.is_sorted());
    }

    #[test]
    fn commands_are_found_where_they_act() {
        for (code, found) in [
            ("BEGIN UPDATE t SET a = 1; END", None),
            ("BEGIN -- drop nothing\n RAISE NOTICE 'will create nothing'; END", None),
            ("BEGIN /* drop /* it */ not */ PERFORM 1; END", None),
            ("BEGIN ALTER TABLE t ADD c int; END", Some("ALTER")),
            ("BEGIN EXECUTE 'DROP TABLE t'; END", Some("EXECUTE")),
            ("BEGIN PERFORM E'it\\'s'; DROP TABLE t; --'", Some("DROP")),
            ("BEGIN PERFORM 'a''b'; Drop TABLE t; END", Some("DROP")),
            ("BEGIN PERFORM dblink_exec('DROP TABLE t'); END", Some("DBLINK_EXEC")),
            ("BEGIN PERFORM cron.schedule('DROP TABLE t'); END", Some("SCHEDULE")),
            ("BEGIN PERFORM set_config('x', 'y', false); END", Some("SET_CONFIG")),
            ("BEGIN PERFORM \"set_config\"('x', 'y', false); END", Some("SET_CONFIG")),
            ("BEGIN PERFORM pg_advisory_lock(1); END", None),
            ("BEGIN PERFORM 1 LIKE'\\'; DROP TABLE t; --'", Some("DROP")),
            ("BEGIN PERFORM \"it's\"; DROP TABLE t; --'", Some("DROP")),
            ("BEGIN PERFORM $q$it's$q$; DROP TABLE t; --'", Some("DROP")),
            ("BEGIN INSERT INTO help VALUES ($q$ALTER TABLE it's$q$); END", None),
            ("BEGIN UPDATE t SET \"lock\" = 1, \"copy\" = 2; END", None),
            ("BEGIN created_at := now(); dropped := 1; END", None),
            ("BEGIN INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING; INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2; END", None),
            ("BEGIN MERGE INTO t USING s ON true WHEN MATCHED THEN DO NOTHING; END", None),
            ("BEGIN SELECT n INTO pg_count FROM t; END", Some("PG_COUNT")),
            ("BEGIN UPDATE pg_class SET relname = 'x'; END", Some("PG_CLASS")),
            ("BEGIN DELETE FROM ONLY pg_catalog.pg_class; END", Some("PG_CLASS")),
            ("BEGIN DELETE FROM t WHERE oid = (SELECT oid FROM pg_class); PERFORM 1 FROM t FOR UPDATE; END", None),
            ("BEGIN DO NOTHING END", None),
        ] {
            let expected = found.map(|word| format!("says {word}"));
            assert_eq!(doubt(code), expected, "{code}");
        }
    }

    /// Each of these was read as harmless once.
    #[test]
    fn what_hides_a_command_from_a_careless_reader() {
        for (code, found) in [
            ("BEGIN DO 'BEGIN ALTER TABLE t ADD c int; END'; END", "says DO"),
            ("BEGIN -- x\r ALTER TABLE t ADD c int; END", "says ALTER"),
            ("BEGIN PERFORM E'a'\n'b\\''; ALTER TABLE t ADD c int; PERFORM 'x'; END", "says ALTER"),
            ("BEGIN PERFORM U&\"\\0064anger\"(); END", "could not be read"),
            ("BEGIN PERFORM U&\"\\0073et_config\"('lock_timeout', '0', false); END", "could not be read"),
            ("BEGIN PERFORM 'unclosed; DROP TABLE t", "could not be read"),
            ("BEGIN SET event_triggers = off; END", "says EVENT_TRIGGERS"),
            ("BEGIN REASSIGN OWNED BY a TO b; END", "says REASSIGN"),
        ] {
            assert_eq!(doubt(code).as_deref(), Some(found), "{code}");
        }
    }
}
