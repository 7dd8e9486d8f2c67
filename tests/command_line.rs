//! What a person sees who starts the program with something wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

const LISTENER: &str = "[[listener]]\nname = \"m\"\naddress = \"127.0.0.1:6432\"\n";

/// The program with this config file and environment; nothing of the tester's own environment reaches it.
struct Program {
    _directory: TempDir,
    config: PathBuf,
}

impl Program {
    fn with_config(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("p.toml");
        std::fs::write(&config, text).unwrap();
        Self { _directory: directory, config }
    }

    fn serve(&self, environment: &[(&str, &str)], flags: &[&str]) -> Output {
        let mut command = pgairlock();
        command.arg("serve").arg("--config").arg(&self.config).args(flags).envs(environment.iter().copied());
        command.output().unwrap()
    }

    /// Lines on stderr, with the config file's path shortened.
    fn complaints(&self, environment: &[(&str, &str)], flags: &[&str]) -> Vec<String> {
        let output = self.serve(environment, flags);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        stderr(&output).replace(self.config.to_str().unwrap(), "p.toml").lines().map(str::to_owned).collect()
    }
}

fn pgairlock() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
    command.env_clear();
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_problem_of_the_config_is_a_line_and_the_exit_code_is_2() {
    let program = Program::with_config(&format!("{LISTENER}adress = 1\n[rules]\ndrop-colum = \"off\"\n"));
    assert_eq!(
        program.complaints(&[], &[]),
        [
            "pgairlock: p.toml:4: unknown key \"adress\" in [[listener]]; did you mean \"address\"?",
            "pgairlock: p.toml:6: unknown rule \"drop-colum\" in [rules]; did you mean \"drop-column\"?",
            "pgairlock: p.toml: no server to forward to: give --upstream or an [[upstream]] with hosts",
        ]
    );
}

#[test]
fn the_environment_stands_over_the_file_and_flags_over_the_environment() {
    // The wrong key ends every run, so that what else is told shows whose value was taken.
    let upstream = "[[upstream]]\nname = \"x\"\nhosts = [\"file:1\"]\nwrong = 1\n";
    let program = Program::with_config(&format!("{LISTENER}{upstream}"));
    let file = program.complaints(&[], &[]);
    assert_eq!(file.len(), 1, "{file:#?}");
    let environment = program.complaints(&[("PGAIRLOCK_UPSTREAM", "environment")], &[]);
    assert_eq!(environment[1], "pgairlock: --upstream (PGAIRLOCK_UPSTREAM): \"environment\" has no port; write \"environment:5432\"");
    let flag = program.complaints(&[("PGAIRLOCK_UPSTREAM", "environment")], &["--upstream", "flag"]);
    assert_eq!(flag[1..], ["pgairlock: --upstream (PGAIRLOCK_UPSTREAM): \"flag\" has no port; write \"flag:5432\""]);
}

#[test]
fn a_password_in_a_url_is_not_repeated() {
    let program = Program::with_config(LISTENER);
    let told = program.complaints(&[("PGAIRLOCK_UPSTREAM", "postgres://deployer:secret@db.example/app")], &[]);
    assert!(told[0].starts_with("pgairlock: --upstream (PGAIRLOCK_UPSTREAM): is a URL; write host and port only"), "{told:#?}");
    assert!(!told.concat().contains("secret"), "{told:#?}");
}

#[test]
fn each_variable_reaches_its_setting() {
    let program = Program::with_config("");
    for (name, value) in [("PGAIRLOCK_LISTEN", "nowhere"), ("PGAIRLOCK_ADMIN", "nowhere"), ("PGAIRLOCK_MODE", "loud")] {
        let told = stderr(&program.serve(&[(name, value)], &[]));
        assert!(told.contains(&format!("invalid value '{value}'")), "{name}: {told}");
    }
    let store = program.complaints(&[("PGAIRLOCK_STORE", "mysql://a:secret@db/x")], &[]);
    assert!(store.iter().any(|line| line.contains("--store (PGAIRLOCK_STORE): is a URL, but not of PostgreSQL")), "{store:#?}");
    assert!(!store.concat().contains("secret"), "{store:#?}");
    let log = program.complaints(&[("PGAIRLOCK_LOG", "nonsense=loud")], &[]);
    assert!(log[0].starts_with("pgairlock: log filter \"nonsense=loud\": "), "{log:#?}");
    let missing = pgairlock().arg("serve").env("PGAIRLOCK_CONFIG", "missing.toml").output().unwrap();
    assert_eq!((missing.status.code(), stderr(&missing).starts_with("pgairlock: missing.toml: cannot be read: ")), (Some(2), true), "{missing:?}");
}

#[test]
fn the_version_is_that_of_the_crate() {
    let output = pgairlock().arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("pgairlock {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_rule_is_listed_and_explained() {
    let rules = pgairlock().arg("rules").output().unwrap();
    assert!(
        rules.status.success() && String::from_utf8(rules.stdout).unwrap().contains("\ndrop-column "),
        "{}",
        String::from_utf8_lossy(&rules.stderr)
    );
    let json = pgairlock().args(["rules", "--format", "json"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["rules"].as_array().unwrap().iter().filter(|rule| rule["id"] == "drop-column").count(), 1);
    let page = pgairlock().args(["explain", "drop-column"]).output().unwrap();
    assert!(page.status.success() && String::from_utf8(page.stdout).unwrap().starts_with("drop-column\n\nDROP COLUMN loses data"));
}

#[test]
fn an_unknown_rule_is_not_explained_but_a_near_one_named() {
    let output = pgairlock().args(["explain", "drop-colum"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{output:?}");
    assert_eq!(stderr(&output), "pgairlock: unknown rule \"drop-colum\"; did you mean \"drop-column\"?\n");
}
