//! What follows from an entry for who searches. Pure; run twice it changes nothing more, so that whoever finds entries without it may make it.

use std::collections::BTreeSet;

use super::backend::{Backend, Dialect, Value, Write};
use super::error::StoreError;
use super::plan::key;
use super::{entries, search};
use crate::audit::approval::RecordedApproval;
use crate::audit::event::{Attribution, DeferredStep, Ended, Event, Fate, Settled, Transaction};
use crate::audit::record::{DecisionId, Record};
use crate::audit::{summary, words};

/// So many entries are made up for at once.
const PAGE: u32 = 1_000;
/// So much of the SQL is in a list.
const HEAD: usize = 200;

/// The rows of one entry.
pub(super) fn derive(event: &Event, entry: DecisionId, at: i64, dialect: Dialect) -> Vec<Write> {
    let mut derived = Derived { writes: Vec::new(), dialect };
    match event {
        Event::Decision(record) => derived.decision(record, entry, at),
        Event::Outcome(ended) => derived.outcome(ended, entry),
        Event::Transaction(transaction) => derived.transaction(transaction, entry),
        Event::Attribution(attribution) => derived.attribution(attribution, entry, at),
        Event::Session(ended) => derived.push(
            "INSERT INTO sessions (session, entry) VALUES ($1, $2) ON CONFLICT (session) DO NOTHING",
            [(&ended.session).into(), key(entry).into()],
        ),
        Event::Settled(Settled { decision, fate, .. }) => {
            derived.push(
                "UPDATE decisions SET fate = $1 WHERE id = $2 AND coalesce(fate, 'unknown') = 'unknown'",
                [fate.label().into(), key(*decision).into()],
            );
            derived.follows(*decision, entry);
        }
        Event::Deferred(step) => derived.deferred(step, entry),
        // What is written with them is no row of a search.
        Event::Approval(_) | Event::Revocation(_) | Event::ApprovalUse(_) => {}
        Event::ApprovalUseEnded(ended) => derived.push(
            "INSERT INTO follows (id, entry) SELECT id, CAST($1 AS BIGINT) FROM follows WHERE entry = $2 ON CONFLICT DO NOTHING",
            [key(entry).into(), key(ended.of).into()],
        ),
        Event::Started(_) | Event::Committing(_) | Event::Retention(_) | Event::Unknown => {}
    }
    derived.writes
}

/// Up to and with this entry everything is derived, if it was up to that one before, or further: others may have done it, too. What a crash of the store
/// took along is not skipped.
pub(super) fn derived_to(last: DecisionId, from: i64) -> Write {
    Write::new(
        "UPDATE writers SET derived = CASE WHEN derived > $1 THEN derived ELSE $1 END WHERE number = $2 AND derived >= $3",
        [last.seq.into(), last.writer.into(), from.into()],
    )
}

/// Says something of what may stand in another chain, whose process has not derived it yet.
pub(super) fn refers_abroad(event: &Event, own: i64) -> bool {
    match event {
        Event::Attribution(attribution) => attribution.decisions.iter().any(|decision| decision.writer != own),
        Event::Settled(settled) => settled.decision.writer != own,
        Event::ApprovalUseEnded(ended) => ended.of.writer != own,
        // Of a promise it is not known here who has made it.
        Event::Deferred(_) => true,
        _ => false,
    }
}

/// Derives what others have left: of chains whose process died before it could, or has not come to it. All of one moment, and of several chains all
/// decisions first: what one chain says of another's decision finds it.
pub(super) fn catch_up(backend: &mut dyn Backend) -> Result<(), StoreError> {
    let chains = entries::underived(backend)?;
    if chains.len() > 1 {
        for (after, last) in &chains {
            tail(backend, *after, *last, true)?;
        }
    }
    chains.into_iter().try_for_each(|(after, last)| tail(backend, after, last, false))
}

/// What follows from the entries of one chain; of its decisions only, or of all, which is then remembered.
fn tail(backend: &mut dyn Backend, mut after: DecisionId, last: i64, decisions_only: bool) -> Result<(), StoreError> {
    while after.seq < last {
        let page = entries::page(backend, after, PAGE)?;
        let (from, mut writes) = (after.seq, Vec::new());
        for entry in page.iter().filter(|entry| entry.seq <= last) {
            let id = DecisionId { seq: entry.seq, ..after };
            let event = search::event(id, &entry.body)?;
            if !decisions_only || matches!(event, Event::Decision(_)) {
                writes.extend(derive(&event, id, entry.at_unix_micros, backend.dialect()));
            }
            after.seq = entry.seq;
        }
        if after.seq == from {
            break;
        }
        if !decisions_only {
            writes.push(derived_to(after, from));
        }
        backend.commit_lazily(&writes)?;
    }
    Ok(())
}

struct Derived {
    writes: Vec<Write>,
    dialect: Dialect,
}

impl Derived {
    fn decision(&mut self, record: &Record, entry: DecisionId, at: i64) {
        let id = key(entry);
        let rules: BTreeSet<&str> = record.findings.iter().map(|finding| finding.rule.as_str()).collect();
        let relations: BTreeSet<&str> = record.findings.iter().filter_map(|finding| finding.relation.as_deref()).collect();
        let acting: BTreeSet<&str> =
            record.findings.iter().filter(|finding| summary::is_acted_upon(&finding.verdict)).map(|finding| finding.rule.as_str()).collect();
        let joined = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
        // Once only: of what it has in its index such a table does not know whose it is.
        let text: Value = words::of_text(&record.sql).into_iter().collect::<Vec<_>>().join(" ").into();
        self.push(
            match self.dialect {
                Dialect::Sqlite => "INSERT INTO texts (rowid, sql) SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM decisions WHERE id = $1)",
                Dialect::Postgres => {
                    "INSERT INTO texts (id, words) VALUES ($1, array_to_tsvector(string_to_array($2, ' '))) ON CONFLICT (id) DO NOTHING"
                }
            },
            [id.into(), text],
        );
        self.push(
            "INSERT INTO decisions (id, at_unix_micros, session, transaction_number, shared, client, role, database_name, application_name, head, decision,
                                    rules, relations, acting, tool_guess, mark)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (id) DO NOTHING",
            [
                id.into(),
                at.into(),
                (&record.session).into(),
                record.transaction.into(),
                (i64::from(record.in_transaction) + i64::from(record.in_transaction && record.commit_is_announced)).into(),
                (&record.client).into(),
                (&record.role).into(),
                (&record.database).into(),
                record.application_name.clone().into(),
                record.sql.chars().take(HEAD).collect::<String>().into(),
                (&record.decision).into(),
                joined(&rules).into(),
                joined(&relations).into(),
                joined(&acting).into(),
                record.tool_guess.clone().into(),
                record.mark.as_ref().map(|mark| mark.system.clone()).into(),
            ],
        );
        if let Some(approval) = &record.approval {
            self.approval(approval, entry, at);
        }
        let marks = rules.iter().map(|rule| words::of_rule(rule)).chain(relations.iter().map(|relation| words::of_relation(relation)));
        for mark in marks.collect::<BTreeSet<_>>() {
            self.push("INSERT INTO marks (mark, at_unix_micros, id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", [mark.into(), at.into(), id.into()]);
        }
    }

    /// Refused, it is wanted; let through, it stands on words.
    fn approval(&mut self, approval: &RecordedApproval, entry: DecisionId, at: i64) {
        if approval.used.is_none() {
            self.push(
                "INSERT INTO wants (id, at_unix_micros, fingerprint, people, rules) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
                [key(entry).into(), at.into(), (&approval.fingerprint).into(), approval.people.into(), approval.rules.join(", ").into()],
            );
        }
        for word in approval.given.iter().map(|given| given.id).chain(approval.used) {
            self.follows(entry, word);
        }
    }

    fn outcome(&mut self, Ended { decision, outcome }: &Ended, entry: DecisionId) {
        self.follows(*decision, entry);
        self.push(
            "UPDATE decisions SET tag = $1, sqlstate = $2, duration_micros = $3, ran_micros = $4 WHERE id = $5",
            [
                outcome.tag.clone().into(),
                outcome.sqlstate.clone().into(),
                outcome.duration_micros.into(),
                outcome.ran_micros.into(),
                key(*decision).into(),
            ],
        );
    }

    fn transaction(&mut self, transaction: &Transaction, entry: DecisionId) {
        let Transaction { session, transaction: number, fate, .. } = transaction;
        self.push(
            "INSERT INTO transactions (session, transaction_number, entry) VALUES ($1, $2, $3) ON CONFLICT (session, transaction_number) DO NOTHING",
            [session.into(), (*number).into(), key(entry).into()],
        );
        self.push(
            "UPDATE decisions SET fate = $1 WHERE session = $2 AND transaction_number = $3",
            [fate.label().into(), session.into(), (*number).into()],
        );
    }

    /// What becomes of a promise tells what became of its transaction, or of the statement outside of any that it is, where nobody had heard it.
    fn deferred(&mut self, step: &DeferredStep, entry: DecisionId) {
        self.push(
            "INSERT INTO follows (id, entry) SELECT entry, CAST($1 AS BIGINT) FROM announced WHERE id = $2 ON CONFLICT DO NOTHING",
            [key(entry).into(), step.promise.into()],
        );
        let fate = match step.progress.as_str() {
            "committed" | "settled" => Fate::Committed,
            "aborted" => Fate::RolledBack,
            "unknown" => Fate::Unknown,
            _ => return,
        };
        self.push(
            "UPDATE decisions SET fate = $1 WHERE fate IS NULL AND (session, transaction_number) =
               (SELECT session, transaction_number FROM announced WHERE id = $2)",
            [fate.label().into(), step.promise.into()],
        );
    }

    fn attribution(&mut self, attribution: &Attribution, entry: DecisionId, at: i64) {
        let migration = &attribution.migration;
        self.push(
            "INSERT INTO migrations (entry, at_unix_micros, database_name, tool, version_table, version, name, direction)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (entry) DO NOTHING",
            [
                key(entry).into(),
                at.into(),
                (&attribution.database).into(),
                (&migration.tool).into(),
                (&migration.table).into(),
                (&migration.version).into(),
                migration.name.clone().into(),
                migration.direction.label().into(),
            ],
        );
        // In one order everywhere: two writers that attribute each other's must not wait for each other.
        for decision in attribution.decisions.iter().map(|decision| key(*decision)).collect::<BTreeSet<_>>() {
            self.push(
                "UPDATE decisions SET tool = $1, version = $2, name = $3, direction = $4, unfinished = $5 WHERE id = $6",
                [
                    (&migration.tool).into(),
                    (&migration.version).into(),
                    migration.name.clone().into(),
                    migration.direction.label().into(),
                    i64::from(attribution.unfinished).into(),
                    decision.into(),
                ],
            );
            self.push("INSERT INTO follows (id, entry) VALUES ($1, $2) ON CONFLICT DO NOTHING", [decision.into(), key(entry).into()]);
        }
    }

    /// Who looks at the one finds the other.
    fn follows(&mut self, decision: DecisionId, entry: DecisionId) {
        self.push("INSERT INTO follows (id, entry) VALUES ($1, $2) ON CONFLICT DO NOTHING", [key(decision).into(), key(entry).into()]);
    }

    fn push(&mut self, sql: &'static str, values: impl Into<Vec<Value>>) {
        self.writes.push(Write::new(sql, values));
    }
}

#[cfg(test)]
mod tests {
    use super::super::sqlite::Database;
    use super::super::tests::place;
    use super::*;

    #[test]
    fn who_finds_that_another_has_derived_further_is_not_behind() {
        let (_directory, path) = place();
        let mut store = Database::open(&path, std::time::Duration::from_secs(1)).unwrap();
        store.commit(&[Write::new("INSERT INTO writers (number, writer, started_at, seen_at, derived) VALUES (1, 'w', 0, 0, 10)", [])]).unwrap();
        let mut moved = |last, from| {
            let changed = store.commit(&[derived_to(DecisionId { writer: 1, seq: last }, from)]).unwrap();
            (changed[0], store.query("SELECT derived FROM writers", &[]).unwrap()[0].int(0))
        };
        assert_eq!(moved(7, 5), (1, 10), "another was quicker");
        assert_eq!(moved(12, 10), (1, 12));
        assert_eq!(moved(15, 13), (0, 12), "what a crash has taken along is missing");
    }
}
