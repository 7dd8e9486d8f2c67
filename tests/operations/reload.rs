//! SIGHUP, and a config file that changes.

use std::fs;

use super::support::certificates::certificates;
use super::support::raw::text;
use super::support::{Proxy, RawClient, clusters, free_port};
use super::{events, until_logged, with_large_table};

fn edit(proxy: &Proxy, change: impl FnOnce(String) -> String) {
    let before = fs::read_to_string(&proxy.config).unwrap();
    fs::write(&proxy.config, change(before)).unwrap();
    proxy.signal("HUP");
}

#[tokio::test]
async fn a_new_policy_counts_for_open_sessions() {
    for cluster in clusters() {
        let (database, _direct) = with_large_table(cluster).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        let session = proxy.connect(&database).await;
        assert_eq!(session.error("ALTER TABLE large DROP COLUMN t").await.code().code(), "PA001");
        edit(&proxy, |text| text + "[rules]\ndrop-column = \"off\"\n");
        until_logged(&proxy, "config_reloaded").await;
        session.batch_execute("ALTER TABLE large DROP COLUMN t").await.unwrap();
    }
}

#[tokio::test]
async fn a_config_with_mistakes_is_told_and_the_old_one_stays() {
    let cluster = clusters()[0];
    let (database, _direct) = with_large_table(cluster).await;
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let session = proxy.connect(&database).await;
    edit(&proxy, |text| text + "[rules]\ndrop-column = \"off\"\ndrop-tabel = \"off\"\n");
    let rejected = until_logged(&proxy, "config_rejected").await;
    let error = rejected["error"].as_str().unwrap();
    assert!(error.contains("pgairlock.toml:") && error.contains("did you mean \"drop-table\""), "{error}");
    assert_eq!(session.error("ALTER TABLE large DROP COLUMN t").await.code().code(), "PA001");
    assert!(proxy.http("/metrics").unwrap().contains("pgairlock_config_reloads_total{result=\"rejected\"} 1"));
}

/// One part of a new policy is right, another is not.
const HALF_RIGHT: &str = "[rules]\ndrop-column = \"off\"\n[[exempt]]\nrules = [\"drop-table\"]\nreason = \"x\"\n[[directive]]\nrules = [\"drop-tabel\"]\n\
     [[protect]]\ntabel = \"large\"\nreason = \"x\"\n[thresholds]\ndrop-index-blokcing = \"1GB\"\n";

#[tokio::test]
async fn a_change_of_the_file_is_noticed_and_never_half_of_it() {
    let cluster = clusters()[0];
    let (database, _direct) = with_large_table(cluster).await;
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let session = proxy.connect(&database).await;
    let written = fs::read_to_string(&proxy.config).unwrap();
    fs::write(&proxy.config, written.clone() + HALF_RIGHT).unwrap();
    let rejected = until_logged(&proxy, "config_rejected").await;
    let error = rejected["error"].as_str().unwrap();
    let first = written.lines().count() + 1;
    for (line, what) in [
        (first + 6, "unknown rule \"drop-tabel\" in [[directive]]; did you mean \"drop-table\"?"),
        (first + 8, "unknown key \"tabel\" in [[protect]]; did you mean \"table\"?"),
        (first + 7, "[[protect]] needs \"table\""),
        (first + 11, "unknown rule \"drop-index-blokcing\" in [thresholds]; did you mean \"drop-index-blocking\"?"),
    ] {
        assert!(error.contains(&format!("pgairlock.toml:{line}: {what}")), "{line} {what}: {error}");
    }
    for sql in ["ALTER TABLE large DROP COLUMN t", "DROP TABLE large"] {
        assert_eq!(session.error(sql).await.code().code(), "PA001", "the old policy is wholly in force");
    }
    // Another file in its place, as most who write config do it.
    let beside = proxy.config.with_extension("new");
    fs::write(&beside, written + "[rules]\ndrop-column = \"off\"\n").unwrap();
    fs::rename(&beside, &proxy.config).unwrap();
    until_logged(&proxy, "config_reloaded").await;
    session.batch_execute("ALTER TABLE large DROP COLUMN t").await.unwrap();
    let metrics = proxy.http("/metrics").unwrap();
    for told in ["pgairlock_config_reloads_total{result=\"rejected\"} 1", "pgairlock_config_reloads_total{result=\"ok\"} 1"] {
        assert!(metrics.contains(told), "{told}");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_client() {
    let cluster = clusters()[0];
    let directory = super::support::directory("renewal");
    let files = [directory.join("p.crt"), directory.join("p.key")];
    let own = &certificates().server;
    // Not signed by the authority that the client trusts.
    fs::write(&files[0], rcgen_self_signed(&files[1])).unwrap();
    let (port, certificate, key) = (cluster.port, files[0].display(), files[1].display());
    let proxy = Proxy::start(&format!(
        "[[listener]]\nname = \"m\"\naddress = \"{{listen}}\"\ntls = {{ mode = \"prefer\", certificate = \"{certificate}\", key = \"{key}\" }}\n\
         [[upstream]]\nname = \"main\"\ndatabases = [\"*\"]\nhosts = [\"127.0.0.1:{port}\"]\ntls = {{ mode = \"disable\" }}\n"
    ));
    assert!(RawClient::connect_ssl_request(proxy.port).await.is_none());
    fs::copy(&own.certificate, &files[0]).unwrap();
    fs::copy(&own.key, &files[1]).unwrap();
    proxy.signal("HUP");
    until_logged(&proxy, "config_reloaded").await;
    assert!(RawClient::connect_ssl_request(proxy.port).await.is_some());

    // Half a renewal: the key does not belong to the certificate.
    fs::copy(&certificates().proxy.key, &files[1]).unwrap();
    proxy.signal("HUP");
    let rejected = until_logged(&proxy, "config_rejected").await;
    assert!(rejected["error"].as_str().unwrap().starts_with("listener m: "), "{rejected}");
    assert!(RawClient::connect_ssl_request(proxy.port).await.is_some());
}

/// A certificate that nobody signed; its key goes into the file.
fn rcgen_self_signed(key_file: &std::path::Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(key_file, made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}

#[tokio::test]
async fn what_needs_a_restart_is_said() {
    let cluster = clusters()[0];
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let (moved, added) = (free_port(), free_port());
    let old = proxy.port;
    edit(&proxy, |text| {
        let text = text.replace(&format!("127.0.0.1:{old}"), &format!("127.0.0.1:{moved}")).replace("pgairlock.db", "other.db");
        format!("[[listener]]\nname = \"added\"\naddress = \"127.0.0.1:{added}\"\n{text}[limits]\nsessions = 7\n")
    });
    until_logged(&proxy, "config_reloaded").await;
    let told: Vec<String> = events(&proxy, "restart_needed").iter().map(|line| line["setting"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ["[[listener]] migrations: address", "[[listener]] added", "[store]", "[limits] sessions"]);
    RawClient::log_in(proxy.port, "postgres").await;
}

#[tokio::test]
async fn a_new_mode_counts_for_the_next_session() {
    let cluster = clusters()[0];
    let (database, _direct) = with_large_table(cluster).await;
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let mut before = RawClient::log_in(proxy.port, &database).await;
    edit(&proxy, |text| text.replace("\"enforce\"", "\"warn\""));
    until_logged(&proxy, "config_reloaded").await;
    let refused = before.query("DROP TABLE large").await;
    assert!(refused.iter().any(|(tag, body)| *tag == b'E' && text(body, b'C') == "PA001"), "{refused:?}");
    let mut after = RawClient::log_in(proxy.port, &database).await;
    let warned = after.query("DROP TABLE large").await;
    assert!(warned.iter().any(|(tag, body)| *tag == b'N' && text(body, b'M').contains("drop-table")), "{warned:?}");
    assert!(warned.iter().any(|(tag, _)| *tag == b'C'), "{warned:?}");
}
