//! Events of migrations.

use tracing::info;

use super::Event;
use crate::audit::event::{Attribution, Direction};

/// It is known which migration some decisions belong to.
#[derive(Debug, Clone, Copy)]
pub struct Attributed<'a>(pub &'a Attribution);

impl Event for Attributed<'_> {
    fn emit(self) {
        let Attribution { session, database, role, migration, decisions, unfinished } = self.0;
        let direction = match migration.direction {
            Direction::Up => "up",
            Direction::Down => "down",
            Direction::Unknown => "unknown",
        };
        info!(
            event = "attribution",
            session,
            database,
            role,
            tool = migration.tool,
            table = migration.table,
            version = migration.version,
            name = migration.name,
            direction,
            from = migration.from,
            to = migration.to,
            decisions = decisions.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            unfinished,
            "attribution"
        );
    }
}
