//! By which words a record is found.

use std::collections::BTreeSet;

/// So many bytes of a word are looked at: PostgreSQL takes no longer ones into an index.
const LONGEST: usize = 256;

/// The words of an SQL text in lower case, each once: names, keywords, numbers.
#[must_use]
pub fn of_text(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(cut).collect()
}

fn cut(word: &str) -> String {
    let mut end = word.len().min(LONGEST);
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    word.get(..end).unwrap_or_default().to_lowercase()
}

/// The mark of a rule.
#[must_use]
pub fn of_rule(rule: &str) -> String {
    format!("rule:{rule}")
}

/// The mark of a relation; by its last name alone too, it is found by [`of_text`].
#[must_use]
pub fn of_relation(relation: &str) -> String {
    format!("table:{relation}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_names_and_numbers() {
        let words: Vec<String> = of_text("ALTER TABLE public.\"Ünder_score\" ADD c int DEFAULT 7, ADD c2 int").into_iter().collect();
        assert_eq!(words, ["7", "add", "alter", "c", "c2", "default", "int", "public", "table", "ünder_score"]);
        assert!(of_text("-- '' ;").is_empty());
        assert_eq!(of_text(&"ü".repeat(200)).first().unwrap().len(), LONGEST);
    }
}
