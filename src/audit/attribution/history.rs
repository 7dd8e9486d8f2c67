//! What was seen before of a table that holds one version: it alone tells forward from back.

use std::collections::BTreeSet;

use super::super::event::{Direction, Migration};
use super::recognise::NOTHING;
use super::tool::keeps_one_version;
use super::{Kind, UNREAD, VersionWrite};

/// So many versions of a table are remembered; beyond, only what is known stays known.
const MOST: usize = 10_000;

/// Of one table of one database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// From one version to another, forward.
    up: BTreeSet<(String, String)>,
    /// Versions that were come to by going forward.
    reached: BTreeSet<String>,
    /// Every version that was ever named.
    seen: BTreeSet<String>,
    /// What the table said last.
    last: Last,
}

/// What a table says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Last {
    /// Nobody has seen it.
    #[default]
    Unknown,
    /// Nothing is applied.
    Nothing,
    /// This version.
    Version(String),
}

impl History {
    /// The table was made, and is empty.
    pub fn created(&mut self) {
        self.last = Last::Nothing;
    }

    /// What a version write comes to.
    #[must_use]
    pub fn migration(&self, write: &VersionWrite) -> Migration {
        let direction = self.direction(write);
        let (from, to) = match &write.kind {
            Kind::Set { from } => (Some(from.clone()), Some(write.version.clone())),
            Kind::Numbered | Kind::Dirty | Kind::Finished if keeps_one_version(write.tool.name()) => (self.last(), Some(write.version.clone())),
            _ => (None, None),
        };
        // Going back, it is the version before that is taken back.
        let version = match (&to, direction) {
            (Some(_), Direction::Down) => from.clone().unwrap_or_else(|| UNREAD.to_owned()),
            _ => write.version.clone(),
        };
        let tool = write.tool.name().to_owned();
        Migration { tool, table: write.table.clone(), version, name: write.name.clone(), direction, from, to }
    }

    /// Forward or back; unknown is said.
    #[must_use]
    pub fn direction(&self, write: &VersionWrite) -> Direction {
        match &write.kind {
            _ if write.version == UNREAD => Direction::Unknown,
            Kind::Applied | Kind::Begun | Kind::Failed => Direction::Up,
            Kind::TakenBack => Direction::Down,
            Kind::Set { from } => self.along(from, &write.version),
            Kind::Numbered | Kind::Dirty => self.compared(&write.version),
            // Nothing has begun that would be finished by it: the tool was told what to write.
            Kind::Finished if keeps_one_version(write.tool.name()) => Direction::Unknown,
            Kind::Finished => Direction::Up,
            Kind::Emptied => Direction::Unknown,
        }
    }

    fn along(&self, from: &str, to: &str) -> Direction {
        let edge = |from: &str, to: &str| self.up.contains(&(from.to_owned(), to.to_owned()));
        if edge(from, to) {
            Direction::Up
        } else if edge(to, from) {
            Direction::Down
        } else if self.reached.contains(from) && !self.seen.contains(to) && self.seen.len() < MOST {
            Direction::Up
        } else {
            Direction::Unknown
        }
    }

    fn compared(&self, to: &str) -> Direction {
        let number = |text: &str| text.parse::<i64>().ok();
        match (&self.last, number(to)) {
            _ if to == NOTHING => Direction::Down,
            (Last::Nothing, Some(1..)) => Direction::Up,
            (Last::Version(last), Some(to)) => match number(last).map(|last| to.cmp(&last)) {
                Some(std::cmp::Ordering::Greater) => Direction::Up,
                Some(std::cmp::Ordering::Less) => Direction::Down,
                _ => Direction::Unknown,
            },
            _ => Direction::Unknown,
        }
    }

    fn last(&self) -> Option<String> {
        match &self.last {
            Last::Version(version) => Some(version.clone()),
            Last::Unknown | Last::Nothing => None,
        }
    }

    /// Takes in what was found out of a migration, now or by an earlier process.
    pub fn learn(&mut self, migration: &Migration) {
        if !keeps_one_version(&migration.tool) || self.seen.len() >= MOST {
            return;
        }
        let up = migration.direction == Direction::Up;
        match (&migration.from, &migration.to) {
            (Some(from), Some(to)) if up => drop(self.up.insert((from.clone(), to.clone()))),
            (Some(from), Some(to)) if migration.direction == Direction::Down => drop(self.up.insert((to.clone(), from.clone()))),
            _ => {}
        }
        if up {
            self.reached.insert(migration.version.clone());
        }
        self.seen.extend([Some(&migration.version), migration.from.as_ref(), migration.to.as_ref()].into_iter().flatten().cloned());
        self.last = match (&migration.to, migration.direction) {
            (Some(to), _) if to == NOTHING => Last::Nothing,
            (Some(to), _) if to != UNREAD => Last::Version(to.clone()),
            (None, Direction::Up) => Last::Version(migration.version.clone()),
            (None, Direction::Down) => Last::Nothing,
            _ => Last::Unknown,
        };
    }
}
