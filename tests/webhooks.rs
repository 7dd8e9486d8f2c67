//! What others are told by HTTP of what happens here, and that nothing waits for them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

#[path = "webhooks/receiver.rs"]
mod receiver;

use std::process::Command;

use receiver::{Receiver, Reply};
use serde_json::{Value, json};
use support::certificates::certificates;
use support::scene::set_up;
use support::{Cluster, Proxy, Session, clusters, connect_to, free_port, until};

/// Tables with rows count as large.
const STRICT: &str = "[limits]\nsmall_table = \"1B\"\n";

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, a int, b text);
    INSERT INTO t SELECT i, i, i::text FROM generate_series(1, 100) i;
    CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY);
    INSERT INTO alembic_version VALUES ('a0')";

fn webhook(name: &str, url: &str, more: &str) -> String {
    format!("[[webhook]]\nname = \"{name}\"\nurl = \"{url}\"\n{more}\n")
}

fn json_to(receiver: &Receiver) -> String {
    webhook("programs", &receiver.url("/hook"), "format = \"json\"")
}

async fn behind(cluster: &'static Cluster, more: &str) -> (Proxy, String, Session) {
    let (database, direct) = set_up(cluster, TABLES).await;
    (Proxy::in_front_of(cluster, "enforce", &format!("{STRICT}{more}")), database, direct)
}

/// Alembic's own statements: two revisions in one transaction.
async fn migrate(session: &Session) {
    for sql in [
        "SELECT alembic_version.version_num FROM alembic_version",
        "BEGIN",
        "ALTER TABLE t ADD COLUMN c int",
        "UPDATE alembic_version SET version_num='a1' WHERE alembic_version.version_num = 'a0'",
        "CREATE INDEX t_a ON t (a)",
        "UPDATE alembic_version SET version_num='a2' WHERE alembic_version.version_num = 'a1'",
        "COMMIT",
    ] {
        session.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

fn metric(proxy: &Proxy, line: &str) -> bool {
    proxy.http("/metrics").unwrap().lines().any(|told| told == line)
}

async fn until_metric(proxy: &Proxy, line: &str) {
    until(line, async || metric(proxy, line)).await;
}

/// Log lines with this event.
fn logged(proxy: &Proxy, event: &str) -> Vec<Value> {
    let log = proxy.log();
    log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|line| line["event"] == event).collect()
}

#[tokio::test]
async fn a_migration_is_told_once_when_it_begins_and_once_when_it_is_done() {
    for cluster in clusters() {
        let receiver = Receiver::start().await;
        let (proxy, database, _direct) = behind(cluster, &json_to(&receiver)).await;
        let session = connect_to(proxy.port, &format!("user=postgres password=postgres dbname={database} application_name=deploy")).await.unwrap();
        migrate(&session).await;
        drop(session);
        let told = receiver.bodies(2).await;
        let (started, finished) = (&told[0], &told[1]);
        assert_eq!((&started["version"], &started["event"]), (&json!(1), &json!("migration_started")));
        let data = &started["data"];
        assert_eq!((&data["tool"], &data["database"], &data["role"]), (&json!("alembic"), &json!(database), &json!("postgres")));
        assert_eq!((&data["application_name"], &data["sql"]), (&json!("deploy"), &json!("ALTER TABLE t ADD COLUMN c int")));
        assert_eq!(finished["event"], "migration_finished");
        let data = &finished["data"];
        assert_eq!((&data["run"], &data["result"], &data["tool"]), (&started["data"]["run"], &json!("ok"), &json!("alembic")), "{finished}");
        let versions: Vec<&str> = data["migrations"].as_array().unwrap().iter().map(|one| one["version"].as_str().unwrap()).collect();
        assert_eq!(versions, ["a1", "a2"], "{finished}");
        assert_eq!((&data["statements"], &data["refused"], &data["failed"]), (&json!(2), &json!(0), &json!(0)));
        assert_eq!(data["decisions"].as_array().unwrap().len(), 2);
        until_metric(&proxy, "pgairlock_webhook_deliveries_total{webhook=\"programs\",result=\"ok\"} 2").await;
        assert!(metric(&proxy, "pgairlock_webhook_queue{webhook=\"programs\"} 0"));
        assert_eq!(logged(&proxy, "webhook_delivered").len(), 2);
        assert!(!proxy.log().contains("/hook"), "the path of a URL may be a secret");
    }
}

#[tokio::test]
async fn a_refusal_is_told_at_once_and_its_repetitions_by_their_number() {
    let cluster = clusters()[0];
    let receiver = Receiver::start().await;
    let slack = webhook("people", &receiver.url("/slack"), "format = \"slack\"\nevents = [\"refused\"]");
    let other = webhook("others", &receiver.url("/other"), "format = \"json\"\nroles = [\"somebody else\"]");
    let (mut proxy, database, _direct) = behind(cluster, &format!("{}{slack}{other}", json_to(&receiver))).await;
    let session = proxy.connect(&database).await;
    for _ in 0..5 {
        session.error("ALTER TABLE t DROP COLUMN b /* <!channel> */").await;
    }
    drop(session);
    let first = receiver.taken(2).await;
    let json = first.iter().find(|request| request.path == "/hook").unwrap().json();
    assert_eq!((&json["event"], &json["data"]["rules"], &json["data"]["table"]), (&json!("refused"), &json!(["drop-column"]), &json!("public.t")));
    assert_eq!((&json["data"]["repeated"], &json["data"]["role"]), (&json!(0), &json!("postgres")));
    assert!(json["data"]["way_through"].as_str().unwrap().contains("[[exempt]] with table = \"public.t\", rules = [\"drop-column\"]"), "{json}");
    let slack = first.iter().find(|request| request.path == "/slack").unwrap().json();
    assert!(slack["text"].as_str().unwrap().contains("&lt;!channel&gt;"), "{slack}");
    assert!(slack["blocks"].as_array().is_some_and(|blocks| blocks.len() == 4), "{slack}");
    // What is not told yet is at the end of the process.
    proxy.signal("TERM");
    assert_eq!(proxy.wait(), Some(0));
    let all = receiver.taken(4).await;
    let last: Vec<Value> = all[2..].iter().filter(|request| request.path == "/hook").map(receiver::Request::json).collect();
    assert_eq!(last[0]["data"]["repeated"], 4, "{last:?}");
    assert!(all.iter().all(|request| request.path != "/other"));
}

#[tokio::test]
async fn a_failure_after_commit_says_what_is_left_and_what_to_do() {
    for cluster in clusters() {
        let receiver = Receiver::start().await;
        let (proxy, database, direct) = behind(cluster, &json_to(&receiver)).await;
        let session = proxy.connect(&database).await;
        for sql in ["BEGIN", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)", "UPDATE alembic_version SET version_num = 'a1' WHERE version_num = 'a0'"] {
            session.batch_execute(sql).await.unwrap();
        }
        direct.batch_execute("INSERT INTO t VALUES (99999, 1)").await.unwrap();
        assert_eq!(session.error("COMMIT").await.code().code(), "PA004");
        drop(session);
        let told = receiver.bodies(3).await;
        let failed = told.iter().find(|body| body["event"] == "after_commit_failed").unwrap_or_else(|| panic!("{told:?}"));
        let data = &failed["data"];
        assert_eq!((&data["table"], &data["sqlstate"], &data["database"]), (&json!("public.t"), &json!("23505"), &json!(database)), "{failed}");
        assert!(data["operation"][0].as_str().unwrap().contains("CREATE UNIQUE INDEX CONCURRENTLY"), "{failed}");
        let number = data["promise"].as_i64().unwrap();
        assert!(data["what_to_do"].as_str().unwrap().contains(&format!("pgairlock deferred run {number} ")), "{failed}");
        let finished = told.iter().find(|body| body["event"] == "migration_finished").unwrap();
        assert_eq!((&finished["data"]["result"], &finished["data"]["after_commit_failed"]), (&json!("failed"), &json!(1)), "{finished}");
    }
}

#[tokio::test]
async fn a_run_that_is_refused_in_its_midst_or_cut_off_has_failed() {
    let cluster = clusters()[0];
    let receiver = Receiver::start().await;
    let (proxy, database, _direct) = behind(cluster, &json_to(&receiver)).await;
    let session = proxy.connect(&database).await;
    for sql in ["BEGIN", "ALTER TABLE t ADD COLUMN c int"] {
        session.batch_execute(sql).await.unwrap();
    }
    session.error("ALTER TABLE t DROP COLUMN b").await;
    drop(session);
    let told = receiver.bodies(3).await;
    let finished = told.iter().find(|body| body["event"] == "migration_finished").unwrap_or_else(|| panic!("{told:?}"));
    assert_eq!((&finished["data"]["result"], &finished["data"]["refused"]), (&json!("failed"), &json!(1)), "{finished}");
    assert!(finished["data"]["reason"].as_str().unwrap().contains("refused by drop-column"), "{finished}");
    // Without a word of its end.
    let session = proxy.connect(&database).await;
    for sql in ["BEGIN", "ALTER TABLE t ADD COLUMN d int"] {
        session.batch_execute(sql).await.unwrap();
    }
    drop(session);
    let told = receiver.bodies(5).await;
    assert_eq!((&told[4]["event"], &told[4]["data"]["result"]), (&json!("migration_finished"), &json!("failed")), "{}", told[4]);
}

#[tokio::test]
async fn what_fails_is_tried_again_in_order_and_what_is_refused_is_not() {
    let cluster = clusters()[0];
    let receiver = Receiver::start().await;
    receiver.answers([Reply::Status(500), Reply::Status(429), Reply::Status(200), Reply::Status(410)]);
    let (proxy, database, _direct) = behind(cluster, &json_to(&receiver)).await;
    let session = proxy.connect(&database).await;
    session.error("ALTER TABLE t DROP COLUMN b").await;
    session.error("DROP TABLE t").await;
    let taken = receiver.taken(4).await;
    let ids: Vec<Value> = taken.iter().map(|request| request.json()["id"].clone()).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3], "{ids:?}");
    // 429 asked for three seconds; a second alone would be ours.
    assert!(taken[2].at - taken[1].at >= std::time::Duration::from_secs(3));
    for line in ["result=\"retried\"} 2", "result=\"ok\"} 1", "result=\"refused\"} 1"] {
        until_metric(&proxy, &format!("pgairlock_webhook_deliveries_total{{webhook=\"programs\",{line}")).await;
    }
    let given_up = logged(&proxy, "webhook_given_up");
    assert_eq!((&given_up[0]["result"], &given_up[0]["error"]), (&json!("refused"), &json!("HTTP 410: no")), "{given_up:?}");
    receiver.answers([Reply::Redirect]);
    session.error("TRUNCATE t").await;
    until_metric(&proxy, "pgairlock_webhook_deliveries_total{webhook=\"programs\",result=\"refused\"} 2").await;
    assert!(logged(&proxy, "webhook_given_up")[1]["error"].as_str().unwrap().contains("redirects are not followed"));
    assert_eq!(receiver.taken(5).await.len(), 5);
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_neither_a_migration_nor_the_end() {
    for cluster in clusters() {
        let receiver = Receiver::start().await;
        receiver.answers(vec![Reply::Never; 100]);
        let (mut proxy, database, direct) = behind(cluster, &json_to(&receiver)).await;
        let session = proxy.connect(&database).await;
        session.error("ALTER TABLE t DROP COLUMN b").await;
        receiver.taken(1).await;
        migrate(&session).await;
        assert_eq!(direct.value("SELECT version_num FROM alembic_version").await, "a2");
        assert_eq!(receiver.taken(1).await.len(), 1, "the first is still not answered");
        drop(session);
        proxy.signal("TERM");
        assert_eq!(proxy.wait(), Some(0));
        let dropped = logged(&proxy, "webhook_dropped");
        assert_eq!((&dropped[0]["why"], dropped[0]["count"].as_u64() >= Some(2)), (&json!("shutdown"), true), "{dropped:?}");
    }
}

#[tokio::test]
async fn one_that_is_down_at_first_gets_it_later_and_a_new_one_by_a_reload() {
    let cluster = clusters()[0];
    let port = free_port();
    let (proxy, database, _direct) = behind(cluster, &webhook("late", &format!("http://127.0.0.1:{port}/"), "format = \"json\"")).await;
    let session = proxy.connect(&database).await;
    session.error("ALTER TABLE t DROP COLUMN b").await;
    until("a failure in the log", async || !logged(&proxy, "webhook_failed").is_empty()).await;
    let late = Receiver::at(port).await;
    assert_eq!(late.bodies(1).await[0]["event"], "refused");

    let next = Receiver::start().await;
    let text = std::fs::read_to_string(&proxy.config).unwrap();
    std::fs::write(&proxy.config, text.replace(&format!("http://127.0.0.1:{port}/"), &next.url("/next")).replace("\"late\"", "\"next\"")).unwrap();
    proxy.signal("HUP");
    until("the reload", async || !logged(&proxy, "config_reloaded").is_empty()).await;
    session.error("DROP TABLE t").await;
    assert_eq!(next.bodies(1).await[0]["data"]["rules"], json!(["drop-table"]));
    assert_eq!(late.bodies(1).await.len(), 1);

    // One whose secret is missing is not half used.
    let text = std::fs::read_to_string(&proxy.config).unwrap();
    std::fs::write(&proxy.config, text.replace("format = \"json\"", "format = \"json\"\nsecret_file = \"not-there\"")).unwrap();
    proxy.signal("HUP");
    until("the rejection", async || !logged(&proxy, "config_rejected").is_empty()).await;
    let error = logged(&proxy, "config_rejected").remove(0)["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("[[webhook]] next: secret_file ") && error.contains("not-there"), "{error}");
    session.error("TRUNCATE t").await;
    assert_eq!(next.bodies(2).await.len(), 2);
}

#[tokio::test]
async fn over_tls_only_to_whom_the_authority_vouches_for_and_signed() {
    let cluster = clusters()[0];
    let files = support::directory("webhook-tls");
    let secret = files.join("secret");
    std::fs::write(&secret, "a secret of the test\n").unwrap();
    let receiver = Receiver::over_tls().await;
    let trusting = format!("format = \"json\"\nsecret_file = \"{}\"\nca = \"{}\"", secret.display(), certificates().ca.display());
    let doubting = format!("format = \"json\"\nca = \"{}\"", certificates().other_ca.display());
    let both = webhook("a", &receiver.url("/signed"), &trusting) + &webhook("b", &receiver.url("/doubted"), &doubting);
    let (proxy, database, _direct) = behind(cluster, &both).await;
    let session = proxy.connect(&database).await;
    session.error("ALTER TABLE t DROP COLUMN b").await;
    let request = receiver.taken(1).await.remove(0);
    assert_eq!(request.path, "/signed");
    // As docs/webhooks.md tells receivers to do it.
    let output = Command::new("sh")
        .args(["-c", "printf 'v1:%s:%s' \"$T\" \"$B\" | openssl dgst -sha256 -hmac \"$(cat \"$S\")\" | sed 's/.*= /v1=/'"])
        .env("T", &request.timestamp)
        .env("B", &request.body)
        .env("S", &secret)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), request.signature);
    until("the other's failure", async || logged(&proxy, "webhook_failed").iter().any(|line| line["webhook"] == "b")).await;
    let failed = logged(&proxy, "webhook_failed").remove(0);
    assert!(failed["error"].as_str().unwrap().contains("certificate"), "{failed}");
    assert!(!proxy.log().contains("a secret of"));
    assert_eq!(receiver.taken(1).await.len(), 1);
}

#[tokio::test]
async fn the_command_sends_a_test_and_prints_the_answer() {
    let receiver = Receiver::start().await;
    let files = support::directory("webhook-command");
    let config = files.join("p.toml");
    let least = "[[listener]]\nname = \"m\"\naddress = \"127.0.0.1:1\"\n[[upstream]]\nname = \"u\"\nhosts = [\"h:1\"]\n";
    std::fs::write(&config, format!("{least}{}", webhook("people", &receiver.url("/slack"), "format = \"slack\""))).unwrap();
    let run = async |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
        command.env_clear().args(["webhook", "test", name, "--config"]).arg(&config);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(run("people").await, (Some(0), "HTTP 200 ok\n".into(), String::new()));
    assert!(receiver.taken(1).await[0].json()["text"].as_str().unwrap().contains("a test of the webhook `people`"));
    receiver.answers([Reply::Status(403)]);
    assert_eq!(run("people").await, (Some(1), String::new(), "pgairlock: webhook people: HTTP 403 no\n".into()));
    let told = run("peple").await;
    assert_eq!(told, (Some(2), String::new(), "pgairlock: no [[webhook]] is called \"peple\"; did you mean \"people\"?\n".into()));
}
