//! `config/pgairlock.toml` is the documentation of the config: it must be complete, and true. So must be what one copies from the README.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use pgairlock::config;
use pgairlock::config::settings::{Pooler, ServerTls, Settings, StorePlace, Timeouts};
use pgairlock::policy::settings::{Mode, PolicySettings};

const RULES: [&str; 3] = ["drop-column", "drop-index-blocking", "drop-table"];

/// Only what has no default.
const LEAST: &str = r#"
    [[listener]]
    name = "migrations"
    address = "127.0.0.1:6432"
    [[upstream]]
    name = "main"
    hosts = ["127.0.0.1:5432"]
"#;

fn file() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/pgairlock.toml")).expect("config/pgairlock.toml")
}

fn read(text: &str) -> Settings {
    config::from_str(text, "pgairlock.toml", &RULES).unwrap_or_else(|error| panic!("{error}"))
}

/// The file with its examples of keys without a default put into effect.
fn with_examples() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '[') => rest.to_owned(),
        _ => line.to_owned(),
    };
    file().lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Every (section, key) that the text sets.
fn keys_in(text: &str) -> BTreeSet<(String, String)> {
    let mut keys = BTreeSet::new();
    collect("", &text.parse::<toml::Table>().expect("TOML"), &mut keys);
    keys
}

fn collect(section: &str, table: &toml::Table, keys: &mut BTreeSet<(String, String)>) {
    for (key, value) in table {
        let inner = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        if !section.is_empty() {
            keys.insert((section.to_owned(), key.clone()));
        }
        match value {
            toml::Value::Table(table) => collect(&inner, table, keys),
            toml::Value::Array(elements) => elements.iter().filter_map(toml::Value::as_table).for_each(|table| collect(&inner, table, keys)),
            _ => {}
        }
    }
}

#[test]
fn values_in_effect_are_the_defaults_of_the_code() {
    let settings = read(&file());
    assert_eq!(settings, read(LEAST));
    assert_eq!(settings.timeouts, Timeouts::default());
    assert_eq!(settings.policy, PolicySettings::default());
    assert_eq!(settings.admin, Settings::DEFAULT_ADMIN);
    assert_eq!(settings.max_sessions, Settings::DEFAULT_MAX_SESSIONS);
    assert_eq!(settings.store, StorePlace::File(Settings::DEFAULT_STORE.into()));
    assert_eq!(settings.listeners[0].mode, Mode::Enforce);
    assert_eq!((&settings.upstreams[0].tls, settings.upstreams[0].pooler), (&ServerTls::Prefer, Pooler::None));
}

#[test]
fn every_key_that_the_code_knows_stands_in_the_file() {
    let written = keys_in(&with_examples());
    let missing: Vec<_> =
        config::known_keys().into_iter().filter(|(section, key)| !written.contains(&(section.clone(), (*key).to_owned()))).collect();
    assert!(missing.is_empty(), "config/pgairlock.toml does not mention {missing:?}");
    assert!(config::known_keys().len() > 25, "the keys that the code knows were not found");
}

#[test]
fn every_key_with_a_default_is_in_effect() {
    let in_effect = keys_in(&file());
    let examples: BTreeSet<_> = keys_in(&with_examples()).difference(&in_effect).cloned().collect();
    let sections: BTreeSet<_> = examples.iter().map(|(section, _)| section.as_str()).collect();
    // Only these have keys without a default.
    assert_eq!(
        sections,
        BTreeSet::from([
            "admin",
            "admin.tls",
            "admin.user",
            "approval",
            "directive",
            "exempt",
            "listener",
            "listener.tls",
            "monitor",
            "protect",
            "rules",
            "store",
            "telemetry",
            "thresholds",
            "upstream.tls",
            "webhook"
        ])
    );
}

#[test]
fn the_examples_are_valid() {
    let modes = with_examples()
        .replace("mode = \"disable\"", "mode = \"require\"")
        .replace("mode = \"prefer\"", "mode = \"verify-full\"")
        .replace("proxy_protocol = false", "proxy_protocol = true")
        .replace("path = \"pgairlock.db\"", "");
    let settings = read(&modes);
    assert_eq!((settings.policy.exemptions.len(), settings.policy.directives.len(), settings.policy.protected.len()), (1, 1, 1));
    assert_eq!((settings.policy.rules.len(), settings.policy.thresholds["drop-index-blocking"]), (1, 10 << 20));
    assert_eq!(settings.upstreams[0].tls, ServerTls::VerifyFull(Some("ca.crt".into())));
    assert_eq!((settings.webhooks.len(), settings.webhooks[0].events.len()), (1, 4));
    assert!(settings.monitor.is_some_and(|monitor| monitor.password_file.is_some()));
}

#[test]
fn every_key_has_a_comment_of_its_own() {
    let mut explained = false;
    for line in file().lines() {
        match line {
            "" => explained = false,
            _ if line.starts_with("# ") => explained = true,
            // What explains a section of one key may stand above the section.
            _ if line.starts_with('[') || line.starts_with("#[") => {}
            _ => assert!(std::mem::take(&mut explained), "no comment above: {line}"),
        }
    }
}

/// What somebody copies from there must not fail on the names of columns.
#[tokio::test]
async fn the_question_in_the_readme_can_be_asked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = pgairlock::store::Store::open(&pgairlock::store::Place::File(path.clone())).unwrap();
    store.ready().await.unwrap();
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let questions: Vec<&str> = readme.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let asked: Vec<&&str> = questions.iter().filter(|sql| sql.contains("outcome_tag")).collect();
    assert_eq!(asked.len(), 1, "{questions:?}");
    rusqlite::Connection::open(&path).unwrap().prepare(asked[0]).unwrap();
}
