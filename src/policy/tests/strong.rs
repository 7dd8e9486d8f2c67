//! Which statements are tried again and again, and for which lock.

use super::*;
use crate::policy::strong::StrongLock;

impl Ask {
    fn lock(&self, sql: &str) -> Option<StrongLock> {
        self.of(sql).lock_timeout.strong()
    }

    /// Its relations and mode.
    fn waits_for(&self, sql: &str) -> String {
        self.lock(sql).map_or_else(String::new, |lock| {
            let names: Vec<String> = lock.relations.iter().map(ToString::to_string).collect();
            format!("{}: {}", names.join(", "), lock.mode)
        })
    }
}

fn in_block() -> Ask {
    Ask { in_transaction: true, in_block: true, ..ask() }
}

#[test]
fn whoever_waits_for_a_strong_lock_is_tried_again() {
    for (sql, lock) in [
        ("ALTER TABLE t ADD COLUMN c int", "public.t: AccessExclusive"),
        ("ALTER TABLE t ALTER COLUMN a SET DEFAULT 1", "public.t: AccessExclusive"),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p", "public.t, public.p: ShareRowExclusive"),
        ("CREATE TABLE c (a int REFERENCES p)", "public.p: ShareRowExclusive"),
        ("CREATE TRIGGER r BEFORE INSERT ON t EXECUTE FUNCTION pg_catalog.tsvector_update_trigger()", "t: ShareRowExclusive"),
        ("DROP TRIGGER r ON t", "t: AccessExclusive"),
        ("DROP VIEW v", "v: AccessExclusive"),
        // The first step of what is rewritten.
        ("ALTER TABLE t ADD CHECK (a > 0)", "public.t: AccessExclusive"),
    ] {
        assert_eq!(ask().waits_for(sql), lock, "{sql}");
        assert_eq!(in_block().waits_for(sql), lock, "in a block: {sql}");
    }
    assert_eq!(in_block().waits_for("LOCK TABLE t"), "t: AccessExclusive");
    assert!(!in_block().lock("LOCK TABLE t").unwrap().may_ask);
    assert!(ask().lock("ALTER TABLE t ADD COLUMN c int").unwrap().brief);
    assert!(!ask().lock("ALTER TABLE t ADD CHECK (a > 0)").unwrap().brief);
}

#[test]
fn what_nobody_stands_behind_is_not() {
    for sql in [
        "CREATE TABLE n (a int)",
        "SELECT 1",
        "ALTER TABLE missing ADD COLUMN c int",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "ALTER TABLE t VALIDATE CONSTRAINT k",
        "LOCK TABLE t NOWAIT",
        "COMMENT ON TABLE t IS 'x'",
        "GRANT SELECT ON t TO PUBLIC",
        "ALTER TABLE t ADD COLUMN c int; ALTER TABLE t ADD COLUMN d int",
    ] {
        assert_eq!(ask().lock(sql), None, "{sql}");
    }
    let sql = "ALTER TABLE t ADD COLUMN c int";
    assert_eq!(Ask { mode: Mode::Warn, ..ask() }.lock(sql), None, "what is only watched is run as it came");
    assert_eq!(in_transaction().lock(sql), None, "others of its implicit transaction would be lost");
    assert_eq!(Ask { failed: true, ..in_block() }.lock(sql), None);
}

#[test]
fn a_transaction_that_holds_something_already_is_not_kept_waiting() {
    let sql = "ALTER TABLE t ADD COLUMN c int";
    let mut asked = in_block();
    asked.overlay.apply(&Effect::Created(RelationName::qualified("public", "n")));
    assert!(asked.lock(sql).is_some(), "what is new is nobody else's");
    asked.overlay.apply(&Effect::Savepoint("s".into()));
    asked.overlay.apply(&Effect::Altered(vec![RelationName::qualified("public", "p")]));
    assert_eq!(asked.lock(sql), None);
    asked.overlay.apply(&Effect::RollbackTo("s".into()));
    assert!(asked.lock(sql).is_some(), "given back");
}
