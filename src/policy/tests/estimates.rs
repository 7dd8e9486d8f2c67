//! What the time of a statement goes into. The formula itself: `catalog::estimate`.

use super::*;
use crate::catalog::estimate::{Estimate, REFERENCE, Speed};
use crate::catalog::facts::{RelationFacts, Volume};
use crate::policy::message;

/// The tables of the world have half a million rows each.
fn counted(mut world: World) -> World {
    world.relations.iter_mut().for_each(|relation| relation.volume = Some(Volume { heap: LARGE, rows: 500_000, uncounted: 0 }));
    world
}

fn of(world: &World, sql: &str) -> Option<Estimate> {
    on(world.clone()).of(sql).decision.findings.into_iter().find_map(|judged| judged.finding.estimate)
}

/// Milliseconds as written and as rewritten, and megabytes.
fn told(world: &World, sql: &str) -> (u128, Option<u128>, u64) {
    let estimate = of(world, sql).unwrap_or_else(|| panic!("{sql}"));
    assert_eq!(estimate.rows, 500_000, "{sql}");
    (estimate.takes.likely.as_millis(), estimate.safe.map(|safe| safe.likely.as_millis()), estimate.disk_bytes >> 20)
}

#[test]
fn each_statement_has_its_job() {
    let world = counted(World::default());
    let (scan, key) = ((34, Some(34), 0), (209, Some(209), 0));
    for sql in
        ["ALTER TABLE t ALTER COLUMN a SET NOT NULL", "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", "ALTER TABLE t ADD COLUMN c int CHECK (c > 0)"]
    {
        assert_eq!(told(&world, sql), scan, "{sql}");
    }
    assert_eq!(told(&world, "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p"), key);
    assert_eq!(told(&world, "ALTER TABLE t ADD COLUMN c int DEFAULT 1 REFERENCES p"), key);
    let by_number = (334, Some(534), 10);
    for sql in ["CREATE INDEX ON t (a)", "ALTER TABLE t ADD UNIQUE (a)", "CREATE INDEX ON t USING hash (a)"] {
        assert_eq!(told(&world, sql), by_number, "{sql}");
    }
    assert_eq!(told(&world, "CREATE INDEX ON t (b)").0, 414, "by a text");
    assert_eq!(told(&world, "CREATE INDEX ON t (lower(b))").0, 414, "an expression is taken for one");
    assert_eq!(told(&world, "CREATE INDEX ON t (a, ts)").0, 364, "by two columns");
    assert_eq!(told(&world, "CREATE INDEX ON t USING brin (ts)"), (34, Some(54), 0), "which sorts nothing");
    assert_eq!(told(&world, "ALTER TABLE t ADD COLUMN c int UNIQUE").0, 334);
    // Both indexes, too.
    for sql in ["ALTER TABLE t ALTER COLUMN a TYPE bigint", "ALTER TABLE t ADD COLUMN c float8 DEFAULT random()", "VACUUM FULL t"] {
        assert_eq!(told(&world, sql), (999, None, 100), "{sql}");
    }
    assert_eq!(told(&world, "REINDEX TABLE t").0, 563);
    let collated = "ALTER TABLE t ALTER COLUMN b TYPE text COLLATE \"C\"";
    assert_eq!(told(&world, collated).0, 414, "only its index");
}

#[test]
fn what_nobody_has_measured_is_told_no_time() {
    let world = counted(World::default());
    for sql in
        ["CREATE INDEX ON t USING gin (b)", "REFRESH MATERIALIZED VIEW v", "ALTER TABLE t SET TABLESPACE x", "ALTER TABLE t ADD EXCLUDE (a WITH =)"]
    {
        let found = on(world.clone()).of(sql).decision.findings.remove(0).finding;
        assert_eq!(found.estimate, None, "{sql}");
        let detail = message::detail(&found).unwrap();
        assert!(detail.ends_with("How long it takes cannot be told beforehand."), "{sql}: {detail}");
    }
    let with_gin = counted(World::default().altering(|t| t.indexes[1].method = "gin".into()));
    assert_eq!(of(&with_gin, "ALTER TABLE t ALTER COLUMN a TYPE bigint"), None);
    assert_eq!(of(&World::default(), "CREATE INDEX ON t (a)"), None, "no statistics and no size");
    assert_eq!(of(&world, "ALTER TABLE t DROP COLUMN a"), None, "no work");
    assert_eq!(of(&World { silent: true, ..world }, "CREATE INDEX ON t (a)"), None, "nothing is known");
}

#[test]
fn an_index_speaks_of_the_rows_of_its_table() {
    let of_b = |index: &mut RelationFacts| index.columns = vec![testing::column("b", 1043, 54, "character varying(50)")];
    let mut world = counted(World::default());
    world.relations.iter_mut().filter(|relation| relation.name == "t_b_idx").for_each(of_b);
    assert_eq!(told(&world, "REINDEX INDEX t_b_idx").0, 414);
}

#[test]
fn the_detail_tells_the_estimate() {
    let mut world = counted(World::default());
    let detail = |world: &World| on(world.clone()).of("CREATE INDEX i ON t (a)").decision.notices.remove(0).detail.unwrap();
    assert_eq!(
        detail(&world),
        "lock Share on public.t (54 MB), work: scan; known from the catalog. It takes less than 1 s, at most 2 s (500 thousand rows; the speed of this server was \
         not measured), and needs about 11 MB of disk, and as much for WAL. Its safe form takes less than 1 s, at most 2 s, besides what it waits for."
    );
    world.speed = Some(Speed { counting: REFERENCE.counting * 4, sorting: REFERENCE.sorting * 4 });
    assert!(detail(&world).contains("It takes about 2 s here, at most 5 s (500 thousand rows), and needs"), "{}", detail(&world));
}
