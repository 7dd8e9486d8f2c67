//! Comments and white space: how deep, and where they end. Lexed as PostgreSQL does with `standard_conforming_strings` on.

use std::ops::Range;

/// Whether block comments are nested deeper than `limit` somewhere in `text`.
pub(super) fn deeper_than(text: &str, limit: usize) -> bool {
    let opened = text.as_bytes().windows(2).filter(|pair| pair == b"/*").count();
    opened > limit && {
        let mut lexer = Lexer::new(text);
        while lexer.next().is_some() {}
        lexer.deepest > limit
    }
}

/// The part of a statement from its first token to its last; `None` when there is none.
pub(super) fn trim(text: &str) -> Option<Range<usize>> {
    let mut lexer = Lexer::new(text);
    let first = lexer.next()?;
    // Only a comment hides the last token from a look at the end of the text.
    let commented = text.contains("--") || text.contains("/*");
    let end = if commented { lexer.last().map_or(first.end, |last| last.end) } else { text.trim_end().len() };
    Some(first.start..end)
}

/// A comment of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Where it stands, with the signs that make it one.
    pub span: Range<usize>,
    /// Where the last token before it ends; 0 where there is none.
    pub behind: usize,
}

/// Every comment between the tokens of `text`.
#[must_use]
pub fn all(text: &str) -> Vec<Comment> {
    let mut lexer = Lexer { keeps: true, ..Lexer::new(text) };
    while lexer.next().is_some() {}
    lexer.comments
}

/// Everything of `text` but its comments and the white space around them, in pieces: two texts that PostgreSQL reads alike letter by letter have the
/// same ones.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    Lexer::new(text).filter_map(|span| text.get(span))
}

/// Pieces of text that are neither comment nor white space: words, strings and signs, just fine enough to tell them apart.
struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    deepest: usize,
    /// Where the last token ended.
    token_end: usize,
    /// Comments are kept.
    keeps: bool,
    comments: Vec<Comment>,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0, deepest: 0, token_end: 0, keeps: false, comments: Vec::new() }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            match (byte, self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => {
                    self.at += 1;
                    continue;
                }
                (b'-', Some(b'-')) => self.skip_while(|byte| byte != b'\n' && byte != b'\r'),
                (b'/', Some(b'*')) => self.skip_comment(),
                _ => break,
            }
            if self.keeps {
                self.comments.push(Comment { span: start..self.at, behind: self.token_end });
            }
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn skip_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'/', Some(b'*')) => {
                    depth += 1;
                    self.deepest = self.deepest.max(depth);
                    self.at += 2;
                }
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Up to and with the closing quote.
    fn skip_quoted(&mut self, quote: u8, escapes: bool) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += if escapes && byte == b'\\' { 2 } else { 1 };
            if byte == quote {
                if self.peek(0) != Some(quote) {
                    break;
                }
                self.at += 1;
            }
        }
        self.at = self.at.min(self.bytes.len());
    }

    /// `E'a'`, a line break, `'\''` is one string: the second part still knows escapes.
    fn skip_escape_string(&mut self) {
        self.skip_quoted(b'\'', true);
        loop {
            let end = self.at;
            if !(self.skip_line_break() && self.peek(0) == Some(b'\'')) {
                self.at = end;
                return;
            }
            self.skip_quoted(b'\'', true);
        }
    }

    /// White space and line comments; whether a line ended there.
    fn skip_line_break(&mut self) -> bool {
        let start = self.at;
        loop {
            self.skip_while(|byte| byte.is_ascii_whitespace() || byte == 0x0b);
            if !(self.peek(0) == Some(b'-') && self.peek(1) == Some(b'-')) {
                let blank = self.bytes.get(start..self.at).unwrap_or_default();
                return blank.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
            }
            self.skip_while(|byte| byte != b'\n' && byte != b'\r');
        }
    }

    fn skip_dollar(&mut self) {
        let start = self.at;
        self.at += 1;
        if self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            return;
        }
        self.skip_while(|byte| is_word(byte) && byte != b'$');
        if self.peek(0) != Some(b'$') {
            return;
        }
        self.at += 1;
        let tag = self.bytes.get(start..self.at).unwrap_or_default();
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.windows(tag.len()).position(|window| window == tag);
        self.at += length.map_or(rest.len(), |length| length + tag.len());
    }
}

impl Iterator for Lexer<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        self.skip_blank();
        let start = self.at;
        match self.peek(0)? {
            b'\'' => self.skip_quoted(b'\'', false),
            b'"' => self.skip_quoted(b'"', false),
            b'e' | b'E' if self.peek(1) == Some(b'\'') => {
                self.at += 1;
                self.skip_escape_string();
            }
            b'$' => self.skip_dollar(),
            byte if is_word(byte) => self.skip_while(is_word),
            _ => self.at += 1,
        }
        self.token_end = self.at;
        Some(start..self.at)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trimmed(text: &str) -> Option<&str> {
        trim(text).map(|span| &text[span])
    }

    #[test]
    fn comments_around_a_statement_are_not_part_of_it() {
        assert_eq!(trimmed(" -- a\n/* b /* c */ */ SELECT 1 -- d\n /* e */ "), Some("SELECT 1"));
        assert_eq!(trimmed("SELECT 1 \n"), Some("SELECT 1"));
        assert_eq!(trimmed("/* only */ -- that"), None);
    }

    #[test]
    fn what_looks_like_a_comment_inside_a_string_is_none() {
        for text in
            ["SELECT '--'", "SELECT \"/*\"", "SELECT $a$ -- $a$", "SELECT E'\\'--'", "SELECT E'a'\n'\\'--'", "SELECT 'it''s --'", "SELECT $1--"]
        {
            let expected = text.strip_suffix("$1--").map_or(text, |_| "SELECT $1");
            assert_eq!(trimmed(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn comments_are_found_with_what_stands_before_them() {
        let text = "-- a\nSELECT 1; /* b */ SELECT '-- c', E'\\'/* d */', $$ -- e $$, \"/* f */\" -- g\r\n/* h /* i */";
        let found: Vec<(&str, &str)> = all(text).into_iter().map(|one| (&text[one.span], text[..one.behind].rsplit(' ').next().unwrap())).collect();
        let tail = "/* h /* i */";
        assert_eq!(found, [("-- a", ""), ("/* b */", "1;"), ("-- g", "*/\""), (tail, "*/\"")]);
    }

    #[test]
    fn depth_is_counted_outside_of_strings_only() {
        assert!(deeper_than(&"/*".repeat(101), 100));
        assert!(!deeper_than(&"/* */".repeat(500), 100));
        assert!(!deeper_than(&format!("SELECT '{}'", "/*".repeat(500)), 100));
    }
}
