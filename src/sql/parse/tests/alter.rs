//! ALTER TABLE: what each command says and where it stands.

use super::*;

fn commands(text: &str) -> Vec<AlterCommand> {
    match statement(text) {
        Statement::AlterTable(alter) => alter.commands,
        other => panic!("{text}: {other:?}"),
    }
}

fn action(command: &str) -> AlterAction {
    let text = format!("ALTER TABLE t {command}");
    let found = commands(&text);
    assert_eq!(found.len(), 1);
    assert_eq!(&text[found[0].span.clone()], command);
    found[0].action.clone()
}

fn integer() -> TypeName {
    TypeName { names: vec!["pg_catalog".into(), "int4".into()], modifiers: vec![], array: false }
}

#[test]
fn every_command_has_its_place() {
    for (text, expected) in [
        (
            "SELECT 'ü'; ALTER TABLE ONLY s.t ADD c numeric(10, 2) DEFAULT f(1, 2), ALTER d SET NOT NULL -- done",
            vec!["ADD c numeric(10, 2) DEFAULT f(1, 2)", "ALTER d SET NOT NULL"],
        ),
        ("SELECT 1; alter table if exists only (\"T,x\") drop column a /* , */ , drop b;", vec!["drop column a", "drop b"]),
        (
            "SELECT 1; ALTER TABLE t * ADD a int[] DEFAULT ARRAY[1, 2], ADD b text DEFAULT E'\\',', ADD c text DEFAULT $$,$$",
            vec!["ADD a int[] DEFAULT ARRAY[1, 2]", "ADD b text DEFAULT E'\\','", "ADD c text DEFAULT $$,$$"],
        ),
    ] {
        let alter = script(text, LIMIT).unwrap().statements.swap_remove(1);
        let Statement::AlterTable(alter) = alter.statement else { panic!("{text}") };
        let pieces: Vec<_> = alter.commands.iter().map(|command| &text[command.span.clone()]).collect();
        assert_eq!(pieces, expected);
    }
}

#[test]
fn commands_that_cannot_be_told_apart_are_refused() {
    // The second string continues the first one and so knows escapes, which the tokenizer does not know.
    let text = "ALTER TABLE t ADD a text DEFAULT E'x'\n'\\'', ADD b text DEFAULT ', ADD c text DEFAULT '";
    assert!(matches!(script(text, LIMIT), Err(ParseError::NotUnderstood { .. })), "{:?}", script(text, LIMIT));
}

#[test]
fn the_head_of_alter_table() {
    let Statement::AlterTable(alter) = statement("ALTER TABLE IF EXISTS ONLY s.t DROP a") else { panic!() };
    assert_eq!((alter.relation, alter.if_exists, alter.only), (relation("s.t"), true, true));
    let Statement::AlterTable(alter) = statement("ALTER TABLE \"T\" DROP a") else { panic!() };
    assert_eq!((alter.relation, alter.if_exists, alter.only), (relation("T"), false, false));
}

fn column(definition: &str) -> AddColumn {
    match action(&format!("ADD COLUMN {definition}")) {
        AlterAction::AddColumn(column) => column,
        other => panic!("{other:?}"),
    }
}

#[test]
fn add_column() {
    let plain = column("c int");
    let expected = AddColumn {
        column: "c".into(),
        if_not_exists: false,
        type_name: integer(),
        default: None,
        not_null: false,
        sequence: false,
        generated: None,
        constraints: vec![],
    };
    assert_eq!(plain, expected);
    assert!(column("IF NOT EXISTS c int").if_not_exists);
    assert!(column("c int NOT NULL").not_null && column("c int PRIMARY KEY").not_null && !column("c int NULL").not_null);
    for definition in ["c serial", "c BIGSERIAL", "c serial2", "c int GENERATED ALWAYS AS IDENTITY (START 5)"] {
        assert!(column(definition).sequence, "{definition}");
    }
    assert!(!column("c s.serial").sequence);
    assert_eq!(column("c int GENERATED ALWAYS AS (a + 1) STORED").generated, Some(Generated::Stored));
    assert_eq!(column("c int GENERATED ALWAYS AS (a + 1) VIRTUAL").generated, Some(Generated::Virtual));
    assert_eq!(
        column("c numeric(10, 2)[]").type_name,
        TypeName { names: vec!["pg_catalog".into(), "numeric".into()], modifiers: vec![10, 2], array: true }
    );
}

#[test]
fn the_default_of_a_column() {
    for (expression, null, functions) in [
        ("NULL", true, vec![]),
        ("NULL::text", true, vec![]),
        ("'a, b'", false, vec![]),
        ("s.f(1, g(2))", false, vec!["s.f", "g"]),
        ("1 + 2", false, vec![]),
    ] {
        for rest in ["", " NOT NULL", " CONSTRAINT k CHECK (c > 0)", " COLLATE \"C\""] {
            let command = format!("ADD c text DEFAULT {expression}{rest}");
            let text = format!("ALTER TABLE t {command}");
            let AlterAction::AddColumn(column) = action(&command) else { panic!() };
            let default = column.default.unwrap();
            assert_eq!(&text[default.span], expression, "{text}");
            assert_eq!((default.null, default.functions), (null, functions.iter().map(|name| call(name)).collect()), "{text}");
        }
    }
}

#[test]
fn constraints_beside_a_column_have_their_place() {
    let text = "ALTER TABLE t ADD c text CONSTRAINT u UNIQUE NULLS NOT DISTINCT WITH (fillfactor = 70) USING INDEX TABLESPACE x DEFERRABLE \
                INITIALLY DEFERRED COLLATE \"C\" NOT NULL CHECK (c > 'a' AND f(d)) NO INHERIT REFERENCES s.p (id) ON DELETE CASCADE NOT DEFERRABLE";
    let AlterAction::AddColumn(column) = commands(text)[0].action.clone() else { panic!() };
    let places: Vec<_> = column.constraints.iter().map(|constraint| &text[constraint.span.clone()]).collect();
    assert_eq!(
        places,
        [
            "CONSTRAINT u UNIQUE NULLS NOT DISTINCT WITH (fillfactor = 70) USING INDEX TABLESPACE x DEFERRABLE INITIALLY DEFERRED",
            "CHECK (c > 'a' AND f(d)) NO INHERIT",
            "REFERENCES s.p (id) ON DELETE CASCADE NOT DEFERRABLE",
        ]
    );
    let kinds: Vec<_> = column.constraints.into_iter().map(|inline| (inline.constraint.name, inline.constraint.kind)).collect();
    assert_eq!(
        kinds,
        [
            (
                Some("u".to_owned()),
                ConstraintKind::Unique(Unique {
                    columns: vec!["c".into()],
                    including: vec![],
                    nulls_not_distinct: true,
                    primary: false,
                    deferrable: true,
                    initially_deferred: true,
                    tablespace: Some("x".into()),
                    with: Some("fillfactor = 70".into()),
                    without_overlaps: false,
                })
            ),
            (None, ConstraintKind::Check { columns: vec!["c".into(), "d".into()], functions: vec![call("f")] }),
            (None, ConstraintKind::ForeignKey { columns: vec!["c".into()], references: relation("s.p"), referenced_columns: vec!["id".into()] }),
        ]
    );
}

fn constraint(definition: &str) -> Constraint {
    match action(&format!("ADD {definition}")) {
        AlterAction::AddConstraint(constraint) => constraint,
        other => panic!("{other:?}"),
    }
}

#[test]
fn add_constraint() {
    let check = constraint("CONSTRAINT k CHECK (t.a > 1 AND f(b) < a)");
    assert_eq!(check.kind, ConstraintKind::Check { columns: vec!["a".into(), "b".into()], functions: vec![call("f")] });
    assert_eq!((check.name.as_deref(), check.not_valid), (Some("k"), false));
    for text in [
        "CHECK (a > 1) NOT VALID",
        "FOREIGN KEY (a) REFERENCES p NOT VALID",
        "CHECK (a > 1) NOT ENFORCED",
        "FOREIGN KEY (a) REFERENCES p NOT ENFORCED",
    ] {
        assert!(constraint(text).not_valid, "{text}");
    }
    assert_eq!(
        constraint("FOREIGN KEY (a, b) REFERENCES s.p (c, d)").kind,
        ConstraintKind::ForeignKey {
            columns: vec!["a".into(), "b".into()],
            references: relation("s.p"),
            referenced_columns: vec!["c".into(), "d".into()]
        }
    );
    assert_eq!(constraint("EXCLUDE USING gist (a WITH &&)").kind, ConstraintKind::Exclude);
    assert_eq!(constraint("CONSTRAINT k NOT NULL a NOT VALID").kind, ConstraintKind::NotNull { column: "a".into() });
    assert_eq!(constraint("PRIMARY KEY USING INDEX i").kind, ConstraintKind::UsingIndex { index: "i".into(), primary: true });
    assert_eq!(constraint("CONSTRAINT u UNIQUE USING INDEX i").kind, ConstraintKind::UsingIndex { index: "i".into(), primary: false });
}

#[test]
fn add_unique() {
    let ConstraintKind::Unique(unique) = constraint("UNIQUE (a, b) INCLUDE (c) WITH (fillfactor = 70, deduplicate_items) DEFERRABLE").kind else {
        panic!()
    };
    assert_eq!((unique.columns, unique.including), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]));
    assert_eq!((unique.deferrable, unique.initially_deferred, unique.primary), (true, false, false));
    assert_eq!(unique.with.as_deref(), Some("fillfactor = 70, deduplicate_items"));
    let ConstraintKind::Unique(key) = constraint("PRIMARY KEY (a, b WITHOUT OVERLAPS) INITIALLY DEFERRED").kind else { panic!() };
    assert_eq!((key.primary, key.without_overlaps, key.deferrable, key.initially_deferred), (true, true, true, true));
    assert!(!constraint("UNIQUE (a)").not_valid);
}

#[test]
fn alter_type() {
    let using = |command: &str| match action(command) {
        AlterAction::AlterType(alter) => alter.using,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        action("ALTER c TYPE int"),
        AlterAction::AlterType(AlterType { column: "c".into(), type_name: integer(), using: None, collation: false })
    );
    assert_eq!(using("ALTER c TYPE int USING c"), Some(Using::Column { cast: None }));
    assert_eq!(using("ALTER c TYPE int USING c::int"), Some(Using::Column { cast: Some(integer()) }));
    assert_eq!(using("ALTER c TYPE int USING (CAST(c AS integer))"), Some(Using::Column { cast: Some(integer()) }));
    for expression in ["d", "c + 1", "c::text::int", "f(c)", "t.c", "(c).d"] {
        assert_eq!(using(&format!("ALTER c TYPE int USING {expression}")), Some(Using::Expression), "{expression}");
    }
    assert!(matches!(action("ALTER c SET DATA TYPE text COLLATE \"C\""), AlterAction::AlterType(AlterType { collation: true, .. })));
}

#[test]
fn short_commands() {
    assert_eq!(action("ALTER c SET NOT NULL"), AlterAction::SetNotNull("c".into()));
    assert_eq!(action("ALTER c DROP NOT NULL"), AlterAction::DropNotNull("c".into()));
    assert_eq!(action("ALTER c DROP DEFAULT"), AlterAction::DropDefault("c".into()));
    for (command, storage) in [
        ("SET LOGGED", Storage::Logged),
        ("SET UNLOGGED", Storage::Unlogged),
        ("SET TABLESPACE x", Storage::Tablespace("x".into())),
        ("SET ACCESS METHOD heap", Storage::AccessMethod(Some("heap".into()))),
        ("SET ACCESS METHOD DEFAULT", Storage::AccessMethod(None)),
    ] {
        assert_eq!(action(command), AlterAction::Store(storage), "{command}");
    }
    assert_eq!(action("ALTER c SET EXPRESSION AS (a + 1)"), AlterAction::SetExpression("c".into()));
    assert_eq!(action("DETACH PARTITION s.p"), AlterAction::DetachPartition(relation("s.p")));
    assert_eq!(
        action("ATTACH PARTITION s.p FOR VALUES IN (1, 2)"),
        AlterAction::AttachPartition { child: relation("s.p"), bound: bound("FOR VALUES IN (1, 2)").unwrap() }
    );
    assert_eq!(action("INHERIT s.p"), AlterAction::Inherit(relation("s.p")));
    assert_eq!(action("VALIDATE CONSTRAINT k"), AlterAction::ValidateConstraint("k".into()));
    assert_eq!(action("DROP CONSTRAINT IF EXISTS k"), AlterAction::DropConstraint { name: "k".into(), if_exists: true, cascade: false });
    assert_eq!(action("DROP CONSTRAINT k CASCADE"), AlterAction::DropConstraint { name: "k".into(), if_exists: false, cascade: true });
    assert_eq!(action("DROP COLUMN c CASCADE"), AlterAction::DropColumn { column: "c".into(), if_exists: false, cascade: true });
    for command in [
        "ALTER c SET DEFAULT f()",
        "ALTER c SET STATISTICS 5",
        "ALTER c SET STORAGE EXTERNAL",
        "ALTER c SET (n_distinct = 5)",
        "ALTER c ADD GENERATED ALWAYS AS IDENTITY",
        "ALTER c DROP IDENTITY",
        "ALTER c DROP EXPRESSION",
        "ALTER CONSTRAINT k DEFERRABLE",
        "ALTER CONSTRAINT k NOT ENFORCED",
        "OWNER TO CURRENT_USER",
        "SET (fillfactor = 70, autovacuum_enabled = off)",
        "RESET (fillfactor)",
        "ENABLE TRIGGER ALL",
        "DISABLE TRIGGER x",
        "ENABLE ROW LEVEL SECURITY",
        "REPLICA IDENTITY FULL",
        "CLUSTER ON i",
        "SET WITHOUT CLUSTER",
        "NO INHERIT p",
        "DETACH PARTITION p CONCURRENTLY",
        "DETACH PARTITION p FINALIZE",
    ] {
        assert!(matches!(action(command), AlterAction::Brief(_)), "{command}");
    }
    for command in ["ALTER CONSTRAINT k ENFORCED", "ALTER CONSTRAINT k INHERIT", "OPTIONS (a 'b')"] {
        assert!(matches!(action(command), AlterAction::Unjudged(_)), "{command}");
    }
    assert_eq!(action("DETACH PARTITION s.p"), AlterAction::DetachPartition(relation("s.p")));
    assert_eq!(
        action("ATTACH PARTITION s.p FOR VALUES IN (1, 2)"),
        AlterAction::AttachPartition { child: relation("s.p"), bound: bound("FOR VALUES IN (1, 2)").unwrap() }
    );
}
