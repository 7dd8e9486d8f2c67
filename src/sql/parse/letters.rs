//! Queries read by their letters: those nested deeper than their tree can be read (a UNION ALL of a hundred rows, a long chain of
//! `||`), and those too large for a tree (an INSERT of a megabyte).
//!
//! Their kind is asked of the parser, which needs no tree for that, and the functions they call are read from the letters:
//! every name before a parenthesis, so rather one too many. A command that is neither query nor view must be readable whole.

use pg_query::protobuf::{KeywordKind, ScanToken, Token};

use super::super::functions::{self, Special};
use super::super::statement::{FunctionCall, Parsed, Script, SetByCall, Statement};
use super::{LARGE, ParseError, comments, query, read, walk};

/// A script is read again once for each statement behind another; this bounds the product.
const WORK: usize = 64 << 20;

/// Reads a script of which some statement is too deep or too large.
pub(super) fn script(text: &str) -> Result<Script, ParseError> {
    let pieces = pg_query::split_with_parser(text).map_err(|_| ParseError::TooDeep)?;
    if pieces.len().saturating_mul(text.len()) > WORK {
        return Err(ParseError::TooDeep);
    }
    let mut statements = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let start = (piece.as_ptr() as usize).checked_sub(text.as_ptr() as usize).ok_or(ParseError::TooDeep)?;
        statements.extend(in_place(start, piece)?);
    }
    Ok(Script { text: text.into(), statements })
}

/// Blanks in place of what stands before a statement keep its spans right.
fn in_place(start: usize, piece: &str) -> Result<Vec<Parsed>, ParseError> {
    if piece.len() > LARGE
        && let Ok(parsed) = query_by_letters(start, piece)
    {
        return Ok(vec![parsed]);
    }
    match read(&format!("{}{piece}", " ".repeat(start))) {
        Err(ParseError::TooDeep) => query_by_letters(start, piece).map(|parsed| vec![parsed]),
        other => other,
    }
}

fn query_by_letters(start: usize, piece: &str) -> Result<Parsed, ParseError> {
    let kinds = pg_query::is_utility_stmt(piece).map_err(|_| ParseError::TooDeep)?;
    let tokens = pg_query::scan_tokens(piece).map_err(|_| ParseError::TooDeep)?;
    let tokens: Vec<_> = tokens.iter().filter(|token| !matches!(token.token(), Token::SqlComment | Token::CComment)).collect();
    let statement = match kinds.as_slice() {
        [false] if !makes_a_table(&tokens) => query::plain(),
        [true] if makes_a_view(&tokens) => Statement::Brief("CREATE VIEW"),
        _ => return Err(ParseError::TooDeep),
    };
    let span = comments::trim(piece).ok_or(ParseError::TooDeep)?;
    let functions = called(piece, &tokens)?;
    let sets = functions.iter().filter(|call| functions::special(call) == Some(Special::SetConfig));
    let sets = sets.map(|_| SetByCall { name: None, value: None, later: statement != query::plain() }).collect();
    let attributes = attributes(piece, &tokens)?;
    Ok(Parsed { functions, sets, attributes, ..Parsed::new(start + span.start..start + span.end, statement) })
}

/// CREATE VIEW, the one command that is as deep as its query.
fn makes_a_view(tokens: &[&ScanToken]) -> bool {
    let mut words = tokens.iter().map(|token| token.token());
    let between = [Token::Or, Token::Replace, Token::Temp, Token::Temporary, Token::Recursive];
    words.next() == Some(Token::Create) && words.find(|word| !between.contains(word)) == Some(Token::View)
}

/// SELECT … INTO; the other INTO follow INSERT and MERGE.
fn makes_a_table(tokens: &[&ScanToken]) -> bool {
    tokens
        .windows(2)
        .any(|pair| matches!(pair, [before, into] if into.token() == Token::Into && !matches!(before.token(), Token::Insert | Token::Merge)))
}

fn called(piece: &str, tokens: &[&ScanToken]) -> Result<Vec<FunctionCall>, ParseError> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        let [name, open] = pair else { continue };
        // An UPDATE of this view is a SET.
        if name.token() == Token::Ident && identifier(piece, name)? == "pg_settings" {
            walk::push_once(&mut found, FunctionCall { schema: Some("pg_catalog".to_owned()), name: "set_config".to_owned() });
        }
        if open.token() != Token::Ascii40 {
            continue;
        }
        let qualified = is_qualified(tokens, at);
        if !may_name_function(name, qualified) || is_target(tokens, at) {
            continue;
        }
        let schema = if qualified { tokens.get(at.saturating_sub(2)).map(|schema| identifier(piece, schema)).transpose()? } else { None };
        walk::push_once(&mut found, FunctionCall { schema, name: identifier(piece, name)? });
    }
    Ok(found)
}

fn attributes(piece: &str, tokens: &[&ScanToken]) -> Result<Vec<String>, ParseError> {
    let mut found = std::collections::BTreeSet::new();
    for pair in tokens.windows(2) {
        let [period, name] = pair else { continue };
        if period.token() == Token::Ascii46 && may_name_function(name, true) {
            found.insert(identifier(piece, name)?);
        }
    }
    Ok(found.into_iter().collect())
}

fn is_qualified(tokens: &[&ScanToken], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|token| token.token() == Token::Ascii46)
}

/// The table of INSERT INTO, before its columns.
fn is_target(tokens: &[&ScanToken], mut at: usize) -> bool {
    while is_qualified(tokens, at) {
        at = at.saturating_sub(2);
    }
    at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|token| token.token() == Token::Into)
}

/// Behind a period any word may stand; alone, the words of the grammar's own functions are harmless.
fn may_name_function(token: &ScanToken, qualified: bool) -> bool {
    match token.keyword_kind() {
        KeywordKind::NoKeyword => matches!(token.token(), Token::Ident | Token::Uident),
        KeywordKind::UnreservedKeyword | KeywordKind::TypeFuncNameKeyword => true,
        KeywordKind::ColNameKeyword | KeywordKind::ReservedKeyword => qualified,
    }
}

/// An identifier as the server reads it.
fn identifier(piece: &str, token: &ScanToken) -> Result<String, ParseError> {
    let place = usize::try_from(token.start).ok().zip(usize::try_from(token.end).ok());
    let letters = place.and_then(|(start, end)| piece.get(start..end)).ok_or(ParseError::TooDeep)?;
    let quoted = letters.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match (token.token(), quoted) {
        // Its escapes are not decoded here.
        (Token::Uident, _) => Err(ParseError::TooDeep),
        (_, Some(inner)) => Ok(inner.replace("\"\"", "\"")),
        (_, None) => Ok(letters.to_ascii_lowercase()),
    }
}
