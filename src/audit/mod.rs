//! The audit record, and what many of them come to.

pub mod attribution;
pub mod chain;
pub mod event;
pub mod record;
pub mod starting;
pub mod summary;
