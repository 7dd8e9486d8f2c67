//! What a client hears while its statement waits for a strong lock.

use std::time::Duration;

use crate::policy::plan::Notice;
use crate::policy::strong::StrongLock;
use crate::sql::name::RelationName;

use super::holders::Holders;

/// More of them are counted, not named.
const MOST_NAMED: usize = 3;

/// Before the first try: whoever has been there for long will hardly be gone after it.
pub(super) fn in_use(lock: &StrongLock, holders: &Holders, total_ms: u64) -> Notice {
    let total = time(Duration::from_millis(total_ms));
    notice(format!("pgairlock: {} is in use by {holders}; the statement waits for its lock in short tries, {total} at most", on(lock)))
}

/// A try has failed.
pub(super) fn waiting(lock: &StrongLock, waited: Duration, tries: u32, holders: Option<&Holders>) -> Notice {
    let tries = if tries == 1 { "tried once".to_owned() } else { format!("tried {tries} times") };
    let by = by(holders).map(|by| format!(", in use by {by}")).unwrap_or_default();
    notice(format!("pgairlock: waiting for a lock on {} for {}, {tries}{by}", on(lock), time(waited)))
}

/// The DETAIL of the error at the deadline.
pub(super) fn given_up(relations: &str, waited: Duration, tries: u32, holders: Option<&Holders>) -> String {
    let who = match (by(holders), holders) {
        (Some(by), _) => format!("In use by {by}."),
        (None, Some(_)) => "Nobody was in the way for longer than a moment.".to_owned(),
        (None, None) => "Who is in the way is not known.".to_owned(),
    };
    format!("pgairlock tried for {} to lock {relations}, {tries} times, so that nobody had to stand behind it for long. {who}", time(waited))
}

/// The HINT of that error.
pub(super) const WHAT_TO_DO: &str = "Nothing was changed. Run the migration again when that transaction has ended, or end it with pg_terminate_backend; [timeouts] lock_total is how long pgairlock tries.";

/// The relations of a lock.
pub(super) fn on(lock: &StrongLock) -> String {
    let named: Vec<String> = lock.relations.iter().take(MOST_NAMED).map(RelationName::to_string).collect();
    let more = lock.relations.len().saturating_sub(MOST_NAMED);
    if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
}

fn by(holders: Option<&Holders>) -> Option<String> {
    holders.filter(|holders| !holders.is_empty()).map(ToString::to_string)
}

fn time(duration: Duration) -> String {
    match duration.as_millis() {
        ms @ ..1_000 => format!("{ms} ms"),
        _ => format!("{} s", duration.as_secs()),
    }
}

fn notice(message: String) -> Notice {
    Notice { severity: "NOTICE", sqlstate: "00000", message, detail: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::locks::LockMode;

    fn lock(names: &[&str]) -> StrongLock {
        let relations = names.iter().map(|name| RelationName::qualified("public", *name)).collect();
        StrongLock { relations, mode: LockMode::AccessExclusive, neighbours: false, may_ask: true, brief: true }
    }

    #[test]
    fn a_wait_is_told_with_what_is_known_of_it() {
        let nobody = Holders::default();
        assert_eq!(
            waiting(&lock(&["t"]), Duration::from_millis(101), 1, None).message,
            "pgairlock: waiting for a lock on public.t for 101 ms, tried once"
        );
        assert_eq!(
            waiting(&lock(&["a", "b", "c", "d", "e"]), Duration::from_secs(7), 9, Some(&nobody)).message,
            "pgairlock: waiting for a lock on public.a, public.b, public.c and 2 more for 7 s, tried 9 times"
        );
        assert!(given_up("t", Duration::from_secs(1), 2, Some(&nobody)).ends_with("Nobody was in the way for longer than a moment."));
        assert!(given_up("t", Duration::from_secs(1), 2, None).ends_with("Who is in the way is not known."));
    }
}
