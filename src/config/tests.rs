use std::net::SocketAddr;
use std::time::Duration;

use super::network::Network;
use super::settings::StorePlace;
use super::settings::{ClientCertificates, ClientTls, Identity, MonitorSettings, Pooler, ProxyProtocol, ServerTls};
use super::*;
use crate::notify::Format;
use crate::notify::event::Kind;
use crate::policy::settings::{Grant, Literals, Mode, Protection, Recorded, Severity};

const RULES: [&str; 4] = ["create-index-blocking", "drop-column", "drop-table", "protected-setting"];

const LEAST: &str = r#"[[listener]]
name = "migrations"
address = "127.0.0.1:6432"
[[upstream]]
name = "main"
hosts = ["127.0.0.1:5432"]
"#;

/// `LEAST` has six lines, so `more` begins on line 7.
fn with(more: &str) -> Result<Settings, ConfigError> {
    from_str(&format!("{LEAST}{more}"), "etc/pgairlock.toml", &RULES)
}

fn problems(text: &str) -> Vec<String> {
    let error = from_str(text, "pgairlock.toml", &RULES).expect_err("wrong config was accepted");
    error.to_string().lines().map(str::to_owned).collect()
}

/// The only problem that `more` causes.
fn problem(more: &str) -> String {
    let found = problems(&format!("{LEAST}{more}"));
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].clone()
}

#[test]
fn everything_that_is_written_is_used() {
    let settings = from_str(
        r#"
        [[listener]]
        name = "a"
        address = "127.0.0.1:1"
        mode = "warn"
        tls = { mode = "prefer", certificate = "s.crt", key = "/abs/s.key" }
        proxy_protocol = true
        proxy_protocol_from = ["10.0.0.0/8", "::1"]
        [[listener]]
        name = "b"
        address = "[::1]:2"
        mode = "off"
        tls = { mode = "require", certificate = "s.crt", key = "s.key", client_ca = "ca.crt", client_cert = "required" }
        [[upstream]]
        name = "x"
        databases = ["app", "shop"]
        hosts = ["db1:5432", "[::1]:5433"]
        tls = { mode = "verify-full", ca = "ca.crt" }
        pooler = "session"
        [[upstream]]
        name = "y"
        hosts = ["db2:5432"]
        tls.mode = "disable"
        [timeouts]
        lock = "500ms"
        connect = "1s"
        login = "1min"
        drain = "0s"
        store = "9s"
        step = "2h"
        [rules]
        drop-column = "off"
        drop-table = "warn"
        create-index-blocking = "refuse"
        [[exempt]]
        role = "r"
        database = "d"
        table = "t"
        application_name = "n"
        rules = ["drop-column", "drop-table"]
        reason = "because"
        [after_commit]
        defer = false
        hold = "2min"
        search = "3s"
        [store]
        path = "x.db"
        literals = "redact"
        retention = "400d"
        record = "all"
        [admin]
        address = "127.0.0.1:3"
        [monitor]
        user = "watcher"
        password_file = "watcher.password"
        [limits]
        small_table = "8kB"
        statement = "1MB"
        sessions = 7
        "#,
        "etc/pgairlock.toml",
        &RULES,
    )
    .unwrap();
    let identity = |key: &str, clients| Identity { certificate: "etc/s.crt".into(), key: key.into(), clients };
    assert_eq!(settings.listeners[0].mode, Mode::Warn);
    assert_eq!(settings.listeners[0].tls, ClientTls::Prefer(identity("/abs/s.key", None)));
    assert_eq!(settings.listeners[1].mode, Mode::Off);
    assert_eq!(
        settings.listeners[1].tls,
        ClientTls::Require(identity("etc/s.key", Some(ClientCertificates { ca: "etc/ca.crt".into(), required: true })))
    );
    let from = ["10.0.0.0/8", "::1"].map(|text| Network::read(text).unwrap()).to_vec();
    assert_eq!(settings.listeners[0].proxy_protocol, ProxyProtocol::Required { from });
    assert_eq!(settings.listeners[1].proxy_protocol, ProxyProtocol::Off);
    assert_eq!(settings.upstreams[0].tls, ServerTls::VerifyFull(Some("etc/ca.crt".into())));
    assert_eq!((settings.upstreams[0].pooler, settings.upstreams[1].pooler), (Pooler::Session, Pooler::None));
    assert_eq!(settings.upstreams[1].tls, ServerTls::Disable);
    assert_eq!(settings.upstream_for("shop").unwrap().name, "x");
    assert_eq!(settings.upstream_for("other").unwrap().name, "y");
    assert_eq!(settings.timeouts.lock, Duration::from_millis(500));
    assert_eq!(settings.timeouts.connect, Duration::from_secs(1));
    assert_eq!(settings.timeouts.login, Duration::from_secs(60));
    assert_eq!(settings.timeouts.drain, Duration::ZERO);
    assert_eq!(settings.timeouts.store, Duration::from_secs(9));
    assert_eq!(settings.timeouts.step, Duration::from_secs(7200));
    assert_eq!(settings.policy.rules["drop-column"], Severity::Off);
    assert_eq!(settings.policy.rules["drop-table"], Severity::Warn);
    assert_eq!(settings.policy.rules["create-index-blocking"], Severity::Refuse);
    let exemption = &settings.policy.exemptions[0];
    assert_eq!((exemption.role.as_deref(), exemption.database.as_deref()), (Some("r"), Some("d")));
    assert_eq!((exemption.table.as_deref(), exemption.application_name.as_deref()), (Some("t"), Some("n")));
    assert_eq!((exemption.rules.len(), exemption.reason.as_str()), (2, "because"));
    assert_eq!((settings.policy.defers, settings.policy.hold_ms, settings.policy.search_ms), (false, 120_000, 3_000));
    assert_eq!((settings.store, settings.policy.literals), (StorePlace::File("etc/x.db".into()), Literals::Redact));
    assert_eq!(settings.audit.retention, Some(Duration::from_secs(400 * 86_400)));
    assert_eq!(settings.policy.recorded, Recorded::All);
    assert_eq!(settings.admin, "127.0.0.1:3".parse().unwrap());
    let monitor = MonitorSettings { user: "watcher".into(), password_file: Some("etc/watcher.password".into()) };
    assert_eq!(settings.monitor, Some(monitor));
    assert_eq!((settings.policy.small_table_bytes, settings.policy.statement_bytes, settings.max_sessions), (8_192, 1 << 20, 7));
}

#[test]
fn what_persons_may_approve_is_checked() {
    let settings = with("[[approval]]\nrole = \"r\"\nrules = [\"drop-table\"]\npeople = 2\nwait = \"10min\"\n").unwrap();
    let [terms] = settings.policy.approvals.as_slice() else { panic!("{:?}", settings.policy.approvals) };
    assert_eq!((terms.role.as_deref(), terms.people, terms.wait_ms), (Some("r"), 2, 600_000));
    let [terms] = &*with("[[approval]]\nrules = [\"drop-table\"]\n").unwrap().policy.approvals else { panic!("one") };
    assert_eq!((terms.people, terms.wait_ms), (1, 0));
    assert_eq!(problem("[[approval]]\nrole = \"r\"\n"), "pgairlock.toml:7: [[approval]] needs \"rules\"");
    assert!(problem("[[approval]]\nrules = [\"protected-setting\"]\n").contains("no approval lifts it"));
    assert!(problem("[[approval]]\nrules = [\"drop-table\"]\npeople = 3\n").ends_with("people: 3; one person approves, or two do"));
    assert!(problem("[[approval]]\nrules = [\"drop-table\"]\nwait = \"2h\"\n").contains("wait: at most 1h"));
}

#[test]
fn who_stands_in_front_of_a_listener_is_checked() {
    let listener = |more: &str| LEAST.replace("[[upstream]]", &format!("{more}[[upstream]]"));
    let found = |more: &str| match problems(&listener(more)).as_slice() {
        [one] => one.clone(),
        several => panic!("{several:#?}"),
    };
    let read = from_str(&listener("proxy_protocol = true\n"), "p.toml", &RULES).unwrap();
    assert_eq!(read.listeners[0].proxy_protocol, ProxyProtocol::Required { from: vec![] });
    for without in ["", "proxy_protocol = false\n"] {
        let problem = found(&format!("{without}proxy_protocol_from = [\"::1\"]\n"));
        assert!(problem.contains("proxy_protocol_from: counts only with proxy_protocol = true"), "{problem}");
    }
    let empty = found("proxy_protocol = true\nproxy_protocol_from = []\n");
    assert!(empty.starts_with("pgairlock.toml:5: [[listener]] proxy_protocol_from: is empty"), "{empty}");
    let none = found("proxy_protocol = true\nproxy_protocol_from = [\"balancer\"]\n");
    assert!(none.contains("\"balancer\" is no range of addresses; write one such as \"10.0.0.0/8\""), "{none}");
    let typo = found("proxy_protocoll = true\n");
    assert!(typo.contains("unknown key \"proxy_protocoll\" in [[listener]]; did you mean \"proxy_protocol\"?"), "{typo}");
}

#[test]
fn who_may_use_directives_is_checked() {
    let settings = with("[[directive]]\nrole = \"r\"\ndatabase = \"d\"\napplication_name = \"n\"\nrules = [\"drop-table\"]\n").unwrap();
    let some = |text: &str| Some(text.to_owned());
    let grant = Grant { role: some("r"), database: some("d"), application_name: some("n"), rules: vec!["drop-table".into()] };
    assert_eq!(settings.policy.directives, [grant]);
    assert_eq!(problem("[[directive]]\nrole = \"r\"\n"), "pgairlock.toml:7: [[directive]] needs \"rules\"");
    assert_eq!(problem("[[directive]]\nrules = []\n"), "pgairlock.toml:8: [[directive]] rules: is empty; name the rules that it lifts");
    assert_eq!(
        problem("[[directive]]\nrules = [\"drop-tabel\"]\n"),
        "pgairlock.toml:8: unknown rule \"drop-tabel\" in [[directive]]; did you mean \"drop-table\"?"
    );
    assert_eq!(
        problem("[[directive]]\ntable = \"t\"\nrules = [\"drop-table\"]\n"),
        "pgairlock.toml:8: unknown key \"table\" in [[directive]]; known are: role, database, application_name, rules"
    );
    let guards = problem("[[directive]]\nrules = [\"protected-setting\"]\n");
    assert!(guards.contains("protected-setting guards what pgairlock itself stands on"), "{guards}");
}

#[test]
fn protected_tables_have_a_name_and_a_reason() {
    let settings = with("[[protect]]\ntable = \"public.users\"\nreason = \"every login reads it\"\n").unwrap();
    assert_eq!(settings.policy.protected, [Protection { table: "public.users".into(), reason: "every login reads it".into() }]);
    assert_eq!(problem("[[protect]]\nreason = \"x\"\n"), "pgairlock.toml:7: [[protect]] needs \"table\"");
    assert_eq!(problem("[[protect]]\ntable = \"users\"\n"), "pgairlock.toml:7: [[protect]] needs \"reason\"");
    assert_eq!(problem("[[protect]]\ntable = \"users\"\nreason = \" \"\n"), "pgairlock.toml:9: [[protect]] reason: is empty");
    for table in ["public.*", "db.public.users", "\\\"Users\\\"", ".users"] {
        let told = problem(&format!("[[protect]]\ntable = \"{table}\"\nreason = \"x\"\n"));
        assert!(told.contains("is not schema.table"), "{told}");
    }
}

#[test]
fn a_rule_that_goes_by_size_may_have_its_own() {
    let settings = with("[thresholds]\ncreate-index-blocking = \"10MB\"\n").unwrap();
    assert_eq!(settings.policy.thresholds["create-index-blocking"], 10 << 20);
    assert_eq!(
        problem("[thresholds]\ncreate-index-blokcing = \"10MB\"\n"),
        "pgairlock.toml:8: unknown rule \"create-index-blokcing\" in [thresholds]; did you mean \"create-index-blocking\"?"
    );
    let told = problem("[thresholds]\ncreate-index-blocking = \"10mb\"\n");
    assert!(told.starts_with("pgairlock.toml:8: [thresholds] create-index-blocking: \"10mb\" is not a size"), "{told}");
    let told = problem("[thresholds]\ndrop-column = \"10MB\"\n");
    assert!(told.starts_with("pgairlock.toml:8: [thresholds] drop-column: does not go by the size of a table"), "{told}");
}

#[test]
fn unknown_keys_are_told_with_their_nearest_name() {
    assert_eq!(
        problems(&LEAST.replace("address", "adress"))[1],
        r#"pgairlock.toml:3: unknown key "adress" in [[listener]]; did you mean "address"?"#
    );
    assert_eq!(problem("[timeout]\n"), r#"pgairlock.toml:7: unknown key "timeout" in the file; did you mean "timeouts"?"#);
    assert_eq!(problem("[timeouts]\nloc = \"1s\"\n"), r#"pgairlock.toml:8: unknown key "loc" in [timeouts]; did you mean "lock"?"#);
    assert_eq!(problem("tls = { cert = \"x\" }\n"), r#"pgairlock.toml:7: unknown key "cert" in tls of [[upstream]]; known are: mode, ca"#);
    assert_eq!(
        problem("[store]\nzzzzzz = 1\n"),
        r#"pgairlock.toml:8: unknown key "zzzzzz" in [store]; known are: path, url, password_file, signing_key, checkpoints, retention, literals, record"#
    );
}

#[test]
fn unknown_rules_are_told_with_their_nearest_name() {
    let rules = problem("[rules]\ndrop-colum = \"off\"\n");
    assert_eq!(rules, r#"pgairlock.toml:8: unknown rule "drop-colum" in [rules]; did you mean "drop-column"?"#);
    let exempt = problem("[[exempt]]\nreason = \"x\"\nrules = [\n  \"drop-column\",\n  \"drop-tabel\",\n]\n");
    assert_eq!(exempt, r#"pgairlock.toml:11: unknown rule "drop-tabel" in [[exempt]]; did you mean "drop-table"?"#);
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_lines() {
    let found = problems(
        r#"[[listener]]
name = "a"
address = 6432
mode = "enfroce"
colour = "red"
[[upstream]]
name = "x"
hosts = ["db"]
[timeouts]
lock = "2 s"
login = 3
[[exempt]]
rules = ["drop-column"]
[limits]
sessions = -1
"#,
    );
    let lines: Vec<_> = found.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    let expected = [3, 4, 5, 8, 10, 11, 12, 15].map(|line| format!("pgairlock.toml:{line}"));
    assert_eq!(lines, expected, "{found:#?}");
    assert_eq!(found[0], "pgairlock.toml:3: [[listener]] address: invalid type: integer `6432`, expected a string");
    assert_eq!(found[1], "pgairlock.toml:4: [[listener]] mode: unknown variant `enfroce`, expected one of `enforce`, `warn`, `off`");
    assert_eq!(found[3], r#"pgairlock.toml:8: [[upstream]] hosts: "db" has no port; write "db:5432""#);
    assert!(found[4].starts_with(r#"pgairlock.toml:10: [timeouts] lock: "2 s" is not a duration; "#), "{}", found[4]);
    assert_eq!(found[6], r#"pgairlock.toml:12: [[exempt]] needs "reason""#);
}

#[test]
fn text_that_is_not_toml_is_told_with_its_lines() {
    let found = problems("[[listener]]\nname = \n[admin\n");
    assert!(found[0].starts_with("pgairlock.toml:2: "), "{found:#?}");
    assert!(found[1].starts_with("pgairlock.toml:3: "), "{found:#?}");
}

#[test]
fn sections_of_the_wrong_shape_are_told() {
    let listener = problems("[listener]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n[[upstream]]\nname = \"x\"\nhosts = [\"h:1\"]\n");
    assert_eq!(listener[0], "pgairlock.toml:1: listener is a list of tables: write [[listener]], with two brackets");
    assert_eq!(problem("[[timeouts]]\n"), "pgairlock.toml:7: timeouts in the file is a table: write [timeouts]");
    assert_eq!(problem("[[rules]]\n"), "pgairlock.toml:7: rules in the file is a table: write [rules]");
    assert_eq!(problem("tls = [\"prefer\"]\n"), "pgairlock.toml:7: tls in [[upstream]] is a table: write tls = { … }");
    assert_eq!(problems("exempt = [[\"r\"]]\n")[0], "pgairlock.toml:1: exempt is a list of tables: write [[exempt]], with two brackets");
}

#[test]
fn listeners_and_upstreams_need_what_they_need() {
    assert_eq!(
        problems(""),
        [
            "pgairlock.toml: nothing to listen on: give --listen or a [[listener]] with an address",
            "pgairlock.toml: no server to forward to: give --upstream or an [[upstream]] with hosts"
        ]
    );
    assert_eq!(
        problems("[[listener]]\n\n[[upstream]]\n"),
        [
            r#"pgairlock.toml:1: [[listener]] needs "name""#,
            r#"pgairlock.toml:1: [[listener]] needs "address""#,
            r#"pgairlock.toml:3: [[upstream]] needs "name""#,
            r#"pgairlock.toml:3: [[upstream]] needs "hosts""#,
        ]
    );
    assert_eq!(
        problem("pooler = \"transaction\"\n"),
        "pgairlock.toml:7: [[upstream]] pooler: unknown variant `transaction`, expected `none` or `session`"
    );
    assert!(problem("databases = []\n").contains(":7: [[upstream]] databases: is empty"));
}

#[test]
fn names_and_addresses_are_unique() {
    let second = "[[listener]]\nname = \"migrations\"\naddress = \"127.0.0.1:6433\"\n";
    assert_eq!(problem(second), r#"pgairlock.toml:8: [[listener]] name: "migrations" names another listener already"#);
    let same_address = "[[listener]]\nname = \"other\"\naddress = \"127.0.0.1:6432\"\n";
    assert!(problem(same_address).contains("127.0.0.1:6432 is given to two listeners"));
    assert!(problem("[admin]\naddress = \"127.0.0.1:6432\"\n").contains("127.0.0.1:6432 is given to two listeners"));
    let upstream = "databases = [\"a\"]\n[[upstream]]\nname = \"main\"\nhosts = [\"h:1\"]\n";
    assert_eq!(problem(upstream), r#"pgairlock.toml:9: [[upstream]] name: "main" names another upstream already"#);
    let unreachable = "[[upstream]]\nname = \"late\"\nhosts = [\"h:1\"]\ndatabases = [\"app\"]\n";
    assert!(problem(unreachable).contains(r#":10: [[upstream]] databases: "app" goes to an earlier upstream"#));
}

#[test]
fn free_ports_may_be_asked_for_twice() {
    let text = LEAST.replace("6432", "0");
    assert!(from_str(&format!("{text}[admin]\naddress = \"127.0.0.1:0\"\n"), "x", &RULES).is_ok());
}

#[test]
fn tls_says_what_it_does() {
    let listener = |tls: &str| problems(&LEAST.replace("[[upstream]]", &format!("tls = {tls}\n[[upstream]]"))).join("\n");
    assert!(listener(r#"{ mode = "prefer" }"#).ends_with(r#":4: [[listener]] tls: TLS needs "certificate" and "key", paths of PEM files"#));
    assert!(listener(r#"{ mode = "require", certificate = "x" }"#).contains(r#"needs "certificate" and "key""#));
    assert!(listener(r#"{ certificate = "x", key = "y" }"#).contains("a certificate without a mode is not used"));
    let clients = |mode: &str, more: &str| listener(&format!("{{ mode = \"{mode}\", certificate = \"x\", key = \"y\", {more} }}"));
    let ca = clients("require", "client_ca = \"a\"");
    assert!(ca.ends_with(r#":4: [[listener]] tls.client_ca: no certificate is asked for; add client_cert = "optional" or "required""#), "{ca}");
    let by_whom = clients("require", "client_cert = \"optional\"");
    assert!(by_whom.ends_with(":4: [[listener]] tls.client_cert: by whom is it issued? add client_ca, the path of a PEM file"), "{by_whom}");
    for mode in ["prefer", "disable"] {
        let plain = clients(mode, "client_ca = \"a\", client_cert = \"required\"");
        assert!(plain.ends_with(r#"a plain connection shows no certificate; "required" needs mode = "require""#), "{plain}");
    }
    assert!(
        clients("require", "client_ca = \"a\", client_cert = \"require\"").contains("unknown variant `require`, expected `optional` or `required`")
    );
    assert!(listener(r#"{ mode = "verify-full" }"#).contains("unknown variant `verify-full`"));
    for mode in ["prefer", "require"] {
        let unchecked = problem(&format!("tls = {{ mode = \"{mode}\", ca = \"ca.crt\" }}\n"));
        assert!(unchecked.ends_with(":7: [[upstream]] tls.ca: certificates are checked only with mode = \"verify-full\""), "{unchecked}");
    }
    assert_eq!(with("tls.mode = \"require\"\n").unwrap().upstreams[0].tls, ServerTls::Require);
}

#[test]
fn limits_and_timeouts_that_would_break_everything_are_refused() {
    assert!(problem("[timeouts]\nlock = \"0s\"\n").contains(":8: [timeouts] lock: 0 would let a migration wait"));
    assert!(problem("[timeouts]\nlock = \"25d\"\n").contains(":8: [timeouts] lock: longer than PostgreSQL allows"));
    for key in ["connect", "login", "store"] {
        assert!(problem(&format!("[timeouts]\n{key} = \"0s\"\n")).contains(&format!(":8: [timeouts] {key}: 0 would fail every time")));
    }
    assert!(problem("[limits]\nsessions = 0\n").contains(":8: [limits] sessions: 0 would refuse everyone"));
    assert!(problem("[limits]\nstatement = \"2GB\"\n").contains(":8: [limits] statement: must be between"));
    assert!(problem("[limits]\nsmall_table = 5\n").contains(":8: [limits] small_table: invalid type: integer `5`"));
    assert!(problem("[store]\npath = \"postgres://db/x\"\n").contains(":8: [store] path: is a URL; write url = "));
    assert!(problem("[store]\nurl = \"mysql://db/x\"\n").contains(":8: [store] url: is no URL of PostgreSQL"));
    assert!(problem("[store]\npath = \"x\"\nurl = \"postgres://a@db/x\"\n").contains(":9: [store] url: path is set too"));
    assert!(problem("[store]\npath = \"\"\n").contains(":8: [store] path: is empty"));
    assert!(problem("[store]\nretention = \"0d\"\n").contains(":8: [store] retention: 0 would keep nothing"));
    assert!(problem("[store]\nretention = \"400\"\n").contains(":8: [store] retention: \"400\" is not a duration"));
    assert_eq!(with("").unwrap().audit.retention, None);
}

#[test]
fn a_monitor_is_a_role_and_perhaps_a_password() {
    let alone = MonitorSettings { user: "watcher".into(), password_file: None };
    assert_eq!((with("").unwrap().monitor, with("[monitor]\nuser = \"watcher\"\n").unwrap().monitor), (None, Some(alone)));
    assert_eq!(problem("[monitor]\n"), r#"pgairlock.toml:7: [monitor] needs "user""#);
    assert!(problem("[monitor]\nuser = \" \"\n").contains(":8: [monitor] user: is empty"));
    assert!(problem("[monitor]\nuser = \"w\"\npassword_file = \"\"\n").contains(":9: [monitor] password_file: is empty"));
    let password = problem("[monitor]\nuser = \"w\"\npassword = \"secret\"\n");
    assert_eq!(password, r#"pgairlock.toml:9: unknown key "password" in [monitor]; did you mean "password_file"?"#);
    assert_eq!(problem("[monitr]\n"), r#"pgairlock.toml:7: unknown key "monitr" in the file; did you mean "monitor"?"#);
    assert_eq!(problem("[[monitor]]\n"), "pgairlock.toml:7: monitor in the file is a table: write [monitor]");
}

#[test]
fn traces_go_nowhere_unless_a_collector_is_named() {
    let named = with("[telemetry]\notlp_endpoint = \"http://collector.example\"\n").unwrap().collector.unwrap();
    assert_eq!((with("").unwrap().collector, &*named.address, &*named.path), (None, "collector.example:4318", "/v1/traces"));
    assert!(problem("[telemetry]\notlp_endpoint = \"collector:4317\"\n").contains(":8: [telemetry] otlp_endpoint: is not a URL of a collector"));
    let typo = problem("[telemetry]\notlp_endpont = \"x\"\n");
    assert_eq!(typo, r#"pgairlock.toml:8: unknown key "otlp_endpont" in [telemetry]; did you mean "otlp_endpoint"?"#);
}

#[test]
fn exemptions_need_rules_and_a_reason() {
    assert_eq!(problem("[[exempt]]\nreason = \"x\"\n"), r#"pgairlock.toml:7: [[exempt]] needs "rules""#);
    assert!(problem("[[exempt]]\nreason = \"x\"\nrules = []\n").contains(":9: [[exempt]] rules: is empty"));
    assert!(problem("[[exempt]]\nrules = [\"drop-column\"]\nreason = \" \"\n").contains(":9: [[exempt]] reason: is empty"));
}

#[test]
fn hosts_need_a_name_and_a_port() {
    for good in ["db:5432", "10.0.0.1:1", "[::1]:65535"] {
        assert_eq!(validate::host(good), Ok(()));
    }
    for bad in ["db", "db:", "db:0", "db:65536", "db:x", ":5432", "::1:5432", "user@db:5432", "postgres://db:5432", "d b:5432"] {
        assert!(validate::host(bad).is_err(), "{bad}");
    }
}

#[test]
fn overrides_stand_over_the_file() {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let overrides = Overrides {
        dashboard: None,
        listen: Some(address("127.0.0.1:1")),
        upstream: vec!["a:1".into(), "b:2".into()],
        admin: Some(address("127.0.0.1:2")),
        mode: Some(Mode::Warn),
        store: Some("here.db".into()),
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.toml");
    std::fs::write(&file, LEAST).unwrap();
    let from_file = Source { file: Some(file), overrides: overrides.clone(), rules: RULES.to_vec() }.load().unwrap();
    assert_eq!((from_file.listeners[0].name.as_str(), from_file.upstreams[0].name.as_str()), ("migrations", "main"));
    let from_flags = Source { file: None, overrides, rules: RULES.to_vec() }.load().unwrap();
    for settings in [from_file, from_flags] {
        assert_eq!(settings.listeners[0].address, address("127.0.0.1:1"));
        assert_eq!(settings.listeners[0].mode, Mode::Warn);
        assert_eq!(settings.upstreams[0].hosts, ["a:1", "b:2"]);
        assert_eq!(settings.admin, address("127.0.0.1:2"));
        assert_eq!(settings.store, StorePlace::File("here.db".into()));
    }
}

#[test]
fn an_override_of_one_among_several_is_refused() {
    let mut problems = Problems::new("", "");
    let two = format!("databases = [\"a\"]\n{}", LEAST.replace("migrations", "b").replace("6432", "6433").replace("main", "y"));
    let mut settings = with(&two).unwrap();
    let overrides = Overrides { listen: "127.0.0.1:1".parse().ok(), upstream: vec!["h".into()], ..Overrides::default() };
    overrides.listeners(&mut settings.listeners, &mut problems);
    overrides.upstreams(&mut settings.upstreams, &mut problems);
    let error = problems.finish(Some(())).unwrap_err().to_string();
    assert_eq!(
        error.lines().collect::<Vec<_>>(),
        [
            "--listen (PGAIRLOCK_LISTEN) can replace one [[listener]], but the file has 2; change it in the file",
            "--upstream (PGAIRLOCK_UPSTREAM): \"h\" has no port; write \"h:5432\"",
            "--upstream (PGAIRLOCK_UPSTREAM) can replace one [[upstream]], but the file has 2; change it in the file",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.toml");
    let error = load(&missing, &RULES).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot be read: No such file", missing.display())), "{error}");
}

#[test]
fn paths_start_at_the_directory_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.toml");
    std::fs::write(&file, LEAST).unwrap();
    assert_eq!(load(&file, &RULES).unwrap().store, StorePlace::File(directory.path().join("pgairlock.db")));
}

#[test]
fn webhooks_are_checked_and_their_urls_not_repeated() {
    let settings = with(
        "[[webhook]]\nname = \"a\"\nurl = \"https://hooks.example.com/secret\"\nformat = \"slack\"\nsecret_file = \"s\"\nca = \"/c\"\n\
         events = [\"refused\", \"refused\"]\ndatabases = [\"app\"]\nroles = [\"r\"]\n[[webhook]]\nname = \"b\"\nurl = \"http://h:81\"\nformat = \"json\"\n",
    )
    .unwrap();
    let [first, second] = settings.webhooks.as_slice() else { panic!("{settings:?}") };
    assert_eq!((first.format, first.events.as_slice()), (Format::Slack, [Kind::Refused].as_slice()));
    assert_eq!((first.secret_file.as_deref(), first.ca.as_deref()), (Some(Path::new("etc/s")), Some(Path::new("/c"))));
    assert_eq!((&first.databases, &first.roles), (&vec!["app".to_owned()], &vec!["r".to_owned()]));
    assert!(!format!("{settings:?}").contains("secret\""), "{settings:?}");
    assert_eq!((second.format, second.events.len(), second.url.port), (Format::Json, Kind::ALL.len(), 81));
    let webhook = |rest: &str| format!("[[webhook]]\nname = \"a\"\nformat = \"json\"\n{rest}\n");
    for (rest, told) in [
        ("", "7: [[webhook]] needs \"url\""),
        (
            "url = \"https://u:hidden@h/hidden\"",
            "10: [[webhook]] url: has a login before the host; use secret_file, by which the receiver can tell who sends",
        ),
        ("url = \"http://h\"\nca = \"c\"", "11: [[webhook]] ca: certificates are checked only where url begins with https://"),
        ("url = \"http://h\"\nevents = []", "11: [[webhook]] events: is empty; name events, or leave the key out for all"),
        ("url = \"http://h\"\nevents = [\"refussed\"]", "11: unknown event \"refussed\" in [[webhook]]; did you mean \"refused\"?"),
        ("url = \"http://h\"\nroles = []", "11: [[webhook]] roles: is empty; name some, or leave the key out for all"),
        ("url = \"http://h\"\nsecretfile = \"x\"", "11: unknown key \"secretfile\" in [[webhook]]; did you mean \"secret_file\"?"),
    ] {
        assert_eq!(problem(&webhook(rest)), format!("pgairlock.toml:{told}"));
    }
    let twice = webhook("url = \"http://h\"");
    assert_eq!(problem(&format!("{twice}{twice}")), "pgairlock.toml:12: [[webhook]] name: \"a\" names another webhook already");
    assert!(problem("[[webhook]]\nname = \"a\"\nurl = \"http://h\"\nformat = \"xml\"\n").contains("unknown variant `xml`"));
}

/// What is said of an `[admin]` beside what every config needs.
fn admin_problems(admin: &str) -> String {
    let text = format!("[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n[[upstream]]\nname = \"u\"\nhosts = [\"h:1\"]\n{admin}");
    from_str(&text, "p.toml", &[]).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn the_dashboard_is_not_served_to_everybody_by_mistake() {
    for (admin, why) in [
        ("[admin]\naddress = \"0.0.0.0:9187\"", "is reached from other machines, and nothing says who may see the dashboard"),
        ("[admin]\naddress = \"10.0.0.1:9187\"\ndashboard = \"on\"", "is reached from other machines"),
        ("[admin]\nidentity_header = \"X-User\"", "from whom it is believed"),
        ("[admin]\ntrusted_proxies = [\"10.0.0.5/32\"]", "Name the header"),
        (
            "[admin]\nidentity_header = \"X-User\"\ntrusted_proxies = [\"10.0.0.5/32\"]\n[[admin.user]]\nname = \"a\"\nrole = \"viewer\"\n\
             [[admin.user]]\nname = \"a\"\nrole = \"approver\"",
            "stands here twice",
        ),
        ("[admin]\nurl = \"pgairlock.example.com\"", "is not where a browser finds the dashboard"),
        ("[admin]\nurl = \"https:///approvals\"", "is not where a browser finds"),
        ("[admin]\nurl = \"https://gate.example/?x\"", "is not where a browser finds"),
        ("[admin]\nidentity_header = \"a b\"\ntrusted_proxies = [\"10.0.0.5/32\"]", "is no name of a header"),
        ("[admin]\nidentity_header = \"Cookie\"\ntrusted_proxies = [\"10.0.0.5/32\"]", "is no name of a header"),
        ("[admin]\nidentity_header = \"X-User\"\ntrusted_proxies = [\"gate\"]", "is no range of addresses"),
        ("[admin.tls]\nkey = \"k\"", "[admin.tls] needs \"certificate\""),
        ("[[admin.user]]\nname = \"a\"\nrole = \"viewer\"", "nobody says names here"),
        ("[[admin.user]]\nsubject = \"CN=a\"\nrole = \"viewer\"", "nobody is asked for a certificate"),
        ("[[admin.user]]\nrole = \"viewer\"", "needs either name"),
        ("[[admin.user]]\nname = \"a\"", "[[admin.user]] needs \"role\""),
        ("[admin]\nuser = 1", "write [[admin.user]], with two brackets"),
        ("[admin]\ntoken = \"t\"", "did you mean \"tokens\"?"),
    ] {
        assert!(admin_problems(admin).contains(why), "{admin}: {}", admin_problems(admin));
    }
    for admin in [
        "",
        "[admin]\naddress = \"[::1]:9187\"",
        "[admin]\naddress = \"0.0.0.0:9187\"\ndashboard = \"off\"",
        "[admin]\naddress = \"0.0.0.0:9187\"\ndashboard = \"open\"",
        "[admin]\naddress = \"0.0.0.0:9187\"\ntokens = \"t\"",
        "[admin]\naddress = \"0.0.0.0:9187\"\n[admin.tls]\ncertificate = \"c\"\nkey = \"k\"\nclient_ca = \"ca\"",
    ] {
        assert_eq!(admin_problems(admin), "", "{admin}");
    }
}
