//! pgairlock: a proxy that speaks the PostgreSQL wire protocol and makes migrations safe on their way.
//!
//! The journey of one statement: socket → frames (`wire`) → statement (`sql`) → facts (`catalog`) → findings (`rules`) → plan (`policy`)
//! → socket and record (`session` says what, `server` does it). Everything up to `session` is pure: no socket, clock or file.

pub mod admin;
pub mod audit;
pub mod catalog;
pub mod check;
pub mod cli;
pub mod config;
pub mod deferred;
pub mod notify;
pub mod policy;
pub mod rules;
pub mod server;
pub mod session;
pub mod sql;
pub mod store;
pub mod telemetry;
pub mod transport;
pub mod upstream;
pub mod webhook;
pub mod wire;
