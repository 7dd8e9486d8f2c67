//! The order of the rooms: which module may know which, and who may touch the outside world. docs/ARCHITECTURE.md says why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room of `src/` and the rooms that it may import from.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("sql", &[]),
    ("deferred", &["sql"]),
    ("catalog", &["sql", "deferred"]),
    ("rules", &["sql", "catalog", "deferred"]),
    ("policy", &["sql", "catalog", "deferred", "rules"]),
    ("check", &["sql", "catalog", "deferred", "rules", "policy"]),
    ("audit", &["sql"]),
    ("notify", &["audit", "deferred", "sql"]),
    ("config", &["policy", "notify"]),
    ("session", &["wire", "sql", "catalog", "deferred", "policy", "audit"]),
    ("store", &["audit", "deferred", "config", "upstream"]),
    ("telemetry", &["audit", "deferred", "store"]),
    ("transport", &["config", "wire"]),
    ("upstream", &["config", "wire", "transport"]),
    ("webhook", &["notify", "audit", "deferred", "config", "store", "telemetry", "transport"]),
    ("admin", &["store", "telemetry", "audit", "deferred", "config", "transport"]),
    (
        "server",
        &[
            "session",
            "wire",
            "sql",
            "policy",
            "audit",
            "deferred",
            "config",
            "store",
            "telemetry",
            "transport",
            "upstream",
            "admin",
            "rules",
            "webhook",
        ],
    ),
    (
        "cli",
        &[
            "check",
            "catalog",
            "server",
            "config",
            "policy",
            "rules",
            "telemetry",
            "sql",
            "deferred",
            "session",
            "store",
            "upstream",
            "audit",
            "admin",
            "webhook",
        ],
    ),
];

/// Rooms that decide: values in, values out.
const CORE: &[&str] = &["wire", "sql", "catalog", "deferred", "rules", "policy", "check", "audit", "session", "notify"];

/// What the core must not touch, and why.
const OUTSIDE: &[(&str, &str)] = &[
    ("std::net", "sockets live at the edge"),
    ("std::fs", "files live at the edge"),
    ("std::env", "settings are handed in"),
    ("std::thread", "one task owns a session"),
    ("Instant::now", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("tokio::", "the core is not async"),
    ("tracing::", "what happened is a value; the edge tells it"),
    ("metrics::", "what happened is a value; the edge counts it"),
    ("rusqlite::", "the store lives at the edge"),
];

/// Crates that one place alone may import, as path prefixes below `src/`.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("pg_query", &["sql/parse.rs", "sql/parse/"]),
    ("sqlparser", &["sql/tokens.rs"]),
    ("pgwire", &["wire/"]),
    ("rusqlite", &["store/"]),
    ("rustls", &["transport/"]),
    ("x509_cert", &["transport/"]),
    ("axum", &["admin/"]),
    ("maud", &["admin/"]),
    ("similar", &["admin/"]),
    ("hyper", &["admin/listen.rs", "webhook/post.rs", "server/traces.rs"]),
    ("hyper_util", &["admin/listen.rs", "webhook/post.rs", "server/traces.rs"]),
    ("http_body_util", &["webhook/post.rs", "server/traces.rs"]),
    ("tokio_postgres", &["upstream/client.rs", "store/postgres.rs"]),
    ("opentelemetry_proto", &["telemetry/span.rs"]),
    ("prost", &["telemetry/span.rs"]),
    ("clap", &["cli/"]),
    ("toml", &["config/"]),
];

/// A source file without its tests.
struct Source {
    path: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "the sources were found");
    files.iter().filter(|path| !is_test(path)).map(|path| read(&root, path)).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.file_stem().unwrap().to_string_lossy().ends_with("tests")
}

/// Comments and the tests at the end of a file do not count.
fn read(root: &Path, path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    Source { path: path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), code: code.join("\n") }
}

fn room(source: &Source) -> Option<&str> {
    source.path.split_once('/').map(|(room, _)| room)
}

/// Names that follow `crate::`, braces of a `use` list included.
fn imports(code: &str) -> BTreeSet<&str> {
    let name = |rest: &str| rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if at > 0 && code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let list = &list[..list.find("};").unwrap_or(list.len())];
            found.extend(list.split(',').map(str::trim).map(|item| &item[..name(item)]).filter(|item| !item.is_empty()));
        } else {
            found.insert(&rest[..name(rest)]);
        }
    }
    found
}

#[test]
fn every_room_knows_only_the_rooms_before_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(room) = room(&source) else { continue };
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: the room {room} is not in the table", source.path));
            continue;
        };
        let foreign = imports(&source.code).into_iter().filter(|import| *import != room && !allowed.contains(import));
        wrong.extend(foreign.map(|import| format!("{} imports {import}", source.path)));
    }
    assert!(wrong.is_empty(), "not allowed by the table in tests/tidy.rs:\n{}", wrong.join("\n"));
}

#[test]
fn the_core_touches_nothing_outside() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| room(source).is_some_and(|room| CORE.contains(&room))) {
        for (forbidden, why) in OUTSIDE {
            if source.code.contains(forbidden) {
                wrong.push(format!("{} uses {forbidden}: {why}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_library_has_one_place() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (library, places) in ONLY_IN {
            let used = source.code.contains(&format!("{library}::"));
            if used && !places.iter().any(|place| source.path.starts_with(place)) {
                wrong.push(format!("{} uses {library}, which belongs in {places:?}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_rule_never_knows_another_rule() {
    let rules: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.code.contains("pub(super) const RULE: Rule") || source.code.contains("pub const RULE: Rule"))
        .map(|source| source.path)
        .collect();
    assert!(rules.len() > 20, "the rules were found: {rules:?}");
    let names: Vec<&str> = rules.iter().map(|path| path.trim_start_matches("rules/").trim_end_matches(".rs")).collect();
    for source in sources().iter().filter(|source| rules.contains(&source.path)) {
        for name in &names {
            assert!(!source.code.contains(&format!("super::{name}")), "{} knows the rule {name}", source.path);
        }
    }
}

#[test]
fn every_direct_dependency_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let architecture = fs::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap();
    let section = manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap();
    let names: Vec<&str> = section.lines().skip(1).filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).collect();
    assert!(names.len() > 10);
    for name in names {
        assert!(architecture.contains(&format!("`{name}`")), "docs/ARCHITECTURE.md does not say why {name} is a dependency");
    }
}
