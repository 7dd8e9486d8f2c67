//! Columns and constraints.

use super::*;

#[test]
fn constraints_are_added_not_valid_and_validated() {
    ask().rewrites(
        "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p(id) ON DELETE CASCADE DEFERRABLE",
        &[
            "ALTER TABLE t ADD CONSTRAINT t_a_fkey FOREIGN KEY (a) REFERENCES p(id) ON DELETE CASCADE DEFERRABLE NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT t_a_fkey",
        ],
    );
    ask().rewrites(
        "alter table only t add constraint \"My Key\" check (a > 0) -- why",
        &["alter table only t add constraint \"My Key\" check (a > 0) NOT VALID", "ALTER TABLE t VALIDATE CONSTRAINT \"My Key\""],
    );
    let steps = ask().rewrite("ALTER TABLE t ADD CHECK (a > 0)");
    assert_eq!(steps[0].undo.as_deref(), Some("ALTER TABLE t DROP CONSTRAINT IF EXISTS t_a_check"));
    assert_eq!((steps[0].wait, steps[1].wait), (Wait::Short, Wait::Long));
    ask().passes("ALTER TABLE t ADD CHECK (a > 0) NOT VALID");
}

#[test]
fn partitioned_tables_have_no_not_valid_foreign_key_before_18() {
    let partitioned = |t: &mut testing::RelationFacts| (t.kind, t.has_children) = ('p', true);
    on(World::default().altering(partitioned)).refused_by("add-foreign-key-validating", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p");
    assert_eq!(on(World::of_version(180_004).altering(partitioned)).steps("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p").len(), 2);
    on(World::default().altering(partitioned)).refused_by("create-index-blocking", "CREATE INDEX ON t (a)");
    on(World::default().altering(partitioned)).passes("CREATE INDEX ON ONLY t (a)");
}

#[test]
fn set_not_null_goes_by_a_check_before_18() {
    ask().rewrites(
        "ALTER TABLE t ALTER a SET NOT NULL",
        &[
            "ALTER TABLE t ADD CONSTRAINT __pgairlock_t_a_nn CHECK (a IS NOT NULL) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT __pgairlock_t_a_nn",
            "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
            "ALTER TABLE t DROP CONSTRAINT __pgairlock_t_a_nn",
        ],
    );
    let mapping = ask().rewrite("ALTER TABLE t ALTER a SET NOT NULL")[1].errors.clone().unwrap();
    assert_eq!((mapping.from, mapping.to, mapping.message.as_str()), ("23514", "23502", "column \"a\" of relation \"t\" contains null values"));
    on(World::of_version(180_004)).rewrites(
        "ALTER TABLE t ALTER a SET NOT NULL",
        &["ALTER TABLE t ADD CONSTRAINT t_a_not_null NOT NULL a NOT VALID", "ALTER TABLE t VALIDATE CONSTRAINT t_a_not_null"],
    );
}

#[test]
fn set_not_null_passes_where_it_is_proven() {
    ask().passes("ALTER TABLE t ALTER id SET NOT NULL");
    ask().passes("ALTER TABLE t ALTER no_such_column SET NOT NULL");
    let check = |validated| testing::ConstraintFacts {
        name: "nn".into(),
        kind: 'c',
        validated,
        columns: vec!["a".into()],
        proves_not_null: true,
        ..testing::ConstraintFacts::default()
    };
    on(World::default().altering(|t| t.constraints.push(check(true)))).passes("ALTER TABLE t ALTER a SET NOT NULL");
    assert_eq!(on(World::default().altering(|t| t.constraints.push(check(false)))).steps("ALTER TABLE t ALTER a SET NOT NULL").len(), 4);
}

#[test]
fn keys_are_built_concurrently() {
    ask().rewrites(
        "ALTER TABLE t ADD CONSTRAINT u UNIQUE NULLS NOT DISTINCT (a, b) INCLUDE (ts) DEFERRABLE INITIALLY DEFERRED",
        &[
            "CREATE UNIQUE INDEX CONCURRENTLY u ON t (a, b) INCLUDE (ts) NULLS NOT DISTINCT",
            "ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX u DEFERRABLE INITIALLY DEFERRED",
        ],
    );
    let keyless =
        || World::default().altering(|t| (t.taken, t.constraints) = (testing::Taken { relations: vec!["t".into()], ..Default::default() }, vec![]));
    on(keyless()).rewrites(
        "ALTER TABLE t ADD PRIMARY KEY (id)",
        &["CREATE UNIQUE INDEX CONCURRENTLY t_pkey ON t (id)", "ALTER TABLE t ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX t_pkey"],
    );
    let steps = on(keyless()).rewrite("ALTER TABLE t ADD PRIMARY KEY (a)");
    assert_eq!(steps.len(), 6);
    assert_eq!(steps[2].undo.as_deref(), Some("ALTER TABLE t ALTER COLUMN a DROP NOT NULL"));
    assert_eq!(steps[4].debris.as_ref().and_then(Debris::remedy).as_deref(), Some("DROP INDEX CONCURRENTLY IF EXISTS public.t_pkey"));
    ask().refused_by("add-unique-blocking", "ALTER TABLE t ADD CONSTRAINT x EXCLUDE USING gist (b WITH =)");
}

#[test]
fn constraints_beside_a_new_column_are_added_apart() {
    ask().rewrites(
        "ALTER TABLE t ADD COLUMN c int DEFAULT 1 CONSTRAINT \"c k\" CHECK (c > 0) UNIQUE NOT NULL REFERENCES p (id)",
        &[
            "ALTER TABLE t ADD COLUMN c int DEFAULT 1 NOT NULL, ADD CONSTRAINT \"c k\" CHECK (c > 0) NOT VALID, \
             ADD CONSTRAINT t_c_fkey FOREIGN KEY (c) REFERENCES p (id) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT \"c k\"",
            "CREATE UNIQUE INDEX CONCURRENTLY t_c_key ON t (c)",
            "ALTER TABLE t ADD CONSTRAINT t_c_key UNIQUE USING INDEX t_c_key",
            "ALTER TABLE t VALIDATE CONSTRAINT t_c_fkey",
        ],
    );
    assert_eq!(ask().rewrite("ALTER TABLE t ADD COLUMN c int CHECK (c > 0)")[0].undo.as_deref(), Some("ALTER TABLE t DROP COLUMN c"));
    ask().passes("ALTER TABLE t ADD COLUMN c int REFERENCES p (id)");
    ask().passes("ALTER TABLE t ADD COLUMN IF NOT EXISTS a int UNIQUE");
}

#[test]
fn columns_that_rewrite_are_refused_with_the_recipe() {
    let refusal = ask().refused("ALTER TABLE t ADD COLUMN c uuid NOT NULL DEFAULT gen_random_uuid()");
    assert_eq!(
        refusal.message,
        "pgairlock [add-column-rewrite]: ADD COLUMN public.t.c with a volatile default rewrites the whole table and blocks all reads and writes meanwhile. \
         Write instead: ALTER TABLE t ADD COLUMN c uuid; ALTER TABLE t ALTER COLUMN c SET DEFAULT gen_random_uuid(); \
         then fill the old rows in batches: UPDATE t SET c = gen_random_uuid() WHERE c IS NULL AND …; \
         and at the end: ALTER TABLE t ALTER COLUMN c SET NOT NULL;"
    );
    for sql in ["c bigserial", "c int GENERATED ALWAYS AS IDENTITY", "c int GENERATED ALWAYS AS (a * 2) STORED", "c positive"] {
        ask().refused_by("add-column-rewrite", &format!("ALTER TABLE t ADD COLUMN {sql}"));
    }
    for sql in
        ["c int NOT NULL DEFAULT 0", "c timestamptz NOT NULL DEFAULT now()", "c int", "c int GENERATED ALWAYS AS (a * 2) VIRTUAL", "c positive[]"]
    {
        ask().passes(&format!("ALTER TABLE t ADD COLUMN {sql}"));
    }
    ask().refused_by("add-column-not-null", "ALTER TABLE t ADD COLUMN c int NOT NULL");
    ask().refused_by("add-column-not-null", "ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS (a * 2) VIRTUAL NOT NULL");
    for operator in ["1 #+# 2", "(1 + 2) * (3 #+# 4)", "1 OPERATOR(s.+) 2", "#+# 1"] {
        ask().refused_by("add-column-rewrite", &format!("ALTER TABLE t ADD COLUMN c int DEFAULT ({operator})"));
    }
    ask().passes(
        "ALTER TABLE t ADD COLUMN c int DEFAULT (1 OPERATOR(pg_catalog.+) 2 - ((3)) * CASE WHEN 'a' LIKE 'b' OR 1 NOT BETWEEN 2 AND 3 THEN -1 END)",
    );
    ask().refused_by("add-column-rewrite", "CREATE DOMAIN d AS int CHECK (value > 0); ALTER TABLE t ADD COLUMN c d");
    ask().passes("CREATE TYPE mood AS ENUM ('ok'); ALTER TABLE t ADD COLUMN c mood");
    on(World::default().function("mine", function('v', "BEGIN RETURN 1; END")))
        .refused_by("add-column-rewrite", "ALTER TABLE t ADD COLUMN c int DEFAULT mine()");
}

#[test]
fn types_change_where_only_the_catalog_does() {
    ask().passes("ALTER TABLE t ALTER b TYPE varchar(100), ALTER b SET DEFAULT 'x'");
    ask().passes("ALTER TABLE t ALTER b TYPE varchar(100) USING b::varchar(100)");
    for sql in
        ["b TYPE varchar(20)", "b TYPE text USING trim(b)", "a TYPE bigint", "ts TYPE timestamptz", "b TYPE citext", "b TYPE text COLLATE \"C\""]
    {
        ask().refused_by("alter-column-type", &format!("ALTER TABLE t ALTER {sql}"));
    }
    let utc = || World { utc: true, ..World::default() };
    on(utc()).passes("ALTER TABLE t ALTER ts TYPE timestamptz");
    on(utc()).refused_by("alter-column-type", "ALTER TABLE t ALTER ts TYPE timestamptz USING ts AT TIME ZONE 'UTC'");
    on(utc().altering(|t| t.indexes[1].columns = vec!["ts".into()])).refused_by("alter-column-type", "ALTER TABLE t ALTER ts TYPE timestamptz");
    on(World::default().altering(|t| t.indexes[1].plain = false)).refused_by("alter-column-type", "ALTER TABLE t ALTER b TYPE text");
    let of_partition = testing::IndexFacts { name: "low".into(), plain: false, columns: vec!["b".into()], ..Default::default() };
    on(World::default().altering(|t| t.child_indexes.push(of_partition.clone()))).refused_by("alter-column-type", "ALTER TABLE t ALTER b TYPE text");
    let check = testing::ConstraintFacts { name: "k".into(), kind: 'c', validated: true, columns: vec!["b".into()], ..Default::default() };
    on(World::default().altering(|t| t.child_checks.push(check.clone()))).refused_by("alter-column-type", "ALTER TABLE t ALTER b TYPE text");
    on(World::default().altering(|t| t.constraints.push(check.clone()))).refused_by("alter-column-type", "ALTER TABLE t ALTER b TYPE text");
}

#[test]
fn several_commands_become_one_plan() {
    ask().rewrites(
        "ALTER TABLE t ADD COLUMN c int, ADD CONSTRAINT k CHECK (a > 0), ALTER id SET NOT NULL, ADD UNIQUE (a)",
        &[
            "ALTER TABLE t ADD COLUMN c int, ADD CONSTRAINT k CHECK (a > 0) NOT VALID, ALTER id SET NOT NULL",
            "ALTER TABLE t VALIDATE CONSTRAINT k",
            "CREATE UNIQUE INDEX CONCURRENTLY t_a_key ON t (a)",
            "ALTER TABLE t ADD CONSTRAINT t_a_key UNIQUE USING INDEX t_a_key",
        ],
    );
    let steps = ask().rewrite("ALTER TABLE t ADD COLUMN c int, ADD CONSTRAINT k CHECK (a > 0)");
    assert_eq!(steps[0].undo.as_deref(), Some("ALTER TABLE t DROP CONSTRAINT IF EXISTS k, DROP COLUMN c"));
    let refusal = ask().refused("ALTER TABLE t DROP CONSTRAINT k, ADD CONSTRAINT k CHECK (a > 1)");
    assert!(refusal.message.contains("write each as a statement of its own"), "{}", refusal.message);
    ask().refused_by("drop-column", "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0), DROP COLUMN b");
    ask().rewrites(
        "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID, VALIDATE CONSTRAINT k",
        &["ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID", "ALTER TABLE t VALIDATE CONSTRAINT k"],
    );
}

#[test]
fn constraints_without_a_name_get_one_each() {
    ask().rewrites(
        "ALTER TABLE t ADD CHECK (a > 0), ADD CHECK (a > -1), ADD FOREIGN KEY (a) REFERENCES p, ADD FOREIGN KEY (a) REFERENCES s",
        &[
            "ALTER TABLE t ADD CONSTRAINT t_a_check CHECK (a > 0) NOT VALID, ADD CONSTRAINT t_a_check1 CHECK (a > -1) NOT VALID, \
             ADD CONSTRAINT t_a_fkey FOREIGN KEY (a) REFERENCES p NOT VALID, ADD CONSTRAINT t_a_fkey1 FOREIGN KEY (a) REFERENCES s NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT t_a_check",
            "ALTER TABLE t VALIDATE CONSTRAINT t_a_check1",
            "ALTER TABLE t VALIDATE CONSTRAINT t_a_fkey",
            "ALTER TABLE t VALIDATE CONSTRAINT t_a_fkey1",
        ],
    );
}

#[test]
fn a_primary_key_takes_the_not_null_of_its_own_statement() {
    let keyless = |version| World {
        version,
        ..World::default().altering(|t| (t.taken, t.constraints) = (testing::Taken { relations: vec!["t".into()], ..Default::default() }, vec![]))
    };
    let build = "CREATE UNIQUE INDEX CONCURRENTLY t_pkey ON t (a)";
    let key = "ALTER TABLE t ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX t_pkey";
    let native = ["ALTER TABLE t ADD CONSTRAINT pn NOT NULL a NOT VALID", "ALTER TABLE t VALIDATE CONSTRAINT pn", build, key];
    on(keyless(180_004)).rewrites("ALTER TABLE t ADD CONSTRAINT pn NOT NULL a, ADD PRIMARY KEY (a)", &native);
    on(keyless(180_004)).rewrites("ALTER TABLE t ADD PRIMARY KEY (a), ADD CONSTRAINT pn NOT NULL a", &native);
    let steps = on(keyless(150_018)).steps("ALTER TABLE t ADD PRIMARY KEY (a), ALTER a SET NOT NULL");
    assert_eq!((steps.len(), &*steps[2], &*steps[5]), (6, "ALTER TABLE t ALTER COLUMN a SET NOT NULL", key));
}

#[test]
fn two_rules_that_want_the_same_step_do_not_go_together() {
    for sql in [
        "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a), ADD CONSTRAINT k UNIQUE (id)",
        // What is found twice is found of two commands: neither runs as it stands because the other is taken care of.
        "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a), ADD CONSTRAINT k UNIQUE (a)",
    ] {
        let refusal = ask().refused(sql);
        assert!(refusal.message.contains("statement of its own"), "{}", refusal.message);
    }
}

#[test]
fn a_primary_key_over_an_index_looks_for_nulls_beforehand() {
    let world = |column: &'static str| {
        let index = testing::IndexFacts {
            name: "i".into(),
            valid: true,
            unique: true,
            method: "btree".into(),
            plain: true,
            columns: vec!["a".into(), "id".into()],
            key: vec![column.into()],
            abandoned: false,
        };
        World::default().altering(move |t| t.indexes.push(index.clone()))
    };
    on(world("id")).passes("ALTER TABLE t ADD CONSTRAINT pk PRIMARY KEY USING INDEX i");
    on(world("a")).rewrites(
        "ALTER TABLE t ADD CONSTRAINT pk PRIMARY KEY USING INDEX i -- why\n DEFERRABLE",
        &[
            "ALTER TABLE t ADD CONSTRAINT __pgairlock_t_a_nn CHECK (a IS NOT NULL) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT __pgairlock_t_a_nn",
            "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
            "ALTER TABLE t DROP CONSTRAINT __pgairlock_t_a_nn",
            "ALTER TABLE t ADD CONSTRAINT pk PRIMARY KEY USING INDEX i -- why\n DEFERRABLE",
        ],
    );
    let mut in_transaction = in_transaction();
    in_transaction.world = world("a");
    in_transaction.refused_by("add-primary-key-blocking", "ALTER TABLE t ADD PRIMARY KEY USING INDEX i");
    on(world("a")).refused_by("add-primary-key-blocking", "ALTER TABLE t ADD COLUMN z int; ALTER TABLE t ADD PRIMARY KEY USING INDEX i");
    ask().passes("ALTER TABLE t ADD PRIMARY KEY USING INDEX no_such");
}

#[test]
fn set_not_null_goes_on_where_a_crash_left_it() {
    let left = |validated, not_null| {
        let check = check("__pgairlock_t_a_nn", validated);
        World::default().altering(move |t| {
            t.constraints.push(check.clone());
            t.columns[1].not_null = not_null;
        })
    };
    // Under the name that it has; which of the steps are left is seen when they run.
    let steps = [
        "ALTER TABLE t ADD CONSTRAINT __pgairlock_t_a_nn CHECK (a IS NOT NULL) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT __pgairlock_t_a_nn",
        "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
        "ALTER TABLE t DROP CONSTRAINT __pgairlock_t_a_nn",
    ];
    let sql = "ALTER TABLE t ALTER a SET NOT NULL";
    for world in [left(false, false), left(true, false), left(true, true)] {
        on(world).rewrites(sql, &steps);
    }
    assert_eq!(on(left(true, true)).rewrite(sql)[2].undo, None, "it was NOT NULL before");
    let both = [&["ALTER TABLE t ADD COLUMN z int"], &steps[..]].concat();
    on(left(false, false)).rewrites("ALTER TABLE t ADD COLUMN z int, ALTER a SET NOT NULL", &both);
}

#[test]
fn what_holds_of_a_parent_need_not_hold_of_its_children() {
    let parent = |version, kind, change: fn(&mut testing::RelationFacts)| {
        World { version, ..World::default() }.altering(move |t| {
            (t.kind, t.has_children) = (kind, true);
            change(t);
        })
    };
    let sql = "ALTER TABLE t ALTER a SET NOT NULL";
    let marked: fn(&mut testing::RelationFacts) = |t| t.columns[1].not_null = true;
    let alone: fn(&mut testing::RelationFacts) = |t| t.constraints.push(testing::ConstraintFacts { no_inherit: true, ..check("nn", true) });
    let with_children: fn(&mut testing::RelationFacts) = |t| t.constraints.push(check("nn", true));
    assert_eq!(on(parent(150_018, 'r', marked)).steps(sql).len(), 4);
    assert_eq!(on(parent(150_018, 'r', alone)).steps(sql).len(), 4);
    assert_eq!(on(parent(180_004, 'r', alone)).steps(sql).len(), 2);
    on(parent(150_018, 'r', with_children)).passes(sql);
    on(parent(180_004, 'r', marked)).passes(sql);
    on(parent(150_018, 'p', marked)).passes(sql);
    on(parent(150_018, 'r', marked)).passes("ALTER TABLE ONLY t ALTER a SET NOT NULL");
    on(parent(150_018, 'r', alone)).passes("ALTER TABLE ONLY t ALTER a SET NOT NULL");
}

#[test]
fn what_hangs_on_a_constraint_goes_with_it() {
    ask().refused_by("drop-object", "ALTER TABLE t DROP CONSTRAINT t_pkey CASCADE");
    ask().refused_by("drop-object", "ALTER TABLE s DROP CONSTRAINT s_pkey CASCADE");
    ask().passes("ALTER TABLE e DROP CONSTRAINT e_pkey CASCADE");
    ask().passes("ALTER TABLE t DROP CONSTRAINT t_pkey");
    ask().passes("ALTER TABLE t DROP CONSTRAINT IF EXISTS no_such CASCADE");
    on(World::default().altering(|t| t.constraints.push(check("k", true)))).passes("ALTER TABLE t DROP CONSTRAINT k CASCADE");
    ask().refused_by("rename-column", "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'");
    ask().passes("ALTER TYPE mood ADD VALUE 'fine'");
}

fn check(name: &str, validated: bool) -> testing::ConstraintFacts {
    testing::ConstraintFacts {
        name: name.into(),
        kind: 'c',
        validated,
        columns: vec!["a".into()],
        proves_not_null: true,
        ..testing::ConstraintFacts::default()
    }
}

#[test]
fn validate_waits_for_a_later_transaction() {
    let mut ask = Ask { world: with_unchecked("k"), ..in_transaction() };
    ask.passes("ALTER TABLE t VALIDATE CONSTRAINT k");
    ask.overlay.apply(&Effect::Altered(vec![RelationName::qualified("public", "t")]));
    ask.refused_by("validate-in-transaction", "ALTER TABLE t VALIDATE CONSTRAINT k");
    ask.overlay.apply(&Effect::Ended);
    ask.passes("ALTER TABLE t VALIDATE CONSTRAINT k");
    self::ask().refused_by("validate-in-transaction", "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT k");
    self::ask().passes("BEGIN; ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID; COMMIT; ALTER TABLE t VALIDATE CONSTRAINT k");
}

#[test]
fn nothing_else_stays_locked_through_a_scan() {
    let validate = "ALTER TABLE t VALIDATE CONSTRAINT k";
    for sql in [
        "LOCK TABLE t IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE p",
        "ALTER TABLE p ADD COLUMN z int",
        "CREATE TABLE n (a int REFERENCES p)",
        "ALTER TABLE s ADD FOREIGN KEY (a) REFERENCES p NOT VALID",
        "ALTER TABLE p RENAME CONSTRAINT x TO y",
    ] {
        ask().refused_by("validate-in-transaction", &format!("{sql}; {validate}"));
    }
    let path = "DO $$ BEGIN SET search_path = x; END $$; ALTER TABLE s ADD COLUMN z int";
    ask().doubted_by("validate-in-transaction", &format!("{path}; {validate}"));
    let refusal = ask().refused(&format!("LOCK TABLE p; {validate}"));
    assert!(
        refusal.message.contains("reads all of public.t while an earlier lock of this transaction blocks those who use p."),
        "{}",
        refusal.message
    );
    for sql in [
        "LOCK TABLE p IN SHARE UPDATE EXCLUSIVE MODE",
        "ALTER TABLE s ADD COLUMN z int",
        "CREATE TABLE n (a int); ALTER TABLE n ADD COLUMN z int; CREATE INDEX ON n (a); DROP TABLE e",
        "BEGIN; LOCK TABLE t; COMMIT",
        "ALTER TABLE p VALIDATE CONSTRAINT k",
    ] {
        ask().passes(&format!("{sql}; {validate}"));
    }
    ask().passes("LOCK TABLE t; ALTER TABLE s VALIDATE CONSTRAINT k");
    let mut later = Ask { world: with_unchecked("k"), ..in_transaction() };
    later.overlay.apply(&ask().of("LOCK TABLE p").effects[0]);
    later.refused_by("validate-in-transaction", validate);
}

/// `t` has a CHECK of this name that is NOT VALID.
fn with_unchecked(name: &str) -> World {
    let check = testing::ConstraintFacts { name: name.into(), kind: 'c', columns: vec!["a".into()], ..testing::ConstraintFacts::default() };
    World::default().altering(|t| t.constraints.push(check.clone()))
}

#[test]
fn what_cannot_be_validated_is_left_to_the_server() {
    let locked = |world| {
        let mut ask = Ask { world, ..in_transaction() };
        ask.overlay.apply(&Effect::Altered(vec![RelationName::qualified("public", "t")]));
        ask
    };
    locked(with_unchecked("k")).refused_by("validate-in-transaction", "ALTER TABLE t VALIDATE CONSTRAINT k");
    locked(with_unchecked("k")).passes("ALTER TABLE t VALIDATE CONSTRAINT other");
    locked(with_unchecked("k")).passes("ALTER TABLE t VALIDATE CONSTRAINT t_pkey");
    locked(with_unchecked("k").altering(|t| t.denied.alter = true)).passes("ALTER TABLE t VALIDATE CONSTRAINT k");
    // It is added by the same statement.
    let refusal = locked(World::default()).refused("ALTER TABLE t ADD CHECK (a > 0) NOT VALID, VALIDATE CONSTRAINT t_a_check");
    assert!(refusal.message.contains("validate-in-transaction"), "{}", refusal.message);
}

#[test]
fn an_index_that_cannot_be_is_left_to_the_server() {
    let asked = |world, sql: &str| Ask { world, ..in_transaction() }.of(sql).decision.plan;
    let left = |world, sql: &str| assert_eq!(asked(world, sql), Plan::Pass, "{sql}");
    left(World::default(), "CREATE UNIQUE INDEX ON t USING hash (a)");
    left(World::default(), "CREATE INDEX ON t (nonesuch)");
    left(World::default().altering(|t| t.denied.alter = true), "CREATE INDEX ON t (a)");
    left(World::default().altering(|t| t.columns[1].unsorted = true), "CREATE INDEX ON t (a)");
    left(World::default(), "DROP INDEX t");
    left(World::default().altering(|t| t.kind = 'p'), "REINDEX TABLE t");
    left(World::default().altering(|t| t.denied.maintain = true), "REINDEX TABLE t");
    // An operator class of one's own sorts; a constraint's name is no relation's.
    for (world, sql) in [
        (World::default().altering(|t| t.columns[1].unsorted = true), "CREATE INDEX ON t (a my_ops)"),
        (World::default().altering(|t| t.taken.constraints.push("i".into())), "CREATE INDEX i ON t (a)"),
    ] {
        assert!(matches!(asked(world, sql), Plan::Refuse(_)), "{sql}");
    }
}

#[test]
fn a_foreign_key_that_cannot_be_is_left_to_the_server() {
    ask().passes("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES nonesuch");
    ask().passes("ALTER TABLE t ADD FOREIGN KEY (nonesuch) REFERENCES p");
    ask().passes("ALTER TABLE t ADD CONSTRAINT t_pkey FOREIGN KEY (a) REFERENCES p");
    on(World::default().altering(|t| t.kind = 'p')).passes("ALTER TABLE ONLY t ADD FOREIGN KEY (a) REFERENCES p");
    ask().refused("CREATE TABLE later (id int PRIMARY KEY); ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES later");
}

#[test]
fn names_are_taken_by_what_postgresql_looks_at() {
    let with = |relations: &[&str], constraints: &[&str]| {
        let all = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let taken = testing::Taken { relations: all(relations), constraints: all(constraints) };
        on(World::default().altering(|t| t.taken = taken.clone()))
    };
    let first = |ask: Ask, sql: &str| ask.rewrite(sql)[0].sql.clone();
    assert!(first(with(&[], &["t_a_idx"]), "CREATE INDEX ON t (a)").contains(" t_a_idx "));
    assert!(first(with(&["t_a_idx"], &[]), "CREATE INDEX ON t (a)").contains(" t_a_idx1 "));
    assert!(first(with(&["t_a_check"], &[]), "ALTER TABLE t ADD CHECK (a > 0)").contains(" t_a_check "));
    assert!(first(with(&[], &["t_a_check"]), "ALTER TABLE t ADD CHECK (a > 0)").contains(" t_a_check1 "));
    assert!(first(with(&[], &["t_a_key"]), "ALTER TABLE t ADD UNIQUE (a)").contains(" t_a_key1 "));
    assert!(first(with(&["t_a_key"], &[]), "ALTER TABLE t ADD UNIQUE (a)").contains(" t_a_key1 "));
}

#[test]
fn a_key_that_cannot_be_is_left_to_the_server() {
    for sql in [
        "ALTER TABLE t ADD PRIMARY KEY (a)",
        "ALTER TABLE t ADD UNIQUE (a, a)",
        "ALTER TABLE t ADD UNIQUE (nonesuch)",
        "ALTER TABLE t ADD CONSTRAINT t_pkey UNIQUE (a)",
    ] {
        ask().passes(sql);
    }
    on(World::default().altering(|t| t.taken.relations.push("p".into()))).passes("ALTER TABLE t ADD CONSTRAINT p UNIQUE (a)");
    on(World::default().altering(|t| t.denied.alter = true)).passes("ALTER TABLE t ADD UNIQUE (a)");
    // Only a table's own constraints take a name, and what the statement drops gives it free.
    on(World::default().altering(|t| t.taken.constraints.push("k".into()))).rewrite("ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)");
    ask().refused("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (a)");
    ask().refused("ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (a)");
}

#[test]
fn what_the_string_changed_proves_nothing_more() {
    let check = testing::ConstraintFacts {
        name: "nn".into(),
        kind: 'c',
        validated: true,
        proves_not_null: true,
        columns: vec!["a".into()],
        ..Default::default()
    };
    let proven = on(World::default().altering(|t| t.constraints.push(check.clone())));
    proven.passes("SELECT 1; ALTER TABLE t ALTER a SET NOT NULL");
    proven.refused_by("set-not-null-scan", "ALTER TABLE t DROP CONSTRAINT nn; ALTER TABLE t ALTER a SET NOT NULL");
    proven.refused_by("set-not-null-scan", "ALTER TABLE t ALTER a SET NOT NULL, DROP CONSTRAINT nn");
    ask().refused_by("set-not-null-scan", "ALTER TABLE t ADD COLUMN c int DEFAULT 0; ALTER TABLE t ALTER c SET NOT NULL");
    ask().refused_by("set-not-null-scan", "BEGIN; ALTER TABLE t ADD COLUMN c int DEFAULT 0; COMMIT; ALTER TABLE t ALTER c SET NOT NULL");
    ask().refused_by("alter-column-type", "ALTER TABLE t ADD COLUMN c int; ALTER TABLE t ALTER c TYPE bigint");
    ask().refused_by("alter-column-type", "ALTER TABLE t ADD COLUMN c int; ALTER TABLE t ALTER b TYPE varchar(100)");
    let mut renaming = ask();
    renaming.settings.rules.insert("rename-column".into(), Severity::Off);
    renaming.refused_by("drop-column", "ALTER TABLE t RENAME a TO z; ALTER TABLE t DROP COLUMN z");
}
