//! The audit record, what holds the records together, and what many of them come to.

pub mod anchor;
pub mod approval;
pub mod attribution;
pub mod chain;
pub mod checkpoint;
pub mod comparison;
pub mod event;
pub mod keys;
pub mod line;
pub mod listed;
pub mod record;
pub mod refusals;
pub mod retention;
pub mod settling;
pub mod signed;
pub mod starting;
pub mod summary;
pub mod time;
pub mod trust;
pub mod unseen;
pub mod verify;
pub mod words;
