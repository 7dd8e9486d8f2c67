//! Sockets and TLS, towards either side.

pub mod stream;
pub mod subject;
pub mod tls;
