//! Calls of functions that are known by name.

use crate::sql::functions::{self, Special};
use crate::sql::statement::Statement;

use super::case::Case;

/// The first function of that kind that the statement calls. What is only prepared is judged when it runs.
pub(super) fn called<'a>(case: &Case<'a>, kind: Special) -> Option<&'a str> {
    if matches!(case.parsed.statement, Statement::Prepare { .. }) {
        return None;
    }
    case.parsed.functions.iter().find(|call| functions::special(call) == Some(kind)).map(|call| call.name.as_str())
}
