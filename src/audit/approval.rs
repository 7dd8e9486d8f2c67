//! Persons let a refused statement through: what is wanted, who said so, and what became of it. Each is an entry of the log.

use serde::{Deserialize, Serialize};

use super::record::DecisionId;

/// So many digits of a fingerprint are shown: enough to find it among those that wait. What is compared is all of it.
pub const SHOWN: usize = 12;
/// So often one approval may be used at most.
pub const MOST_USES: i64 = 100;

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
    /// It was taken back.
    pub revoked: bool,
}

impl Word {
    /// A statement may still stand on it.
    #[must_use]
    pub fn is_in_force(&self, now_unix_micros: i64) -> bool {
        !self.revoked && self.left > 0 && now_unix_micros < self.expires_unix_micros
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

    /// Enough persons have said so.
    #[must_use]
    pub fn is_approved(&self, now_unix_micros: i64) -> bool {
        i64::try_from(self.in_force(now_unix_micros).len()).unwrap_or(i64::MAX) >= self.people
    }
}

/// So many words of different persons that are in force, those first that end first; fewer where there are no more.
#[must_use]
pub fn choose(words: &[Word], people: usize, now_unix_micros: i64) -> Vec<&Word> {
    let mut in_force: Vec<&Word> = words.iter().filter(|word| word.is_in_force(now_unix_micros)).collect();
    in_force.sort_by_key(|word| (word.expires_unix_micros, word.id));
    let mut chosen: Vec<&Word> = Vec::new();
    for word in in_force {
        if chosen.len() < people && !chosen.iter().any(|other| other.by == word.by) {
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
            revoked: false,
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
