//! Strings of several statements of which one cannot run as it stands: run statement by statement, in a transaction that a COMMIT ends.

use crate::catalog::facts::Facts;
use crate::catalog::path::Paths;
use crate::rules::rule::Certainty;
use crate::sql::statement::{Copy, Parsed, Script, Statement, TransactionControl};

use super::compose;
use super::decide::{Situation, is_gated, may_wait};
use super::judge::Found;

/// Every statement that cannot run as it stands has a safe form that its transaction can hold in part, and the string can be taken apart.
pub(super) fn helps(script: &Script, facts: &Facts, situation: &Situation<'_>, acting: &[&Found]) -> bool {
    let may_defer = situation.promises && situation.settings.defers;
    !situation.extended && !acting.is_empty() && can_be_split(script) && {
        let paths = Paths::of(script);
        let code = first_code(script, acting);
        script.statements.iter().enumerate().all(|(index, parsed)| {
            let of_it: Vec<&Found> = acting.iter().filter(|found| found.statement == index).copied().collect();
            let form = || compose::safe_form(&script.text, parsed, &of_it, facts.scope(paths.number_of(index)));
            of_it.iter().all(|found| is_gated(found))
                || index > code && of_it.iter().any(|found| is_doubted(found))
                || may_defer && form().is_some_and(|form| may_wait(&form, &of_it))
        })
    }
}

/// The first statement that runs code: what names mean behind it is in doubt within the string. Run by itself, each is asked about anew.
/// Not where the string ends a transaction by itself: what a later one is refused for could not be taken back any more.
fn first_code(script: &Script, acting: &[&Found]) -> usize {
    if script.statements.iter().any(|parsed| matches!(parsed.statement, Statement::Transaction(_))) {
        return usize::MAX;
    }
    let block = script.statements.iter().position(|parsed| matches!(parsed.statement, Statement::Opaque(_)));
    let unseen = acting.iter().filter(|found| is_gated(found)).map(|found| found.statement).min();
    block.into_iter().chain(unseen).min().unwrap_or(usize::MAX)
}

fn is_doubted(found: &Found) -> bool {
    found.finding.certainty == Certainty::Assumed
}

/// What the statements of the string do to transactions and to the protocol can be made up for.
#[must_use]
pub fn can_be_split(script: &Script) -> bool {
    script.statements.len() > 1 && script.statements.iter().enumerate().all(|(index, parsed)| stands_alone(script, index, parsed))
}

fn stands_alone(script: &Script, index: usize, parsed: &Parsed) -> bool {
    use TransactionControl as Control;
    match &parsed.statement {
        Statement::Copy(Copy::FromClient)
        | Statement::Transaction(Control::TwoPhase | Control::Commit { chain: true } | Control::Rollback { chain: true }) => false,
        // The transaction that it would set the mode of has begun by then.
        Statement::Transaction(Control::Begin) => index == 0 || is_plain_begin(script, parsed),
        _ => true,
    }
}

/// BEGIN without a word on the transaction that it begins.
#[must_use]
pub fn is_plain_begin(script: &Script, parsed: &Parsed) -> bool {
    let text = script.text.get(parsed.span.clone()).unwrap_or_default().to_ascii_uppercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    matches!(words.as_slice(), ["BEGIN"] | ["BEGIN", "WORK" | "TRANSACTION"] | ["START", "TRANSACTION"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::script;

    #[test]
    fn what_is_not_made_up_for_is_not_taken_apart() {
        for (sql, expected) in [
            ("SELECT 1; SELECT 2", true),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT", true),
            ("SELECT 1; begin work; SELECT 2; END; SELECT 3", true),
            ("SELECT 1; BEGIN READ ONLY; SELECT 2", false),
            ("SELECT 1", false),
            ("SELECT 1; COPY t FROM STDIN", false),
            ("SELECT 1; COPY t TO STDOUT", true),
            ("BEGIN; COMMIT AND CHAIN", false),
            ("BEGIN; PREPARE TRANSACTION 'x'", false),
            ("SAVEPOINT a; ROLLBACK TO a", true),
        ] {
            assert_eq!(can_be_split(&script(sql, 1 << 20).unwrap()), expected, "{sql}");
        }
    }
}
