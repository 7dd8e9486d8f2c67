use super::*;

fn write(text: &str) -> Option<Write> {
    match statement(text) {
        Statement::Query(query) => query.write.map(|write| *write),
        other => panic!("{text}: {other:?}"),
    }
}

fn constant(name: &str, value: &str) -> (String, Argument) {
    (name.to_owned(), Argument::Constant(value.to_owned()))
}

#[test]
fn small_writes_are_read_column_by_column() {
    let inserted = write("INSERT INTO public.\"schema_migrations\" (version, dirty, at) VALUES ($1, true, now())").unwrap();
    assert_eq!((inserted.verb, inserted.table.to_string(), inserted.alias), (Verb::Insert, "public.schema_migrations".into(), None));
    assert_eq!(inserted.columns, [("version".into(), Argument::Parameter(1)), constant("dirty", "true"), ("at".into(), Argument::Other)]);
    let updated = write("UPDATE alembic_version SET version_num='b' WHERE alembic_version.version_num = 'a'").unwrap();
    assert_eq!(
        (updated.verb, updated.columns, updated.equal),
        (Verb::Update, vec![constant("version_num", "b")], vec![constant("version_num", "a")])
    );
    let deleted = write(r#"DELETE FROM "schema_migrations" AS s0 WHERE (s0."version" = $1::bigint) AND a IN ('x')"#).unwrap();
    assert_eq!((deleted.verb, deleted.alias.as_deref()), (Verb::Delete, Some("s0")));
    assert_eq!(deleted.equal, [("version".into(), Argument::Parameter(1)), constant("a", "x")]);
    assert_eq!(write("UPDATE v SET version = 3").unwrap().equal, []);
}

#[test]
fn other_writes_are_not() {
    for text in [
        "INSERT INTO t (a) VALUES (1), (2)",
        "INSERT INTO t (a) SELECT 1",
        "INSERT INTO t DEFAULT VALUES",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1 FROM u WHERE t.a = u.a",
        "UPDATE t SET a = 1 WHERE a > 3",
        "UPDATE t SET a = 1 WHERE a IN (1, 2)",
        "DELETE FROM t USING u WHERE t.a = 1",
        "DELETE FROM t WHERE a = 1 OR a = 2",
        "SELECT 1",
    ] {
        assert_eq!(write(text), None, "{text}");
    }
}
