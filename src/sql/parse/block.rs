//! The body of DO: what of it is plain SQL.
//!
//! PL/pgSQL puts no variable into a command that changes the schema: its text is what runs. So such a command is read by PostgreSQL's grammar and
//! judged like any other; whether it runs is not known.

use super::super::statement::{Code, CreateTable, Query, Reach, Script, Statement};
use super::{ParseError, code};

/// What a statement that is looked for begins with.
const COMMANDS: &[&str] = &["alter", "comment", "create", "delete", "drop", "grant", "refresh", "reindex", "revoke", "truncate", "update"];

/// Longest statement that is taken out, in bytes: of more, the rest of the code would be read too often.
const LONGEST: usize = 1 << 16;

/// Takes the body of a block apart. What cannot be read stays in its rest.
pub(super) fn code(body: &str) -> Code {
    let mut rest = body.to_owned();
    let mut statements = Vec::new();
    for span in code::statements(body, COMMANDS) {
        let Some(script) = body.get(span.clone()).and_then(|text| script(text).ok()).filter(stands_for_itself) else { continue };
        rest.replace_range(span.clone(), &" ".repeat(span.len()));
        statements.push(script);
    }
    Code { text: body.to_owned(), statements, rest }
}

fn script(text: &str) -> Result<Script, ParseError> {
    super::script(text, LONGEST)
}

/// It is one statement of which all is seen.
fn stands_for_itself(script: &Script) -> bool {
    let [parsed] = script.statements.as_slice() else { return false };
    parsed.sets.is_empty() && is_command(&parsed.statement)
}

fn is_command(statement: &Statement) -> bool {
    match statement {
        Statement::CreateTable(CreateTable { execute, .. }) => execute.is_none(),
        Statement::Query(Query { written, reach, .. }) => written.is_some() && *reach != Reach::Given,
        Statement::CreateIndex(_)
        | Statement::DropIndex(_)
        | Statement::DropTable(_)
        | Statement::Reindex(_)
        | Statement::AlterTable(_)
        | Statement::Rename(_)
        | Statement::SetSchema { .. }
        | Statement::AlterDomain { .. }
        | Statement::CreateEnum { .. }
        | Statement::AddEnumValue { .. }
        | Statement::Brief(_)
        | Statement::Unjudged { .. } => true,
        Statement::Transaction(_)
        | Statement::Setting(_)
        | Statement::Copy(_)
        | Statement::LockTable { .. }
        | Statement::Prepare { .. }
        | Statement::Execute { .. }
        | Statement::Deallocate(_)
        | Statement::Opaque(_)
        | Statement::External(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(body: &str) -> Vec<String> {
        let code = code(body);
        let texts: Vec<String> = code.statements.iter().map(|script| script.text.to_string()).collect();
        assert_eq!(code.rest.len(), body.len());
        assert!(texts.iter().all(|text| body.contains(text)), "{body}");
        texts
    }

    #[test]
    fn commands_are_found_where_plpgsql_begins_a_statement() {
        for (body, expected) in [
            ("BEGIN ALTER TABLE t ADD c int; END", &["ALTER TABLE t ADD c int"][..]),
            ("DECLARE x int; BEGIN CREATE INDEX i ON t (a); DROP INDEX j; END;", &["CREATE INDEX i ON t (a)", "DROP INDEX j"]),
            (
                "BEGIN IF NOT EXISTS (SELECT 1) THEN CREATE TYPE m AS ENUM ('a;b'); ELSE ALTER TYPE m ADD VALUE 'c'; END IF; END",
                &["CREATE TYPE m AS ENUM ('a;b')", "ALTER TYPE m ADD VALUE 'c'"],
            ),
            ("BEGIN CREATE TABLE n (a int); EXCEPTION WHEN duplicate_table THEN NULL; END", &["CREATE TABLE n (a int)"]),
            ("<<l>> BEGIN FOR r IN SELECT 1 LOOP DELETE FROM t; END LOOP; END", &["DELETE FROM t"]),
            ("BEGIN /* ; */ UPDATE t SET a = 1 -- ;\n; END", &["UPDATE t SET a = 1 -- ;\n"]),
            ("BEGIN UPDATE t SET a = set_config('a', 'b', false); END", &[]),
            ("BEGIN x := CASE WHEN a THEN drop END; END", &[]),
            ("BEGIN EXECUTE 'DROP TABLE t'; PERFORM 'a; DROP TABLE t;'; END", &[]),
            ("BEGIN CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; END", &[]),
            ("BEGIN CREATE TABLE n AS EXECUTE p; ALTER ROLE r SET lock_timeout = 0; ALTER SYSTEM SET a = 1; END", &[]),
            ("BEGIN ALTER TABLE t ADD c int", &[]),
            ("BEGIN ALTER TABLE t ADD c int 'unclosed; END", &[]),
        ] {
            assert_eq!(taken(body), expected, "{body}");
        }
    }
}
