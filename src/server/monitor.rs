//! The login of `[monitor]`: while a client waits, its session is looked at from outside.
//!
//! A connection is made at the first look of a wait and ends with it. Whatever goes wrong here costs the client some words in a NOTICE and nothing
//! else: every look has its deadline, and the loop of the session goes on meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::config::settings::{MonitorSettings, Settings};
use crate::session::effects::{Event as SessionEvent, Watch};
use crate::session::sight::{QUESTION, Sight};
use crate::telemetry::{Event, UpstreamError};
use crate::upstream::client::{Client, DatabaseUrl};

/// For one look, its login included.
const LIMIT: Duration = Duration::from_secs(2);
/// After a look that failed, so that a server that lets nobody in is not asked each second.
const REST: Duration = Duration::from_secs(60);
/// What the server sees as application_name.
const APPLICATION_NAME: &str = "pgairlock monitor";

/// The session that is looked at, and where it is.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) session: String,
    /// The upstream's name.
    pub(super) upstream: String,
    /// `host:port` of the one that the session is on.
    pub(super) address: String,
    pub(super) database: String,
}

type Look = Pin<Box<dyn Future<Output = (Eye, Option<Sight>)> + Send>>;

/// Whoever looks at one session.
pub(super) struct Monitor {
    watched: Watched,
    eye: Eye,
    looking: Option<Look>,
}

impl Monitor {
    pub(super) fn new(watched: Watched) -> Self {
        Self { watched, eye: Eye::default(), looking: None }
    }

    /// Begins a look.
    pub(super) fn look(&mut self, watch: Watch, settings: Arc<Settings>) {
        let (eye, watched) = (std::mem::take(&mut self.eye), self.watched.clone());
        self.looking = Some(Box::pin(eye.look(watch, watched, settings)));
    }

    /// What was seen; never, when nobody looks. Cancel safe.
    pub(super) async fn seen(&mut self) -> SessionEvent {
        let Some(looking) = &mut self.looking else { return std::future::pending().await };
        let (eye, sight) = looking.await;
        (self.eye, self.looking) = (eye, None);
        SessionEvent::Seen(sight.map(Box::new))
    }

    /// The wait is over: so are its connection and a look that is on its way.
    pub(super) fn rest(&mut self) {
        (self.eye, self.looking) = (Eye::default(), None);
    }
}

/// One wait's connection and its misfortunes.
#[derive(Default)]
struct Eye {
    client: Option<Client>,
    /// When a look failed last.
    failed: Option<Instant>,
}

impl Eye {
    async fn look(mut self, watch: Watch, watched: Watched, settings: Arc<Settings>) -> (Self, Option<Sight>) {
        if self.failed.is_some_and(|failed| failed.elapsed() < REST) {
            return (self, None);
        }
        let looked = timeout(LIMIT, self.ask(&watch, &watched, &settings)).await;
        match looked.unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}"))) {
            Ok(sight) => (self, sight),
            Err(why) => {
                self.client = None;
                // Once for each wait.
                if self.failed.replace(Instant::now()).is_none() {
                    let message = format!("[monitor] cannot look at a waiting session: {why}; its client is told the time only");
                    UpstreamError { session: &watched.session, upstream: &watched.upstream, kind: "monitor", message: &message }.emit();
                }
                (self, None)
            }
        }
    }

    /// Nothing where a reload has taken the monitor or the upstream away.
    async fn ask(&mut self, watch: &Watch, watched: &Watched, settings: &Settings) -> Result<Option<Sight>, String> {
        let client = match &self.client {
            Some(client) => client,
            None => match log_in(watched, settings).await? {
                Some(client) => self.client.insert(client),
                None => return Ok(None),
            },
        };
        let beside = serde_json::Value::from(watch.beside.clone()).to_string();
        let answer = client.run(QUESTION, &[watch.pid.to_string(), beside]).await.map_err(|error| error.to_string())?;
        Sight::read(&answer.unwrap_or_default()).map(Some).map_err(|error| format!("an answer that cannot be read: {error}"))
    }
}

async fn log_in(watched: &Watched, settings: &Settings) -> Result<Option<Client>, String> {
    let upstream = settings.upstreams.iter().find(|upstream| upstream.name == watched.upstream);
    let (Some(monitor), Some(upstream)) = (&settings.monitor, upstream) else { return Ok(None) };
    let password = password(monitor).await?;
    let options = format!("-c statement_timeout={}", LIMIT.as_millis());
    let url = DatabaseUrl::new(&watched.address, &watched.database, &monitor.user, &upstream.tls)
        .with_password(password.as_deref())
        .with_session(APPLICATION_NAME, &options);
    Client::connect(&url, LIMIT).await.map(Some).map_err(|error| error.to_string())
}

/// Read at each login, so that a new one needs no reload. A file may hang: it is not read on the threads of the sessions.
async fn password(monitor: &MonitorSettings) -> Result<Option<String>, String> {
    let Some(file) = monitor.password_file.clone() else { return Ok(None) };
    let name = file.display().to_string();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await.map_err(|error| error.to_string())?;
    read.map(|text| Some(text.trim_end_matches(['\r', '\n']).to_owned())).map_err(|error| format!("password_file {name}: {error}"))
}
