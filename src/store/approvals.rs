//! What persons let through: their words, how often each may still be used, and what waits for them. Unlike what is searched, who may use a word is
//! written together with the entry that says so.

use std::collections::BTreeMap;

use super::backend::{Backend, Row, Write};
use super::error::StoreError;
use super::plan::{id, key};
use super::search::SILENT;
use crate::audit::approval::{Approval, MOST_USES, Request, Revocation, TakenBack, Use, UseEnded, Word};
use crate::audit::event::Event;
use crate::audit::record::DecisionId;
use crate::deferred::promise::{Progress, PromiseId};

/// What of it must be on disk with its entry.
pub(super) fn writes(event: &Event, entry: DecisionId, at: i64) -> Vec<Write> {
    match event {
        Event::Approval(approval) => said(approval, entry, at),
        Event::Revocation(Revocation { approval, .. }) => {
            vec![Write::new("UPDATE words SET revoked_by = $1 WHERE id = $2 AND revoked_by IS NULL", [key(entry).into(), key(*approval).into()])]
        }
        Event::ApprovalUse(wanted) => wanted.approvals.iter().map(|word| take(*word, wanted, entry, at)).collect(),
        Event::ApprovalUseEnded(UseEnded { of, consumed: true }) => {
            vec![Write::new("UPDATE uses SET state = 'consumed' WHERE entry = $1 AND state = 'reserved'", [key(*of).into()])]
        }
        Event::ApprovalUseEnded(UseEnded { of, consumed: false }) => {
            vec![Write::new("UPDATE uses SET state = 'free', entry = NULL WHERE entry = $1 AND state = 'reserved'", [key(*of).into()])]
        }
        _ => Vec::new(),
    }
}

fn said(approval: &Approval, entry: DecisionId, at: i64) -> Vec<Write> {
    let word = Write::new(
        "INSERT INTO words (id, at_unix_micros, fingerprint, by_whom, known_by, reason, expires_at, uses) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            key(entry).into(),
            at.into(),
            (&approval.fingerprint).into(),
            (&approval.by).into(),
            (&approval.known_by).into(),
            (&approval.reason).into(),
            approval.expires_unix_micros.into(),
            approval.uses.into(),
        ],
    );
    let slots = Write::new(
        "INSERT INTO uses (word, slot) WITH RECURSIVE n (slot) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT slot + 1 FROM n WHERE slot < $1)
         SELECT CAST($2 AS BIGINT), slot FROM n",
        [approval.uses.clamp(1, MOST_USES).into(), key(entry).into()],
    );
    vec![word, slots]
}

/// A free one, unless there is none any more, or the word counts no more: then no row is changed, which whoever wanted it sees.
fn take(word: DecisionId, wanted: &Use, entry: DecisionId, at: i64) -> Write {
    Write::new(
        "UPDATE uses SET state = 'reserved', entry = $1, session = $2, transaction_number = $3, announced = $4
         WHERE word = $5 AND state = 'free' AND slot = (SELECT min(slot) FROM uses WHERE word = $5 AND state = 'free')
           AND EXISTS (SELECT 1 FROM words WHERE id = $5 AND revoked_by IS NULL AND expires_at > $6)",
        [key(entry).into(), (&wanted.session).into(), wanted.transaction.into(), wanted.commit_is_announced.into(), key(word).into(), at.into()],
    )
}

/// Nobody had heard what became of the transaction, and somebody has found it out.
pub(super) fn settled(PromiseId(id): PromiseId, progress: &Progress) -> Option<Write> {
    let sql = match progress {
        Progress::Committed | Progress::Settled | Progress::Unknown => {
            "UPDATE uses SET state = 'consumed' WHERE state = 'reserved' AND (session, transaction_number) =
               (SELECT session, transaction_number FROM announced WHERE id = $1 AND whole IS NULL)"
        }
        Progress::Aborted => {
            "UPDATE uses SET state = 'free', entry = NULL WHERE state = 'reserved' AND (session, transaction_number) =
               (SELECT session, transaction_number FROM announced WHERE id = $1 AND whole IS NULL)"
        }
        _ => return None,
    };
    Some(Write::new(sql, [id.into()]))
}

/// How many uses an entry has really taken.
pub(super) fn taken(backend: &mut dyn Backend, entry: DecisionId) -> Result<usize, StoreError> {
    Ok(backend.query("SELECT word FROM uses WHERE entry = $1", &[key(entry).into()])?.len())
}

/// The words on one statement. A use whose session is over, and whose COMMIT was never announced, was rolled back with it.
pub(super) fn words(backend: &mut dyn Backend, fingerprint: &str, now: i64) -> Result<Vec<Word>, StoreError> {
    let lost = backend.query(
        "SELECT DISTINCT u.entry FROM uses u JOIN words w ON w.id = u.word
         WHERE w.fingerprint = $1 AND u.state = 'reserved' AND u.announced = 1
           AND NOT EXISTS (SELECT 1 FROM announced a WHERE a.session = u.session AND a.transaction_number = u.transaction_number)
           AND (EXISTS (SELECT 1 FROM sessions s WHERE s.session = u.session)
             OR NOT EXISTS (SELECT 1 FROM writers p WHERE p.number = u.entry >> 40 AND p.seen_at > $2))",
        &[fingerprint.into(), (now - SILENT).into()],
    )?;
    let back: Vec<Write> = lost
        .iter()
        .map(|row| Write::new("UPDATE uses SET state = 'free', entry = NULL WHERE entry = $1 AND state = 'reserved'", [row.int(0).into()]))
        .collect();
    if !back.is_empty() {
        backend.commit(&back)?;
    }
    let rows =
        backend.query(&format!("SELECT {WORD} FROM words w WHERE w.fingerprint = $1 ORDER BY w.at_unix_micros, w.id"), &[fingerprint.into()])?;
    Ok(rows.iter().map(|row| word(row).1).collect())
}

const WORD: &str = "w.fingerprint, w.id, w.at_unix_micros, w.by_whom, w.known_by, w.reason, w.expires_at, w.uses,
    (SELECT count(*) FROM uses u WHERE u.word = w.id AND u.state = 'free'),
    (SELECT count(*) FROM uses u WHERE u.word = w.id AND u.state = 'reserved'), CASE WHEN w.revoked_by IS NULL THEN 0 ELSE 1 END,
    (SELECT e.body FROM entries e WHERE e.id = w.revoked_by)";

fn word(row: &Row) -> (String, Word) {
    let word = Word {
        id: id(row.int(1)),
        at_unix_micros: row.int(2),
        by: row.text(3),
        known_by: row.text(4),
        reason: row.text(5),
        expires_unix_micros: row.int(6),
        uses: row.int(7),
        left: row.int(8),
        taken: row.int(9),
        revoked: row.int(10) != 0,
        taken_back: row.maybe_text(11).and_then(|body| taken_back(&body)),
    };
    (row.text(0), word)
}

/// What a revocation says; nothing where retention has taken its entry.
fn taken_back(body: &str) -> Option<TakenBack> {
    match serde_json::from_str(body).ok()? {
        Event::Revocation(Revocation { by, known_by, reason, .. }) => Some(TakenBack { by, known_by, reason }),
        _ => None,
    }
}

const REQUEST: &str = "SELECT n.fingerprint, n.id, n.at_unix_micros, (SELECT count(*) FROM wants c WHERE c.fingerprint = n.fingerprint),
    d.role, d.database_name, d.head, n.rules, n.people
    FROM wants n JOIN decisions d ON d.id = n.id
    WHERE NOT EXISTS (SELECT 1 FROM wants l WHERE l.fingerprint = n.fingerprint AND (l.at_unix_micros, l.id) > (n.at_unix_micros, n.id))";

/// The newest refusals that persons may lift, each statement once; those that come behind `before`, if that is given.
pub(super) fn requests(backend: &mut dyn Backend, before: Option<(i64, DecisionId)>, most: u32) -> Result<Vec<Request>, StoreError> {
    let (at, number) = before.map_or((i64::MAX, i64::MAX), |(at, decision)| (at, key(decision)));
    let sql = format!("{REQUEST} AND (n.at_unix_micros, n.id) < ($1, $2) ORDER BY n.at_unix_micros DESC, n.id DESC LIMIT $3");
    let rows = backend.query(&sql, &[at.into(), number.into(), i64::from(most).into()])?;
    with_words(backend, &rows)
}

/// Those whose fingerprint begins so, two at most. One that is no beginning of a fingerprint finds nothing.
pub(super) fn request(backend: &mut dyn Backend, fingerprint: &str) -> Result<Vec<Request>, StoreError> {
    // All digits of a fingerprint stand before it.
    let beyond = format!("{fingerprint}g");
    let sql = format!("{REQUEST} AND n.fingerprint >= $1 AND n.fingerprint < $2 LIMIT 2");
    let rows = backend.query(&sql, &[fingerprint.into(), beyond.into()])?;
    with_words(backend, &rows)
}

fn with_words(backend: &mut dyn Backend, rows: &[Row]) -> Result<Vec<Request>, StoreError> {
    let (Some(first), Some(last)) = (rows.iter().map(|row| row.text(0)).min(), rows.iter().map(|row| row.text(0)).max()) else {
        return Ok(Vec::new());
    };
    let said = backend.query(
        &format!("SELECT {WORD} FROM words w WHERE w.fingerprint >= $1 AND w.fingerprint <= $2 ORDER BY w.at_unix_micros, w.id"),
        &[first.into(), last.into()],
    )?;
    let mut words: BTreeMap<String, Vec<Word>> = BTreeMap::new();
    for (fingerprint, word) in said.iter().map(word) {
        words.entry(fingerprint).or_default().push(word);
    }
    let request = |row: &Row| Request {
        words: words.remove(&row.text(0)).unwrap_or_default(),
        fingerprint: row.text(0),
        decision: id(row.int(1)),
        at_unix_micros: row.int(2),
        times: row.int(3),
        role: row.text(4),
        database: row.text(5),
        head: row.text(6),
        rules: row.text(7),
        people: row.int(8),
    };
    Ok(rows.iter().map(request).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{open, place};
    use super::*;
    use crate::audit::approval::Approval;

    #[tokio::test]
    async fn what_was_taken_back_or_has_expired_gives_no_use_to_who_had_read_it_before() {
        let (_directory, path) = place();
        let store = open(&path);
        for (expires_unix_micros, revoked) in [(i64::MAX, false), (i64::MAX, true), (1, false)] {
            let approval =
                Approval { fingerprint: "f".into(), by: "ann".into(), known_by: "token".into(), reason: "r".into(), expires_unix_micros, uses: 1 };
            let word = store.approve(approval).await.unwrap();
            if revoked {
                let back = Revocation { approval: word, by: "ann".into(), known_by: "token".into(), reason: "r".into() };
                store.revoke(back).await.unwrap();
            }
            let wanted = Use { fingerprint: "f".into(), approvals: vec![word], session: "s".into(), transaction: 1, commit_is_announced: false };
            let entry = store.event(Event::ApprovalUse(wanted)).await.unwrap();
            let taken = store.read(move |backend| taken(backend, entry)).await.unwrap();
            assert_eq!(taken == 1, !revoked && expires_unix_micros > 1, "{expires_unix_micros} {revoked}");
        }
    }
}
