//! What the pages look at.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::access::Access;
use super::live::LiveSession;
use crate::config::settings::DashboardSettings;
use crate::store::Store;

/// Says which sessions there are now.
pub type Sessions = Arc<dyn Fn() -> Vec<LiveSession> + Send + Sync>;

/// The dashboard; clones share it.
#[derive(Clone)]
pub struct Board {
    pub(super) access: Arc<Access>,
    pub(super) sessions: Sessions,
    /// Read on a connection of its own: who looks holds up no session.
    pub(super) store: Store,
    /// The rules, as JSON.
    pub(super) rules: Arc<str>,
    /// Whoever decides has it: one after the other.
    pub(super) deciding: Arc<tokio::sync::Mutex<()>>,
}

impl Board {
    /// For whom the settings say.
    ///
    /// # Errors
    /// When the file of tokens cannot be read.
    pub fn new(settings: DashboardSettings, sessions: Sessions, store: Store, rules: Arc<str>) -> Result<Self, String> {
        Ok(Self { access: Arc::new(Access::new(settings)?), sessions, store, rules, deciding: Arc::default() })
    }
}

/// Unix time in microseconds.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default()
}
