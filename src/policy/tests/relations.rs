//! How much a relation bears, and its indexes.

use super::*;
use crate::catalog::drops::DropFacts;

#[test]
fn create_index_becomes_concurrent_under_the_name_that_postgresql_chooses() {
    ask().rewrites("CREATE INDEX ON t (a)", &["CREATE INDEX CONCURRENTLY t_a_idx ON t (a)"]);
    ask().rewrites("create unique index x on public.t (a) where a > 0", &["create unique index CONCURRENTLY x on public.t (a) where a > 0"]);
    ask().rewrites("CREATE INDEX ON t (b)", &["CREATE INDEX CONCURRENTLY t_b_idx1 ON t (b)"]);
    let steps = ask().rewrite("CREATE INDEX ON t (a)");
    assert_eq!(steps[0].wait, Wait::Long);
    assert_eq!(steps[0].debris.as_ref().and_then(Debris::remedy).as_deref(), Some("DROP INDEX CONCURRENTLY IF EXISTS public.t_a_idx"));
}

#[test]
fn an_invalid_index_is_no_index() {
    let world = World::default().altering(|t| (t.indexes[1].valid, t.indexes[1].abandoned) = (false, true));
    let build = "CREATE INDEX CONCURRENTLY IF NOT EXISTS t_b_idx ON t (b)";
    on(world.clone()).rewrites("CREATE INDEX IF NOT EXISTS t_b_idx ON t (b)", &[build]);
    on(world).rewrites(build, &[build]);
    ask().passes(build);
    let being_built = World::default().altering(|t| t.indexes[1].valid = false);
    on(being_built.clone()).rewrites("CREATE INDEX IF NOT EXISTS t_b_idx ON t (b)", &[build]);
    on(being_built).passes(build);
}

#[test]
fn small_empty_temporary_and_missing_tables_bear_locks_and_work() {
    let world = World::default().with(testing::RelationFacts { persistence: 't', ..table("pg_temp", "tmp", LARGE) });
    for table in ["s", "e", "pg_temp.tmp", "nowhere"] {
        on(world.clone()).passes(&format!("CREATE INDEX ON {table} (a)"));
        on(world.clone()).passes(&format!("ALTER TABLE {table} ADD CONSTRAINT k CHECK (a > 0), ALTER COLUMN a SET NOT NULL"));
        on(world.clone()).passes(&format!("ALTER TABLE {table} ADD COLUMN c float8 DEFAULT random()"));
    }
}

#[test]
fn only_new_empty_temporary_and_missing_tables_bear_loss() {
    for table in ["e", "nowhere"] {
        ask().passes(&format!("DROP TABLE IF EXISTS {table}"));
        ask().passes(&format!("ALTER TABLE {table} DROP COLUMN a"));
        ask().passes(&format!("ALTER TABLE {table} RENAME TO other"));
    }
    ask().refused_by("drop-table", "DROP TABLE s");
    ask().refused_by("drop-table", "DROP TABLE e, nowhere, s");
    ask().refused_by("drop-column", "ALTER TABLE s DROP COLUMN a");
    ask().refused_by("rename-column", "ALTER TABLE s RENAME a TO c");
    ask().refused_by("rename-table", "ALTER TABLE s RENAME TO s2");
    ask().refused_by("truncate", "TRUNCATE s");
    ask().passes("VACUUM FULL s");
    ask().refused_by("vacuum-full", "VACUUM FULL t");
}

#[test]
fn cascade_loses_what_is_elsewhere() {
    let holds = |name: &str| testing::RelationFacts { takes_along: vec!["public.t.c".into()], ..table("public", name, 0) };
    let referenced = testing::RelationFacts { referenced_by: vec!["public.t".into()], drop: Some(DropFacts::default()), ..table("public", "r", 0) };
    let ask = on(World::default().with(holds("h")).with(referenced));
    let message = ask.refused("DROP TABLE h CASCADE").message;
    assert!(message.starts_with("pgairlock [drop-table]: DROP TABLE public.h CASCADE also drops public.t.c."), "{message}");
    ask.refused_by("drop-column", "ALTER TABLE h DROP COLUMN a CASCADE");
    ask.refused_by("truncate", "TRUNCATE r CASCADE");
    ask.refused_by("truncate", "CREATE TABLE n (id int PRIMARY KEY); ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES n NOT VALID; TRUNCATE n CASCADE");
    ask.refused_by("drop-object", "DROP MATERIALIZED VIEW h CASCADE");
    for sql in ["DROP TABLE h", "DROP TABLE r CASCADE", "DROP TABLE e CASCADE", "ALTER TABLE h DROP COLUMN a", "TRUNCATE e CASCADE", "TRUNCATE r"] {
        ask.passes(sql);
    }
}

#[test]
fn an_unanswered_question_is_judged_as_the_worst() {
    let silent = on(World { silent: true, ..World::default() });
    silent.refused_by("drop-table", "DROP TABLE nowhere");
    silent.refused_by("alter-column-type", "ALTER TABLE nowhere ALTER COLUMN a TYPE text");
    silent.rewrites("CREATE INDEX ON s (a)", &["CREATE INDEX CONCURRENTLY ON s (a)"]);
    silent.refused_by("add-primary-key-blocking", "ALTER TABLE s ADD PRIMARY KEY (a)");
    let refusal = silent.refused("DROP TABLE s");
    assert_eq!(refusal.detail.as_deref(), Some("lock AccessExclusive on s, work: none; assumed: not everything could be known beforehand."));
}

#[test]
fn what_the_string_itself_creates_is_new() {
    ask().passes("CREATE TABLE n (a int REFERENCES p (id)); CREATE INDEX ON n (a); ALTER TABLE n ADD CHECK (a > 0); DROP TABLE n");
    ask().passes("CREATE TABLE IF NOT EXISTS n (a int); ALTER TABLE n ALTER a SET NOT NULL");
    ask().passes("SELECT 1 AS a INTO n; CREATE UNIQUE INDEX ON n (a)");
    ask().passes("CREATE TABLE n (a int); ALTER TABLE n RENAME TO m; CREATE INDEX ON m (a)");
    ask().refused_by("create-index-blocking", "CREATE TABLE IF NOT EXISTS t (a int); CREATE INDEX ON t (a)");
    ask().refused_by("drop-table", "CREATE TEMP TABLE t (a int); DROP TABLE public.t");
}

#[test]
fn what_the_transaction_created_is_new() {
    let mut ask = Ask { world: World::default().with(table("public", "n", LARGE)), ..in_transaction() };
    ask.refused_by("create-index-blocking", "CREATE INDEX ON n (a)");
    ask.overlay.apply(&Effect::Created(RelationName::qualified("public", "n")));
    ask.passes("CREATE INDEX ON n (a)");
    ask.passes("DROP TABLE n");
}

#[test]
fn what_was_moved_onto_a_name_is_not_taken_for_what_was_there() {
    let mut ask = ask();
    ask.settings.rules.insert("rename-table".into(), Severity::Off);
    ask.refused_by("drop-table", "ALTER TABLE t RENAME TO n; DROP TABLE n");
    ask.refused_by("drop-table", "ALTER TABLE e RENAME TO e_old; ALTER TABLE t RENAME TO e; DROP TABLE e");
}

#[test]
fn names_follow_a_search_path_that_the_string_sets() {
    let world = World::default().with(table("app", "t", 0)).with(table("app", "u", LARGE));
    on(world.clone()).passes("SET search_path = app, public; CREATE INDEX ON t (a)");
    on(world.clone()).refused_by("create-index-blocking", "SET search_path = app, public; CREATE INDEX ON u (a)");
    on(world.clone()).passes("SELECT pg_catalog.set_config('search_path', '', false); CREATE INDEX ON app.t (a)");
    on(world.clone()).refused_by("create-index-blocking", "SET search_path = app; RESET search_path; CREATE INDEX ON t (a)");
    on(world).refused_by("drop-table", "SET ROLE other; DROP TABLE e");
}

#[test]
fn indexes_go_and_are_rebuilt_concurrently() {
    ask().rewrites("DROP INDEX IF EXISTS t_b_idx", &["DROP INDEX CONCURRENTLY IF EXISTS t_b_idx"]);
    ask().passes("DROP INDEX s_b_idx");
    ask().passes("DROP INDEX IF EXISTS nowhere_idx");
    ask().refused_by("drop-index-blocking", "DROP INDEX t_b_idx CASCADE");
    ask().refused_by("drop-index-blocking", "DROP INDEX s_b_idx, t_b_idx");
    let steps = ask().rewrite("REINDEX INDEX t_b_idx");
    assert_eq!(steps[0].sql, "REINDEX INDEX CONCURRENTLY t_b_idx");
    assert_eq!(steps[0].debris, Some(Debris::Rebuilt(Some(RelationName::qualified("public", "t")))));
    ask().rewrites("REINDEX TABLE t", &["REINDEX TABLE CONCURRENTLY t"]);
    ask().refused_by("reindex-blocking", "REINDEX SYSTEM");
    let backed = testing::RelationFacts {
        index: Some(testing::IndexOf { constraint: Some("t_pkey".into()), table: "t".into(), ..Default::default() }),
        ..index("public", "t", "t_pkey", LARGE)
    };
    on(World::default().with(backed)).passes("DROP INDEX t_pkey");
}

#[test]
fn a_partition_is_attached_where_nothing_is_read() {
    let with_default =
        World::default().with(testing::RelationFacts { kind: 'p', has_children: true, has_default_partition: true, ..table("public", "m", LARGE) });
    let without = World::default().with(testing::RelationFacts { kind: 'p', has_children: true, ..table("public", "m", LARGE) });
    on(without.clone()).passes("CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1)");
    on(with_default.clone()).refused_by("new-partition-scanning", "CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1)");
    on(without.clone()).passes("ALTER TABLE m ATTACH PARTITION e FOR VALUES IN (1)");
    on(without.clone()).passes("CREATE TABLE n (a int); ALTER TABLE m ATTACH PARTITION n FOR VALUES IN (1)");
    on(without).refused_by("new-partition-scanning", "ALTER TABLE m ATTACH PARTITION t FOR VALUES IN (1)");
    on(with_default).refused_by("new-partition-scanning", "ALTER TABLE m ATTACH PARTITION e FOR VALUES IN (1)");
}

#[test]
fn every_row_of_a_large_table_is_written_in_batches() {
    let message = ask().refused("DELETE FROM t").message;
    assert!(message.contains("DELETE FROM public.t WHERE id IN (SELECT id FROM public.t LIMIT 5000)"), "{message}");
    let message = in_transaction().refused("update t set a = 1").message;
    assert!(message.starts_with("pgairlock [unbatched-write]: UPDATE of every row of public.t locks all of them"), "{message}");
    for sql in ["UPDATE s SET a = 1", "DELETE FROM e", "UPDATE t SET a = 1 WHERE id < 10", "DELETE FROM t USING s WHERE s.id = t.id"] {
        ask().passes(sql);
    }
    in_transaction().passes("CREATE TABLE n (id int); UPDATE n SET id = 1");
}

#[test]
fn a_limit_that_postgresql_does_not_know_is_told_with_what_it_knows() {
    let error = parse::script("UPDATE t SET a = 1 LIMIT 100", 1 << 20).unwrap_err();
    let Plan::Refuse(refusal) = not_understood(&error, &ask().situation(&NothingPrepared)).decision.plan else { panic!() };
    assert!(refusal.message.contains("WHERE id IN (SELECT id FROM … WHERE … LIMIT 5000)"), "{}", refusal.message);
}
