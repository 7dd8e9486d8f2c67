use super::history::History;
use super::{Kind, Tool, VersionWrite};
use crate::audit::event::{Direction, Migration};
use Direction::{Down, Unknown, Up};

fn write(tool: Tool, version: &str, kind: Kind) -> VersionWrite {
    VersionWrite { tool, table: "v".into(), version: version.into(), name: None, kind }
}

fn set(from: &str, to: &str) -> VersionWrite {
    write(Tool::Alembic, to, Kind::Set { from: from.into() })
}

/// Tells a write, and learns from it as the log does.
fn told(history: &mut History, write: &VersionWrite) -> (String, Direction) {
    let migration = history.migration(write);
    // What is learned now can be learned from the log as well.
    let logged: Migration = serde_json::from_str(&serde_json::to_string(&migration).unwrap()).unwrap();
    history.learn(&logged);
    (migration.version, migration.direction)
}

fn is(version: &str, direction: Direction) -> (String, Direction) {
    (version.to_owned(), direction)
}

#[test]
fn alembic_up_and_down_and_up_again() {
    let mut history = History::default();
    assert_eq!(told(&mut history, &write(Tool::Alembic, "a1", Kind::Applied)), is("a1", Up));
    assert_eq!(told(&mut history, &set("a1", "a2")), is("a2", Up), "from a version that was come to forward, to one never seen");
    assert_eq!(told(&mut history, &set("a2", "a3")), is("a3", Up));
    assert_eq!(told(&mut history, &set("a3", "a2")), is("a3", Down), "the one that is taken back");
    assert_eq!(told(&mut history, &set("a2", "a1")), is("a2", Down));
    assert_eq!(told(&mut history, &write(Tool::Alembic, "a1", Kind::TakenBack)), is("a1", Down));
    assert_eq!(told(&mut history, &write(Tool::Alembic, "a1", Kind::Applied)), is("a1", Up));
    assert_eq!(told(&mut history, &set("a1", "a2")), is("a2", Up), "a known edge");
}

#[test]
fn what_nothing_proves_is_unknown() {
    let mut history = History::default();
    assert_eq!(told(&mut history, &set("x5", "x6")), is("x6", Unknown), "what came before was never seen");
    assert_eq!(told(&mut history, &set("x6", "x5")), is("x5", Unknown), "one of the two went back, but which?");
    assert_eq!(told(&mut history, &set("?", "x7")).1, Unknown);
    assert_eq!(history.direction(&set("x5", "?")), Unknown);
}

#[test]
fn numbers_are_compared_with_the_last_one_seen() {
    let dirty = |number: &str| write(Tool::GolangMigrate, number, Kind::Dirty);
    let mut history = History::default();
    assert_eq!(told(&mut history, &dirty("3")), is("3", Unknown), "nobody has seen what was there");
    assert_eq!(told(&mut history, &dirty("4")), is("4", Up));
    assert_eq!(told(&mut history, &dirty("3")), is("4", Down), "the row names what will hold");
    assert_eq!(told(&mut history, &dirty("3")), is("3", Unknown));
    assert_eq!(told(&mut history, &write(Tool::GolangMigrate, "7", Kind::Finished)), is("7", Unknown), "force: it ran nothing");
    assert_eq!(told(&mut history, &dirty("-1")), is("7", Down));
    assert_eq!(told(&mut history, &dirty("1")), is("1", Up), "behind nothing");
    assert_eq!(told(&mut History::default(), &dirty("-1")), is("?", Down), "back to nothing, from nobody knows where");
}

#[test]
fn a_table_that_is_new_says_nothing_so_far() {
    let mut history = History::default();
    history.created();
    let migration = history.migration(&write(Tool::Tern, "1", Kind::Numbered));
    assert_eq!((migration.direction, migration.from, migration.to.as_deref()), (Up, None, Some("1")));
}
