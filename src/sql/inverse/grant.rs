//! GRANT and REVOKE, each as the other: an edit of the user's own text, of which no list of privileges is made anew.

use std::ops::Range;

use super::Inverse;
use crate::sql::parse;
use crate::sql::rewrite;
use crate::sql::statement::Statement;
use crate::sql::tokens::{self, Token};

const UNREADABLE: &str = "GRANT or REVOKE in a form that is not turned round here: do so by hand";

/// Also where it stands in ALTER DEFAULT PRIVILEGES.
pub(super) fn back(sql: &str) -> Inverse {
    turned(sql).filter(|(sql, _)| means_one(sql)).map_or_else(|| Inverse::unknown(UNREADABLE), |(sql, remark)| Inverse::remarked(sql, remark))
}

fn means_one(sql: &str) -> bool {
    parse::script(sql, sql.len()).is_ok_and(|script| matches!(&*script.statements, [one] if matches!(one.statement, Statement::Brief(_))))
}

fn turned(sql: &str) -> Option<(String, &'static str)> {
    let tokens = tokens::significant(sql, &(0..sql.len())).ok()?;
    let find = |word: &str| tokens.iter().find(|token| token.depth == 0 && token.kind.is_keyword(word));
    let first = tokens.iter().find(|token| token.kind.is_keyword("GRANT") || token.kind.is_keyword("REVOKE"))?;
    let replace = |token: &Token, word: &str| (token.span.clone(), word.to_owned());
    if first.kind.is_keyword("GRANT") {
        let edits =
            [Some(replace(first, "REVOKE")), find("TO").map(|to| replace(to, "FROM")), with_options(&tokens, sql).map(|cut| (cut, String::new()))];
        let text = rewrite::apply(sql, &edits.into_iter().flatten().collect::<Vec<_>>());
        return Some((on_one_line(&text)?, "what of it had been granted before goes with it"));
    }
    // What depended on the privilege went too, or only the right to hand it on did.
    if find("CASCADE").is_some()
        || find("FOR").is_some_and(|of| of.span.start < find("FROM").map_or(0, |from| from.span.start) && hands_on(&tokens, of))
    {
        return None;
    }
    let cut = find("RESTRICT").map(|word| (word.span.clone(), String::new()));
    let edits = [Some(replace(first, "GRANT")), find("FROM").map(|from| replace(from, "TO")), cut];
    let text = rewrite::apply(sql, &edits.into_iter().flatten().collect::<Vec<_>>());
    Some((on_one_line(&text)?, "it grants also what had not been granted before, and not the right to hand it on"))
}

/// `WITH GRANT OPTION`, `WITH ADMIN OPTION` and their like, up to GRANTED BY.
fn with_options(tokens: &[Token], sql: &str) -> Option<Range<usize>> {
    let with = tokens.iter().rfind(|token| token.depth == 0 && token.kind.is_keyword("WITH"))?;
    let granted = tokens.iter().find(|token| token.span.start > with.span.start && token.kind.is_keyword("GRANTED"));
    Some(with.span.start..granted.map_or(sql.len(), |granted| granted.span.start))
}

/// `… OPTION FOR`.
fn hands_on(tokens: &[Token], of: &Token) -> bool {
    let before = tokens.iter().rfind(|token| token.span.end <= of.span.start);
    before.is_some_and(|before| before.kind.is_keyword("OPTION"))
}

/// Without comments, of which the last would hide what follows.
pub(super) fn on_one_line(sql: &str) -> Option<String> {
    let tokens = tokens::significant(sql, &(0..sql.len())).ok()?;
    let mut line = String::with_capacity(sql.len());
    let mut end = 0;
    for token in &tokens {
        if token.span.start > end && !line.is_empty() {
            line.push(' ');
        }
        line.push_str(sql.get(token.span.clone())?);
        end = token.span.end;
    }
    Some(line)
}
