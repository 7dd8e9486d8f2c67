//! Records as they come of many migrations, for what is measured among many of them.
#![allow(dead_code, unreachable_pub, reason = "each benchmark uses its part of it")]

use std::time::{Duration, Instant};

use pgairlock::audit::approval::RecordedApproval;
use pgairlock::audit::event::{Attribution, Direction, Event, Migration};
use pgairlock::audit::record::{DecisionId, Outcome, Record, RecordedFact, RecordedFinding};
use pgairlock::store::Store;

/// Writes on their way at once while the store is filled.
pub const AT_ONCE: usize = 2_000;

/// As sessions at once would: each decision, its outcome, and for most of them a migration.
pub async fn fill(store: &Store, records: usize) {
    let begun = Instant::now();
    let mut done = 0;
    while done < records {
        let many = AT_ONCE.min(records - done);
        let tasks: Vec<_> = (done..done + many).map(|number| tokio::spawn(one(store.clone(), number))).collect();
        let mut ids = Vec::new();
        for task in tasks {
            ids.push(task.await.unwrap());
        }
        for (number, decisions) in ids.chunks(10).enumerate().filter(|(number, _)| number % 10 != 0) {
            store.event(Event::Attribution(attribution(done + number, decisions))).await.unwrap();
        }
        done += many;
    }
    let took = begun.elapsed();
    println!("  {records} records with their outcomes written in {:.0} s", took.as_secs_f64());
}

async fn one(store: Store, number: usize) -> DecisionId {
    let id = store.record(record(number)).await.unwrap();
    let outcome = Outcome { tag: Some("ALTER TABLE".into()), duration_micros: 1_500, ..Outcome::default() };
    store.outcome(id, outcome).await.unwrap();
    id
}

/// The rules that find something.
pub const RULES: [&str; 8] =
    ["create-index-blocking", "drop-column", "rename-column", "add-foreign-key", "set-not-null", "change-type", "drop-table", "unbatched-write"];
/// So many tables.
pub const TABLES: usize = 5_000;
/// So many roles.
pub const ROLES: usize = 40;

/// Every so manieth is refused, and may be approved.
const APPROVABLE: usize = 8;

/// Of the statement of that number.
fn fingerprint(number: usize) -> String {
    // Mixed, so that they do not come in order.
    format!("{:016x}{number:048x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A decision.
pub fn record(number: usize) -> Record {
    let table = format!("public.table_{}", number % TABLES);
    Record {
        session: format!("01985c2e-0000-7000-8000-{:012x}", number / 10),
        transaction: 1,
        listener: "migrations".into(),
        client: "10.0.0.7:50123".into(),
        role: format!("team_{}", number % ROLES),
        database: format!("app_{}", number % 7),
        application_name: Some("alembic".into()),
        sql: format!(
            "ALTER TABLE {table} ADD COLUMN column_{number} bigint NOT NULL DEFAULT 0, ADD CONSTRAINT check_{number} CHECK (column_{number} > 0)"
        ),
        decision: ["pass", "rewrite", "defer", "refuse"][number % 4].into(),
        findings: vec![RecordedFinding {
            rule: RULES[number % RULES.len()].into(),
            relation: Some(table.clone()),
            verdict: "enforced".into(),
            certainty: "proven".into(),
            lock: Some("AccessExclusive".into()),
            work: "scan".into(),
            bytes: Some(54_000_000),
            estimate: None,
            message: format!("reads all of {table} while nobody may write to it"),
        }],
        steps: vec![format!("ALTER TABLE {table} ADD CONSTRAINT check_{number} CHECK (column_{number} > 0) NOT VALID")],
        in_transaction: true,
        commit_is_announced: true,
        facts: vec![RecordedFact { relation: table, oid: 16_400, kind: 'r', bytes: Some(54_000_000), rows: Some(1_000_000), file: Some(16_400) }],
        former: vec![],
        tool_guess: None,
        server_version: 150_000,
        approval: (number % APPROVABLE == APPROVABLE - 1).then(|| RecordedApproval {
            fingerprint: fingerprint(number),
            rules: vec!["drop-table".into()],
            people: 1,
            given: Vec::new(),
            used: None,
        }),
        tls: None,
        mark: None,
    }
}

fn attribution(number: usize, decisions: &[DecisionId]) -> Attribution {
    Attribution {
        session: "s".into(),
        database: "app_1".into(),
        role: "team_1".into(),
        migration: Migration {
            tool: "alembic".into(),
            table: "alembic_version".into(),
            version: format!("2026{number:06}"),
            name: Some("add a column".into()),
            direction: Direction::Up,
            from: None,
            to: None,
        },
        decisions: decisions.to_vec(),
        unfinished: false,
    }
}

/// How long something took, of many times.
pub struct Times {
    pub median: Duration,
    pub p95: Duration,
}

impl Times {
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        Self { median: at(50), p95: at(95) }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        write!(f, "median {:.3} ms, p95 {:.3} ms", millis(self.median), millis(self.p95))
    }
}
