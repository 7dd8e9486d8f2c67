//! Settings that the proxy's own reading of the session depends on.

use crate::catalog::locks::Work;
use crate::sql::statement::{External, SetByCall, SettingChange, Statement};

use super::case::Case;
use super::duration;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("protected-setting"),
    sqlstate: "PA006",
    hazard: "These settings change how SQL is read or which safeguards hold: standard_conforming_strings, client_encoding, session_replication_role, event_triggers; a role or database that sets lock_timeout above the limit.",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "Leave them as they are; lock_timeout may be set below the limit.",
    bad: "SET standard_conforming_strings = off",
    good: &["SET standard_conforming_strings = on"],
    good_since: OLDEST,
    judge,
};

/// What pg_dump sets by a name that it reads from `pg_settings` (`restrict_nonsystem_relation_kind`); no protected setting takes this value.
const OF_PG_DUMP: &str = "view, foreign-table";

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (what, name, value) = match &case.parsed.statement {
        Statement::Setting(SettingChange::Set { name, value, .. }) => ("SET", name.clone(), Some(value.as_str())),
        Statement::External(External::PersistentSetting { what, name: Some(name), value: Some(value) }) => {
            if name == "lock_timeout" && duration::exceeds(value, case.lock_timeout_cap_ms) {
                return Some(refused(case, what, name));
            }
            (*what, name.clone(), Some(value.as_str()))
        }
        _ => return case.parsed.sets.iter().find_map(|set| by_call(case, set)),
    };
    is_protected(&name, value).then(|| refused(case, what, &name))
}

/// SET by another name.
fn by_call(case: &Case<'_>, set: &SetByCall) -> Option<Finding> {
    let value = set.value.as_deref();
    let Some(name) = set.name.as_deref() else {
        return (value != Some(OF_PG_DUMP)).then(|| {
            let advice = "Write the setting's name as a constant, or use SET.".to_owned();
            case.general(
                &RULE,
                "set_config of a setting that only the server will know may be one that this session is judged by".to_owned(),
                vec![advice],
            )
        });
    };
    // Alone, it is followed by a statement of ours that brings lock_timeout back under the cap.
    let is_followed = case.alone && !set.later;
    let raises =
        || name == "lock_timeout" && case.lock_timeout_cap_ms > 0 && value.is_none_or(|value| duration::exceeds(value, case.lock_timeout_cap_ms));
    (is_protected(name, value) || !is_followed && raises()).then(|| refused(case, "set_config", name))
}

fn refused(case: &Case<'_>, what: &str, name: &str) -> Finding {
    let advice =
        if name == "lock_timeout" { "Set it below the limit, or leave it to pgairlock.".to_owned() } else { format!("Leave {name} as it is.") };
    case.general(&RULE, format!("{what} of {name} would take away what this session's statements are judged by"), vec![advice])
}

/// A value that is no constant is the wrong one.
fn is_protected(name: &str, value: Option<&str>) -> bool {
    let value = value.map(str::to_lowercase);
    let value = value.as_deref();
    match name {
        "standard_conforming_strings" | "event_triggers" => !value.is_some_and(is_on),
        "client_encoding" | "names" => !value.is_some_and(is_utf8),
        "session_replication_role" => value != Some("origin"),
        _ => false,
    }
}

/// `parse_bool` of PostgreSQL: unambiguous beginnings of words.
fn is_on(value: &str) -> bool {
    !value.is_empty() && ("true".starts_with(value) || "yes".starts_with(value) || value == "on" || value == "1")
}

/// PostgreSQL compares encoding names by their letters and digits.
fn is_utf8(value: &str) -> bool {
    let name: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    name == "utf8" || name == "unicode"
}

#[cfg(test)]
mod tests {
    use super::is_protected;

    #[test]
    fn values_are_read_as_postgresql_does() {
        for (name, value, expected) in [
            ("standard_conforming_strings", Some("on"), false),
            ("standard_conforming_strings", Some("TRUE"), false),
            ("standard_conforming_strings", Some("t"), false),
            ("standard_conforming_strings", Some("off"), true),
            ("standard_conforming_strings", Some(""), true),
            ("standard_conforming_strings", None, true),
            ("client_encoding", Some("UTF8"), false),
            ("client_encoding", Some("utf-8"), false),
            ("client_encoding", Some("Unicode"), false),
            ("client_encoding", Some("SJIS"), true),
            ("session_replication_role", Some("replica"), true),
            ("session_replication_role", Some("origin"), false),
            ("event_triggers", Some("off"), true),
            ("search_path", Some("x"), false),
        ] {
            assert_eq!(is_protected(name, value), expected, "{name} = {value:?}");
        }
    }
}
