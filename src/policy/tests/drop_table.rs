//! DROP TABLE of tables that foreign keys join with others: which keys go first, and what later statements may do meanwhile.

use super::deferred::in_block;
use super::*;
use crate::catalog::drops::{DropFacts, KeyFacts};
use crate::deferred::drop_table::DropTable;
use crate::deferred::operation::Operation;

/// The oids of the tables below.
const OIDS: &[(&str, u32)] = &[("e", 1), ("f", 2), ("p", 3), ("q", 4), ("s", 5)];

fn oid(name: &str) -> u32 {
    OIDS.iter().find(|(known, _)| *known == name).unwrap().1
}

/// A foreign key as the server tells it of one of its tables, where the other has this size.
fn key(from: &str, to: &str, bytes: u64) -> KeyFacts {
    KeyFacts {
        name: format!("{from}_{to}_fkey"),
        schema: "public".into(),
        table: from.into(),
        oid: oid(from),
        joined_schema: "public".into(),
        joined: to.into(),
        joined_oid: oid(to),
        definition: Some(format!("FOREIGN KEY (a) REFERENCES public.{to}(id)")),
        validated: true,
        partitioned: false,
        permitted: true,
        temporary: false,
        bytes: Some(bytes),
    }
}

/// An empty table with these foreign keys.
fn joined(name: &str, keys: Vec<KeyFacts>) -> testing::RelationFacts {
    let drop = DropFacts { keys, parts: vec![format!("{name}_pkey")], views: vec![format!("{name}_view")], ..DropFacts::default() };
    testing::RelationFacts { oid: oid(name), drop: Some(drop), ..table("public", name, 0) }
}

/// `e` refers to the large `p` and `q` and to the small `s`, and `f` to `e`.
fn world() -> World {
    World::default()
        .with(joined("e", vec![key("e", "p", LARGE), key("e", "q", LARGE), key("e", "s", 8192), key("f", "e", LARGE)]))
        .with(joined("f", vec![key("f", "e", 0)]))
}

/// The same without the key of `f`.
pub(super) fn leaf() -> World {
    changed(|drop| drop.keys.retain(|key| key.table == "e"))
}

fn changed(change: impl Fn(&mut DropFacts)) -> World {
    let mut world = world();
    let facts = world.relations.iter_mut().find(|relation| relation.name == "e").unwrap();
    change(facts.drop.as_mut().unwrap());
    world
}

fn with_keys(change: impl Fn(&mut KeyFacts)) -> World {
    changed(|drop| {
        drop.keys.retain(|key| key.joined == "p");
        drop.keys.iter_mut().for_each(&change);
    })
}

const P: &str = "ALTER TABLE public.e DROP CONSTRAINT e_p_fkey";
const Q: &str = "ALTER TABLE public.e DROP CONSTRAINT e_q_fkey";
const F: &str = "ALTER TABLE public.f DROP CONSTRAINT f_e_fkey";

#[test]
fn the_keys_that_lock_others_go_first() {
    on(leaf()).rewrites("DROP TABLE e", &[P, Q, "DROP TABLE public.e"]);
    on(leaf()).rewrites("drop table if exists nowhere, public.e /* now */ restrict", &[P, Q, "DROP TABLE IF EXISTS public.e"]);
    on(world()).rewrites("DROP TABLE e CASCADE", &[P, Q, F, "DROP TABLE public.e CASCADE"]);
    on(world()).rewrites("DROP TABLE e, f", &[P, Q, "DROP TABLE public.e, public.f"]);
    on(world()).rewrites("DROP TABLE f, e, e", &[P, Q, "DROP TABLE public.f, public.e"]);
    let outcome = on(leaf()).of("DROP TABLE e");
    let message = &outcome.decision.notices[0].message;
    assert!(
        message.contains("DROP TABLE public.e also locks public.p, public.q, which foreign keys join it with, all at once; runs as: "),
        "{message}"
    );
}

#[test]
fn each_table_of_a_statement_brings_its_own_keys() {
    let both = world().with(joined("f", vec![key("f", "p", LARGE)]));
    let f = "ALTER TABLE public.f DROP CONSTRAINT f_p_fkey";
    on(both.clone()).rewrites("DROP TABLE e, f CASCADE", &[P, Q, f, "DROP TABLE public.e, public.f CASCADE"]);
    let mut exempt = on(both);
    exempt.settings.exemptions.push(Exemption {
        role: None,
        database: None,
        table: Some("public.e".into()),
        application_name: None,
        rules: vec!["drop-table-foreign-keys".into()],
        reason: "agreed".into(),
    });
    exempt.rewrites("DROP TABLE e, f CASCADE", &[f, "DROP TABLE public.e, public.f CASCADE"]);
}

#[test]
fn what_hurts_nobody_is_passed() {
    on(world()).passes("DROP TABLE f");
    on(with_keys(|key| key.bytes = Some(8192))).passes("DROP TABLE e");
    on(with_keys(|key| key.temporary = true)).passes("DROP TABLE e");
    let mut new = in_block();
    new.world = leaf();
    ["p", "q"].iter().for_each(|name| new.overlay.apply(&Effect::Created(RelationName::qualified("public", *name))));
    new.passes("DROP TABLE e");
}

#[test]
fn what_the_server_refuses_is_left_to_it() {
    on(world()).passes("DROP TABLE e");
    on(leaf()).passes("DROP TABLE e, nowhere");
    on(changed(|drop| drop.forbidden = true)).passes("DROP TABLE e CASCADE");
    let used = || {
        changed(|drop| {
            drop.keys.retain(|key| key.table == "e");
            drop.used = true;
        })
    };
    on(used()).passes("DROP TABLE e");
    on(used()).rewrites("DROP TABLE e CASCADE", &[P, Q, "DROP TABLE public.e CASCADE"]);
}

#[test]
fn partitions_stay_as_they_are() {
    on(with_keys(|key| key.partitioned = true)).passes("DROP TABLE e");
    for change in [
        |facts: &mut testing::RelationFacts| facts.kind = 'p',
        |facts: &mut testing::RelationFacts| facts.has_children = true,
        |facts: &mut testing::RelationFacts| facts.is_partition = true,
    ] {
        let mut facts = joined("e", vec![key("e", "p", LARGE)]);
        change(&mut facts);
        on(World::default().with(facts)).passes("DROP TABLE e");
    }
}

#[test]
fn a_refused_drop_stays_refused() {
    let full = testing::RelationFacts { bytes: Some(LARGE), ..joined("e", vec![key("e", "p", LARGE)]) };
    on(World::default().with(full.clone())).refused_by("drop-table", "DROP TABLE e");
    let mut off = on(World::default().with(full));
    off.settings.rules.insert("drop-table".into(), Severity::Off);
    off.rewrites("DROP TABLE e", &[P, "DROP TABLE public.e"]);
    on(leaf()).refused_by("drop-table-foreign-keys", "SELECT 1; DROP TABLE e");
}

#[test]
fn what_could_not_be_taken_back_is_refused() {
    for change in [
        |key: &mut KeyFacts| key.permitted = false,
        |key: &mut KeyFacts| key.definition = None,
        |key: &mut KeyFacts| key.definition = Some("FOREIGN KEY (a) REFERENCES public.q(id)".into()),
        |key: &mut KeyFacts| key.definition = Some("FOREIGN KEY (a) REFERENCES public.p(id), ADD COLUMN c int".into()),
    ] {
        let message = on(with_keys(change)).refused("DROP TABLE e").message;
        assert!(message.contains(&format!("each in a transaction of its own: {P}; DROP TABLE e;")), "{message}");
    }
    let mut unasked = leaf();
    let reference = testing::ConstraintFacts { kind: 'f', references: Some("public.p".into()), ..Default::default() };
    let facts = unasked.relations.iter_mut().find(|relation| relation.name == "e").unwrap();
    (facts.drop, facts.constraints) = (None, vec![reference]);
    on(unasked).refused_by("drop-table-foreign-keys", "DROP TABLE e");
}

fn after(statements: &[&str]) -> Ask {
    Ask { world: leaf(), ..in_block() }.after(statements)
}

#[test]
fn in_a_transaction_all_of_it_waits() {
    assert_eq!(after(&[]).defers("DROP TABLE e"), format!(" | {P}; {Q}; DROP TABLE public.e"));
    let dropped = after(&["DROP TABLE e"]);
    let Operation::DropTable(DropTable { takes, .. }) = &dropped.overlay.deferred()[2].operation else { panic!() };
    assert_eq!(takes, &["e_pkey"]);
    let mut never = after(&[]);
    never.settings.defers = false;
    let refusal = never.refused("DROP TABLE e").message;
    assert!(refusal.ends_with(&format!("Run these one by one, each in a transaction of its own: {P}; {Q}; DROP TABLE public.e;")), "{refusal}");
}

#[test]
fn what_names_the_table_is_refused_and_the_rest_goes_on() {
    let dropped = after(&["DROP TABLE e"]);
    for sql in [
        "CREATE TABLE e (id int)",
        "CREATE TABLE public.e (id int)",
        "CREATE TABLE n (id int REFERENCES e)",
        "CREATE TABLE n (LIKE e)",
        "CREATE TABLE n AS SELECT * FROM e",
        "SELECT * FROM t JOIN (SELECT 1 FROM public.e) x ON true",
        "SELECT to_regclass('public.e')",
        "SELECT 1 FROM information_schema.tables WHERE table_name = 'e'",
        "INSERT INTO e VALUES (1)",
        "UPDATE p SET a = (SELECT 1 FROM e)",
        "DELETE FROM e",
        "WITH gone AS (DELETE FROM e RETURNING 1) SELECT * FROM gone",
        "COPY e FROM STDIN",
        "LOCK TABLE e",
        "ALTER TABLE e ADD COLUMN c int",
        "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES e",
        "ALTER TABLE t RENAME TO e",
        "ALTER TABLE e RENAME TO n",
        "CREATE VIEW v AS SELECT 1 FROM e",
        "CREATE INDEX e_pkey ON p (a)",
        "CREATE SEQUENCE e_pkey",
        "DROP TABLE e",
        "DROP TABLE IF EXISTS e",
        "DROP TABLE f, e",
        "ALTER TABLE p DROP CONSTRAINT p_pkey",
        "ALTER TABLE p DROP COLUMN id",
        "GRANT SELECT ON e TO PUBLIC",
    ] {
        let message = dropped.refused(sql).message;
        assert!(message.contains("[waits-for-commit]") || message.contains("[drop-column]"), "{sql}: {message}");
        let found = dropped.of(sql).decision.findings;
        assert!(found.iter().any(|judged| judged.finding.rule.0 == "waits-for-commit"), "{sql}");
    }
    for sql in [
        "CREATE TABLE n (e int)",
        "CREATE TABLE other.e (id int)",
        "SELECT e FROM p",
        "INSERT INTO alembic_version VALUES ('drop e')",
        "ALTER TABLE p ADD COLUMN e int",
        "DROP TABLE nowhere",
        "COMMENT ON COLUMN p.e IS 'x'",
    ] {
        dropped.passes(sql);
    }
    assert_eq!(dropped.defers("CREATE INDEX ON t (a)"), " | CREATE INDEX CONCURRENTLY t_a_idx ON t (a)");
}

#[test]
fn a_table_that_the_dropped_one_refers_to_goes_after_it() {
    // `f` waits, and with it the key that keeps `e`.
    let both = world().with(joined("f", vec![key("f", "p", LARGE), key("f", "e", 0)]));
    let ask = Ask { world: both, ..in_block() };
    ask.passes("DROP TABLE e");
    let dropped = ask.after(&["DROP TABLE f"]);
    assert_eq!(dropped.defers("DROP TABLE e"), format!(" | {P}; {Q}; DROP TABLE public.e"));
    let mut only = dropped;
    only.world = only.world.with(joined("e", vec![key("f", "e", LARGE)]));
    assert_eq!(only.defers("DROP TABLE e"), " | DROP TABLE public.e");
    let outcome = only.of("DROP TABLE e");
    let message = &outcome.decision.notices[0].message;
    assert!(message.contains("DROP TABLE public.e has to come after that of public.f, which waits for COMMIT"), "{message}");
}

#[test]
fn a_way_back_to_a_savepoint_takes_the_promise_back() {
    let mut ask = after(&["CREATE INDEX i ON t (a)"]);
    ask.overlay.apply(&Effect::Savepoint("s".into()));
    let mut dropped = ask.clone().after(&["DROP TABLE e"]);
    assert_eq!(dropped.overlay.deferred().len(), 4);
    dropped.overlay.apply(&Effect::RollbackTo("s".into()));
    assert_eq!(dropped.overlay.deferred(), ask.overlay.deferred());
    dropped.passes("SELECT 1 FROM e");
}

#[test]
fn what_a_table_was_promised_is_not_done_to_drop_it() {
    let mut ask = in_block();
    ask.world = World::default().with(testing::RelationFacts { bytes: Some(LARGE), ..joined("e", vec![key("e", "p", LARGE)]) });
    ask.settings.rules.insert("drop-table".into(), Severity::Off);
    let ask = ask.after(&["CREATE INDEX i ON e (a)", "CREATE INDEX j ON t (a)"]);
    let effects = ask.of("DROP TABLE e").effects;
    let mut overlay = ask.overlay.clone();
    effects.iter().for_each(|effect| overlay.apply(&effect.settling()));
    let left: Vec<_> = overlay.deferred().iter().filter_map(|deferred| deferred.operation.name()).collect();
    assert_eq!(left, ["j"]);
    assert!(!overlay.left(&RelationName::qualified("public", "e")));
}
