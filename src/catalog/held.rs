//! The strong locks that a transaction holds, as the server tells of its own session (facts: protocol, 8).

use serde::Deserialize;

use crate::sql::name::RelationName;

use super::locks::LockMode;
use super::questions::Answer;

/// The question. It opens no relation that is not locked already, so it waits for nothing.
pub const QUESTION: &str = include_str!("sql/held.sql");

/// What a transaction holds at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Held {
    /// The highest oid of all relations and of their files: what came later has a higher one, until the server's counter has come round.
    newest: u32,
    locks: Vec<HeldLock>,
}

/// A lock in SHARE mode or stronger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeldLock {
    oid: u32,
    mode: String,
    schema: Option<String>,
    name: Option<String>,
    /// `pg_class.relkind`; none where the relation is gone.
    pub kind: Option<char>,
    temporary: Option<bool>,
    /// `pg_class.relfilenode`.
    file: Option<u32>,
    /// A digest of what DDL changes of it; none where it is gone.
    shape: Option<String>,
    /// The size of the table, or of an index's table; none where it has no storage.
    pub bytes: Option<u64>,
}

impl Held {
    /// Reads the answer to [`QUESTION`].
    #[must_use]
    pub fn read(answer: &Answer) -> Option<Self> {
        match answer {
            Answer::Text(Some(text)) => serde_json::from_str(text).ok(),
            Answer::Text(None) | Answer::Failed => None,
        }
    }

    /// It is not known what is held: something that was there before may be gone.
    #[must_use]
    pub fn unknown() -> Self {
        let any =
            HeldLock { oid: 0, mode: String::new(), schema: None, name: None, kind: None, temporary: None, file: None, shape: None, bytes: None };
        Self { newest: 0, locks: vec![any] }
    }

    /// Locks on what others can see that were not held `before`, or not so strong; and those that were, where the relation is not as it was.
    pub fn since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a HeldLock> {
        let known = |lock: &HeldLock| before.locks.iter().any(|old| old.oid == lock.oid && old.mode() >= lock.mode() && old.shape == lock.shape);
        self.locks.iter().filter(move |lock| lock.oid <= before.newest && lock.temporary != Some(true) && !known(lock))
    }
}

impl HeldLock {
    /// It has another file than `before`: it was written anew, or emptied.
    #[must_use]
    pub fn is_rewritten(&self, before: &Held) -> bool {
        self.file.is_some_and(|file| file > before.newest)
    }

    /// Its mode.
    #[must_use]
    pub fn mode(&self) -> LockMode {
        LockMode::ALL.into_iter().find(|mode| self.mode == format!("{mode}Lock")).unwrap_or(LockMode::AccessExclusive)
    }

    /// The relation; none where it is gone.
    #[must_use]
    pub fn relation(&self) -> Option<RelationName> {
        Some(RelationName { schema: self.schema.clone(), name: self.name.clone()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(newest: u32, locks: &str) -> Held {
        Held::read(&Answer::Text(Some(format!("{{\"newest\": {newest}, \"locks\": [{locks}]}}")))).unwrap()
    }

    const OLD: &str = r#"{"oid": 20000, "mode": "ShareLock", "schema": "public", "name": "t", "kind": "r", "temporary": false, "bytes": 8192}"#;

    #[test]
    fn what_counts_is_what_came_since_on_what_was_there() {
        let now = |lock: &str| held(30_000, lock).since(&held(20_500, OLD)).count();
        assert_eq!(now(OLD), 0, "it was held before");
        assert_eq!(now(&OLD.replace("ShareLock", "AccessExclusiveLock")), 1, "it is stronger");
        assert_eq!(now(&OLD.replace("20000", "20100")), 1, "another relation");
        assert_eq!(now(&OLD.replace("20000", "20600")), 0, "a new one");
        assert_eq!(now(&OLD.replace("20000", "20100").replace("false", "true")), 0, "a temporary one");
        let shape = |shape: &str| OLD.replace("\"r\"", &format!("\"r\", \"shape\": \"{shape}\""));
        assert_eq!(held(30_000, &shape("b")).since(&held(20_500, &shape("a"))).count(), 1, "it is changed under the same lock");
        assert_eq!(held(30_000, &shape("a")).since(&held(20_500, &shape("a"))).count(), 0);
        let gone = r#"{"oid": 20100, "mode": "AccessExclusiveLock", "schema": null, "name": null, "kind": null, "temporary": null, "bytes": null}"#;
        let (before, after) = (held(20_500, OLD), held(20_500, gone));
        let lock = after.since(&before).next().unwrap();
        assert_eq!((lock.relation(), lock.mode()), (None, LockMode::AccessExclusive));
    }
}
