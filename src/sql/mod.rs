//! SQL: split, parsed, named, edited.

pub mod directive;
pub mod former;
pub mod functions;
pub mod inverse;
pub mod keyword;
pub mod name;
pub mod naming;
pub mod parse;
pub mod redact;
pub mod rewrite;
pub mod statement;
pub mod tokens;
pub mod trace;
