//! Sockets and TLS, towards either side.

pub mod client_certificate;
pub mod stream;
pub mod tls;
