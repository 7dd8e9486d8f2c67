//! Times that are told on real servers: a server is measured where that harms nobody, and its sessions share what was found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use serde_json::Value;
use support::scene::set_up;
use support::{BIG, Protocol, Proxy, Session, clusters};

const REWRITES: &str = "ALTER TABLE big ALTER COLUMN a TYPE bigint";
/// What stands in the way of a measurement.
const LOCKS: &str = "ALTER TABLE big ADD COLUMN brief int";
const UNMEASURED: &str = "(12 thousand rows; the speed of this server was not measured), and needs about ";

/// The DETAIL of its refusal.
async fn told(session: &Session, protocol: Protocol) -> String {
    session.run(protocol, REWRITES).await.unwrap_err().detail().unwrap().to_owned()
}

#[tokio::test]
async fn a_server_is_measured_for_all_sessions() {
    for cluster in clusters() {
        let (database, _direct) = set_up(cluster, &format!("{BIG} ANALYZE big")).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        let session = proxy.connect(&database).await;
        let detail = told(&session, Protocol::Extended).await;
        assert!(detail.contains(UNMEASURED), "in a batch its failure would be the client's: {detail}");
        session.batch_execute(&format!("BEGIN; {LOCKS}")).await.unwrap();
        assert!(told(&session, Protocol::Simple).await.contains(UNMEASURED), "others wait for this transaction");
        session.batch_execute("ROLLBACK; BEGIN").await.unwrap();
        let detail = told(&session, Protocol::Simple).await;
        assert!(detail.contains(" here") && detail.contains("(12 thousand rows), and needs about "), "{detail}");
        session.batch_execute("ROLLBACK").await.unwrap();
        let another = proxy.connect(&database).await;
        assert!(told(&another, Protocol::Extended).await.contains(" here"), "known to whoever comes later");
        assert_eq!(calibrations(&proxy, &database), [false, false, true, true]);
    }
}

/// What the store has of the estimates.
fn calibrations(proxy: &Proxy, database: &str) -> Vec<bool> {
    let store = proxy.searchable();
    let mut question =
        store.prepare("SELECT findings ->> '$[0].estimate' FROM records WHERE database = ? AND decision = 'refuse' ORDER BY id").unwrap();
    let estimates = question.query_map([database], |row| row.get::<_, String>(0)).unwrap();
    let told = |text: String| {
        let estimate: Value = serde_json::from_str(&text).unwrap();
        let number = |name: &str| estimate[name].as_u64().unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(
            number("at_most_millis") >= number("millis") && (11_000..13_000).contains(&number("rows")) && number("disk_bytes") > 1 << 20,
            "{text}"
        );
        assert!(estimate["safe_millis"].is_null(), "nobody rewrites a table in another way");
        estimate["calibrated"].as_bool().unwrap()
    };
    estimates.map(|text| told(text.unwrap())).collect()
}
