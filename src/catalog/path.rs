//! Under which search path each statement of a string runs.
//!
//! Facts are asked before the first statement runs; where the string itself sets `search_path`, later names mean something else.

use crate::sql::functions;
use crate::sql::statement::{Argument, CreateTable, FunctionCall, Parsed, Script, SettingChange, Statement, TransactionControl};

/// A search path, as far as it can be told beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchPath {
    /// The session's own: the server resolves names.
    Session,
    /// Set by an earlier statement of the string: these schemas, in order; `$user` is the current role's.
    Set(Vec<String>),
    /// It cannot be told: unqualified names are unknown.
    Unknown,
}

/// The search paths of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Each path in force somewhere; the first is the session's.
    pub list: Vec<SearchPath>,
    /// Per statement: which one.
    pub of_statement: Vec<usize>,
}

impl Paths {
    /// Follows the settings of a script.
    #[must_use]
    pub fn of(script: &Script) -> Self {
        let mut follower = Follower { path: SearchPath::Session, local: false, began: false };
        let mut paths = Self { list: vec![SearchPath::Session], of_statement: Vec::with_capacity(script.statements.len()) };
        for parsed in &script.statements {
            let number = paths.number(&follower.path);
            paths.of_statement.push(number);
            follower.pass(parsed);
        }
        paths
    }

    /// The statement itself may change what names mean.
    #[must_use]
    pub fn moved_by(parsed: &Parsed) -> bool {
        let mut follower = Follower { path: SearchPath::Session, local: false, began: false };
        follower.pass(parsed);
        follower.path != SearchPath::Session
    }

    /// The path of a statement; the session's for one that does not exist.
    #[must_use]
    pub fn number_of(&self, statement: usize) -> usize {
        self.of_statement.get(statement).copied().unwrap_or(0)
    }

    fn number(&mut self, path: &SearchPath) -> usize {
        if let Some(number) = self.list.iter().position(|known| known == path) {
            return number;
        }
        self.list.push(path.clone());
        self.list.len() - 1
    }
}

struct Follower {
    path: SearchPath,
    /// The last change was SET LOCAL, or may have been.
    local: bool,
    /// The transaction began in this string: its end restores nothing that an earlier string set.
    began: bool,
}

impl Follower {
    fn pass(&mut self, parsed: &Parsed) {
        match &parsed.statement {
            Statement::Setting(change) => self.setting(change),
            Statement::Transaction(control) => self.transaction(control),
            Statement::Query(query) => {
                let call = query.lone_call.as_ref().filter(|call| call.function.name == "set_config");
                match call.map(|call| call.arguments.as_slice()) {
                    Some([Argument::Constant(name), Argument::Constant(value), local]) => self.set_config(name, value, local.constant()),
                    // The cursor may have been declared with a call of set_config.
                    _ if query.fetches => self.path = SearchPath::Unknown,
                    _ => self.other(parsed),
                }
            }
            _ => self.other(parsed),
        }
    }

    fn setting(&mut self, change: &SettingChange) {
        match change {
            SettingChange::Set { name, value, local } if name == "search_path" => {
                self.path = SearchPath::Set(split(value));
                self.local = *local;
            }
            SettingChange::Set { name, .. } | SettingChange::Reset { name, .. } if changes_names(name) => self.path = SearchPath::Unknown,
            SettingChange::Set { .. } | SettingChange::Reset { .. } | SettingChange::Transaction => {}
            SettingChange::ResetAll | SettingChange::DiscardAll | SettingChange::Other => self.path = SearchPath::Unknown,
        }
    }

    fn set_config(&mut self, name: &str, value: &str, local: Option<&str>) {
        let name = name.to_ascii_lowercase();
        if name == "search_path" {
            self.path = SearchPath::Set(split(value));
            self.local = !matches!(local, Some("f" | "false"));
        } else if changes_names(&name) {
            self.path = SearchPath::Unknown;
        }
    }

    fn transaction(&mut self, control: &TransactionControl) {
        let undone = match control {
            TransactionControl::Begin => {
                self.began = true;
                false
            }
            TransactionControl::Commit { .. } => self.local || !self.began,
            TransactionControl::Rollback { .. } | TransactionControl::RollbackTo(_) => true,
            TransactionControl::Savepoint(_) | TransactionControl::Release(_) | TransactionControl::TwoPhase => false,
        };
        if undone && (self.path != SearchPath::Session || !self.began) {
            self.path = SearchPath::Unknown;
        }
    }

    fn other(&mut self, parsed: &Parsed) {
        if parsed.functions.iter().any(|call| call.name == "set_config") {
            self.path = SearchPath::Unknown;
        }
    }
}

/// Whether TimeZone may be another one after this statement.
pub(super) fn may_set_time_zone(parsed: &Parsed) -> bool {
    let own = match &parsed.statement {
        Statement::Setting(SettingChange::Set { name, .. } | SettingChange::Reset { name, .. }) => name == "timezone",
        Statement::Setting(change) => *change != SettingChange::Transaction,
        // What was set for the transaction only goes with it.
        Statement::Transaction(control) => {
            !matches!(control, TransactionControl::Begin | TransactionControl::Savepoint(_) | TransactionControl::Release(_))
        }
        Statement::Opaque(_) | Statement::Execute { .. } | Statement::CreateTable(CreateTable { execute: Some(_), .. }) => true,
        Statement::Query(query) => {
            if let Some([Argument::Constant(name), Argument::Constant(_), ..]) =
                query.lone_call.as_ref().filter(|call| is_set_config(&call.function)).map(|call| &*call.arguments)
            {
                return name.eq_ignore_ascii_case("timezone");
            }
            query.fetches
        }
        _ => false,
    };
    own || parsed.functions.iter().any(|call| is_set_config(call) || functions::needs_a_look(call))
}

fn is_set_config(call: &FunctionCall) -> bool {
    functions::special(call) == Some(functions::Special::SetConfig)
}

/// `$user` in a search path, and which schemas may be used, follow the role.
fn changes_names(setting: &str) -> bool {
    ["search_path", "role", "session_authorization"].contains(&setting)
}

/// `SplitIdentifierString`: names by commas, folded unless quoted.
fn split(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut quoted = false;
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            _ if quoted => name.push(character),
            _ if character.is_whitespace() => {}
            _ => name.push(character.to_ascii_lowercase()),
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_as_postgresql_does() {
        assert_eq!(split(r#""$user", Public,"My ""X"",y" "#), ["$user", "public", r#"My "X",y"#]);
        assert!(split("").is_empty());
        assert!(split(r#""""#).is_empty());
    }

    #[test]
    fn paths_follow_the_settings_of_the_string() {
        use crate::sql::statement::{Query, Script};
        let statement = |statement| Parsed::new(0..0, statement);
        let set = |value: &str, local| statement(Statement::Setting(SettingChange::Set { name: "search_path".into(), value: value.into(), local }));
        let query = || statement(Statement::Query(Query::default()));
        let rollback = statement(Statement::Transaction(TransactionControl::Rollback { chain: false }));
        let commit = statement(Statement::Transaction(TransactionControl::Commit { chain: false }));
        let begin = statement(Statement::Transaction(TransactionControl::Begin));
        let statements =
            vec![begin, set("a, b", false), query(), commit.clone(), query(), set("c", true), query(), commit, query(), rollback.clone()];
        let paths = Paths::of(&Script { text: "".into(), statements });
        assert_eq!(paths.of_statement, [0, 0, 1, 1, 1, 1, 2, 2, 3, 3]);
        assert_eq!(paths.list.last(), Some(&SearchPath::Unknown));
        assert_eq!(paths.list.get(1), Some(&SearchPath::Set(vec!["a".into(), "b".into()])));
        let paths = Paths::of(&Script { text: "".into(), statements: vec![rollback, query()] });
        assert_eq!(paths.of_statement, [0, 1], "an earlier string may have set the path that this restores");
    }
}
