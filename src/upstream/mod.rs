//! The shell towards servers: connect, cancel, and a session of our own for the commands.

pub mod cancel;
pub mod client;
pub mod connect;
