//! `pgairlock check`: what a person, a script and a code host read of it, without and with a database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::clusters;
use tempfile::TempDir;

/// Files of one run, and the program in their directory.
struct Files(TempDir);

impl Files {
    fn of(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn check(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
        command.env_clear().current_dir(self.path()).arg("check").args(arguments);
        command
    }

    fn text(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.check(arguments);
        assert!(output.stderr.is_empty(), "{output:?}");
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.check(&[&["--format", "json"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// The decisions of a file's statements, in order.
    fn decisions(&self, arguments: &[&str]) -> Vec<String> {
        let document = self.json(arguments);
        let statements = document["files"].as_array().unwrap().iter().flat_map(|file| file["statements"].as_array().unwrap());
        statements.map(|statement| statement["decision"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_person_reads_where_what_and_what_runs_instead() {
    let files = Files::of(&[("1_x.up.sql", "-- why\nCREATE INDEX users_email ON users (email);\n")]);
    let (code, text) = files.text(&["1_x.up.sql"]);
    let expected = "warning[create-index-blocking]: CREATE INDEX on users blocks every write while it builds
  --> 1_x.up.sql:2:1
  |
2 | CREATE INDEX users_email ON users (email)
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = lock Share on users, work: scan; assumed: not everything could be known beforehand.
   = runs as:
   - CREATE INDEX users_email ON users (email)
   + CREATE INDEX CONCURRENTLY users_email ON users (email);

1 statement in 1 file, 1 would be rewritten
No database was asked: every table counts as large and in use. --database-url asks one.
";
    assert_eq!((code, text.as_str()), (Some(0), expected));
    assert_eq!(files.text(&["--fail-on", "rewrite", "1_x.up.sql"]).0, Some(1));
    assert_eq!(files.text(&["--fail-on", "defer", "1_x.up.sql"]).0, Some(0));
}

#[test]
fn a_refusal_says_what_to_write_and_ends_with_1() {
    let files = Files::of(&[("x.sql", "ALTER TABLE t ADD COLUMN b uuid DEFAULT gen_random_uuid();")]);
    let (code, text) = files.text(&["x.sql"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("error[add-column-rewrite]: ") && text.contains("   = help: ") && text.contains("x.sql:1:1"), "{text}");
    assert_eq!(files.text(&["--fail-on", "never", "x.sql"]).0, Some(0));
}

#[test]
fn code_is_read_as_far_as_it_can_be() {
    let key = "DO $$ BEGIN ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id); EXCEPTION WHEN duplicate_object THEN NULL; END $$;";
    let files = Files::of(&[
        ("type.sql", "DO $$ BEGIN CREATE TYPE mood AS ENUM ('good'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;"),
        ("key.sql", key),
        ("text.sql", "DO $$ BEGIN EXECUTE 'ALTER TABLE t ADD COLUMN c int'; END $$;"),
    ]);
    assert_eq!(files.text(&["type.sql"]).0, Some(0), "plain DDL that is safe");
    let (code, text) = files.text(&["key.sql"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Write instead: ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id) NOT VALID; and after COMMIT"), "{text}");
    for around in ["yes", "no"] {
        let (code, text) = files.text(&["--transaction", around, "text.sql"]);
        assert_eq!(code, Some(0), "it runs where its locks are looked at: {text}");
        assert!(text.contains("pgairlock runs it in a transaction, and looks before the COMMIT at what it has locked"), "{text}");
    }
}

#[test]
fn each_tool_has_its_transactions() {
    let sql = "CREATE INDEX i ON t (a);";
    for (name, text, decision) in [
        ("1_x.up.sql", sql.to_owned(), "rewrite"),
        ("V1__x.sql", sql.to_owned(), "defer"),
        ("1_x.sql", format!("-- migrate:up\n{sql}\n-- migrate:down\nDROP TABLE t;\n"), "defer"),
        ("2_x.sql", format!("-- migrate:up transaction:false\n{sql}\n"), "rewrite"),
        ("3_x.sql", format!("-- +goose NO TRANSACTION\n-- +goose Up\n{sql}\n"), "rewrite"),
        ("alembic.sql", format!("BEGIN;\n{sql}\nCOMMIT;\n"), "defer"),
    ] {
        let decisions = Files::of(&[(name, &text)]).decisions(&[name]);
        assert!(decisions.contains(&decision.to_owned()), "{name}: {decisions:?}");
        assert!(!decisions.contains(&"refuse".to_owned()), "{name}: what goes back is not judged unless it is asked for: {decisions:?}");
    }
    let files = Files::of(&[("1_x.up.sql", sql), ("1_x.down.sql", "DROP TABLE t;")]);
    assert_eq!(files.decisions(&["--transaction", "yes", "1_x.up.sql"]), ["defer"]);
    assert_eq!(files.decisions(&["."]), ["rewrite"]);
    assert_eq!(files.decisions(&["--direction", "both", "."]), ["refuse", "rewrite"]);
}

#[test]
fn what_was_created_in_the_same_transaction_is_new() {
    let text =
        "CREATE TABLE n (id int PRIMARY KEY, a int);\nCREATE INDEX ON n (a);\nALTER TABLE n ALTER a SET NOT NULL;\nCREATE INDEX ON other (a);\n";
    assert_eq!(Files::of(&[("V1__x.sql", text)]).decisions(&["--fail-on", "never", "V1__x.sql"]), ["pass", "pass", "pass", "refuse"]);
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_judged() {
    let files = Files::of(&[
        ("a.sql", "SELEC 1;\nCREATE INDEX i ON t (a);\n"),
        ("b.sql", "\\set x 1\nCREATE INDEX j ON t (a);\nCOPY t FROM stdin;\n1\n\\.\n"),
    ]);
    std::fs::write(files.path().join("c.sql"), b"SELECT 1;\nSELECT '\xff';\n").unwrap();
    let (code, text) = files.text(&["a.sql", "b.sql", "c.sql", "nonesuch.sql"]);
    assert_eq!(code, Some(2), "{text}");
    for part in [
        "error: syntax error at or near \"SELEC\"\n  --> a.sql:1:1\n",
        "a.sql:2:1",
        "b.sql:2:1",
        "error: is not UTF-8: line 2 has a byte that cannot be read\n  --> c.sql\n",
        "error: cannot be read: No such file or directory",
        "3 could not be judged",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let document = files.json(&["a.sql"]);
    assert_eq!(document["files"][0]["problems"][0]["line"], 1);
}

#[test]
fn standard_input_is_a_file_too() {
    let files = Files::of(&[]);
    let mut child = files.command(&["--format", "json", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"TRUNCATE t").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let statement = &document["files"][0]["statements"][0];
    assert_eq!((document["version"].as_i64(), statement["index"].as_i64(), statement["line"].as_i64()), (Some(1), Some(0), Some(1)));
    assert_eq!((statement["sql"].as_str(), statement["decision"].as_str()), (Some("TRUNCATE t"), Some("refuse")));
}

#[test]
fn code_hosts_can_read_it() {
    let files = Files::of(&[("a, b.sql", "SELECT 1;\nCREATE INDEX i ON t (a);\nDROP TABLE t;\n")]);
    let (_, github) = files.text(&["--format", "github", "a, b.sql"]);
    let lines: Vec<&str> = github.lines().collect();
    assert!(
        lines[0].starts_with("::warning file=a%2C b.sql,line=2,col=1,title=pgairlock [create-index-blocking]::CREATE INDEX on t blocks"),
        "{github}"
    );
    assert!(lines[1].starts_with("::error file=a%2C b.sql,line=3,col=1,title=pgairlock [drop-table]::"), "{github}");
    let sarif: Value = serde_json::from_slice(&files.check(&["--format", "sarif", "a, b.sql"]).stdout).unwrap();
    let run = &sarif["runs"][0];
    assert_eq!((sarif["version"].as_str(), run["results"].as_array().unwrap().len()), (Some("2.1.0"), 2));
    let place = &run["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!((place["artifactLocation"]["uri"].as_str(), place["region"]["startLine"].as_i64()), (Some("a%2C%20b.sql"), Some(2)));
    let named = run["tool"]["driver"]["rules"].as_array().unwrap().iter().any(|rule| rule["id"] == run["results"][0]["ruleId"]);
    assert!(named, "the rule of a result is described");
    let gitlab: Value = serde_json::from_slice(&files.check(&["--format", "gitlab", "a, b.sql"]).stdout).unwrap();
    let severities: Vec<&str> = gitlab.as_array().unwrap().iter().map(|issue| issue["severity"].as_str().unwrap()).collect();
    assert_eq!(severities, ["minor", "critical"]);
    assert_ne!(gitlab[0]["fingerprint"], gitlab[1]["fingerprint"]);
}

#[test]
fn the_proxys_policy_is_read() {
    let config = "[[listener]]\nname = \"m\"\naddress = \"127.0.0.1:6432\"\n[[upstream]]\nname = \"m\"\nhosts = [\"127.0.0.1:5432\"]\n[rules]\ndrop-table = \"warn\"\n[[exempt]]\ntable = \"t\"\nrules = [\"create-index-blocking\"]\nreason = \"small\"\n";
    let files = Files::of(&[("p.toml", config), ("x.sql", "CREATE INDEX i ON t (a);\nDROP TABLE t;\n")]);
    assert_eq!(files.decisions(&["--config", "p.toml", "x.sql"]), ["pass", "pass"]);
    let approvable = format!("{}[[approval]]\nrules = [\"drop-table\"]\n", config.replace("drop-table = \"warn\"\n", ""));
    let asked = Files::of(&[("p.toml", &approvable), ("x.sql", "DROP TABLE t;\n")]);
    assert_eq!(asked.decisions(&["--config", "p.toml", "x.sql"]), ["approval"]);
    let findings = files.json(&["--config", "p.toml", "x.sql"])["files"][0]["statements"].clone();
    assert_eq!((findings[0]["findings"][0]["policy"].as_str(), findings[1]["findings"][0]["policy"].as_str()), (Some("exempt"), Some("warn")));
}

#[tokio::test]
async fn a_database_knows_what_is_small_and_what_is_there() {
    for cluster in clusters() {
        let database = cluster.database().await;
        let session = cluster.connect(&database).await;
        let tables = "CREATE TABLE small (id int PRIMARY KEY, a int, b varchar(10));
            CREATE TABLE large (id int PRIMARY KEY, a int, b varchar(10));
            INSERT INTO large SELECT i, i, 'x' FROM generate_series(1, 50000) i; INSERT INTO small VALUES (1);
            CREATE FUNCTION stable() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'";
        session.batch_execute(tables).await.unwrap();
        let text = "CREATE INDEX ON small (a);\nCREATE INDEX ON large (a);\nALTER TABLE large ALTER b TYPE varchar(20);\n\
                    ALTER TABLE large ADD COLUMN c int DEFAULT stable();\nALTER TABLE large ALTER b TYPE varchar(5);\n";
        let files = Files::of(&[("x.sql", text)]);
        let url = format!("postgres://trusted@127.0.0.1:{}/{database}", cluster.port);
        let decisions = files.decisions(&["--database-url", &url, "x.sql"]);
        assert_eq!(decisions, ["pass", "rewrite", "pass", "pass", "refuse"], "{}", cluster.version);
        let finding = files.json(&["--database-url", &url, "x.sql"])["files"][0]["statements"][1]["findings"][0].clone();
        assert_eq!((finding["certainty"].as_str(), finding["relation"].as_str()), (Some("proven"), Some("public.large")));
        let estimate = &finding["estimate"];
        assert!(estimate["calibrated"] == true && estimate["free_disk_bytes"].is_null(), "{finding}");
        assert!((40_000..70_000).contains(&estimate["rows"].as_u64().unwrap()), "{finding}");
        let (likely, most) = (estimate["seconds"].as_f64().unwrap(), estimate["at_most_seconds"].as_f64().unwrap());
        assert!(likely > 0.0 && most > likely && most < 60.0 && estimate["safe_seconds"].as_f64().unwrap() > likely, "{finding}");
        let (_, text) = files.text(&["--database-url", &url, "x.sql"]);
        assert!(!text.contains("No database was asked"), "{text}");
        assert!(text.contains("known from the catalog.\n   = It takes ") && text.contains(" here"), "{text}");
        let output = files.check(&["--database-url", "postgres://trusted@127.0.0.1:1/x", "x.sql"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains("cannot connect"));
    }
}

#[test]
fn directives_count_as_they_do_on_the_wire() {
    let config = "[[listener]]\nname = \"m\"\naddress = \"127.0.0.1:6432\"\n[[upstream]]\nname = \"u\"\nhosts = [\"127.0.0.1:5432\"]\n\
                  [[directive]]\nrules = [\"drop-column\"]\n";
    let sql = "-- pgairlock:allow drop-column reason=\"unread\"\nALTER TABLE t DROP COLUMN a;\n\
               ALTER TABLE t DROP COLUMN b;\n\
               -- pgairlock:allow drop-table reason=\"old\"\nDROP TABLE t;\n\
               BEGIN;\nSET LOCAL pgairlock.allow = 'drop-column: unread';\nALTER TABLE t DROP COLUMN c;\nCOMMIT;\n\
               ALTER TABLE t DROP COLUMN d;\n";
    let files = Files::of(&[("x.sql", sql), ("pgairlock.toml", config)]);
    assert_eq!(files.decisions(&["x.sql"]), ["refuse", "refuse", "refuse", "pass", "pass", "refuse", "pass", "refuse"]);
    let arguments = ["--config", "pgairlock.toml", "x.sql"];
    assert_eq!(files.decisions(&arguments), ["pass", "refuse", "refuse", "pass", "pass", "pass", "pass", "refuse"]);
    let document = files.json(&arguments);
    let finding = |statement: usize| document["files"][0]["statements"][statement]["findings"][0].clone();
    assert_eq!((finding(0)["policy"].as_str(), finding(0)["reason"].as_str()), (Some("allow"), Some("unread")));
    assert!(finding(2)["not_honoured"].as_str().unwrap().contains("it takes: [[directive]] with role"));
    let (code, text) = files.text(&arguments);
    assert_eq!(code, Some(1));
    assert!(text.contains("   = note: The directive pgairlock:allow is not honoured: no [[directive]]"), "{text}");
    assert!(!text.contains("DROP COLUMN a"), "what is allowed is not told: {text}");
}
