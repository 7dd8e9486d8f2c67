//! Strings in which one reader sees one statement and the server sees two, and strings meant to exhaust the parser.

use super::*;

fn pieces(text: &str) -> Vec<&str> {
    script(text, LIMIT).unwrap_or_else(|error| panic!("{text}: {error}")).statements.iter().map(|parsed| &text[parsed.span.clone()]).collect()
}

fn drops(text: &str) -> bool {
    let dropped = |parsed: &Parsed| matches!(&parsed.statement, Statement::DropTable(drop) if drop.relations == [relation("t")]);
    script(text, LIMIT).unwrap().statements.iter().any(dropped)
}

#[test]
fn no_drop_hides_from_the_split() {
    for text in [
        "SELECT 1 END; DROP TABLE t",
        "COPY x FROM STDIN; DROP TABLE t",
        "COPY x TO STDIN; DROP TABLE t",
        "SELECT E'a'\n'\\''; DROP TABLE t; --'",
        "SELECT E'a' -- b\n  '\\''; DROP TABLE t; --'",
        "DROP TABLE U&\"\\0074\"",
        "DROP TABLE \"t\"",
        "/* /* */ */ DROP TABLE t",
        "SELECT $a$; $b$; $a$; DROP TABLE t",
        "BEGIN; DROP TABLE t; COMMIT",
        ";;; DROP TABLE t ;;",
    ] {
        assert!(drops(text), "{text}");
    }
}

#[test]
fn no_statement_is_invented() {
    for text in [
        "SELECT '; DROP TABLE t'",
        "SELECT $$; DROP TABLE t; $$",
        "SELECT 1 /* ; DROP TABLE t; */",
        "SELECT 1 -- ; DROP TABLE t",
        "SELECT \"; DROP TABLE t\"",
    ] {
        assert!(!drops(text), "{text}");
        assert_eq!(pieces(text).len(), 1, "{text}");
    }
}

#[test]
fn the_body_of_a_function_is_one_statement() {
    let text = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3";
    assert_eq!(pieces(text), ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", "SELECT 3"]);
}

#[test]
fn spans_leave_out_what_stands_around_a_statement() {
    let text = "-- first\nSELECT 'ü' -- a\n ; /* second */ SELECT 2 ;; \n -- last";
    assert_eq!(pieces(text), ["SELECT 'ü'", "SELECT 2"]);
    assert_eq!(pieces(""), Vec::<&str>::new());
    assert_eq!(pieces(" -- nothing\n;"), Vec::<&str>::new());
    assert_eq!(pieces("SELECT 1 -- the end"), ["SELECT 1"]);
}

#[test]
fn limits_are_kept_before_anything_is_parsed() {
    assert_eq!(script("SELECT 1", 7), Err(ParseError::TooLong { bytes: 8, limit: 7 }));
    assert_eq!(script("SELECT 1\0; DROP TABLE t", LIMIT), Err(ParseError::Nul));
    assert_eq!(script(&format!("{}SELECT 1", "/*".repeat(100_000)), LIMIT), Err(ParseError::TooDeep));
    assert!(script(&"/* */".repeat(1000), LIMIT).is_ok());
}

#[test]
fn the_grammar_speaks_for_itself() {
    let Err(ParseError::NotUnderstood { message }) = script("SELEC 1", LIMIT) else { panic!() };
    assert_eq!(message, "syntax error at or near \"SELEC\"");
}

#[test]
fn depth_is_an_error_and_not_a_crash() {
    for text in [
        format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT {}1", "NOT ".repeat(100_000)),
        format!("{}SELECT 1{}", "SELECT (".repeat(20_000), ")".repeat(20_000)),
        format!("CREATE TABLE v AS SELECT {}1", "1+".repeat(100)),
        format!("CREATE MATERIALIZED VIEW v AS SELECT {}1", "1+".repeat(100)),
        format!("EXPLAIN ANALYZE SELECT {}1", "1+".repeat(100)),
        format!("SELECT {}1 INTO t", "1+".repeat(100)),
        format!("SELECT {}U&\"f\"()", "1+".repeat(100)),
    ] {
        let Err(error) = script(&text, LIMIT) else { panic!("{}", &text[..40]) };
        assert!(error.to_string().len() < 200, "{error}");
    }
}

#[test]
fn a_deep_query_is_read_by_its_letters() {
    let text = format!(
        "SELECT f(1); SELECT {}s.\"G\"(a), now(), b IN (1), coalesce(c), S.Left(d); INSERT INTO t (a) {}; DROP TABLE t",
        "'ü' || ".repeat(100),
        vec!["SELECT h(1)"; 500].join(" UNION ALL "),
    );
    let script = script(&text, LIMIT).unwrap();
    let functions: Vec<_> = script.statements.iter().map(|parsed| parsed.functions.clone()).collect();
    assert_eq!(functions[..2], [vec![call("f")], vec![call("s.G"), call("now"), call("s.left")]]);
    assert!(functions[2].contains(&call("h")) && functions[3].is_empty());
    let kinds: Vec<_> = script.statements.iter().map(|parsed| &parsed.statement).collect();
    assert!(matches!(kinds[..], [Statement::Query(_), Statement::Query(_), Statement::Query(_), Statement::DropTable(_)]));
    assert!(text[script.statements[1].span.clone()].starts_with("SELECT 'ü' ||"));
    assert_eq!(&text[script.statements[3].span.clone()], "DROP TABLE t");
}

#[test]
fn a_deep_view_is_read_by_its_letters() {
    let parsed = one(&format!("CREATE OR REPLACE TEMP VIEW v AS SELECT {}f(1)", "'x' || ".repeat(100)));
    assert_eq!((parsed.statement, parsed.functions), (Statement::Brief("CREATE VIEW"), vec![call("f")]));
}

#[test]
fn a_large_query_is_read_by_its_letters() {
    let rows = vec!["(1, f('x;y'), '/* DROP TABLE t */')"; 10_000].join(", ");
    let text = format!("BEGIN; INSERT INTO s.t (a, b, c) VALUES {rows}; CREATE FUNCTION g() RETURNS text LANGUAGE sql AS $$ {rows} $$; COMMIT");
    let script = script(&text, LIMIT).unwrap();
    let kinds: Vec<_> = script.statements.iter().map(|parsed| &parsed.statement).collect();
    assert!(matches!(kinds[..], [Statement::Transaction(_), Statement::Query(_), Statement::Brief(_), Statement::Transaction(_)]), "{}", kinds.len());
    assert_eq!(script.statements[1].functions, [call("f")]);
    assert!(text[script.statements[1].span.clone()].starts_with("INSERT INTO s.t") && text[script.statements[1].span.clone()].ends_with("*/')"));
    let into = format!("SELECT {} 1 AS a INTO s.t", "'x', ".repeat(100_000));
    assert!(matches!(statement(&into), Statement::CreateTable(table) if table.relation == relation("s.t")));
}

/// A text that is mutilated at random is an error or a script, but never a panic, and its spans are in order and in place.
#[test]
fn mutilated_texts_are_survived() {
    let seeds = [
        "ALTER TABLE ONLY s.t ADD COLUMN c numeric(10, 2) DEFAULT f('ü, ', 2) CONSTRAINT k CHECK (a > 1) DEFERRABLE, ALTER d SET NOT NULL -- e",
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (lower(a), (b || 'c')) INCLUDE (d) WHERE e IS NOT NULL; DROP INDEX i, j CASCADE",
        "ALTER TABLE t ADD UNIQUE (a) WITH (fillfactor = 70) USING INDEX TABLESPACE x, ALTER c TYPE int USING c::int /* x /* y */ */",
        "DO $x$ BEGIN EXECUTE 'DROP TABLE t'; END $x$; SET search_path = \"A\", b; COPY t FROM STDIN; EXPLAIN ANALYZE SELECT * INTO x FROM y",
        "CREATE TABLE t (a serial PRIMARY KEY, b int REFERENCES p (q), FOREIGN KEY (a) REFERENCES r); PREPARE p (int) AS SELECT $1",
    ];
    let inserts =
        ["'", "\"", "$$", "/*", "*/", "--", "\n", ",", "(", ")", ";", "E'", "U&\"", "ü", "::", "[", "CONSTRAINT", "DEFAULT", "NULL", "\\", "."];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut understood = 0;
    for round in 0..4000 {
        let mut text: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..=random.below(3) {
            let Some(last) = text.len().checked_sub(1) else { break };
            let at = random.below(last + 1);
            match random.below(3) {
                0 => drop(text.drain(at..(at + 1 + random.below(8)).min(text.len()))),
                1 => drop(text.splice(at..at, inserts[random.below(inserts.len())].chars())),
                _ => text.swap(at, random.below(at + 1)),
            }
        }
        let text: String = text.into_iter().collect();
        let _ = crate::sql::redact::redact(&text, crate::sql::redact::Literals::Redact);
        let Ok(script) = script(&text, LIMIT) else { continue };
        understood += 1;
        check_places(&text, &script);
    }
    assert!(understood > 200, "{understood}");
}

fn check_places(text: &str, script: &Script) {
    let mut end = 0;
    for parsed in &script.statements {
        assert!(parsed.span.start >= end && text.get(parsed.span.clone()).is_some(), "{text}");
        end = parsed.span.end;
        let Statement::AlterTable(alter) = &parsed.statement else { continue };
        for command in &alter.commands {
            assert!(parsed.span.start < command.span.start && command.span.end <= parsed.span.end, "{text}");
            assert!(text.get(command.span.clone()).is_some(), "{text}");
        }
    }
}

/// A xorshift generator: the same texts in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}
