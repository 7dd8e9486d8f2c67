use std::time::{Duration, Instant};

use super::*;
use crate::audit::event::{Direction, Fate, Migration, Operation, SessionEnded, Trail};
use crate::audit::record::{Outcome, RecordedFinding};
use crate::notify::event::{Finished, RunResult};

/// A story of sessions as the log has it, one second after the other.
struct Story {
    runs: Runs,
    begin: Instant,
    second: u64,
    seq: i64,
    told: Vec<Notification>,
}

pub(crate) fn record(session: &str, client: &str, sql: &str, decision: &str) -> Record {
    let finding = RecordedFinding {
        rule: "drop-column".into(),
        relation: Some("public.users".into()),
        verdict: "enforced".into(),
        certainty: "proven".into(),
        lock: None,
        work: "none".into(),
        bytes: None,
        estimate: None,
        message: "it loses <data>".into(),
    };
    Record {
        session: session.into(),
        transaction: 1,
        listener: "l".into(),
        client: client.into(),
        role: "deployer".into(),
        database: "app".into(),
        application_name: Some("alembic".into()),
        sql: sql.into(),
        decision: decision.into(),
        findings: if decision == "refuse" { vec![finding] } else { Vec::new() },
        steps: Vec::new(),
        in_transaction: false,
        commit_is_announced: true,
        facts: Vec::new(),
        server_version: 150_000,
        approval: None,
        former: Vec::new(),
        tool_guess: Some("alembic".into()),
        mark: None,
        tls: None,
    }
}

pub(crate) fn attribution(session: &str, version: &str, decisions: &[i64], unfinished: bool) -> Logged {
    Logged::Attribution(Attribution {
        session: session.into(),
        database: "app".into(),
        role: "deployer".into(),
        migration: Migration {
            tool: "alembic".into(),
            table: "alembic_version".into(),
            version: version.into(),
            name: None,
            direction: Direction::Up,
            from: None,
            to: None,
        },
        decisions: decisions.iter().map(|seq| DecisionId { writer: 1, seq: *seq }).collect(),
        unfinished,
    })
}

impl Story {
    fn new() -> Self {
        Self { runs: Runs::default(), begin: Instant::now(), second: 0, seq: 0, told: Vec::new() }
    }

    fn now(&self) -> Instant {
        self.begin + Duration::from_secs(self.second)
    }

    fn read(&mut self, entry: &Logged) -> i64 {
        self.seq += 1;
        self.second += 1;
        let id = DecisionId { writer: 1, seq: self.seq };
        let at = i64::try_from(self.second * 1_000_000).unwrap();
        let told = self.runs.read(id, at, entry, self.now());
        self.told.extend(told);
        self.seq
    }

    fn decided(&mut self, record: Record) -> i64 {
        self.read(&Logged::Decision(Box::new(record)))
    }

    /// A statement outside of a transaction.
    fn ran(&mut self, session: &str, sql: &str) -> i64 {
        let seq = self.decided(record(session, "10.0.0.1:1", sql, "pass"));
        self.outcome(seq, None);
        seq
    }

    fn in_transaction(&mut self, session: &str, sql: &str, decision: &str) -> i64 {
        let seq = self.decided(Record { in_transaction: true, ..record(session, "10.0.0.1:2", sql, decision) });
        self.outcome(seq, (decision == "refuse").then_some("PA001"));
        seq
    }

    fn outcome(&mut self, seq: i64, sqlstate: Option<&str>) {
        let outcome = Outcome { tag: None, sqlstate: sqlstate.map(str::to_owned), ..Outcome::default() };
        self.read(&Logged::Outcome(Ended { decision: DecisionId { writer: 1, seq }, outcome }));
    }

    fn transaction(&mut self, session: &str, fate: Fate) {
        self.read(&Logged::Transaction(Transaction { session: session.into(), transaction: 1, fate, duration_micros: 0 }));
    }

    fn leaves(&mut self, session: &str) {
        self.read(&Logged::Session(SessionEnded {
            session: session.into(),
            client: "10.0.0.1:1".into(),
            role: "deployer".into(),
            database: "app".into(),
            application_name: None,
            duration_micros: 0,
            reason: "client".into(),
            statements: Vec::new(),
        }));
    }

    /// Nothing happens for so long.
    fn silence(&mut self, seconds: u64) {
        self.second += seconds;
        let told = self.runs.due(self.now());
        self.told.extend(told);
    }

    /// What was told since it was asked last.
    fn told(&mut self) -> Vec<String> {
        let words = |told: &Notification| match &told.event {
            Event::MigrationStarted(started) => format!("{} started {}", started.run, started.sql),
            Event::MigrationFinished(Finished { run, result, migrations, statements, refused, failed, reason, .. }) => {
                let versions: Vec<&str> = migrations.iter().map(|migration| migration.version.as_str()).collect();
                let how = if *result == RunResult::Ok { "ok" } else { "failed" };
                let why = reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
                format!("{run} {how} [{}] {statements}/{refused}/{failed}{why}", versions.join(","))
            }
            _ => "?".to_owned(),
        };
        self.told.drain(..).map(|told| words(&told)).collect()
    }
}

const DDL: &str = "ALTER TABLE users ADD COLUMN a int";

#[test]
fn one_transaction_with_several_versions_is_one_run() {
    let mut story = Story::new();
    let first = story.in_transaction("a", DDL, "pass");
    assert_eq!(story.told(), ["1-1 started ALTER TABLE users ADD COLUMN a int"]);
    let second = story.in_transaction("a", DDL, "defer");
    story.silence(3600);
    assert!(story.told().is_empty(), "its transaction is open");
    story.transaction("a", Fate::Committed);
    story.read(&attribution("a", "a1", &[first], false));
    story.read(&attribution("a", "a2", &[second], false));
    story.leaves("a");
    story.silence(1);
    assert!(story.told().is_empty(), "another session may come");
    story.silence(1);
    assert_eq!(story.told(), ["1-1 ok [a1,a2] 2/0/0"]);
    assert_eq!(story.runs.next(), None);
}

#[test]
fn sessions_of_one_runner_are_one_run_also_one_after_the_other() {
    let mut story = Story::new();
    let one = story.ran("a", DDL);
    story.leaves("a");
    // Flyway writes the version by a session that has decided nothing.
    story.read(&attribution("lock", "1", &[one], false));
    let two = story.ran("b", DDL);
    story.read(&attribution("lock", "2", &[two], false));
    story.leaves("b");
    story.silence(2);
    assert_eq!(story.told(), ["1-1 started ALTER TABLE users ADD COLUMN a int", "1-1 ok [1,2] 2/0/0"]);
    story.ran("c", DDL);
    assert_eq!(story.told(), ["1-9 started ALTER TABLE users ADD COLUMN a int"], "that is another one");
}

#[test]
fn another_role_or_address_is_another_run() {
    let mut story = Story::new();
    story.ran("a", DDL);
    story.decided(record("b", "10.0.0.2:1", DDL, "pass"));
    story.decided(Record { role: "other".into(), ..record("c", "10.0.0.1:1", DDL, "pass") });
    assert_eq!(story.told().len(), 3);
    assert_eq!(story.runs.end().len(), 3);
}

#[test]
fn a_session_that_stays_ends_its_run_by_silence() {
    let mut story = Story::new();
    let one = story.ran("a", DDL);
    story.read(&attribution("a", "1", &[one], false));
    story.silence(9);
    assert_eq!(story.told().len(), 1);
    story.silence(1);
    assert_eq!(story.told(), ["1-1 ok [1] 1/0/0"]);
    story.ran("a", DDL);
    story.silence(59);
    assert_eq!(story.told().len(), 1, "without a version it may go on for longer");
    story.silence(1);
    assert_eq!(story.told(), ["1-4 ok [] 1/0/0"]);
}

#[test]
fn a_refusal_behind_a_version_makes_the_run_fail() {
    let mut story = Story::new();
    let one = story.in_transaction("a", DDL, "pass");
    story.transaction("a", Fate::Committed);
    story.read(&attribution("a", "1", &[one], false));
    let refused = story.decided(Record { in_transaction: true, transaction: 2, ..record("a", "10.0.0.1:2", "DROP", "refuse") });
    story.outcome(refused, Some("PA001"));
    story.leaves("a");
    story.silence(2);
    let told = story.told();
    assert_eq!(told[1], format!("1-1 failed [1] 1/1/0: a statement was refused by drop-column (decision 1-{refused})"));
}

#[test]
fn a_try_that_failed_before_its_version_was_written_is_made_good() {
    let mut story = Story::new();
    let first = story.decided(Record { in_transaction: true, ..record("a", "10.0.0.1:1", DDL, "pass") });
    story.outcome(first, Some("55P03"));
    story.transaction("a", Fate::RolledBack);
    let again = story.decided(Record { in_transaction: true, transaction: 2, ..record("a", "10.0.0.1:1", DDL, "pass") });
    story.outcome(again, None);
    story.read(&Logged::Transaction(Transaction { session: "a".into(), transaction: 2, fate: Fate::Committed, duration_micros: 0 }));
    story.read(&attribution("a", "1", &[again], false));
    story.leaves("a");
    story.silence(2);
    assert_eq!(story.told()[1], "1-1 ok [1] 2/0/1");
}

#[test]
fn what_is_rolled_back_or_cut_off_has_failed() {
    for (end, why) in [
        ("rollback", "its transaction was rolled back"),
        ("unknown", "whether its transaction was committed is not known"),
        ("leave", "its session ended before COMMIT"),
        ("announced", "its session ended in COMMIT, and whether that was done is not known"),
        ("unfinished", "alembic has not said that 1 is done"),
        ("shutdown", "how it ended was not heard"),
    ] {
        let mut story = Story::new();
        let one = story.in_transaction("a", DDL, "pass");
        match end {
            "rollback" => story.transaction("a", Fate::RolledBack),
            "unknown" => story.transaction("a", Fate::Unknown),
            "announced" => {
                story.read(&committing(Vec::new()));
            }
            "unfinished" => {
                story.transaction("a", Fate::Committed);
                story.read(&attribution("a", "1", &[one], true));
            }
            _ => {}
        }
        if end == "shutdown" {
            let told = story.runs.end();
            story.told.extend(told);
        } else {
            story.leaves("a");
            story.silence(2);
        }
        let told = story.told();
        assert!(told[1].ends_with(why) && told[1].starts_with("1-1 failed"), "{end}: {told:?}");
    }
}

fn committing(operations: Vec<Operation>) -> Logged {
    Logged::Committing(Committing {
        session: "a".into(),
        transaction: 1,
        role: "deployer".into(),
        system: String::new(),
        database: "app".into(),
        xid: String::new(),
        trail: Trail::default(),
        operations,
    })
}

fn step(progress: &str) -> Logged {
    Logged::Deferred(DeferredStep { session: "a".into(), promise: 7, progress: progress.into(), operation: None, sqlstate: None, message: None })
}

#[test]
fn work_after_commit_belongs_to_the_run() {
    for (end, expected) in [("settled", "ok [1]"), ("failed", "failed [1]")] {
        let mut story = Story::new();
        let one = story.in_transaction("a", DDL, "defer");
        story.read(&committing(vec![Operation { table: "t".into(), rule: "r".into(), sql: Vec::new() }]));
        story.transaction("a", Fate::Committed);
        story.read(&attribution("a", "1", &[one], false));
        story.read(&step("committed"));
        story.silence(3600);
        assert_eq!(story.told().len(), 1, "a build of an hour");
        story.read(&step(end));
        story.leaves("a");
        story.silence(2);
        assert!(story.told()[0].contains(expected), "{end}");
    }
}

#[test]
fn what_became_of_work_after_commit_may_be_written_behind_the_end_of_its_session() {
    for (progress, expected) in [
        (Some("settled"), "1-1 ok [1] 1/0/0"),
        (Some("failed"), "1-1 failed [1] 1/0/0: it is committed, but work after a COMMIT has failed; see pgairlock deferred list"),
        (None, "1-1 failed [1] 1/0/0: its session ended before the work after COMMIT was done"),
    ] {
        let mut story = Story::new();
        let one = story.in_transaction("a", DDL, "defer");
        story.read(&committing(vec![Operation { table: "t".into(), rule: "r".into(), sql: Vec::new() }]));
        story.transaction("a", Fate::Committed);
        story.read(&attribution("a", "1", &[one], false));
        story.leaves("a");
        if let Some(progress) = progress {
            story.read(&step(progress));
        }
        story.silence(2);
        assert_eq!(story.told()[1], expected);
    }
}

#[test]
fn what_changes_nothing_starts_nothing() {
    let mut story = Story::new();
    story.in_transaction("a", "ALTER TABLE users DROP COLUMN a", "refuse");
    story.ran("a", "CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32))");
    story.leaves("a");
    story.silence(100);
    assert!(story.told().is_empty());
    assert_eq!(story.runs.next(), None);
    story.decided(record("b", "10.0.0.1:1", DDL, "would-refuse"));
    assert_eq!(story.told().len(), 1, "in warn mode it runs");
}

#[test]
fn what_nobody_hears_of_for_a_day_is_given_up() {
    let mut story = Story::new();
    story.in_transaction("a", DDL, "pass");
    story.silence(24 * 3600);
    assert_eq!(story.told()[1], "1-1 failed [] 1/0/0: how it ended was not heard");
}
