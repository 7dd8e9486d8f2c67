//! The letters of a statement: tokens and where they stand. The only importer of `sqlparser`, of which only the tokenizer is used.

use std::ops::Range;

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Token as Read, TokenWithSpan, Tokenizer, Whitespace};
use thiserror::Error;

/// The tokenizer does not understand the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the SQL cannot be split into tokens: {0}")]
pub struct TokenError(pub String);

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Where it stands in the text.
    pub span: Range<usize>,
    /// How many parentheses and brackets are open around it; those themselves count as outside.
    pub depth: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a token is, as far as editing needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or bare identifier, in upper case.
    Word(String),
    /// An identifier in double quotes.
    Quoted,
    /// A string constant in any notation.
    Text,
    /// `,`
    Comma,
    /// `(` or `[`
    Open,
    /// `)` or `]`
    Close,
    /// `.`
    Period,
    /// `*`
    Star,
    /// Anything else.
    Other,
    /// A comment; only [`all`] gives these.
    Comment,
    /// White space; only [`all`] gives this.
    Space,
}

impl Kind {
    /// Whether it is this bare word, given in upper case.
    #[must_use]
    pub fn is_keyword(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found == word)
    }

    fn is_blank(&self) -> bool {
        matches!(self, Self::Comment | Self::Space)
    }
}

/// The tokens of a part of `text` that are neither white space nor comments; spans are places in the whole text.
///
/// # Errors
/// When the part is no sequence of tokens.
pub fn significant(text: &str, part: &Range<usize>) -> Result<Vec<Token>, TokenError> {
    let slice = text.get(part.clone()).ok_or_else(|| TokenError("outside the text".to_owned()))?;
    let mut tokens = all(slice)?;
    tokens.retain(|token| !token.kind.is_blank());
    for token in &mut tokens {
        token.span = token.span.start + part.start..token.span.end + part.start;
    }
    Ok(tokens)
}

/// All tokens of `text`, white space and comments included: together they are the text.
///
/// # Errors
/// When the text is no sequence of tokens.
pub fn all(text: &str) -> Result<Vec<Token>, TokenError> {
    let read = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().map_err(|error| TokenError(error.to_string()))?;
    let starts = offsets(text, &read)?;
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let mut depth = 0_usize;
    let mut tokens = Vec::with_capacity(read.len());
    for ((found, start), end) in read.into_iter().zip(&starts).zip(ends) {
        let kind = kind(found.token);
        if kind == Kind::Close {
            depth = depth.saturating_sub(1);
        }
        tokens.push(Token { span: *start..end, depth, kind: kind.clone() });
        if kind == Kind::Open {
            depth += 1;
        }
    }
    Ok(tokens)
}

/// Lines and columns, which count characters, to bytes. Tokens leave no gap, so a token ends where the next one starts.
fn offsets(text: &str, tokens: &[TokenWithSpan]) -> Result<Vec<usize>, TokenError> {
    let mut cursor = Cursor { characters: text.char_indices(), end: text.len(), at: 0, location: Location { line: 1, column: 1 } };
    tokens.iter().map(|token| cursor.advance_to(token.span.start).ok_or_else(|| TokenError("a token without a place".to_owned()))).collect()
}

struct Cursor<'a> {
    characters: std::str::CharIndices<'a>,
    end: usize,
    at: usize,
    location: Location,
}

impl Cursor<'_> {
    fn advance_to(&mut self, wanted: Location) -> Option<usize> {
        while self.location < wanted {
            let (_, character) = self.characters.next()?;
            self.at = self.characters.clone().next().map_or(self.end, |(at, _)| at);
            self.location = match character {
                '\n' => Location { line: self.location.line + 1, column: 1 },
                _ => Location { line: self.location.line, column: self.location.column + 1 },
            };
        }
        (self.location == wanted).then_some(self.at)
    }
}

fn kind(token: Read) -> Kind {
    match token {
        Read::Word(word) if word.quote_style.is_none() => Kind::Word(word.value.to_uppercase()),
        Read::Word(_) => Kind::Quoted,
        Read::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => Kind::Comment,
        Read::Whitespace(_) => Kind::Space,
        Read::Comma => Kind::Comma,
        Read::LParen | Read::LBracket => Kind::Open,
        Read::RParen | Read::RBracket => Kind::Close,
        Read::Period => Kind::Period,
        Read::Mul => Kind::Star,
        Read::SingleQuotedString(_)
        | Read::EscapedStringLiteral(_)
        | Read::UnicodeStringLiteral(_)
        | Read::NationalStringLiteral(_)
        | Read::DollarQuotedString(_)
        | Read::SingleQuotedByteStringLiteral(_)
        | Read::HexStringLiteral(_) => Kind::Text,
        _ => Kind::Other,
    }
}
