//! Partitioned tables: what is done on each partition, and what cannot be.

use super::*;

fn partition(name: &str, kind: char) -> testing::PartitionFacts {
    testing::PartitionFacts { schema: "public".into(), name: name.into(), kind, not_null: vec!["id".into()], ..Default::default() }
}

/// `m`, partitioned by `id`, with two partitions.
fn m() -> testing::RelationFacts {
    testing::RelationFacts {
        kind: 'p',
        has_children: true,
        partition_key: Some(vec!["id".into()]),
        partitions: vec![partition("m_1", 'r'), partition("m_2", 'r')],
        constraints: Vec::new(),
        taken: testing::Taken { relations: vec!["m".into(), "m_b_idx".into()], ..Default::default() },
        ..table("public", "m", LARGE)
    }
}

fn with(change: impl FnOnce(&mut testing::RelationFacts)) -> Ask {
    let mut changed = m();
    change(&mut changed);
    on(World::default().with(changed))
}

fn own_index(key: &str) -> testing::OwnIndex {
    testing::OwnIndex { name: "by_hand".into(), valid: true, ordinary: true, key: vec![key.into()], ..Default::default() }
}

#[test]
fn each_partition_gets_its_index_first() {
    let ask = with(|_| {});
    let built = [
        "CREATE INDEX CONCURRENTLY m_1_a_idx ON public.m_1 (a)",
        "CREATE INDEX CONCURRENTLY m_2_a_idx ON public.m_2 (a)",
        "CREATE INDEX m_a_idx ON m (a)",
    ];
    ask.rewrites("CREATE INDEX ON m (a)", &built);
    let steps = ask.rewrite("CREATE INDEX i ON m (a)");
    assert_eq!((steps[0].wait, steps[2].wait), (Wait::Long, Wait::Bounded(220)));
    assert_eq!(steps[2].undo.as_deref(), Some("DROP INDEX IF EXISTS public.i"));
    ask.passes("CREATE INDEX ON ONLY m (a)");
    ask.passes("ALTER TABLE ONLY m ADD UNIQUE (id)");
}

#[test]
fn names_that_are_taken_are_numbered_and_those_that_depend_on_the_order_are_not_guessed() {
    let beside = |name: &str| testing::NameBeside { schema: "public".into(), name: name.into(), by_relation: true };
    let sql = with(|m| m.partition_names = vec![beside("m_2_a_idx")]).rewrite("CREATE INDEX m_1_a_idx ON m (a)");
    assert!(sql[0].sql.contains(" m_1_a_idx1 ON ") && sql[1].sql.contains(" m_2_a_idx1 ON "), "{sql:?}");
    let long = |end: &str| partition(&format!("{}{end}", "m".repeat(60)), 'r');
    let message = with(|m| m.partitions = vec![long("1"), long("2")]).refused("CREATE INDEX ON m (a)").message;
    assert!(message.contains("would be given to more than one partition"), "{message}");
}

#[test]
fn what_a_partition_has_is_taken_over_where_that_is_certain() {
    let having = |index: testing::OwnIndex| with(move |m| m.partitions[0].indexes = vec![index]);
    let only_the_other = ["CREATE INDEX CONCURRENTLY m_2_a_idx ON public.m_2 (a)", "CREATE INDEX i ON m (a)"];
    having(own_index("a")).rewrites("CREATE INDEX i ON m (a)", &only_the_other);
    assert_eq!(having(own_index("b")).rewrite("CREATE INDEX i ON m (a)").len(), 3);
    assert_eq!(having(own_index("a")).rewrite("CREATE INDEX i ON m (a) WHERE a > 0").len(), 3);
    assert_eq!(having(own_index("id")).rewrite("CREATE UNIQUE INDEX i ON m (id)").len(), 3);
    for (index, sql) in [
        (testing::OwnIndex { valid: false, ..own_index("a") }, "CREATE INDEX i ON m (a)"),
        (testing::OwnIndex { ordinary: false, ..own_index("a") }, "CREATE INDEX i ON m (a) WHERE a > 0"),
        (testing::OwnIndex { unique: true, constraint: Some('p'), ..own_index("id") }, "ALTER TABLE m ADD UNIQUE (id)"),
    ] {
        let message = having(index).refused(sql).message;
        assert!(message.contains("whether PostgreSQL would take over the index by_hand of public.m_1"), "{sql}: {message}");
    }
    let below = with(|m| {
        m.partitions[1] = testing::PartitionFacts { indexes: vec![own_index("a")], ..partition("m_2", 'p') };
    });
    below.refused_by("create-index-blocking", "CREATE INDEX i ON m (a)");
}

#[test]
fn what_the_server_refuses_at_once_is_left_to_it() {
    let ask = with(|m| m.taken.relations.push("elsewhere".into()));
    for sql in ["CREATE INDEX m_b_idx ON m (b)", "CREATE UNIQUE INDEX ON m (a)", "CREATE INDEX ON m (no_such)", "ALTER TABLE m ADD UNIQUE (a)"] {
        ask.passes(sql);
    }
    ask.refused_by("create-index-blocking", "CREATE INDEX elsewhere ON m (b)");
    let below = with(|m| m.partitions[0].partition_key = Some(vec!["b".into()]));
    below.refused_by("add-primary-key-blocking", "ALTER TABLE m ADD PRIMARY KEY (id)");
    let foreign = with(|m| m.partitions[0].kind = 'f');
    foreign.refused_by("add-unique-blocking", "ALTER TABLE m ADD UNIQUE (id)");
    foreign.refused_by("add-foreign-key-validating", "ALTER TABLE m ADD FOREIGN KEY (a) REFERENCES p");
    assert_eq!(foreign.rewrite("CREATE INDEX ON m (a)").len(), 2);
}

#[test]
fn keys_are_taken_over_by_that_of_the_table() {
    with(|_| {}).rewrites(
        "ALTER TABLE m ADD UNIQUE (id, a) DEFERRABLE",
        &[
            "CREATE UNIQUE INDEX CONCURRENTLY m_1_id_a_key ON public.m_1 (id, a)",
            "ALTER TABLE public.m_1 ADD CONSTRAINT m_1_id_a_key UNIQUE USING INDEX m_1_id_a_key DEFERRABLE",
            "CREATE UNIQUE INDEX CONCURRENTLY m_2_id_a_key ON public.m_2 (id, a)",
            "ALTER TABLE public.m_2 ADD CONSTRAINT m_2_id_a_key UNIQUE USING INDEX m_2_id_a_key DEFERRABLE",
            "ALTER TABLE m ADD CONSTRAINT m_id_a_key UNIQUE (id, a) DEFERRABLE",
        ],
    );
    with(|m| _ = m.partitions.pop()).rewrites(
        "ALTER TABLE m ADD FOREIGN KEY (a) REFERENCES p ON DELETE CASCADE",
        &[
            "ALTER TABLE public.m_1 ADD CONSTRAINT m_a_fkey FOREIGN KEY (a) REFERENCES p ON DELETE CASCADE NOT VALID",
            "ALTER TABLE public.m_1 VALIDATE CONSTRAINT m_a_fkey",
            "ALTER TABLE m ADD CONSTRAINT m_a_fkey FOREIGN KEY (a) REFERENCES p ON DELETE CASCADE",
        ],
    );
    for change in [
        |m: &mut testing::RelationFacts| m.partitions[0].foreign_keys = vec![vec!["a".into()]],
        |m: &mut testing::RelationFacts| m.partitions[0].constraints = vec!["m_a_fkey".into()],
    ] {
        with(change).refused_by("add-foreign-key-validating", "ALTER TABLE m ADD FOREIGN KEY (a) REFERENCES p");
    }
}

#[test]
fn a_primary_key_makes_its_columns_not_null_on_each_partition() {
    let steps = |version, naming: &str| {
        let one = testing::RelationFacts { partitions: vec![partition("m_1", 'r')], ..m() };
        let steps = on(World { version, ..World::default() }.with(one)).rewrite("ALTER TABLE m ADD PRIMARY KEY (id, a)");
        steps.into_iter().map(|step| step.sql).filter(|sql| sql.contains(naming)).collect::<Vec<_>>()
    };
    assert_eq!(
        steps(180_004, "NOT NULL"),
        ["ALTER TABLE public.m_1 ADD CONSTRAINT m_a_not_null NOT NULL a NOT VALID", "ALTER TABLE m ADD CONSTRAINT m_a_not_null NOT NULL a"]
    );
    assert_eq!(steps(150_018, "SET NOT NULL"), ["ALTER TABLE public.m_1 ALTER COLUMN a SET NOT NULL"]);
    assert_eq!(steps(150_018, "PRIMARY KEY").last().unwrap(), "ALTER TABLE m ADD CONSTRAINT m_pkey PRIMARY KEY (id, a)");
}

#[test]
fn a_partition_is_detached_concurrently_where_that_can_be() {
    let world = |version, change: fn(&mut testing::RelationFacts)| {
        let mut m = m();
        change(&mut m);
        let child = testing::RelationFacts { bounded_by: Some(vec!["id".into()]), is_partition: true, ..table("public", "m_1", LARGE) };
        on(World { version, ..World::default() }.with(m).with(child))
    };
    let sql = "ALTER TABLE m DETACH PARTITION m_1";
    world(150_018, |_| {}).rewrites(sql, &["ALTER TABLE m DETACH PARTITION public.m_1 CONCURRENTLY"]);
    world(130_023, |_| {}).refused_by("detach-partition-blocking", sql);
    world(150_018, |m| m.has_default_partition = true).refused_by("detach-partition-blocking", sql);
    world(150_018, |m| m.bytes = Some(0)).passes(sql);
    world(150_018, |_| {}).passes("ALTER TABLE m DETACH PARTITION m_1 CONCURRENTLY");
    let in_block = Ask { in_transaction: true, in_block: true, ..world(150_018, |_| {}) };
    assert!(matches!(in_block.of(sql).decision.plan, Plan::Defer(form) if form.now.is_none()));
}
