//! The words of code that is not parsed.

use std::collections::BTreeSet;

use crate::sql::parse::code;

/// Every word of unparsed code, as written and folded: any of them may name a function. Constants count, too: they may be handed to something
/// that calls by name.
#[must_use]
pub fn words(text: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_' || character == '$' || !character.is_ascii();
    let plain = text.split(move |character| !is_part(character)).filter(|word| word.starts_with(|first: char| !first.is_ascii_digit()));
    let mut all: BTreeSet<String> = plain.clone().map(str::to_owned).collect();
    // The server folds ASCII alone, and where the encoding has one byte a character, the others too.
    all.extend(plain.clone().map(str::to_ascii_lowercase));
    all.extend(plain.map(str::to_lowercase));
    all.extend(code::words(text).unwrap_or_default().into_iter().map(|word| word.name));
    all.remove("");
    all
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_taken_as_written_folded_and_from_quotes() {
        let found = words(r#"PERFORM App.Refresh_all(1), "My Func"(x2), "a ""b"""(), ÄDNG(), 1, 'in_a_constant';"#);
        for word in ["App", "app", "Refresh_all", "refresh_all", "My Func", "x2", r#"a "b""#, "Ädng", "ädng", "ÄDNG", "in_a_constant"] {
            assert!(found.contains(word), "{word}");
        }
        assert!(!found.contains("1"));
    }
}
