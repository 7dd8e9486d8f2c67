//! Pieces that several pages have.

use maud::{Markup, html};

use crate::audit::event::Attribution;
use crate::audit::listed::{Course, Listed, Standing};
use crate::audit::time::{utc, utc_micros};

/// A time, to the second; exactly where somebody points at it.
pub(super) fn time(unix_micros: i64) -> Markup {
    let told = utc(unix_micros).replace('T', " ").replace('Z', " UTC");
    html! { time datetime=(utc_micros(unix_micros)) title=(utc_micros(unix_micros)) { (told) } }
}

/// How long.
pub(super) fn duration(micros: i64) -> String {
    let micros = micros.max(0);
    match micros {
        ..10_000 => format!("{}.{:03} ms", micros / 1_000, micros % 1_000),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..120_000_000 => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
        120_000_000..7_200_000_000 => format!("{} min", micros / 60_000_000),
        _ => format!("{} h", micros / 3_600_000_000),
    }
}

/// `1 finding`, `2 findings`.
pub(super) fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// What was decided; in words, since a colour alone says nothing to many.
pub(super) fn decision(decision: &str) -> Markup {
    let look = match decision {
        "refuse" => "bad",
        "pass" => "good",
        "rewrite" | "defer" | "gate" | "settle" => "info",
        _ => "warn",
    };
    html! { span.mark.(look) { (decision) } }
}

/// What became of a statement.
pub(super) fn standing(standing: &Standing) -> Markup {
    let look = match standing {
        Standing::Done { .. } => "good",
        Standing::Running | Standing::Uncommitted { .. } => "info",
        Standing::RolledBack { .. } | Standing::Unknown { .. } => "warn",
        Standing::Failed { .. } => "bad",
    };
    html! { span.mark.(look) { (standing.words()) } }
}

/// What became of a migration.
pub(super) fn course(course: Course) -> Markup {
    let look = match course {
        Course::Applied => "good",
        Course::Failed | Course::WorkFailed => "bad",
        Course::RolledBack | Course::Unknown => "warn",
        Course::Running | Course::WorkOpen => "info",
    };
    html! { span.mark.(look) { (course.label()) } }
}

/// A migration as its tool calls it.
pub(super) fn called(attribution: &Attribution) -> String {
    let migration = &attribution.migration;
    migration.name.as_ref().map_or_else(|| migration.version.clone(), |name| format!("{} {name}", migration.version))
}

/// Decisions as rows, each with a way to all that is known of it.
pub(super) fn decisions(found: &[Listed], caption: &str) -> Markup {
    html! {
        table.rows {
            caption { (caption) }
            thead { tr {
                th scope="col" { "Record" }
                th scope="col" { "When" }
                th scope="col" { "Decision" }
                th scope="col" { "Outcome" }
                th scope="col" { "Rules" }
                th scope="col" { "Role, database" }
                th scope="col" { "Migration" }
                th scope="col" { "SQL" }
            } }
            tbody {
                @for listed in found {
                    tr {
                        th scope="row" data-of="Record" { a href={ "/records/" (listed.id) } { (listed.id) } }
                        td.narrow data-of="When" { (time(listed.at_unix_micros)) }
                        td data-of="Decision" { (decision(&listed.decision)) }
                        td data-of="Outcome" { (standing(&listed.standing)) }
                        td data-of="Rules" { (if listed.rules.is_empty() { "none" } else { &listed.rules }) }
                        td data-of="Role, database" { (listed.role) ", " (listed.database) }
                        td data-of="Migration" { (migration(listed)) }
                        td { code.sql { (listed.head) } }
                    }
                }
            }
        }
    }
}

fn migration(listed: &Listed) -> String {
    match (&listed.tool, &listed.version) {
        (Some(tool), Some(version)) => format!("{tool} {version}{}", if listed.direction.as_deref() == Some("down") { " (down)" } else { "" }),
        _ => "not known".into(),
    }
}

/// A way to the next page, if there is one.
pub(super) fn older(query: Option<String>, path: &str) -> Markup {
    html! { @if let Some(query) = query { p.pages { a rel="next" href={ (path) "?" (query) } { "Older ones" } } } }
}

/// What stands where a list is empty.
pub(super) fn nothing(words: &str) -> Markup {
    html! { p.card { (words) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_round_units() {
        let told = [-1, 1_500, 42_000, 1_234_567, 119_000_000, 120_000_000, 7_200_000_000].map(duration);
        assert_eq!(told, ["0.000 ms", "1.500 ms", "42 ms", "1.2 s", "119.0 s", "2 min", "2 h"]);
    }

    #[test]
    fn what_others_have_written_is_never_markup() {
        let evil = Standing::Done { tag: "<script>alert(1)</script>".into() };
        assert!(!standing(&evil).into_string().contains("<script>"));
    }
}
