use super::{Decision, Group, Kind, Noticed, Tool, Tracker, VersionWrite};
use crate::audit::event::{Attribution, Direction};
use crate::audit::record::DecisionId;

/// A story of sessions, each named by a letter.
#[derive(Default)]
struct Story {
    tracker: Tracker,
    told: Vec<Attribution>,
}

const PASSES: Decision = Decision { refused: false, housekeeping: false };
const REFUSED: Decision = Decision { refused: true, housekeeping: false };

fn id(seq: i64) -> DecisionId {
    DecisionId { writer: 1, seq }
}

impl Story {
    fn of(sessions: &[&str]) -> Self {
        let mut story = Self::default();
        for (port, session) in sessions.iter().enumerate() {
            story.tracker.began(session, Group::new(&format!("10.0.0.1:{port}"), "deployer", "app", "main"));
        }
        story
    }

    fn decided(&mut self, session: &str, seqs: &[i64]) {
        seqs.iter().for_each(|seq| self.tracker.decided(session, id(*seq), PASSES));
    }

    fn refused(&mut self, session: &str, seq: i64) {
        self.tracker.decided(session, id(seq), REFUSED);
        self.tracker.failed(session, id(seq));
    }

    fn wrote(&mut self, session: &str, tool: Tool, version: &str, kind: Kind) {
        let write = VersionWrite { tool, table: "v".into(), version: version.into(), name: None, kind };
        let told = self.tracker.noticed(session, Noticed::Wrote(write));
        self.told.extend(told);
    }

    fn commit(&mut self, session: &str) {
        let told = self.tracker.noticed(session, Noticed::Ended { committed: true });
        self.told.extend(told);
    }

    fn roll_back(&mut self, session: &str) {
        let told = self.tracker.noticed(session, Noticed::Ended { committed: false });
        self.told.extend(told);
    }

    fn leave(&mut self, session: &str) {
        let told = self.tracker.left(session);
        self.told.extend(told);
    }

    /// `version direction decisions`, since it was asked last.
    fn told(&mut self) -> Vec<String> {
        let line = |told: Attribution| {
            let direction = match told.migration.direction {
                Direction::Up => "up",
                Direction::Down => "down",
                Direction::Unknown => "unknown",
            };
            let seqs: Vec<String> = told.decisions.iter().map(|id| id.seq.to_string()).collect();
            let unfinished = if told.unfinished { " unfinished" } else { "" };
            format!("{} {direction} [{}]{unfinished}", told.migration.version, seqs.join(" "))
        };
        self.told.drain(..).map(line).collect()
    }
}

#[test]
fn each_version_of_one_transaction_claims_what_came_since_the_last() {
    let mut story = Story::of(&["a"]);
    story.decided("a", &[1, 2]);
    story.wrote("a", Tool::Alembic, "a1", Kind::Applied);
    story.decided("a", &[3]);
    story.wrote("a", Tool::Alembic, "a2", Kind::Set { from: "a1".into() });
    assert!(story.told().is_empty(), "nothing is told before it is committed");
    story.commit("a");
    assert_eq!(story.told(), ["a1 up [1 2]", "a2 up [3]"]);
}

#[test]
fn what_is_rolled_back_is_told_of_nobody() {
    let mut story = Story::of(&["a"]);
    story.decided("a", &[1]);
    story.wrote("a", Tool::Goose, "1", Kind::Applied);
    story.decided("a", &[2]);
    story.roll_back("a");
    assert!(story.told().is_empty());
    story.decided("a", &[3]);
    story.wrote("a", Tool::Goose, "1", Kind::Applied);
    story.commit("a");
    assert_eq!(story.told(), ["1 up [3]"], "the run that failed is not the next one's");
}

#[test]
fn decisions_that_came_to_nothing_are_not_claimed() {
    let mut story = Story::of(&["a"]);
    story.refused("a", 1);
    story.decided("a", &[2]);
    story.commit("a");
    story.decided("a", &[3]);
    story.commit("a");
    story.tracker.failed("a", id(3));
    story.tracker.decided("a", id(4), Decision { housekeeping: true, ..PASSES });
    story.wrote("a", Tool::Liquibase, "1", Kind::Applied);
    story.commit("a");
    assert_eq!(story.told(), ["1 up [2]"], "but those of an earlier transaction that was committed are");
    story.wrote("a", Tool::Liquibase, "2", Kind::Applied);
    story.commit("a");
    assert_eq!(story.told(), ["2 up []"], "once");
}

#[test]
fn what_follows_the_beginning_of_a_migration_belongs_to_it() {
    let mut story = Story::of(&["a"]);
    for (version, seqs) in [("1", &[1, 2][..]), ("2", &[3])] {
        story.wrote("a", Tool::GolangMigrate, version, Kind::Dirty);
        story.commit("a");
        story.decided("a", seqs);
        story.commit("a");
        story.wrote("a", Tool::GolangMigrate, version, Kind::Finished);
        story.commit("a");
    }
    assert_eq!(story.told(), ["1 unknown [1 2]", "2 up [3]"]);
    story.wrote("a", Tool::GolangMigrate, "3", Kind::Dirty);
    story.commit("a");
    story.refused("a", 4);
    story.leave("a");
    assert_eq!(story.told(), ["3 up [4] unfinished"], "a refusal belongs to it, too");
}

#[test]
fn the_last_step_back_leaves_an_empty_table() {
    let mut story = Story::of(&["a"]);
    story.tracker.noticed("a", Noticed::Created("v".into()));
    for (version, seq) in [("1", 1), ("-1", 2)] {
        story.wrote("a", Tool::GolangMigrate, "-1", Kind::Emptied);
        story.wrote("a", Tool::GolangMigrate, version, Kind::Dirty);
        story.commit("a");
        story.decided("a", &[seq]);
        story.commit("a");
        story.wrote("a", Tool::GolangMigrate, "-1", Kind::Emptied);
        if version == "1" {
            story.wrote("a", Tool::GolangMigrate, version, Kind::Finished);
        }
        story.commit("a");
    }
    assert_eq!(story.told(), ["1 up [1]", "1 down [2]"]);
}

#[test]
fn two_connections_of_one_runner() {
    let mut story = Story::of(&["a", "b"]);
    story.decided("b", &[1, 2]);
    story.wrote("a", Tool::Flyway, "1", Kind::Applied);
    story.commit("b");
    assert!(story.told().is_empty());
    story.commit("a");
    assert_eq!(story.told(), ["1 up [1 2]"]);
    story.decided("b", &[3]);
    story.wrote("a", Tool::Flyway, "2", Kind::Applied);
    story.roll_back("b");
    story.commit("a");
    assert_eq!(story.told(), ["2 up []"], "its other half was rolled back");
}

#[test]
fn sessions_that_have_ended_already() {
    let mut story = Story::of(&["registry", "psql"]);
    story.decided("psql", &[1]);
    story.commit("psql");
    story.leave("psql");
    story.wrote("registry", Tool::Sqitch, "9f", Kind::Applied);
    story.commit("registry");
    assert_eq!(story.told(), ["9f up [1]"]);
    story.tracker.began("psql", Group::new("10.0.0.1:9", "deployer", "app", "main"));
    story.refused("psql", 2);
    story.leave("psql");
    story.wrote("registry", Tool::Sqitch, "a0", Kind::Failed);
    story.commit("registry");
    assert_eq!(story.told(), ["a0 up [2] unfinished"], "a tool that notes a failure is told of what failed");
}

#[test]
fn what_is_rolled_back_to_a_savepoint_does_not_hold() {
    let mut story = Story::of(&["a"]);
    let notice = |story: &mut Story, noticed| assert!(story.tracker.noticed("a", noticed).is_empty());
    story.decided("a", &[1]);
    notice(&mut story, Noticed::Savepoint("s".into()));
    story.decided("a", &[2]);
    story.wrote("a", Tool::Goose, "1", Kind::Applied);
    notice(&mut story, Noticed::RolledBackTo("s".into()));
    story.decided("a", &[3]);
    story.wrote("a", Tool::Goose, "2", Kind::Applied);
    story.commit("a");
    assert_eq!(story.told(), ["2 up [1 3]"], "neither the version nor the statement");
    story.decided("a", &[4]);
    story.wrote("a", Tool::Goose, "3", Kind::Applied);
    notice(&mut story, Noticed::RolledBackTo("before all of it".into()));
    story.commit("a");
    assert!(story.told().is_empty());
}

#[test]
fn a_tool_of_one_connection_claims_nothing_of_others() {
    let mut story = Story::of(&["a", "b"]);
    story.decided("b", &[1]);
    story.commit("b");
    story.wrote("a", Tool::Django, "shop.0001", Kind::Applied);
    story.commit("a");
    assert_eq!(story.told(), ["shop.0001 up []"]);
}

#[test]
fn a_group_is_forgotten_with_its_last_session() {
    let mut story = Story::of(&["a"]);
    story.decided("a", &[1]);
    story.commit("a");
    story.leave("a");
    story.tracker.began("b", Group::new("10.0.0.1:7", "deployer", "app", "main"));
    story.wrote("b", Tool::Flyway, "1", Kind::Applied);
    story.commit("b");
    assert_eq!(story.told(), ["1 up []"]);
}

#[test]
fn branches_that_meet_are_one_migration() {
    let mut story = Story::of(&["a"]);
    story.decided("a", &[1]);
    story.wrote("a", Tool::Alembic, "b1", Kind::TakenBack);
    story.wrote("a", Tool::Alembic, "m", Kind::Set { from: "b2".into() });
    story.wrote("a", Tool::Alembic, "n", Kind::Set { from: "m".into() });
    story.commit("a");
    assert_eq!(story.told(), ["m unknown [1]", "n unknown []"]);
}

#[test]
fn memory_is_bounded_by_letting_go_of_the_oldest() {
    let mut story = Story::of(&["a"]);
    let seqs: Vec<i64> = (1..=i64::try_from(super::group::MOST_PENDING).unwrap() + 5).collect();
    story.decided("a", &seqs);
    story.wrote("a", Tool::Goose, "1", Kind::Applied);
    story.commit("a");
    assert_eq!((story.told[0].decisions.len(), story.told[0].decisions[0].seq), (super::group::MOST_PENDING, 6));
}

#[test]
fn directions_outlive_the_process_by_the_log() {
    let mut story = Story::of(&["a"]);
    story.wrote("a", Tool::Alembic, "a1", Kind::Applied);
    story.wrote("a", Tool::Alembic, "a2", Kind::Set { from: "a1".into() });
    story.commit("a");
    let mut later = Story::of(&["a"]);
    story.told.iter().for_each(|told| later.tracker.remember(told));
    later.wrote("a", Tool::Alembic, "a1", Kind::Set { from: "a2".into() });
    later.commit("a");
    assert_eq!(later.told(), ["a2 down []"]);
}
