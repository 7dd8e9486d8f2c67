//! The shell towards servers: connect and cancel.

pub mod cancel;
pub mod connect;
