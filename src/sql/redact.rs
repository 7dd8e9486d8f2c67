//! Secrets out of a text that goes into a record, and all values out of one that is shown to others.

mod secrets;

use super::tokens::{self, Kind, Token};

/// What becomes of the values in a text that is recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Literals {
    /// They stay, but for secrets.
    #[default]
    Keep,
    /// All of them are masked, and comments left out.
    Redact,
}

/// A record keeps at most this much of a statement.
const LONGEST: usize = 64 * 1024;

/// What stands in the place of a secret.
const MASK: &str = "'***'";

/// The text with passwords, connection strings, the options of foreign servers, private keys and tokens masked, cut at 64 KiB; with [`Literals::Redact`]
/// without any value: `'***'` for a string, `?` for a number that is no part of a type.
///
/// What cannot be split into tokens with certainty loses everything between its first and its last quote.
#[must_use]
pub fn redact(text: &str, literals: Literals) -> String {
    let (head, cut) = shortened(text);
    let mut redacted = masked(head, literals).unwrap_or_else(|| uncertain(head, cut, literals));
    if cut {
        redacted.push('…');
    }
    secrets::masked(&redacted)
}

/// Words about a statement, in which its values may stand: without secrets, and with [`Literals::Redact`] without those values.
#[must_use]
pub fn redact_words(words: &str, statement: &str, literals: Literals) -> String {
    let words = secrets::masked(words);
    if literals == Literals::Keep {
        return words;
    }
    let Ok(tokens) = tokens::all(statement) else { return without_quoted(&words, false) };
    let mut values: Vec<&str> =
        tokens.iter().filter(|token| is_value(token, statement)).filter_map(|token| statement.get(token.span.clone())).collect();
    // A value may be part of a longer one.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.dedup();
    values.into_iter().fold(words, |words, value| without(&words, value))
}

fn is_value(token: &Token, text: &str) -> bool {
    match token.kind {
        Kind::Text => true,
        Kind::Other => text.get(token.span.clone()).is_some_and(is_number),
        _ => false,
    }
}

/// A string wherever it stands, with its quotes or without them; a number only by itself.
fn without(words: &str, value: &str) -> String {
    if is_number(value) {
        return words
            .split_inclusive(|letter: char| !letter.is_alphanumeric() && letter != '.' && letter != '_')
            .map(|word| unless(word, value))
            .collect();
    }
    let inner = value.trim_matches('\'');
    let words = words.replace(value, MASK);
    if inner.len() < 3 { words } else { words.replace(inner, "***") }
}

fn unless(word: &str, value: &str) -> String {
    let end = word.find(|letter: char| !letter.is_alphanumeric() && letter != '.' && letter != '_').unwrap_or(word.len());
    match word.split_at_checked(end) {
        Some((number, rest)) if number.trim_end_matches('.') == value => format!("?{}{rest}", &number[value.len()..]),
        _ => word.to_owned(),
    }
}

/// One line of at most `longest` characters: the text with `?` for every value and without comments, for eyes that may not see the data.
///
/// What cannot be split into tokens with certainty (a text that was cut in a string, say) ends before its first quote or comment.
#[must_use]
pub fn without_values(text: &str, longest: usize) -> String {
    let line = valueless(text).unwrap_or_else(|| {
        let head = text.get(..certain(text)).and_then(valueless).unwrap_or_default();
        format!("{} …", head.trim_end())
    });
    let line = line.trim();
    match line.char_indices().nth(longest) {
        Some(_) => line.chars().take(longest.saturating_sub(1)).chain(['…']).collect(),
        None => line.to_owned(),
    }
}

/// `None` when the tokens are not certain.
fn valueless(text: &str) -> Option<String> {
    if text.contains("\\'") {
        return None;
    }
    let mut line = String::with_capacity(text.len());
    for token in &tokens::all(text).ok()? {
        let letters = text.get(token.span.clone())?;
        match token.kind {
            Kind::Space | Kind::Comment if line.ends_with(' ') => {}
            Kind::Space | Kind::Comment => line.push(' '),
            Kind::Text => line.push('?'),
            Kind::Other if is_number(letters) => line.push('?'),
            _ => line.extend(letters.chars().map(|letter| if letter.is_control() { ' ' } else { letter })),
        }
    }
    Some(line)
}

fn is_number(letters: &str) -> bool {
    letters.trim_start_matches('.').starts_with(|letter: char| letter.is_ascii_digit())
}

/// Where the first quote or comment begins.
fn certain(text: &str) -> usize {
    ["'", "\"", "$", "\\", "--", "/*"].iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len())
}

fn shortened(text: &str) -> (&str, bool) {
    let end = (0..=LONGEST.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    (text.get(..end).unwrap_or_default(), end < text.len())
}

/// `None` when the tokens are not certain: whether a backslash hides a quote depends on what our tokenizer does not know.
fn masked(text: &str, literals: Literals) -> Option<String> {
    if text.contains("\\'") {
        return None;
    }
    let tokens = tokens::all(text).ok()?;
    let mut context = Context::default();
    let mut redacted = String::with_capacity(text.len());
    for token in &tokens {
        let letters = text.get(token.span.clone())?;
        match token.kind {
            Kind::Text if context.secret() => redacted.push_str(MASK),
            Kind::Text => redacted.push_str(&code(letters, literals)),
            // A comment may hold what is commented out, values too.
            Kind::Comment if literals == Literals::Redact => redacted.push(' '),
            Kind::Other if literals == Literals::Redact && is_number(letters) && !context.of_type() => redacted.push('?'),
            _ => redacted.push_str(letters),
        }
        context.pass(token);
    }
    Some(redacted)
}

/// The body of a function or DO block is code of its own.
fn code(literal: &str, literals: Literals) -> String {
    let delimiter = literal.strip_prefix('$').and_then(|rest| literal.get(..rest.find('$')? + 2));
    let body = delimiter.and_then(|delimiter| literal.strip_prefix(delimiter)?.strip_suffix(delimiter));
    match (delimiter, body) {
        (Some(delimiter), Some(body)) => {
            format!("{delimiter}{}{delimiter}", masked(body, literals).unwrap_or_else(|| uncertain(body, false, literals)))
        }
        _ if literals == Literals::Redact || mentions_secret(literal) => MASK.to_owned(),
        _ => literal.to_owned(),
    }
}

fn mentions_secret(literal: &str) -> bool {
    let lower = literal.to_ascii_lowercase();
    ["password", "passphrase", "secret", "dblink", "user="].iter().any(|word| lower.contains(word))
}

/// Where words cannot be told from values with certainty.
fn uncertain(text: &str, cut: bool, literals: Literals) -> String {
    let text = without_quoted(text, cut);
    match literals {
        Literals::Keep => text,
        Literals::Redact => text.chars().map(|letter| if letter.is_ascii_digit() { '?' } else { letter }).collect(),
    }
}

/// Everything from the first quote to the last one masked.
fn without_quoted(text: &str, cut: bool) -> String {
    let quote = |c| matches!(c, '\'' | '$');
    let (Some(first), Some(last)) = (text.find(quote), text.rfind(quote)) else { return text.to_owned() };
    let tail = if cut || first == last { "" } else { text.get(last + 1..).unwrap_or_default() };
    format!("{}{MASK}{tail}", text.get(..first).unwrap_or_default())
}

/// Whether a string that comes now is a secret.
#[derive(Default)]
struct Context {
    /// Behind PASSWORD, CONNECTION or a telling name, with at most `=` or TO between.
    armed: bool,
    /// Inside the parentheses of OPTIONS or of a function that connects, opened at this depth.
    inside: Option<usize>,
    /// The next parenthesis opens such a place.
    opening: bool,
    /// Behind the name of a type that has modifiers.
    behind_type: bool,
    /// Inside the parentheses of its modifiers, opened at this depth.
    modifiers: Option<usize>,
}

/// Types whose numbers are part of them.
const TYPES: &[&str] = &[
    "VARCHAR",
    "CHAR",
    "CHARACTER",
    "VARYING",
    "NUMERIC",
    "DECIMAL",
    "DEC",
    "BIT",
    "FLOAT",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "TIMETZ",
    "INTERVAL",
    "VECTOR",
];

impl Context {
    fn secret(&self) -> bool {
        self.armed || self.inside.is_some()
    }

    fn of_type(&self) -> bool {
        self.modifiers.is_some()
    }

    fn pass(&mut self, token: &Token) {
        self.pass_type(token);
        match &token.kind {
            Kind::Space | Kind::Comment => {}
            Kind::Word(word) => {
                self.armed = names_secret(word) || (self.armed && word == "TO");
                self.opening = word == "OPTIONS" || word.starts_with("DBLINK") || word.starts_with("POSTGRES_FDW");
            }
            Kind::Open => {
                if self.opening && self.inside.is_none() {
                    self.inside = Some(token.depth);
                }
                (self.armed, self.opening) = (false, false);
            }
            Kind::Close => {
                self.inside = self.inside.filter(|&depth| depth < token.depth);
                self.armed = false;
            }
            Kind::Other => self.opening = false,
            Kind::Text | Kind::Quoted | Kind::Comma | Kind::Period | Kind::Star => (self.armed, self.opening) = (false, false),
        }
    }
}

impl Context {
    fn pass_type(&mut self, token: &Token) {
        match &token.kind {
            Kind::Space | Kind::Comment => {}
            Kind::Word(word) => self.behind_type = TYPES.contains(&word.as_str()),
            Kind::Open if self.behind_type => (self.behind_type, self.modifiers) = (false, Some(token.depth)),
            Kind::Close => self.modifiers = self.modifiers.filter(|&depth| depth < token.depth),
            _ => self.behind_type = false,
        }
    }
}

fn names_secret(word: &str) -> bool {
    word == "CONNECTION" || ["PASSWORD", "PASSPHRASE", "SECRET", "CONNINFO"].iter().any(|part| word.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> String {
        redact(text, Literals::Keep)
    }

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        for (text, expected) in [
            ("CREATE ROLE r LOGIN PASSWORD 'hunter2' VALID UNTIL '2030-01-01'", "CREATE ROLE r LOGIN PASSWORD '***' VALID UNTIL '2030-01-01'"),
            ("alter user u with encrypted password /* new */ 'hunter2'", "alter user u with encrypted password /* new */ '***'"),
            (
                "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'bob', password 'x')",
                "CREATE USER MAPPING FOR u SERVER s OPTIONS (user '***', password '***')",
            ),
            ("ALTER SERVER s OPTIONS (SET host 'h'); SELECT 'kept'", "ALTER SERVER s OPTIONS (SET host '***'); SELECT 'kept'"),
            ("CREATE SUBSCRIPTION s CONNECTION 'password=x' PUBLICATION p", "CREATE SUBSCRIPTION s CONNECTION '***' PUBLICATION p"),
            (
                "SELECT * FROM dblink('password=x', 'SELECT (1)') AS t (a int) WHERE b = 'kept'",
                "SELECT * FROM dblink('***', '***') AS t (a int) WHERE b = 'kept'",
            ),
            ("ALTER SYSTEM SET primary_conninfo = 'password=x'", "ALTER SYSTEM SET primary_conninfo = '***'"),
            ("ALTER TABLE t ADD c text DEFAULT 'ü'", "ALTER TABLE t ADD c text DEFAULT 'ü'"),
        ] {
            assert_eq!(redact(text, Literals::Keep), expected);
        }
    }

    #[test]
    fn the_body_of_a_block_is_read_as_code() {
        let text = "DO $x$ BEGIN CREATE ROLE r PASSWORD 'hunter2'; PERFORM 'kept'; END $x$";
        assert_eq!(redact(text, Literals::Keep), "DO $x$ BEGIN CREATE ROLE r PASSWORD '***'; PERFORM 'kept'; END $x$");
        assert_eq!(kept("DO 'CREATE ROLE r PASSWORD ''hunter2'''"), "DO '***'");
    }

    #[test]
    fn what_is_not_understood_keeps_no_string() {
        assert_eq!(kept("CREATE ROLE r PASSWORD 'hunter2"), "CREATE ROLE r PASSWORD '***'");
        assert_eq!(kept("SELECT E'a\\'', 'hunter2' AS b"), "SELECT E'***' AS b");
    }

    #[test]
    fn values_are_left_out_of_what_others_see() {
        for (text, expected) in [
            ("UPDATE t\n  SET a = 'x''y', b = -12.5e3 /* why */ WHERE id = 7", "UPDATE t SET a = ?, b = -? WHERE id = ?"),
            ("SELECT $$ body $$, E'a', U&'b', x'1f', 0x1F, .5, 1_000, $1, c2 FROM \"T 1\"", "SELECT ?, ?, ?, ?, ?, ?, ?, $1, c2 FROM \"T 1\""),
            ("INSERT INTO t VALUES (1, 'cut he", "INSERT INTO t VALUES (?, …"),
            ("SELECT E'a\\'b', 'secret'", "SELECT E …"),
            ("SELECT 5 -- it's mine", "SELECT ?"),
            ("SELECT 5 /* cut", "SELECT ? …"),
            ("'secret", "…"),
            ("", ""),
        ] {
            assert_eq!(without_values(text, 60), expected, "{text}");
        }
        assert_eq!(without_values("SELECT übel, b", 9), "SELECT ü…");
        assert_eq!(without_values("SELECT ü", 8), "SELECT ü");
    }

    #[test]
    fn a_long_text_is_cut() {
        let redacted = kept(&format!("SELECT 1 {}", "ü".repeat(LONGEST)));
        assert!(redacted.ends_with('…') && redacted.len() <= LONGEST + '…'.len_utf8());
        let in_string = kept(&format!("CREATE ROLE r PASSWORD '{}'", "x".repeat(LONGEST)));
        assert_eq!(in_string, "CREATE ROLE r PASSWORD '***'…");
    }

    #[test]
    fn secrets_are_known_by_their_looks_in_comments_too() {
        let text = "INSERT INTO t VALUES ('postgres://bob:hunter2@db/x') -- AKIAIOSFODNN7EXAMPLE";
        assert_eq!(kept(text), "INSERT INTO t VALUES ('postgres://bob:***@db/x') -- ***");
    }

    #[test]
    fn no_value_is_left_where_none_is_wanted() {
        for (text, expected) in [
            ("UPDATE t SET a = 'x''y', b = -12.5e3 /* why */ WHERE id = 7", "UPDATE t SET a = '***', b = -?   WHERE id = ?"),
            (
                "ALTER TABLE t ADD c numeric(10, 2) DEFAULT 5, ADD d varchar (20) CHECK (f(3) > c2)",
                "ALTER TABLE t ADD c numeric(10, 2) DEFAULT ?, ADD d varchar (20) CHECK (f(?) > c2)",
            ),
            ("DO $x$ BEGIN PERFORM f('a', 1); END $x$ -- 5\n", "DO $x$ BEGIN PERFORM f('***', ?); END $x$  \n"),
            ("SELECT $1, E'a\\'', 'b', 7", "SELECT '***', ?"),
        ] {
            assert_eq!(redact(text, Literals::Redact), expected);
        }
    }

    #[test]
    fn words_about_a_statement_do_not_tell_its_values() {
        let (words, sql) = ("the value 'bob smith' of 12 rows (bob smith) and 120 more, at 12.", "UPDATE t SET a = 'bob smith' WHERE b = 12");
        assert_eq!(redact_words(words, sql, Literals::Redact), "the value '***' of ? rows (***) and 120 more, at ?.");
        assert_eq!(redact_words(words, sql, Literals::Keep), words);
    }
}
