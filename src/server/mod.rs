//! The shell towards clients: sockets, TLS, login. Does what the core decides.

pub mod accept;
mod connection;
mod descriptors;
mod failpoint;
mod listener;
pub mod login;
pub mod login_error;
mod monitor;
mod outbox;
mod presence;
mod relay;
mod run;
mod siblings;
mod speeds;

pub use run::{ServeError, run};
