//! Tables that become partitions.

use super::*;
use crate::catalog::joining::{DefaultPartition, JoiningFacts, KeyColumn, SameIndex, WantedIndex, WantedKey};

fn facts(child: Option<u32>) -> JoiningFacts {
    let key = KeyColumn { column: "id".into(), type_text: "bigint".into(), ordinary: true, collated: false };
    JoiningFacts { parent: 1, child, strategy: 'r', keys: vec![key], ..JoiningFacts::default() }
}

fn default_partition(bytes: u64) -> DefaultPartition {
    DefaultPartition { schema: "public".into(), name: "m_d".into(), bytes: Some(bytes), below: 1, constraints: Vec::new() }
}

fn wanted(name: &str, constraint: Option<char>) -> WantedIndex {
    let unique = constraint.is_some();
    WantedIndex {
        name: name.into(),
        definition: format!("CREATE {}INDEX {name} ON ONLY public.m USING btree (a)", if unique { "UNIQUE " } else { "" }),
        names: vec!["a".into()],
        key: vec!["a".into()],
        unique,
        constraint,
        ..WantedIndex::default()
    }
}

/// `m`, partitioned by `id`, and the large table `t` that joins it.
fn joining(change: impl FnOnce(&mut JoiningFacts)) -> Ask {
    let mut facts = facts(Some(16_384));
    change(&mut facts);
    with(facts)
}

fn with(facts: JoiningFacts) -> Ask {
    let has_default_partition = facts.default.is_some();
    let m =
        testing::RelationFacts { oid: 1, kind: 'p', has_children: true, has_default_partition, joining: vec![facts], ..table("public", "m", LARGE) };
    on(World::default().with(testing::RelationFacts { constraints: Vec::new(), ..m }))
}

const ATTACH: &str = "ALTER TABLE m ATTACH PARTITION t FOR VALUES FROM (1) TO (5)";
const ADD: &str =
    "ALTER TABLE public.t ADD CONSTRAINT __pgairlock_t_bounds CHECK ((id IS NOT NULL AND id >= '1'::bigint AND id < '5'::bigint)) NOT VALID";
const VALIDATE: &str = "ALTER TABLE public.t VALIDATE CONSTRAINT __pgairlock_t_bounds";
const DROP: &str = "ALTER TABLE public.t DROP CONSTRAINT __pgairlock_t_bounds";

#[test]
fn the_bounds_are_proven_before_a_table_joins() {
    joining(|_| {}).rewrites(ATTACH, &[ADD, VALIDATE, ATTACH, DROP]);
    let steps = joining(|_| {}).rewrite(ATTACH);
    assert_eq!(steps.iter().map(|step| step.wait).collect::<Vec<_>>(), [Wait::Bounded(210), Wait::Long, Wait::Bounded(220), Wait::Bounded(210)]);
    assert!(steps[2].settles && steps[2].undo.is_none());
    let taken = joining(|_| {});
    let own = testing::ConstraintFacts { name: "__pgairlock_t_bounds".into(), kind: 'c', ..testing::ConstraintFacts::default() };
    let taken = Ask { world: taken.world.altering(|t| t.constraints.push(own.clone())), ..taken };
    assert!(taken.steps(ATTACH)[0].contains(" __pgairlock_t_bounds1 CHECK "));
    let in_block = Ask { in_transaction: true, in_block: true, ..joining(|_| {}) };
    assert!(matches!(in_block.of(ATTACH).decision.plan, Plan::Defer(form) if form.now.is_none() && form.then.len() == 3));
}

#[test]
fn what_it_lacks_is_built_under_the_name_that_it_would_get() {
    let ask = joining(|facts| {
        facts.indexes = vec![wanted("m_a_idx", None), wanted("m_a_key", Some('u')), wanted("k", Some('p'))];
        facts.indexes[1].deferrable = true;
        let same = |name: &str, constraint| SameIndex { name: name.into(), valid: true, constraint };
        // The key of a constraint takes over constraints alone.
        (facts.indexes[1].same, facts.indexes[2].same) = (vec![same("x", None)], vec![same("x", None), same("t_pkey", Some('p'))]);
        facts.foreign_keys = vec![WantedKey {
            name: "m_a_fkey".into(),
            definition: Some("FOREIGN KEY (a) REFERENCES public.p(id)".into()),
            there: false,
            alike: false,
        }];
    });
    let built = [
        "CREATE INDEX CONCURRENTLY t_a_idx ON public.t USING btree (a)",
        "CREATE UNIQUE INDEX CONCURRENTLY t_a_key ON public.t USING btree (a)",
        "ALTER TABLE public.t ADD CONSTRAINT t_a_key UNIQUE USING INDEX t_a_key DEFERRABLE",
        "ALTER TABLE public.t ADD CONSTRAINT m_a_fkey FOREIGN KEY (a) REFERENCES public.p(id) NOT VALID",
        "ALTER TABLE public.t VALIDATE CONSTRAINT m_a_fkey",
    ];
    ask.rewrites(ATTACH, &[&built[..], &[ADD, VALIDATE, ATTACH, DROP]].concat());
    let uncertain = |same: SameIndex, constraint| {
        joining(move |facts| facts.indexes = vec![WantedIndex { same: vec![same], ..wanted("i", constraint) }]).refused(ATTACH).message
    };
    for (valid, constraint, wanted) in [(false, None, None), (true, Some('u'), Some('p'))] {
        let message = uncertain(SameIndex { name: "own".into(), valid, constraint }, wanted);
        assert!(message.contains("whether PostgreSQL would take over the index own for i") && message.contains(VALIDATE), "{message}");
    }
}

#[test]
fn a_default_partition_is_proven_to_have_none_of_the_rows() {
    let beside = |bytes| joining(move |facts| facts.default = Some(default_partition(bytes)));
    let opposite = "NOT ((id IS NOT NULL AND id >= '1'::bigint AND id < '5'::bigint))";
    let (add, validate, drop) = (
        format!("ALTER TABLE public.m_d ADD CONSTRAINT __pgairlock_m_d_bounds CHECK ({opposite}) NOT VALID"),
        "ALTER TABLE public.m_d VALIDATE CONSTRAINT __pgairlock_m_d_bounds",
        "ALTER TABLE public.m_d DROP CONSTRAINT __pgairlock_m_d_bounds",
    );
    beside(LARGE).rewrites(ATTACH, &[ADD, VALIDATE, &add, validate, ATTACH, DROP, drop]);
    beside(0).rewrites(ATTACH, &[ADD, VALIDATE, ATTACH, DROP]);
    let empty = "ALTER TABLE m ATTACH PARTITION e FOR VALUES FROM (1) TO (5)";
    beside(LARGE).rewrites(empty, &[&add, validate, empty, drop]);
    // The partitioned table itself is locked so that its readers and writers go on.
    let detail = |sql: &str| beside(LARGE).of(sql).decision.notices.remove(0).detail;
    assert_eq!(
        detail(empty).as_deref(),
        Some("lock AccessExclusive on public.m_d (54 MB), work: scan; known from the catalog. How long it takes cannot be told beforehand.")
    );
    let create = "CREATE TABLE c PARTITION OF m FOR VALUES FROM (1) TO (5) PARTITION BY RANGE (a)";
    let making = |bytes| with(JoiningFacts { default: Some(default_partition(bytes)), ..facts(None) });
    making(LARGE).rewrites(create, &[&add, validate, create, drop]);
    making(0).passes(create);
    making(LARGE).passes("CREATE TABLE t PARTITION OF m FOR VALUES FROM (1) TO (5)");
    making(LARGE).passes("CREATE TABLE c PARTITION OF m DEFAULT");
    // One of that name elsewhere is another.
    let elsewhere = making(LARGE);
    let path = vec!["public".to_owned(), "other".to_owned()];
    let elsewhere = Ask { world: World { path, ..elsewhere.world.with(table("other", "c", LARGE)) }, ..elsewhere };
    elsewhere
        .rewrites(&create.replace("TABLE c", "TABLE IF NOT EXISTS c"), &[&add, validate, &create.replace("TABLE c", "TABLE IF NOT EXISTS c"), drop]);
    making(LARGE).refused_by("new-partition-scanning", "CREATE TABLE c PARTITION OF m FOR VALUES FROM (now()) TO ('x')");
}

#[test]
fn what_the_server_refuses_at_once_is_left_to_it() {
    let ask = |change: fn(&mut testing::RelationFacts)| {
        let ask = joining(|_| {});
        Ask { world: ask.world.altering(change), ..ask }
    };
    for change in [
        |t: &mut testing::RelationFacts| t.is_partition = true,
        |t: &mut testing::RelationFacts| t.columns[0].not_null = false,
        |t: &mut testing::RelationFacts| t.columns[1].type_oid = 20,
        |t: &mut testing::RelationFacts| _ = t.columns.pop(),
    ] {
        ask(change).passes(ATTACH);
    }
    let beside = || joining(|facts| facts.default = Some(default_partition(LARGE)));
    beside().passes("ALTER TABLE m ATTACH PARTITION t DEFAULT");
    beside().passes("ALTER TABLE m ATTACH PARTITION no_such FOR VALUES FROM (1) TO (5)");
    beside().passes("ALTER TABLE IF EXISTS no_such ATTACH PARTITION t FOR VALUES FROM (1) TO (5)");
}
