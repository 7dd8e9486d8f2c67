//! `pgairlock report` after some time in warn mode: what enforce would have done, and a policy to start with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::process::{Command, Output};

use pgairlock::config;
use pgairlock::policy::settings::Severity;
use serde_json::Value;
use support::scene::set_up;
use support::{Proxy, clusters, connect_to};

fn report(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pgairlock")).env_clear().arg("report").args(arguments).output().unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = report(arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Too large for naive DDL.
fn large(table: &str) -> String {
    format!("CREATE TABLE {table} AS SELECT i AS a, i AS b, i AS c, i AS d, repeat('x', 100) AS pad FROM generate_series(1, 12000) i;")
}

const LEAST: &str = "[[listener]]\nname = \"m\"\naddress = \"127.0.0.1:6432\"\n[[upstream]]\nname = \"u\"\nhosts = [\"127.0.0.1:5432\"]\n";

#[tokio::test]
async fn a_week_of_warn_says_what_enforce_would_have_done() {
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, &["one", "two"].map(large).concat()).await;
        direct.batch_execute("ALTER TABLE one OWNER TO trusted").await.unwrap();
        let proxy = Proxy::in_front_of(cluster, "warn", "");
        let deployer =
            connect_to(proxy.port, &format!("user=postgres password=postgres dbname={database} application_name='Flyway Community'")).await.unwrap();
        for sql in [
            "CREATE TABLE fresh (id int)",
            "CREATE INDEX i ON one (a)",
            "ALTER TABLE one DROP COLUMN b",
            "ALTER TABLE one DROP COLUMN c",
            "ALTER TABLE one DROP COLUMN d",
            "ALTER TABLE two DROP COLUMN b",
            "ALTER TABLE two DROP COLUMN c",
            "ALTER TABLE two ALTER COLUMN a TYPE bigint",
            "CREATE ROLE nobody_needs PASSWORD 'secret'; DROP ROLE nobody_needs",
        ] {
            deployer.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        let other = connect_to(proxy.port, &format!("user=trusted dbname={database}")).await.unwrap();
        other.batch_execute("BEGIN; CREATE INDEX j ON one (a); COMMIT").await.unwrap();
        other.batch_execute("BEGIN").await.unwrap();
        other.batch_execute("CREATE INDEX k ON one (a)").await.unwrap();
        other.batch_execute("COMMIT").await.unwrap();

        drop(proxy.searchable());
        let store = proxy.store.to_str().unwrap();
        let json: Value = serde_json::from_str(&printed(&["--store", store, "--format", "json"])).unwrap();
        let group = |team: &str, rule: &str| {
            let groups = json["groups"].as_array().unwrap();
            groups.iter().find(|group| group["team"] == team && group["rule"] == rule).unwrap_or_else(|| panic!("{team} {rule}: {json:#}")).clone()
        };
        let drops = group("postgres", "drop-column");
        assert_eq!((drops["tool"].as_str(), drops["statements"]["refuse"].as_u64()), (Some("Flyway"), Some(5)));
        assert_eq!(drops["tables"], serde_json::json!(["public.one", "public.two"]));
        assert_eq!(drops["example"], "ALTER TABLE one DROP COLUMN b");
        assert_eq!(group("postgres", "create-index-blocking")["statements"]["rewrite"], 1);
        let others = group("trusted", "create-index-blocking");
        assert_eq!((others["tool"].as_str(), others["statements"]["defer"].as_u64()), (Some("unknown"), Some(1)));
        assert!(!json.to_string().contains("secret"), "what the store masks stays masked");

        let toml = json["toml"].as_str().unwrap();
        let rules: Vec<&'static str> = pgairlock::rules::ids().collect();
        let settings = config::from_str(&format!("{LEAST}{toml}"), "pgairlock.toml", &rules).unwrap_or_else(|error| panic!("{error}\n{toml}"));
        assert_eq!(settings.policy.rules.get("drop-column"), Some(&Severity::Warn), "{toml}");
        assert_eq!(settings.policy.rules.len(), 1, "{toml}");
        let exemption = &settings.policy.exemptions[0];
        assert_eq!((exemption.table.as_deref(), exemption.role.as_deref()), (Some("public.two"), Some("postgres")), "{toml}");
        assert_eq!(exemption.rules, ["alter-column-type"]);
        assert!(toml.contains("# create-index-blocking: left at its default; it would only make"), "{toml}");

        let text = printed(&["--store", store]);
        for told in
            ["postgres with Flyway\n", "  drop-column: 5 statements: 5 refused\n", "    on public.one, public.two\n", "trusted with unknown\n"]
        {
            assert!(text.contains(told), "{told}: {text}");
        }
        assert!(text.ends_with(toml));
        // The config file of serve says where the store is; and a moment is not long ago.
        assert!(printed(&["--config", proxy.config.to_str().unwrap(), "--since", "1h"]).contains("5 refused"));
        assert!(printed(&["--store", store, "--since", "0s"]).contains("0 statements\nNothing was recorded in this time"));
    }
}

#[test]
fn where_there_is_no_store_it_is_said_and_none_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none.db");
    let output = report(&["--store", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("none.db") && told.contains("name the store of `pgairlock serve` with --store"), "{told}");
    assert!(!path.exists());
}
