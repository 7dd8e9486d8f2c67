//! The audit record.

pub mod record;
