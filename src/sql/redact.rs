//! Secrets out of a text that goes into a record, and all values out of one that is shown to others.

use super::tokens::{self, Kind, Token};

/// A record keeps at most this much of a statement.
const LONGEST: usize = 64 * 1024;

/// What stands in the place of a secret.
const MASK: &str = "'***'";

/// The text with passwords, connection strings and the options of foreign servers masked, cut at 64 KiB.
///
/// What cannot be split into tokens with certainty loses everything between its first and its last quote.
#[must_use]
pub fn redact(text: &str) -> String {
    let (head, cut) = shortened(text);
    let mut redacted = masked(head).unwrap_or_else(|| without_quoted(head, cut));
    if cut {
        redacted.push('…');
    }
    redacted
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
fn masked(text: &str) -> Option<String> {
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
            Kind::Text => redacted.push_str(&code(letters)),
            _ => redacted.push_str(letters),
        }
        context.pass(token);
    }
    Some(redacted)
}

/// The body of a function or DO block is code of its own.
fn code(literal: &str) -> String {
    let delimiter = literal.strip_prefix('$').and_then(|rest| literal.get(..rest.find('$')? + 2));
    let body = delimiter.and_then(|delimiter| literal.strip_prefix(delimiter)?.strip_suffix(delimiter));
    match (delimiter, body) {
        (Some(delimiter), Some(body)) => format!("{delimiter}{}{delimiter}", masked(body).unwrap_or_else(|| without_quoted(body, false))),
        _ if mentions_secret(literal) => MASK.to_owned(),
        _ => literal.to_owned(),
    }
}

fn mentions_secret(literal: &str) -> bool {
    let lower = literal.to_ascii_lowercase();
    ["password", "passphrase", "secret", "dblink", "user="].iter().any(|word| lower.contains(word))
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
}

impl Context {
    fn secret(&self) -> bool {
        self.armed || self.inside.is_some()
    }

    fn pass(&mut self, token: &Token) {
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

fn names_secret(word: &str) -> bool {
    word == "CONNECTION" || ["PASSWORD", "PASSPHRASE", "SECRET", "CONNINFO"].iter().any(|part| word.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn the_body_of_a_block_is_read_as_code() {
        let text = "DO $x$ BEGIN CREATE ROLE r PASSWORD 'hunter2'; PERFORM 'kept'; END $x$";
        assert_eq!(redact(text), "DO $x$ BEGIN CREATE ROLE r PASSWORD '***'; PERFORM 'kept'; END $x$");
        assert_eq!(redact("DO 'CREATE ROLE r PASSWORD ''hunter2'''"), "DO '***'");
    }

    #[test]
    fn what_is_not_understood_keeps_no_string() {
        assert_eq!(redact("CREATE ROLE r PASSWORD 'hunter2"), "CREATE ROLE r PASSWORD '***'");
        assert_eq!(redact("SELECT E'a\\'', 'hunter2' AS b"), "SELECT E'***' AS b");
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
        let redacted = redact(&format!("SELECT 1 {}", "ü".repeat(LONGEST)));
        assert!(redacted.ends_with('…') && redacted.len() <= LONGEST + '…'.len_utf8());
        let in_string = redact(&format!("CREATE ROLE r PASSWORD '{}'", "x".repeat(LONGEST)));
        assert_eq!(in_string, "CREATE ROLE r PASSWORD '***'…");
    }
}
