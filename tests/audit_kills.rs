//! The proxy dies at random moments under migrations. Every DDL that the server has logged has its record, the log is whole, and what it says of a
//! statement's end is what the catalog shows. `make audit-kills N=200`; a few of them are in `make test`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::scene::{BIG, set_up};
use support::{Cluster, Proxy, Session, connect_to};

/// Sessions that migrate at once.
const SESSIONS: u64 = 3;
/// A proxy lives so long at most, in milliseconds.
const LIFE: u64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_server_ran_is_in_the_log() {
    let kills: u64 = std::env::var("PGAIRLOCK_AUDIT_KILLS").ok().map_or(8, |text| text.parse().expect("a number of kills"));
    let seed: u64 = std::env::var("SEED").ok().map_or(7, |text| text.parse().expect("a number"));
    let cluster = match Cluster::start(&support::cluster::versions()[0]) {
        Ok(cluster) => cluster,
        Err(reason) => return support::skipped(&reason),
    };
    let admin = cluster.connect("postgres").await;
    for setting in ["log_statement = 'ddl'", "log_line_prefix = 'line:%d:%p:'"] {
        admin.batch_execute(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
    }
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    support::until("the server logs DDL", async || cluster.connect("postgres").await.value("SHOW log_statement").await == "ddl").await;

    let (database, direct) = set_up(&cluster, BIG).await;
    let mut proxy = Proxy::in_front_of(&cluster, "enforce", "");
    let mut dice = Dice(seed);
    for round in 0..kills {
        let port = proxy.port;
        let tools: Vec<_> =
            (0..SESSIONS).map(|tool| tokio::spawn(migrate(port, database.clone(), round, tool, Dice(seed ^ (round << 8) ^ tool << 4 | 1)))).collect();
        tokio::time::sleep(Duration::from_millis(dice.below(LIFE))).await;
        proxy.signal("KILL");
        proxy.wait();
        for tool in tools {
            tool.await.unwrap();
        }
        proxy = proxy.again(&[]);
    }
    // Whoever comes next looks up what nobody has heard.
    let last = connect_to(proxy.port, &login(&database)).await.unwrap();
    last.batch_execute("CREATE TABLE the_end (a int)").await.unwrap();
    until_settled(&proxy).await;
    drop(last);
    proxy.signal("TERM");
    proxy.wait();

    // As if some time had passed: then nobody takes the dead for living.
    rusqlite::Connection::open(&proxy.store).unwrap().execute("UPDATE writers SET seen_at = 0", []).unwrap();
    let records = exported(&proxy);
    let logged = logged(&cluster, &database);
    let missing: Vec<&String> = logged.iter().filter(|statement| !is_recorded(statement, &records)).collect();
    assert!(missing.is_empty(), "{} of {} statements of the server's log have no record: {missing:#?}", missing.len(), logged.len());
    let told = compare(&records, &direct).await;
    let verified = audit(&proxy, &["verify"]);
    println!(
        "PostgreSQL {}: {kills} kills; {} DDL statements in the server's log, all recorded; {} records: {told:?}, of which by the catalog {:?}; {verified}",
        cluster.version,
        logged.len(),
        records.len(),
        settled(&proxy)
    );
    assert!(logged.len() as u64 > kills, "hardly anything ran");
}

/// Without a password: more of a proxy's life is left for migrations.
fn login(database: &str) -> String {
    format!("user=trusted dbname={database}")
}

/// Until the proxy dies.
async fn migrate(port: u16, database: String, round: u64, tool: u64, mut dice: Dice) {
    for number in 0.. {
        let Ok(session) = connect_to(port, &login(&database)).await else { return };
        let name = format!("t_{round}_{tool}_{number}");
        if one(&session, &name, dice.below(6)).await.is_err() {
            return;
        }
    }
}

async fn one(session: &Session, name: &str, kind: u64) -> Result<(), ()> {
    let run = async |sql: &str| {
        match session.batch_execute(sql).await {
            Ok(()) => Ok(()),
            // Refused, or a lock of another tool: the migration fails, and the proxy lives.
            Err(error) if error.code().is_some() && !session.is_closed() => session.batch_execute("ROLLBACK").await.map_err(|_| ()),
            Err(_) => Err(()),
        }
    };
    let statements: &[String] = &match kind {
        0 => vec![format!("CREATE TABLE {name} (a int)")],
        1 => vec![format!("CREATE INDEX i_{name} ON big (a)"), format!("DROP INDEX i_{name}")],
        2 => vec!["BEGIN".into(), format!("CREATE TABLE {name} (a int)"), format!("CREATE INDEX i_{name} ON big (a)"), "COMMIT".into()],
        3 => vec!["BEGIN".into(), format!("CREATE TABLE {name} (a int)"), "ROLLBACK".into()],
        4 => vec![format!("ALTER TABLE big DROP COLUMN b /* {name} */")],
        _ => vec!["BEGIN".into(), format!("CREATE TABLE {name} (a int)"), format!("CREATE TABLE {name}_b (a int)"), "COMMIT".into()],
    };
    for sql in statements {
        run(sql).await?;
    }
    Ok(())
}

async fn until_settled(proxy: &Proxy) {
    support::until("nothing is left to be asked", async || {
        let store = rusqlite::Connection::open(&proxy.store).unwrap();
        let open = "SELECT count(*) FROM announced WHERE state IN ('promised', 'committed')";
        store.query_row(open, [], |row| row.get::<_, i64>(0)).unwrap() == 0
    })
    .await;
}

fn audit(proxy: &Proxy, arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_pgairlock")).env_clear().arg("audit").args(arguments).arg("--store").arg(&proxy.store).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn exported(proxy: &Proxy) -> Vec<Value> {
    audit(proxy, &["export"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What was found out by looking at the catalog, and how often.
fn settled(proxy: &Proxy) -> BTreeMap<String, usize> {
    let store = rusqlite::Connection::open(&proxy.store).unwrap();
    let mut fates = store.prepare("SELECT body ->> 'fate' FROM entries WHERE body ->> 'kind' = 'settled' AND body ->> 'by' = 'catalog'").unwrap();
    let mut told = BTreeMap::new();
    for fate in fates.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        *told.entry(fate.unwrap()).or_default() += 1;
    }
    told
}

/// The DDL that ran in that database while the tools were at it.
fn logged(cluster: &Cluster, database: &str) -> Vec<String> {
    let text = std::fs::read_to_string(cluster.directory.join("data/server.log")).unwrap();
    let prefix = format!("line:{database}:");
    let statements = text.lines().filter_map(|line| {
        let (_, said) = line.strip_prefix(&prefix)?.split_once(":LOG:  ")?;
        let (how, sql) = said.split_once(": ")?;
        (how == "statement" || how.starts_with("execute ")).then(|| sql.to_owned())
    });
    statements.filter(|sql| sql.contains("t_") || sql.contains("the_end")).collect()
}

/// It is what a client sent, or a step of ours that a record tells of.
fn is_recorded(statement: &str, records: &[Value]) -> bool {
    let strings = |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    records
        .iter()
        .any(|record| record["sql"] == statement || strings(&record["ran"]).iter().any(|step| step == statement || is_way_back(statement, step)))
}

/// What takes back a step that was cut off names what the step would have made.
fn is_way_back(statement: &str, step: &str) -> bool {
    let index = step.strip_prefix("CREATE INDEX CONCURRENTLY ").and_then(|rest| rest.split(' ').next());
    index.is_some_and(|index| statement.starts_with("DROP INDEX CONCURRENTLY") && statement.contains(index))
}

/// What the records say of one index, beside the catalog: each is made once, and dropped once at most.
fn compare_index(name: &str, states: &BTreeMap<(&str, &str), &str>, indexes: &BTreeSet<String>) {
    let of = |verb: &'static str| states.get(&(verb, name)).copied();
    match (of("CREATE"), of("DROP")) {
        (Some("unknown"), _) | (Some("done"), Some("unknown")) => {}
        (Some("done"), None | Some("rolled-back" | "failed")) => assert!(indexes.contains(name), "{name} is not there: {states:?}"),
        (Some("done"), Some("done")) | (Some("rolled-back" | "failed"), _) => assert!(!indexes.contains(name), "{name} is there: {states:?}"),
        other => panic!("{name}: {other:?}"),
    }
}

/// What each record says, beside the catalog; how many say what.
async fn compare(records: &[Value], direct: &Session) -> BTreeMap<String, usize> {
    let tables: BTreeSet<String> =
        direct.column("SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace").await.into_iter().collect();
    let indexes = direct.column("SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid").await.into_iter().collect();
    let (mut told, mut of_indexes) = (BTreeMap::new(), BTreeMap::new());
    for record in records {
        let (sql, state) = (record["sql"].as_str().unwrap(), record["state"].as_str().unwrap());
        *told.entry(state.to_owned()).or_default() += 1;
        if let Some((verb, rest)) = sql.split_once(" INDEX ") {
            of_indexes.insert((verb, rest.split(' ').next().unwrap()), state);
        }
        let Some(table) = sql.strip_prefix("CREATE TABLE ").and_then(|rest| rest.split(' ').next()) else { continue };
        match state {
            "done" => assert!(tables.contains(table), "it is not there: {record}"),
            "rolled-back" | "failed" => assert!(!tables.contains(table), "it is there: {record}"),
            "unknown" => {}
            state => panic!("{state} is no end: {record}"),
        }
    }
    for (verb, name) in of_indexes.keys() {
        if *verb == "CREATE" {
            compare_index(name, &of_indexes, &indexes);
        }
    }
    told
}

/// Numbers that a seed brings back.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        // xorshift*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}
