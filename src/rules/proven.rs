//! Whether CHECKs that somebody has added say what PostgreSQL would look for: as far as comparing one column with constants goes. Where it is not
//! seen here, it is proven once more, which costs a scan beside everybody.

use std::collections::BTreeSet;

use super::target::Target;

/// Every part of `expression` is a part of one of the valid CHECKs, or says that a column is not NULL which is marked so.
pub(super) fn by_checks(expression: &str, checks: &[String], table: &Target<'_>) -> bool {
    let said: BTreeSet<String> = checks.iter().flat_map(|check| parts(check)).filter_map(|part| comparison(&part)).collect();
    let wanted = parts(expression);
    !wanted.is_empty()
        && wanted.iter().all(|part| match part.strip_suffix(" IS NOT NULL") {
            Some(column) => is_not_null(table, column) || said.contains(&comparison(part).unwrap_or_default()),
            None => comparison(part).is_some_and(|part| said.contains(&part)),
        })
}

fn is_not_null(table: &Target<'_>, quoted: &str) -> bool {
    let column = quoted.trim_matches(['(', ')']);
    let name = column.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map_or_else(|| column.to_owned(), |name| name.replace("\"\"", "\""));
    table.facts.and_then(|facts| facts.column(&name)).is_some_and(|column| column.not_null)
}

/// What is joined by AND at the top, without the parentheses around it.
fn parts(expression: &str) -> Vec<String> {
    let text = without_parentheses(expression.trim());
    let (mut depth, mut quote, mut from) = (0_usize, None, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(c),
            ('(', None) => depth += 1,
            (')', None) => depth = depth.saturating_sub(1),
            (' ', None) if depth == 0 && text.get(at..).is_some_and(|rest| rest.starts_with(" AND ")) && at >= from => {
                parts.push(text.get(from..at).unwrap_or_default());
                from = at + " AND ".len();
            }
            _ => {}
        }
    }
    if parts.is_empty() {
        return vec![text.to_owned()];
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts.into_iter().flat_map(self::parts).collect()
}

/// `((a > 1))` is `a > 1`; `(a) > (1)` stays.
fn without_parentheses(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else { return text };
    let (mut depth, mut quote) = (0_i32, None);
    for c in inner.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(c),
            ('(', None) => depth += 1,
            (')', None) => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return text;
        }
    }
    without_parentheses(inner.trim())
}

/// `column operator constant` in one form; none for anything else.
fn comparison(part: &str) -> Option<String> {
    if part.ends_with(" IS NOT NULL") {
        return Some(part.to_owned());
    }
    let (column, operator, constant) = [" >= ", " <= ", " = ", " < ", " > "].iter().find_map(|operator| {
        let (column, constant) = part.split_once(operator)?;
        Some((column, operator.trim(), constant))
    })?;
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '"');
    let constant = constant_of(constant)?;
    is_name(column).then(|| format!("{column} {operator} {constant}"))
}

/// `'1'::bigint` and `1` are the same where they are compared with the same column: PostgreSQL compares whole numbers of any width.
fn constant_of(text: &str) -> Option<String> {
    const WHOLE: &[&str] = &["smallint", "integer", "bigint"];
    let text = without_parentheses(text);
    let (text, type_name) = text.rsplit_once("::").map_or((text, None), |(constant, name)| (constant, Some(name)));
    let text = without_parentheses(text);
    let is_whole = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '-');
    let quoted = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).filter(|inner| !inner.contains('\''));
    match (quoted, type_name) {
        (Some(inner), Some(name)) if WHOLE.contains(&name) => Some(inner.to_owned()),
        (Some(inner), Some(name)) => Some(format!("{inner}::{name}")),
        (None, None) if is_whole => Some(text.to_owned()),
        (None, Some(name)) if is_whole && WHOLE.contains(&name) => Some(text.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::target::Standing;
    use super::*;
    use crate::sql::name::RelationName;

    fn proves(expression: &str, checks: &[&str]) -> bool {
        let target = Target { name: RelationName::unqualified("t"), facts: None, standing: Standing::Unknown, deferred: &[] };
        by_checks(expression, &checks.iter().map(|check| (*check).to_owned()).collect::<Vec<_>>(), &target)
    }

    #[test]
    fn the_same_bounds_are_recognised_in_the_servers_words() {
        let wanted = "(id IS NOT NULL AND id >= '10'::bigint AND id < '20'::bigint)";
        assert!(proves(wanted, &["((id IS NOT NULL) AND (id >= 10) AND (id < 20))"]));
        assert!(proves(wanted, &["(id IS NOT NULL)", "((id >= '10'::bigint) AND (id < (20)::bigint))"]));
        assert!(proves("\"B\" = 'x y'::text", &["((\"B\" = 'x y'::text) AND (c > 1))"]));
    }

    #[test]
    fn what_is_not_said_is_not_proven() {
        let wanted = "(id IS NOT NULL AND id >= '10'::bigint AND id < '20'::bigint)";
        for checks in [
            vec!["((id >= 10) AND (id < 20))"],
            vec!["((id IS NOT NULL) AND (id >= 10))"],
            vec!["((id IS NOT NULL) AND (id >= 10) AND (id < 21))"],
            vec!["((id IS NOT NULL) AND ((id >= 10) OR (id < 20)))"],
            vec!["(NOT ((id IS NOT NULL) AND (id >= 10) AND (id < 20)))"],
            vec!["((id IS NOT NULL) AND (id >= 10) AND (lower(id) < 20))"],
            vec![],
        ] {
            assert!(!proves(wanted, &checks), "{checks:?}");
        }
        assert!(!proves("(d >= '2020-01-01'::date)", &["(d >= '2020-01-01'::timestamp without time zone)"]));
        assert!(!proves("a = ANY (ARRAY['1'::int])", &["(a = 1)"]));
    }
}
