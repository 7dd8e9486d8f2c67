//! Secrets that are known by their looks, wherever in a text they stand: private keys, tokens, passwords in URLs.

use std::ops::Range;

const MASK: &str = "***";

/// Beginnings of tokens that give access by themselves, and how many letters and digits follow at least.
const TOKENS: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("sk_live_", 16),
    ("rk_live_", 16),
];

const BEGIN: &str = "-----BEGIN ";

/// The text without them.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(secret) = first(rest) {
        out.push_str(rest.get(..secret.start).unwrap_or_default());
        out.push_str(MASK);
        rest = rest.get(secret.end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

fn first(text: &str) -> Option<Range<usize>> {
    [private_key(text), json_web_token(text), password_in_url(text), token(text)].into_iter().flatten().min_by_key(|range| range.start)
}

/// From BEGIN to END, or to the next quote where there is no end.
fn private_key(text: &str) -> Option<Range<usize>> {
    for (start, _) in text.match_indices(BEGIN) {
        let block = text.get(start..)?;
        let (label, _) = block.get(BEGIN.len()..)?.split_once("-----")?;
        if !label.ends_with("PRIVATE KEY") {
            continue;
        }
        let end = format!("-----END {label}-----");
        let length = block.find(&end).map(|at| at + end.len()).or_else(|| block.find('\'')).unwrap_or(block.len());
        return Some(start..start + length);
    }
    None
}

/// Three parts of base64 with periods between, of which the first is a JSON object.
fn json_web_token(text: &str) -> Option<Range<usize>> {
    let starts = text.match_indices("eyJ").map(|(at, _)| at).filter(|&at| begins_word(text, at));
    starts.into_iter().find_map(|start| {
        let token = run(text.get(start..)?, |letter| is_base64url(letter) || letter == '.');
        let parts: Vec<&str> = token.split('.').collect();
        let complete = parts.len() == 3 && parts.iter().take(2).all(|part| part.len() > 8);
        complete.then_some(start..start + token.len())
    })
}

/// What stands between the first `:` and the last `@` of `scheme://user:password@host`.
fn password_in_url(text: &str) -> Option<Range<usize>> {
    text.match_indices("://").find_map(|(at, separator)| {
        let begin = at + separator.len();
        let url = run(text.get(begin..)?, |letter| !letter.is_whitespace() && !matches!(letter, '\'' | '"' | '<' | '>' | '`'));
        let (colon, host) = (url.find(':')?, url.rfind('@')?);
        // What is masked already is not found again.
        let password = url.get(colon + 1..host)?;
        (!password.is_empty() && password != MASK).then_some(begin + colon + 1..begin + host)
    })
}

fn token(text: &str) -> Option<Range<usize>> {
    let found = TOKENS.iter().flat_map(|(prefix, least)| text.match_indices(prefix).map(move |(at, _)| (at, prefix.len(), *least)));
    let whole = found.filter_map(|(at, prefix, least)| {
        let token = run(text.get(at + prefix..)?, is_base64url);
        (begins_word(text, at) && token.len() >= least).then_some(at..at + prefix + token.len())
    });
    whole.min_by_key(|range| range.start)
}

fn begins_word(text: &str, at: usize) -> bool {
    !text.get(..at).unwrap_or_default().ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
}

fn is_base64url(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')
}

/// The beginning of a text in which every letter is one of these.
fn run(text: &str, is_one: impl Fn(char) -> bool) -> &str {
    text.split(|letter| !is_one(letter)).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_masked() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----";
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        for (text, expected) in [
            (format!("'{key}', 'kept'"), "'***', 'kept'"),
            ("'-----BEGIN PRIVATE KEY-----\nMIIB', 'kept'".into(), "'***', 'kept'"),
            ("-- AKIAIOSFODNN7EXAMPLE of the bucket".into(), "-- *** of the bucket"),
            ("('ghp_0123456789abcdefghij01', 'sk_live_0123456789abcdef')".into(), "('***', '***')"),
            (format!("'Bearer {jwt}'"), "'Bearer ***'"),
            ("/* postgres://bob:hunter2@db:5432/x?a=b */".into(), "/* postgres://bob:***@db:5432/x?a=b */"),
            ("'amqp://u:p@ss/w@h' 'http://v:w@h'".into(), "'amqp://u:***@h' 'http://v:***@h'"),
        ] {
            assert_eq!(masked(&text), expected);
            assert_eq!(masked(expected), expected, "once more");
        }
    }

    #[test]
    fn what_only_reminds_of_one_is_kept() {
        for text in [
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "'https://example.org:8080/path' 'postgres://bob@db/x'",
            "SELECT eyJ.a.b FROM t",
            "AKIA XAKIAIOSFODNN7EXAMPLE ghp_short",
            "://",
        ] {
            assert_eq!(masked(text), text);
        }
    }
}
