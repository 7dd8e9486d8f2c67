//! Names that mean something else later in the same string.

use super::*;

fn temporary(name: &str) -> testing::RelationFacts {
    testing::RelationFacts { persistence: 't', ..table("pg_temp", name, 0) }
}

/// In front of the large `public.t` stands a temporary `t`; `s1.t` is empty.
fn shadowed() -> World {
    World { path: vec!["pg_temp".into(), "s1".into(), "public".into()], ..World::default().with(temporary("t")).with(table("s1", "t", 0)) }
}

#[test]
fn what_is_dropped_or_renamed_uncovers_what_it_hid() {
    on(shadowed()).passes("DROP TABLE t");
    on(shadowed()).refused_by("drop-table", "DROP TABLE t; DROP TABLE t");
    on(shadowed()).refused_by("drop-table", "DROP TABLE pg_temp.t; DROP TABLE t");
    on(shadowed()).refused_by("drop-table", "ALTER TABLE t RENAME TO zzz; DROP TABLE t");
    on(shadowed()).refused_by("rename-table", "ALTER INDEX t RENAME TO zzz; ALTER TABLE t RENAME TO zzz2");
    on(shadowed()).refused_by("create-index-blocking", "DROP TABLE t; CREATE INDEX ON t (a)");
    on(shadowed()).refused_by("drop-table", "CREATE TEMP TABLE t (a int); DROP TABLE t; DROP TABLE t");
    let view = testing::RelationFacts { kind: 'v', ..table("s1", "t", 0) };
    let ask = on(World { path: vec!["s1".into(), "public".into()], ..World::default().with(view) });
    ask.passes("ALTER TABLE t ALTER a SET DEFAULT 1; CREATE INDEX ON t (a)");
    ask.refused_by("create-index-blocking", "DROP VIEW t; CREATE INDEX ON t (a)");
    let hidden = World { path: vec!["s1".into(), "public".into()], ..World::default().with(index("s1", "e", "t_b_idx", 0)) };
    on(hidden.clone()).passes("DROP INDEX t_b_idx");
    on(hidden).refused_by("drop-index-blocking", "DROP INDEX t_b_idx; DROP INDEX t_b_idx");
}

#[test]
fn what_the_transaction_created_is_not_what_it_hid() {
    let world = World { path: vec!["s1".into(), "public".into()], ..World::default().with(table("s1", "t", LARGE)) };
    let mut ask = Ask { world, ..in_transaction() };
    ask.overlay.apply(&Effect::Created(RelationName::qualified("s1", "t")));
    ask.passes("DROP TABLE t");
    ask.refused_by("drop-table", "ALTER TABLE t RENAME TO zzz; DROP TABLE t");
    for sql in ["BEGIN; COMMIT; DROP TABLE t", "COMMIT; DROP TABLE t", "BEGIN; ROLLBACK; DROP TABLE t", "BEGIN; ROLLBACK; DROP TABLE s1.t"] {
        ask.refused_by("drop-table", sql);
    }
}

#[test]
fn code_may_set_the_path() {
    let sets = function('v', "BEGIN SET search_path = public; RETURN 1; END");
    let world = World::default().function("sets", sets).function("rows", function('v', "BEGIN UPDATE t SET a = 1; RETURN 1; END"));
    let ask = on(world);
    for sql in [
        "DO $$ BEGIN SET search_path = public; END $$; DROP TABLE e",
        "DO $$ BEGIN PERFORM sets(); END $$; DROP TABLE e",
        "SELECT sets(); DROP TABLE e",
        "CALL sets(); DROP TABLE e",
        "FETCH ALL FROM c; DROP TABLE e",
    ] {
        ask.doubted_by("drop-table", sql);
    }
    // With that rule switched off, the name is still unknown.
    let mut lenient = ask.clone();
    lenient.settings.rules.insert("protected-setting".into(), Severity::Off);
    lenient.refused_by("drop-table", "UPDATE pg_settings SET setting = 'public' WHERE name = 'search_path'; DROP TABLE e");
    let with = |sql| Ask { prepared: vec![("p", sql)], ..ask.clone() };
    with("SELECT set_config('search_path', 'public', false)").refused_by("drop-table", "EXECUTE p; DROP TABLE e");
    with("SET search_path = public").refused_by("drop-table", "EXECUTE p; DROP TABLE e");
    with("SELECT sets()").refused_by("drop-table", "EXECUTE p; DROP TABLE e");
    with("SELECT set_config('work_mem', '1MB', false)").passes("EXECUTE p; DROP TABLE e");
    ask.passes("DO $$ BEGIN UPDATE t SET a = 1 WHERE id = 1; END $$; DROP TABLE e");
    ask.passes("SELECT rows(); DO $$ BEGIN PERFORM rows(); END $$; CREATE TABLE n (a int); CREATE INDEX ON n (a)");
    ask.passes("DO $$ BEGIN SET search_path = public; END $$; DROP TABLE public.e");
    let mut unread = ask.clone();
    unread.settings.rules.insert("opaque-code".into(), Severity::Off);
    unread.doubted_by("drop-table", "DO $$ BEGIN EXECUTE 'SET search_path = public'; END $$; DROP TABLE public.e");
}

#[test]
fn anything_may_set_the_time_zone() {
    let ask = on(World { utc: true, ..World::default().function("mine", function('v', "BEGIN RETURN 1; END")) });
    let change = "ALTER TABLE t ALTER ts TYPE timestamptz";
    for sql in [
        "SET TIME ZONE 'America/New_York'",
        "SELECT set_config('TimeZone', 'America/New_York', false)",
        "DO $$ BEGIN SET TIME ZONE 5; END $$",
        "SELECT mine()",
        "FETCH c",
        "RESET ALL",
        "ROLLBACK",
    ] {
        ask.refused_by("alter-column-type", &format!("{sql}; {change}"));
    }
    ask.passes(&format!("BEGIN; SET search_path = public; SELECT now(); {change}; COMMIT"));
    ask.passes(&format!("{change}; SET TIME ZONE 'Europe/Berlin'"));
}

#[test]
fn a_table_that_existed_is_not_created() {
    on(shadowed()).refused_by("drop-table", "CREATE TABLE IF NOT EXISTS t (i int); DROP TABLE public.t");
    let outcome = Ask { world: World { path: vec!["pg_temp".into(), "public".into()], ..shadowed() }, ..in_transaction() };
    assert_eq!(outcome.of("CREATE TABLE IF NOT EXISTS t (i int)").effects, [Effect::Nothing]);
    assert_eq!(outcome.of("CREATE TABLE IF NOT EXISTS n (i int)").effects, [Effect::Created(RelationName::qualified("public", "n"))]);
}

#[test]
fn a_parent_is_as_old_as_its_children() {
    for sql in [
        "CREATE TABLE n (LIKE t); ALTER TABLE t INHERIT n; DROP TABLE n CASCADE",
        "CREATE TABLE n (LIKE t); ALTER TABLE t INHERIT n; DROP TABLE public.n CASCADE",
        "CREATE TABLE n (a int) PARTITION BY RANGE (a); ALTER TABLE n ATTACH PARTITION s DEFAULT; DROP TABLE n",
    ] {
        ask().refused_by("drop-table", sql);
    }
    ask().passes("CREATE TABLE n (a int); CREATE TABLE m (a int); ALTER TABLE m INHERIT n; DROP TABLE n CASCADE");
    ask().passes("CREATE TABLE n (a int) PARTITION BY RANGE (a); ALTER TABLE n ATTACH PARTITION e DEFAULT; CREATE INDEX ON n (a)");
}

#[test]
fn alter_index_renames_tables_too() {
    ask().refused_by("rename-table", "ALTER INDEX t RENAME TO x");
    ask().passes("ALTER INDEX t_b_idx RENAME TO x");
    ask().passes("ALTER INDEX IF EXISTS nowhere RENAME TO x");
    ask().refused_by("drop-table", "ALTER INDEX e RENAME TO x; DROP TABLE x");
}

#[test]
fn ordinary_strings_keep_their_names() {
    for sql in [
        "CREATE TABLE n (id int); CREATE INDEX ON n (id); ALTER TABLE n ADD COLUMN c int NOT NULL; DROP TABLE n",
        "DROP TABLE IF EXISTS e; CREATE TABLE e (a int); CREATE INDEX ON e (a); ALTER TABLE e ADD CHECK (a > 0)",
        "DROP TABLE IF EXISTS e; CREATE TABLE IF NOT EXISTS e (a int); CREATE UNIQUE INDEX ON e (a)",
        "BEGIN; DROP TABLE IF EXISTS e; CREATE TABLE e (a int); COMMIT; CREATE INDEX ON e (a)",
        "DROP TABLE e CASCADE; DROP TABLE IF EXISTS nowhere CASCADE; DROP TABLE e2 CASCADE",
        "DROP INDEX IF EXISTS s_b_idx; DROP TABLE e; DROP VIEW v; DROP TABLE e2; CREATE INDEX ON s (a)",
        "DROP INDEX s_b_idx; CREATE INDEX s_b_idx ON s (b, a)",
        "CREATE TEMP TABLE w (a int); INSERT INTO w VALUES (1); CREATE INDEX ON w (a); DROP TABLE w",
        "BEGIN; CREATE TABLE n (id int); COMMIT; BEGIN; CREATE INDEX ON n (id); COMMIT",
        "ALTER TABLE e RENAME TO old; ALTER INDEX e_b_idx RENAME TO old_b_idx; ALTER TABLE e2 DROP COLUMN a",
        "CREATE TABLE n_new (a int); DROP TABLE IF EXISTS e; ALTER TABLE n_new RENAME TO e; CREATE INDEX ON e (a)",
        "SAVEPOINT x; CREATE TABLE n (a int); RELEASE x; CREATE INDEX ON n (a)",
    ] {
        on(World::default().with(table("public", "e2", 0)).with(index("public", "e", "e_b_idx", 0))).passes(sql);
    }
}

#[test]
fn a_name_that_the_same_string_or_statement_gives_back_is_no_refusal_of_the_servers() {
    let taken = |t: &mut testing::RelationFacts| {
        let (key, columns) = (vec!["a".into()], vec!["a".into()]);
        t.indexes = vec![testing::IndexFacts { name: "i".into(), valid: true, unique: true, plain: true, columns, key, ..Default::default() }];
        t.taken.relations.push("i".into());
    };
    let partitioned = move |t: &mut testing::RelationFacts| {
        taken(t);
        (t.kind, t.has_children, t.partition_key) = ('p', true, Some(vec!["a".into()]));
    };
    for world in [World::default().altering(taken), World::default().altering(partitioned)] {
        let ask = Ask { in_transaction: true, ..on(world) };
        for sql in ["DROP SEQUENCE i; CREATE INDEX i ON t (a)", "ALTER INDEX i RENAME TO l; CREATE INDEX i ON t (a)"] {
            ask.refused_by("create-index-blocking", sql);
        }
        ask.refused_by("add-unique-blocking", "ALTER TABLE t DROP CONSTRAINT i, ADD CONSTRAINT i UNIQUE (a)");
        ask.passes("CREATE INDEX i ON t (a)");
        ask.passes("ALTER TABLE t ADD CONSTRAINT i UNIQUE (a)");
    }
}
