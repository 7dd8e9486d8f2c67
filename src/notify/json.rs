//! The body for programs.

use serde::Serialize;

use super::event::{Event, Notification};
use crate::audit::time::utc_micros;

/// Raised where a field changes its meaning or goes; one that comes raises nothing.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Body<'a> {
    version: u32,
    id: &'a str,
    at: String,
    #[serde(flatten)]
    event: &'a Event,
}

pub(super) fn body(notification: &Notification) -> String {
    let Notification { id, at_unix_micros, event } = notification;
    let body = Body { version: VERSION, id, at: utc_micros(*at_unix_micros), event };
    // Text, numbers and lists are always written.
    serde_json::to_string(&body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::event::{Finished, Migrated, RunResult, Test, Who};

    #[test]
    fn its_fields_are_those_that_are_promised() {
        let who = Who { database: "app".into(), role: "deployer".into(), ..Who::default() };
        let migrations = vec![Migrated { version: "a1".into(), name: None, direction: "up".into(), done: true }];
        let finished = Finished {
            run: "3-118".into(),
            result: RunResult::Failed,
            reason: Some("rolled back".into()),
            tool: Some("alembic".into()),
            who,
            migrations,
            duration_ms: 1500,
            statements: 2,
            failed: 1,
            refused: 0,
            after_commit_failed: 0,
            decisions: vec!["3-118".into(), "3-119".into()],
        };
        let notification =
            Notification { id: "3-118:migration_finished".into(), at_unix_micros: 1_500_000, event: Event::MigrationFinished(finished) };
        assert_eq!(
            body(&notification),
            r#"{"version":1,"id":"3-118:migration_finished","at":"1970-01-01T00:00:01.500000Z","event":"migration_finished","data":{"run":"3-118","result":"failed","reason":"rolled back","tool":"alembic","database":"app","role":"deployer","application_name":null,"client":null,"session":null,"migrations":[{"version":"a1","name":null,"direction":"up","done":true}],"duration_ms":1500,"statements":2,"failed":1,"refused":0,"after_commit_failed":0,"decisions":["3-118","3-119"]}}"#
        );
        let test = Notification { id: "t".into(), at_unix_micros: 0, event: Event::Test(Test { webhook: "w".into() }) };
        assert!(body(&test).ends_with(r#""event":"test","data":{"webhook":"w"}}"#));
    }
}
