//! Whether the transaction of a promise has committed, when nobody saw it.
//!
//! The server knows by the transaction's number. But a number that had not reached its disk is given out again after a crash, to a transaction of
//! somebody else: then what was rolled back counts as committed. So the promise also keeps the server's *life*, which ends with a crash; a number
//! of another life is believed only where the catalog bears it out.

use serde::Deserialize;

use super::operation::Operation;
use super::promise::Deferred;
use super::seen::Seen;

/// When the server's statistics begin: any role may read it, a clean restart keeps it, and a crash (also of one backend) begins anew (measured on
/// 13 to 18). A reset by hand only makes a promise doubtful. An SQL expression of type text.
pub const LIFE: &str = "(SELECT pg_catalog.date_part('epoch', b.stats_reset)::pg_catalog.text FROM pg_catalog.pg_stat_bgwriter b)";

/// Parameter: the transaction's number. Any role may ask. The answer is JSON text; an error, where the server never gave out that number.
#[must_use]
pub fn question() -> String {
    format!("SELECT pg_catalog.json_build_object('status', pg_catalog.pg_xact_status($1::pg_catalog.xid8), 'life', {LIFE})::pg_catalog.text")
}

/// invalid_parameter_value: "transaction ID … is in the future".
const IN_THE_FUTURE: &str = "22023";

/// What has become of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It has committed.
    Committed,
    /// It has not.
    Aborted,
    /// Its session still has it open.
    InProgress,
    /// A transaction of that number has committed, but the server has crashed since: [`evidence`] may tell.
    Doubtful,
    /// The server does not know any more: a person has to look.
    Unknown,
}

#[derive(Debug, Default, Deserialize)]
struct Answer {
    status: Option<String>,
    life: Option<String>,
}

impl Fate {
    /// From the answer, or the SQLSTATE, that [`question`] got, for a promise of that life.
    #[must_use]
    pub fn of(answer: Result<Option<&str>, &str>, life: &str) -> Self {
        let answer = match answer {
            // The server crashed before anything of the transaction was on its disk, so that it has not committed.
            Err(IN_THE_FUTURE) => return Self::Aborted,
            Err(_) => return Self::Unknown,
            Ok(text) => text.and_then(|text| serde_json::from_str::<Answer>(text).ok()).unwrap_or_default(),
        };
        match answer.status.as_deref() {
            Some("committed") if !life.is_empty() && answer.life.as_deref() == Some(life) => Self::Committed,
            Some("committed") => Self::Doubtful,
            Some("aborted") => Self::Aborted,
            Some("in progress") => Self::InProgress,
            _ => Self::Unknown,
        }
    }
}

/// The parameters of [`super::seen::QUESTION`] about an operation whose in-place part shows whether the transaction committed: that part came and
/// went with it. None where all was left for later.
#[must_use]
pub fn evidence(operations: &[Deferred]) -> Option<Vec<String>> {
    let shows = |deferred: &&Deferred| match &deferred.operation {
        Operation::Validate(validate) => validate.in_place,
        Operation::SetNotNull(set) => set.in_place && !set.was_not_null,
        Operation::CreateIndex(_)
        | Operation::AttachKey(_)
        | Operation::DropIndex(_)
        | Operation::Reindex(_)
        | Operation::OnPartition(_)
        | Operation::Adopt(_)
        | Operation::Detach(_)
        | Operation::DropBounds(_)
        | Operation::DropForeignKey(_)
        | Operation::DropTable(_) => false,
    };
    let deferred = operations.iter().find(shows)?;
    let mut parameters = deferred.operation.inquiry();
    if let Some(table) = parameters.first_mut() {
        // Wherever the search path points now.
        *table = deferred.table.to_string();
    }
    Some(parameters)
}

/// What the answer to [`evidence`] says. Its own work may have replaced the CHECK by NOT NULL already.
#[must_use]
pub fn borne_out(seen: &Seen) -> Fate {
    if seen.constraint.is_some() || seen.not_null { Fate::Committed } else { Fate::Aborted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_believed_within_the_life_of_its_server_only() {
        let answer = |status: &str| format!(r#"{{"status":{status},"life":"17.5"}}"#);
        for (status, life, fate) in [
            (r#""committed""#, "17.5", Fate::Committed),
            (r#""committed""#, "16.5", Fate::Doubtful),
            (r#""committed""#, "", Fate::Doubtful),
            (r#""aborted""#, "16.5", Fate::Aborted),
            (r#""in progress""#, "17.5", Fate::InProgress),
            ("null", "17.5", Fate::Unknown),
        ] {
            assert_eq!(Fate::of(Ok(Some(&answer(status))), life), fate, "{status} {life}");
        }
        assert_eq!(Fate::of(Ok(Some(r#"{"status":"committed","life":null}"#)), ""), Fate::Doubtful, "no life is no proof");
        assert_eq!(Fate::of(Err("22023"), "17.5"), Fate::Aborted);
        assert_eq!(Fate::of(Err("57014"), "17.5"), Fate::Unknown);
        assert_eq!(Fate::of(Ok(None), "17.5"), Fate::Unknown);
    }
}
