//! What integration tests stand on: real servers, the real proxy, clients that say what they are told to say, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test binary uses its part of it")]

pub mod asking;
pub mod catalog;
pub mod certificates;
pub mod client;
pub mod cluster;
pub mod frontend;
pub mod proxy;
pub mod raw;
pub mod scene;
pub mod told;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use catalog::catalog;
pub use client::{PROTOCOLS, Protocol, Session, connect_to};
pub use cluster::{Cluster, cluster, clusters};
pub use proxy::Proxy;
pub use raw::RawClient;
pub use scene::{BIG, Scene, scenes};
pub use told::Told;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A port that nobody listens on and that this process has not had before. It lies below those that the system gives to outgoing
/// connections, so that none of them takes it in the meantime.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(97);
    loop {
        let offset = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let port = 20_000 + u16::try_from(offset).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Says that something is missing here. Where everything has to be tested, that is a failure.
pub fn skipped(what: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "missing: {what}");
    eprintln!("skipped: no {what}");
}

/// `psql` without a configuration file, ready for arguments; `None` (said, and a failure in CI) where there is none.
pub fn psql() -> Option<Command> {
    if Command::new("psql").arg("--version").output().is_err() {
        skipped("psql");
        return None;
    }
    let mut command = Command::new("psql");
    command.args(["-X", "-A", "-t", "-q"]).env("PGPASSWORD", "postgres").env("PGCONNECT_TIMEOUT", "20");
    Some(command)
}

/// A directory of this process that goes with it; its name says what it is for.
pub fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("pgairlock-test-{}-{name}", std::process::id()));
    if std::fs::create_dir(&path).is_ok() {
        cluster::remove_at_exit(&path);
    }
    path
}

/// What is waited for comes within this, or the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something that can only be asked for has happened.
pub async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
