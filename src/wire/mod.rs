//! The wire: bytes in, views of messages out, and the few messages that we originate. No I/O.

pub mod authentication;
pub mod errors;
pub mod frames;
pub mod messages;
pub mod proxy_protocol;
pub mod startup;
pub mod startup_settings;
pub mod views;
