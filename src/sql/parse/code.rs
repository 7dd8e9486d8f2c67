//! The words of code that is not parsed (bodies of DO and of functions), as PostgreSQL's scanner reads them. PL/pgSQL uses the same scanner.

use pg_query::protobuf::{KeywordKind, ScanToken, Token};

use super::{COMMENT_DEPTH, comments};

/// A keyword or a name, outside of comments and constants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What stands before its period.
    pub schema: Option<String>,
    /// As the server reads it: folded, or without its quotes.
    pub name: String,
    /// It stands in double quotes, so it can only be a name.
    pub quoted: bool,
    /// Something other than a word stands directly before it: it begins a part of its own.
    pub apart: bool,
}

/// The words of `code`; `None` when it cannot be told where they begin and end, or what they say.
#[must_use]
pub fn words(code: &str) -> Option<Vec<Word>> {
    if comments::deeper_than(code, COMMENT_DEPTH) {
        return None;
    }
    // The crate cannot return an empty list.
    let code = &format!("{code}\n;");
    let tokens = std::panic::catch_unwind(|| pg_query::scan_tokens(code)).ok()?.ok()?;
    let tokens: Vec<_> = tokens.iter().filter(|token| !matches!(token.token(), Token::SqlComment | Token::CComment)).collect();
    let mut words: Vec<Word> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.token() == Token::Ident || token.keyword_kind() != KeywordKind::NoKeyword {
            let before = |distance: usize| at.checked_sub(distance).and_then(|place| tokens.get(place));
            let qualified = before(1).is_some_and(|token| token.token() == Token::Ascii46) && before(2).is_some_and(|token| is_word(token));
            let schema = qualified.then(|| words.last().map(|word| word.name.clone())).flatten();
            let apart = !qualified && !before(1).is_some_and(|token| is_word(token));
            let letters = letters(code, token)?;
            words.push(Word { schema, name: name(letters), quoted: letters.starts_with('"'), apart });
        } else if token.token() == Token::Uident {
            // Its escapes are not decoded here.
            return None;
        }
    }
    Some(words)
}

fn is_word(token: &ScanToken) -> bool {
    token.token() == Token::Ident || token.keyword_kind() != KeywordKind::NoKeyword
}

fn letters<'a>(code: &'a str, token: &ScanToken) -> Option<&'a str> {
    code.get(usize::try_from(token.start).ok()?..usize::try_from(token.end).ok()?)
}

/// An identifier as the server reads it: only ASCII letters are folded.
fn name(letters: &str) -> String {
    match letters.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => letters.to_ascii_lowercase(),
    }
}

/// Words behind which PL/pgSQL begins a statement, as it does behind a semicolon and a label.
pub const BEGINNINGS: &[&str] = &["begin", "then", "else", "loop"];

/// Where a statement stands in `code` that begins with one of `commands`, up to its semicolon; as far as it can be told.
pub(super) fn statements(code: &str, commands: &[&str]) -> Vec<std::ops::Range<usize>> {
    if comments::deeper_than(code, COMMENT_DEPTH) {
        return Vec::new();
    }
    let scanned = std::panic::catch_unwind(|| pg_query::scan_tokens(&format!("{code}\n;"))).ok().and_then(Result::ok).unwrap_or_default();
    let mut found = Vec::new();
    let (mut depth, mut begins, mut from) = (0_usize, true, None);
    for token in scanned.iter().filter(|token| !matches!(token.token(), Token::SqlComment | Token::CComment)) {
        let (Ok(start), Ok(end)) = (usize::try_from(token.start), usize::try_from(token.end)) else { return Vec::new() };
        let letters = code.get(start..end).unwrap_or_default();
        let word = if is_word(token) { letters.to_ascii_lowercase() } else { String::new() };
        match token.token() {
            Token::Ascii40 | Token::Ascii91 => depth += 1,
            Token::Ascii41 | Token::Ascii93 => depth = depth.saturating_sub(1),
            // Without a semicolon of its own it is no statement.
            Token::Ascii59 if depth == 0 && end <= code.len() => found.extend(from.take().map(|from| from..start)),
            _ if begins && depth == 0 && from.is_none() && commands.contains(&word.as_str()) => from = Some(start),
            _ => {}
        }
        begins = token.token() == Token::Ascii59 || letters == ">>" || BEGINNINGS.contains(&word.as_str());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::words;

    fn names(code: &str) -> Option<Vec<String>> {
        let full = |word: super::Word| word.schema.map_or_else(|| word.name.clone(), |schema| format!("{schema}/{}", word.name));
        words(code).map(|words| words.into_iter().map(full).collect())
    }

    #[test]
    fn words_end_where_the_server_says() {
        for (code, expected) in [
            ("a -- b\r c", &["a", "c"][..]),
            ("a -- b\n c /* d /* e */ f */ g", &["a", "c", "g"]),
            ("a E'b'\n'c\\''; d; e 'f'", &["a", "d", "e"]),
            ("a 'b' -- c\n 'd\\'; e", &["a", "e"]),
            ("a $b$c$b$ d$e$f", &["a", "d$e$f"]),
            (r#"App."My ""X""".b ÄB "Q""#, &["app", r#"app/My "X""#, r#"My "X"/b"#, "Äb", "Q"]),
            ("", &[]),
            (" -- nothing", &[]),
            ("x := y; <<z>> #option v", &["x", "y", "z", "option", "v"]),
        ] {
            assert_eq!(names(code).unwrap(), expected, "{code}");
        }
        for code in ["a 'b", "U&\"\\0061\"()", "a /* b", &format!("{}{}", "/*".repeat(200), "*/".repeat(200))] {
            assert_eq!(names(code), None, "{code}");
        }
    }
}
