//! The audit record, and what many of them come to.

pub mod chain;
pub mod event;
pub mod listed;
pub mod record;
pub mod starting;
pub mod summary;
pub mod words;
