//! What waits for a COMMIT, and what later statements may do meanwhile.

use super::*;
use crate::deferred::promise::{Deferred, Failed, Place, Promise, PromiseId};

pub(super) fn in_block() -> Ask {
    Ask { in_transaction: true, in_block: true, ..ask() }
}

impl Ask {
    /// The same after these statements, of which each left something for later.
    pub(super) fn after(mut self, statements: &[&str]) -> Self {
        for sql in statements {
            let outcome = self.of(sql);
            let Plan::Defer(form) = outcome.decision.plan else { panic!("{sql}: {:?}", outcome.decision.plan) };
            let finding = &outcome.decision.findings[0].finding;
            let deferred = form.then.into_iter().map(|operation| Deferred {
                operation,
                table: finding.relation.clone().unwrap(),
                rule: finding.rule.0.into(),
                context: "{}".into(),
            });
            self.overlay.apply(&Effect::Deferred(deferred.collect()));
        }
        self
    }

    pub(super) fn defers(&self, sql: &str) -> String {
        let outcome = self.of(sql);
        let Plan::Defer(form) = &outcome.decision.plan else { panic!("{sql}: {:?}", outcome.decision.plan) };
        format!(
            "{} | {}",
            form.now.iter().map(|step| &*step.sql).collect::<String>(),
            form.then.iter().flat_map(|o| o.steps()).map(|s| s.sql).collect::<Vec<_>>().join("; ")
        )
    }

    fn settles(&self, sql: &str) -> Effect {
        match self.of(sql).decision.plan {
            Plan::Settle { effect, .. } => effect,
            other => panic!("{sql}: {other:?}"),
        }
    }
}

/// For the rules about what is left to do: something is, in this transaction or by an earlier one.
pub(super) fn with_something_left(rule: &str) -> Ask {
    match rule {
        "waits-for-commit" => in_block().after(&["CREATE INDEX t_a_idx ON t (a)"]),
        "after-commit-failed" => {
            Ask { pending: vec![failed(in_block().after(&["CREATE INDEX p_a_idx ON p (a)"]).overlay.deferred().to_vec())], ..ask() }
        }
        "drop-table-foreign-keys" => on(drop_table::leaf()),
        "new-partition-scanning" => on(World::default().altering(|t| t.kind = 'p')),
        "add-primary-key-blocking" => on(World::default().altering(|t| (t.taken, t.constraints) = Default::default())),
        "drop-default" => on(World::default().altering(|t| {
            let a = &mut t.columns[1];
            (a.not_null, a.has_default) = (true, true);
        })),
        _ => ask(),
    }
}

fn failed(operations: Vec<Deferred>) -> Pending {
    Pending {
        id: PromiseId(7),
        promise: Promise {
            transaction: 1,
            session: "s".into(),
            place: Place::default(),
            role: "deployer".into(),
            xid: "1".into(),
            life: "1".into(),
            operations,
            whole: None,
        },
        at_unix_micros: 0,
        committed: true,
        done: 0,
        told: false,
        error: Some(Failed { sqlstate: "23505".into(), message: "could not create unique index \"u\"".into() }),
    }
}

#[test]
fn a_string_is_taken_apart_where_that_helps() {
    let ask = in_block();
    for sql in ["SELECT 1; CREATE INDEX i ON t (a)", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a); CREATE INDEX i ON t (a); COMMIT; SELECT 1"] {
        let outcome = ask.of(sql);
        assert_eq!((outcome.decision.plan, outcome.record), (Plan::Split, false), "{sql}");
    }
    // What has no safe form is refused before anything runs, what needs nothing passes, and what cannot be taken apart is refused as it stands.
    ask.refused_by("alter-column-type", "CREATE INDEX i ON t (a); ALTER TABLE t ALTER COLUMN b TYPE int USING b::int");
    ask.passes("SELECT 1; CREATE TABLE fresh (id int)");
    ask.refused_by("create-index-blocking", "CREATE INDEX i ON t (a); COMMIT AND CHAIN");
    ask.refused_by("create-index-blocking", "CREATE INDEX i ON t (a); COPY t FROM STDIN");
    assert_eq!(Ask { mode: Mode::Warn, ..in_block() }.of("SELECT 1; CREATE INDEX i ON t (a)").would, Some(Plan::Split));
}

#[test]
fn a_batch_without_begin_is_enclosed_where_that_helps() {
    let ask = Ask { in_transaction: true, in_block: false, extended: true, ..in_block() };
    for sql in ["CREATE INDEX i ON t (a)", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)"] {
        let outcome = ask.of(sql);
        assert_eq!((outcome.decision.plan, outcome.record), (Plan::Enclose, false), "{sql}");
    }
    ask.refused_by("alter-column-type", "ALTER TABLE t ALTER COLUMN b TYPE int USING b::int");
    ask.passes("CREATE TABLE fresh (id int)");
    let warns = Ask { mode: Mode::Warn, in_transaction: true, in_block: false, extended: true, ..in_block() };
    assert_eq!(warns.of("CREATE INDEX i ON t (a)").would, Some(Plan::Enclose));
}

#[test]
fn the_part_that_a_transaction_can_hold_is_split_off() {
    assert_eq!(in_block().defers("CREATE INDEX ON t (a)"), " | CREATE INDEX CONCURRENTLY t_a_idx ON t (a)");
    assert_eq!(
        in_block().defers("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p"),
        "ALTER TABLE t ADD CONSTRAINT t_a_fkey FOREIGN KEY (a) REFERENCES p NOT VALID | ALTER TABLE t VALIDATE CONSTRAINT t_a_fkey"
    );
    let notice = &in_block().of("ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0)").decision.notices[0].message;
    assert!(
        notice.ends_with("now: ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID; after COMMIT: ALTER TABLE t VALIDATE CONSTRAINT k"),
        "{notice}"
    );
}

#[test]
fn what_cannot_be_found_again_or_is_not_known_is_refused() {
    in_block().refused("REINDEX SCHEMA public");
    let silent = Ask { world: World { silent: true, ..World::default() }, ..in_block() };
    silent.refused("CREATE INDEX i ON t (a)");
    let mut never = in_block();
    never.settings.defers = false;
    never.refused_by("create-index-blocking", "CREATE INDEX i ON t (a)");
    // In an implicit transaction no COMMIT comes that could be held back.
    in_transaction().refused("CREATE INDEX i ON t (a)");
}

#[test]
fn names_that_are_promised_are_taken() {
    let after = in_block().after(&["CREATE INDEX ON t (a)"]);
    assert_eq!(after.defers("CREATE INDEX ON t (a)"), " | CREATE INDEX CONCURRENTLY t_a_idx1 ON t (a)");
}

#[test]
fn what_needs_the_object_is_refused_and_the_rest_goes_on() {
    let after = in_block().after(&[
        "CREATE UNIQUE INDEX u ON t (a)",
        "ALTER TABLE t ADD CONSTRAINT k UNIQUE (ts)",
        "ALTER TABLE t ADD CONSTRAINT w CHECK (a > 0)",
    ]);
    for sql in [
        "COMMENT ON INDEX u IS 'x'",
        "ALTER INDEX u RENAME TO v",
        "ALTER TABLE t CLUSTER ON u",
        "ALTER TABLE t REPLICA IDENTITY USING INDEX u",
        "ALTER TABLE t ADD CONSTRAINT y UNIQUE USING INDEX u",
        "SELECT 'u'::regclass",
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1",
        "ALTER TABLE p ADD FOREIGN KEY (a) REFERENCES t (a)",
        "CREATE TABLE copy (LIKE t INCLUDING ALL)",
        "ALTER TABLE t RENAME CONSTRAINT w TO x",
    ] {
        after.refused_by("waits-for-commit", sql);
    }
    for sql in [
        "INSERT INTO t (a, b) VALUES (1, 'u')",
        "SELECT u FROM t",
        "ALTER TABLE t ADD COLUMN c int",
        "ALTER TABLE t VALIDATE CONSTRAINT nothing_of_ours",
        "CREATE TABLE n (id int)",
        "COMMENT ON TABLE t IS 'x'",
        "INSERT INTO p VALUES (1) ON CONFLICT DO NOTHING",
    ] {
        let plan = after.of(sql).decision.plan;
        assert!(!matches!(&plan, Plan::Refuse(refusal) if refusal.message.contains("waits-for-commit")), "{sql}: {plan:?}");
    }
}

#[test]
fn what_is_dropped_again_is_not_made() {
    let after = in_block().after(&["CREATE INDEX i ON t (a)", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (ts)"]);
    assert_eq!(after.settles("DROP INDEX i"), Effect::Settled(vec![0]));
    assert_eq!(after.settles("DROP INDEX IF EXISTS public.i"), Effect::Settled(vec![0]));
    assert_eq!(after.settles("ALTER TABLE t DROP CONSTRAINT k"), Effect::Settled(vec![1, 2]));
    let elsewhere = after.of("ALTER TABLE p DROP CONSTRAINT k").decision.plan;
    assert_eq!(elsewhere, Plan::Pass, "that of another table is the server's to drop");
    let checked = in_block().after(&["ALTER TABLE t ADD CONSTRAINT w CHECK (a > 0)"]);
    let outcome = checked.of("ALTER TABLE t DROP CONSTRAINT w");
    assert_eq!(outcome.decision.plan, Plan::Pass, "it is there, and the server drops it");
    let mut overlay = checked.overlay.clone();
    outcome.effects.iter().for_each(|effect| overlay.apply(effect));
    assert!(overlay.deferred().is_empty());
}

#[test]
fn a_column_is_dropped_with_what_is_about_it_alone() {
    let dropping = |statements: &[&str], column: &str| {
        let mut ask = in_block().after(statements);
        ask.settings.rules.insert("drop-column".into(), Severity::Off);
        let outcome = ask.of(&format!("ALTER TABLE t DROP COLUMN {column}"));
        outcome.effects.iter().for_each(|effect| ask.overlay.apply(effect));
        (matches!(outcome.decision.plan, Plan::Refuse(_)), ask.overlay.deferred().len())
    };
    let promised = ["CREATE INDEX i ON t (a)", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)"];
    assert_eq!(dropping(&promised, "a"), (false, 0), "the index and the key go with it");
    assert_eq!(dropping(&promised, "ts"), (false, 3), "it is none of theirs");
    assert!(dropping(&["CREATE INDEX i ON t (a) WHERE ts IS NULL"], "ts").0, "the index would go, and that is not followed");
    assert!(dropping(&["CREATE INDEX i ON t (lower(b))"], "b").0);
}

#[test]
fn a_table_with_a_failed_promise_takes_no_further_ddl_but_what_settles_it() {
    let left = in_block().after(&["CREATE UNIQUE INDEX u ON t (a)"]).overlay.deferred().to_vec();
    let later = Ask { pending: vec![failed(left)], ..ask() };
    let refusal = later.refused("ALTER TABLE t ADD COLUMN c int");
    assert_eq!(refusal.sqlstate, "PA004");
    assert!(
        refusal.message.contains("could not create unique index \"u\" (23505)") && refusal.message.contains("pgairlock deferred run 7"),
        "{}",
        refusal.message
    );
    later.refused_by("after-commit-failed", "CREATE INDEX ON t (b)");
    later.passes("ALTER TABLE p ADD COLUMN c int");
    later.passes("INSERT INTO t VALUES (1)");
    assert_eq!(later.settles("DROP INDEX u"), Effect::Needless(vec![(PromiseId(7), 0)]));
}
