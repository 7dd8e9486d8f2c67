//! The shell towards clients: sockets, TLS, login. Does what the core decides.

pub mod accept;
pub mod checkpoints;
mod config_file;
mod connection;
mod descriptors;
mod failpoint;
mod listener;
mod live;
pub mod login;
pub mod login_error;
mod migrations;
mod monitor;
mod observer;
mod origin;
mod outbox;
mod presence;
mod relay;
mod retention;
mod run;
mod siblings;
pub mod signer;
mod speeds;
mod trace;
mod traces;
pub mod witness;

pub use config_file::ConfigFile;
pub use run::{ServeError, UPSTREAM_ERRORS, run};
