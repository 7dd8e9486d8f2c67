//! Persons let a refused statement through: what is wanted, who said so, and what became of it. Each is an entry of the log.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::DecisionId;

/// So many digits of a fingerprint are shown: enough to find it among those that wait. What is compared is all of it.
const SHOWN: usize = 12;
/// So often one approval may be used at most.
pub const MOST_USES: i64 = 100;
/// No approval is good for longer.
pub const LONGEST: Duration = Duration::from_secs(90 * 24 * 3_600);
/// How long it is good when nobody says otherwise.
pub const USUAL: Duration = Duration::from_secs(24 * 3_600);
/// A reason, or a name, has no more characters.
const LONGEST_TEXT: usize = 4_000;

/// The digits of a fingerprint that people see.
#[must_use]
pub fn short(fingerprint: &str) -> &str {
    fingerprint.get(..SHOWN).unwrap_or(fingerprint)
}

/// A fingerprint, or its beginning: at least as many digits as make it unlikely to be another's.
///
/// # Errors
/// What is wrong with it, as the end of a sentence that names it.
pub fn fingerprint(text: &str) -> Result<String, String> {
    let text = text.trim().to_lowercase();
    let is_one = (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_one { Ok(text) } else { Err("is none: it has 8 to 64 hexadecimal digits, such as 3f9a2c81d04b; the refusal names it".into()) }
}

/// Why it may run, or why not any more.
///
/// # Errors
/// What is wrong with it, as the end of a sentence that names it.
pub fn reason(text: &str) -> Result<String, String> {
    said(text, "say why; it stands in the log")
}

/// Who says so.
///
/// # Errors
/// What is wrong with it, as the end of a sentence that names it.
pub fn name(text: &str) -> Result<String, String> {
    said(text, "say who approves")
}

fn said(text: &str, what_to_do: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(format!("is empty; {what_to_do}")),
        1..=LONGEST_TEXT => Ok(text.to_owned()),
        _ => Err(format!("has more than {LONGEST_TEXT} characters")),
    }
}

/// How long it is good for.
///
/// # Errors
/// What is wrong with it, as the end of a sentence that names it.
pub fn lasting(lasts: Duration) -> Result<Duration, String> {
    let fits = !lasts.is_zero() && lasts <= LONGEST;
    if fits { Ok(lasts) } else { Err("is not between 1s and 90d".into()) }
}

/// A person's word on a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The statement: 64 hexadecimal digits.
    pub fingerprint: String,
    /// Who.
    pub by: String,
    /// How that is known: `command` (whoever can write the store says so himself), `token`, `certificate`, `header`.
    pub known_by: String,
    /// Why.
    pub reason: String,
    /// Not from then on, in Unix microseconds.
    pub expires_unix_micros: i64,
    /// So often.
    pub uses: i64,
}

/// A person takes a word back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// This one.
    pub approval: DecisionId,
    /// Who.
    pub by: String,
    /// How that is known, as [`Approval::known_by`].
    #[serde(default)]
    pub known_by: String,
    /// Why.
    pub reason: String,
}

/// A statement takes one use of each of these words, before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The statement.
    pub fingerprint: String,
    /// The words: one for each person that is needed.
    pub approvals: Vec<DecisionId>,
    /// The session.
    pub session: String,
    /// As [`super::record::Record::transaction`].
    pub transaction: i64,
    /// The COMMIT of its transaction is announced: without such an entry it was rolled back.
    pub commit_is_announced: bool,
}

/// What became of a use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseEnded {
    /// Of this one.
    #[serde(rename = "use")]
    pub of: DecisionId,
    /// The statement took effect; otherwise the use is there for another one.
    pub consumed: bool,
}

/// A person's word, as a record tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Its entry.
    pub id: DecisionId,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What a decision has to do with approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedApproval {
    /// Of the statement.
    pub fingerprint: String,
    /// The rules that are lifted with it.
    pub rules: Vec<String>,
    /// So many persons are needed.
    pub people: i64,
    /// Who let it through; nobody where it was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Given>,
    /// The entry of the use that it took.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub used: Option<DecisionId>,
}

/// A use that is taken, with the words that it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// The entry of the use.
    pub id: DecisionId,
    /// Who let it through.
    pub given: Vec<Given>,
}

/// A word as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Word {
    /// Its entry.
    pub id: DecisionId,
    /// When it was said, in Unix microseconds.
    pub at_unix_micros: i64,
    /// Who.
    pub by: String,
    /// How that is known.
    pub known_by: String,
    /// Why.
    pub reason: String,
    /// Not from then on.
    pub expires_unix_micros: i64,
    /// So often.
    pub uses: i64,
    /// Of that, so often nobody has taken it.
    pub left: i64,
    /// Of that, so often a transaction has taken it that has not ended, or whose end nobody has heard.
    pub taken: i64,
    /// It was taken back.
    pub revoked: bool,
    /// By whom and why, as far as the log goes back.
    pub taken_back: Option<TakenBack>,
}

/// Who took a word back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TakenBack {
    /// Who.
    pub by: String,
    /// How that is known, as [`Approval::known_by`].
    pub known_by: String,
    /// Why.
    pub reason: String,
}

/// What a word is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// A statement may still stand on it.
    InForce,
    /// All that is left of it is in the hands of transactions that may still give it back.
    Taken,
    /// It was used as often as was said.
    Used,
    /// Its time is over.
    Expired,
    /// Somebody took it back.
    Revoked,
}

impl Word {
    /// What it is worth at this time.
    #[must_use]
    pub fn worth(&self, now_unix_micros: i64) -> Worth {
        match self {
            Self { revoked: true, .. } => Worth::Revoked,
            Self { left: ..=0, taken: ..=0, .. } => Worth::Used,
            Self { expires_unix_micros, .. } if now_unix_micros >= *expires_unix_micros => Worth::Expired,
            Self { left: ..=0, .. } => Worth::Taken,
            Self { .. } => Worth::InForce,
        }
    }

    /// A statement may still stand on it.
    #[must_use]
    pub fn is_in_force(&self, now_unix_micros: i64) -> bool {
        self.worth(now_unix_micros) == Worth::InForce
    }
}

/// A statement that was refused and that persons may let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Of the statement.
    pub fingerprint: String,
    /// The last decision that refused it.
    pub decision: DecisionId,
    /// When that was, in Unix microseconds.
    pub at_unix_micros: i64,
    /// So often it was refused.
    pub times: i64,
    /// The role that logged in.
    pub role: String,
    /// The database.
    pub database: String,
    /// The beginning of its SQL, as the log has it.
    pub head: String,
    /// The rules that would be lifted.
    pub rules: String,
    /// So many persons are needed.
    pub people: i64,
    /// Who has said something, the oldest first.
    pub words: Vec<Word>,
}

impl Request {
    /// Words in force, one of each person.
    #[must_use]
    pub fn in_force(&self, now_unix_micros: i64) -> Vec<&Word> {
        choose(&self.words, usize::MAX, now_unix_micros)
    }

    /// So many persons are still missing.
    #[must_use]
    pub fn missing(&self, now_unix_micros: i64) -> i64 {
        let said = i64::try_from(self.in_force(now_unix_micros).len()).unwrap_or(i64::MAX);
        self.people.saturating_sub(said).max(0)
    }

    /// Enough persons have said so.
    #[must_use]
    pub fn is_approved(&self, now_unix_micros: i64) -> bool {
        self.missing(now_unix_micros) == 0
    }
}

/// Statements that may be approved, for programs.
#[derive(Debug, Serialize)]
pub struct Listing<'a> {
    version: u32,
    requests: &'a [Request],
}

impl<'a> Listing<'a> {
    /// Of these.
    #[must_use]
    pub fn of(requests: &'a [Request]) -> Self {
        Self { version: 1, requests }
    }
}

/// A name that differs by its case alone is the same person's: many a login does not tell them apart.
#[must_use]
pub fn same_person(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// So many words of different persons that are in force, those first that end first; fewer where there are no more.
#[must_use]
pub fn choose(words: &[Word], people: usize, now_unix_micros: i64) -> Vec<&Word> {
    let mut in_force: Vec<&Word> = words.iter().filter(|word| word.is_in_force(now_unix_micros)).collect();
    in_force.sort_by_key(|word| (word.expires_unix_micros, word.id));
    let mut chosen: Vec<&Word> = Vec::new();
    for word in in_force {
        if chosen.len() < people && !chosen.iter().any(|other| same_person(&other.by, &word.by)) {
            chosen.push(word);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(seq: i64, by: &str) -> Word {
        Word {
            id: DecisionId { writer: 1, seq },
            at_unix_micros: 1,
            by: by.into(),
            known_by: "token".into(),
            reason: "r".into(),
            expires_unix_micros: 100,
            uses: 1,
            left: 1,
            taken: 0,
            revoked: false,
            taken_back: None,
        }
    }

    fn chosen(words: &[Word], people: usize) -> Vec<i64> {
        choose(words, people, 50).iter().map(|word| word.id.seq).collect()
    }

    #[test]
    fn nobody_counts_twice() {
        assert_eq!(chosen(&[word(1, "ann"), word(2, "ann"), word(3, "bob")], 2), [1, 3]);
        assert_eq!(chosen(&[word(1, "ann"), word(2, "ann")], 2), [1]);
    }

    #[test]
    fn what_is_used_up_expired_or_taken_back_counts_for_nothing() {
        let used = Word { left: 0, ..word(1, "a") };
        let expired = Word { expires_unix_micros: 50, ..word(2, "b") };
        let revoked = Word { revoked: true, ..word(3, "c") };
        assert_eq!(chosen(&[used, expired, revoked, word(4, "d")], 4), [4]);
    }

    #[test]
    fn what_ends_first_is_taken_first() {
        assert_eq!(chosen(&[word(1, "a"), Word { expires_unix_micros: 60, ..word(2, "b") }], 1), [2]);
    }
}
