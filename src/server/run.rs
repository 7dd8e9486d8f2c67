//! The process: opens everything, serves, reloads on SIGHUP and when the config file has changed, drains on SIGTERM.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::admin::{self, AdminError, AdminState, Board, Readiness};
use crate::config::ConfigError;
use crate::config::admin::Dashboard;
use crate::config::settings::{ListenerSettings, Settings};
use crate::store::{self, Store, StoreError};
use crate::telemetry::{
    self, ConfigRejected, ConfigReloaded, Draining, Event, Labels, Listening, PromisesCounted, RestartNeeded, Started, Stopped, TooFewFiles,
};

use super::config_file::ConfigFile;
use super::connection::{Drain, Shared};
use super::descriptors;
use super::listener::{self, Front};
use super::live::Live;
use super::login_error::LoginError;
use super::migrations::Migrations;
use super::retention;
use super::siblings::Siblings;
use super::speeds::Speeds;
use super::traces;
use super::witness;
use crate::transport::tls::{Acceptor, TlsError};
use crate::webhook::{self, WebhookError};

/// Why the server stopped or could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Admin HTTP.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Admin HTTP ended while it served.
    #[error("admin HTTP ended: {0}")]
    AdminEnded(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A listener's certificate or key.
    #[error("listener {listener}: {source}")]
    Tls {
        /// Its name.
        listener: String,
        /// Why.
        source: TlsError,
    },
    /// A listener's address.
    #[error("listener {listener} cannot listen on {address}: {source}")]
    Bind {
        /// Its name.
        listener: String,
        /// As configured.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The store does not end.
    #[error("the store did not close within {0:?}; what it had confirmed is on disk")]
    StoreHangs(Duration),
    /// The key or the file of the checkpoints.
    #[error("checkpoints of the log: {0}")]
    Checkpoints(String),
    /// The key of the anchors.
    #[error("retention of the log: {0}")]
    Retention(String),
    /// A webhook's secret or CA file.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// Signals cannot be received.
    #[error("signals: {0}")]
    Signals(io::Error),
}

/// Sessions that are cut off have this long to say so.
const FAREWELL: Duration = Duration::from_secs(3);

/// A listener's name, and where its next connections read what it is made of.
type Fronts = Vec<watch::Sender<Front>>;

/// Serves until told to stop. The settings come from this file, and `reload` reads it again.
///
/// # Errors
/// When a listener, the store or admin HTTP cannot be opened.
pub async fn run(
    settings: Settings,
    mut file: ConfigFile,
    reload: impl Fn() -> Result<Settings, ConfigError> + Send + 'static,
) -> Result<(), ServeError> {
    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    webhook::check(&settings.webhooks)?;
    let store = Store::open(&store::Place::read(&settings.store).map_err(StoreError::Open)?)?;
    let checkpoints = witness::begin(&settings.audit, &store).map_err(ServeError::Checkpoints)?;
    let retention = retention::begin(&settings.audit).map_err(ServeError::Retention)?;
    let (readiness, failing) = (Readiness::default(), admin::Failing::default());
    let sessions_now = Live::default();
    let (draining, settings_source) = (watch::Sender::new(Drain::No), watch::Sender::new(Arc::new(settings.clone())));
    let board = board(&settings, &store, &sessions_now)?;
    let admin_tls = watch::Sender::new(admin_acceptor(&settings)?);
    let admin = admin::bind(settings.admin).await?;
    register(&settings);
    Started { sessions: settings.max_sessions }.emit();
    let state = AdminState { readiness: readiness.clone(), store: store.clone(), metrics: telemetry::metrics(), checkpoints: failing.clone(), board };
    Listening { listener: "admin", address: local(&admin, settings.admin) }.emit();
    let admin = tokio::spawn(admin::serve(admin, admin_tls.subscribe(), state));

    if let Some((needed, allowed)) = descriptors::too_few(settings.max_sessions) {
        TooFewFiles { sessions: settings.max_sessions, needed, allowed }.emit();
    }
    let migrations = Migrations::default();
    // Without it, only some directions are unknown.
    if let Ok(earlier) = store.attributions().await {
        migrations.remember(&earlier);
    }
    let stopping = watch::Sender::new(false);
    let (traces, tracing) = traces::begin(settings.collector.clone(), store.name(), stopping.subscribe());
    let started = settings;
    let shared = Shared {
        settings: settings_source.subscribe(),
        draining: draining.subscribe(),
        store: store.clone(),
        siblings: Siblings::default(),
        speeds: Speeds::default(),
        migrations,
        traces,
        live: sessions_now,
    };
    let webhooks = webhook::begin(settings_source.subscribe(), store.clone());
    tokio::spawn(live(store.clone()));
    let witness = checkpoints.map(|checkpoints| tokio::spawn(witness::tell(checkpoints, store.clone(), failing, stopping.subscribe())));
    let resting = watch::Sender::new(false);
    let retention = retention.map(|retention| tokio::spawn(retention::keep(retention, store.clone(), resting.subscribe())));
    let sessions = TaskTracker::new();
    let fronts = listen(&shared, &sessions).await?;
    readiness.set_listening();

    let stop = async {
        loop {
            tokio::select! {
                told = signals.next() => match told {
                    Told::Reload => file.note().await,
                    Told::Stop => break,
                },
                () = file.changed() => {}
            }
            reload_settings(&reload, &started, &settings_source, &Certificates { fronts: &fronts, admin: &admin_tls });
        }
    };
    let failure = tokio::select! {
        () = stop => None,
        // Without its probes a process cannot be looked after: drain and let the supervisor start another.
        ended = admin => Some(admin_ended(ended)),
    };
    readiness.set_draining();
    let deadline = settings_source.borrow().timeouts.drain;
    drain(&draining, &sessions, deadline, &mut signals).await;
    let limit = settings_source.borrow().timeouts.store;
    // Before the last checkpoint: it may be writing an entry.
    resting.send_replace(true);
    if let Some(retention) = retention {
        let _ = timeout(limit, retention).await;
    }
    // Behind the last session, and before the store that it reads.
    webhooks.end().await;
    stopping.send_replace(true);
    if let Some(witness) = witness {
        let _ = timeout(limit, witness).await;
    }
    if let Some(tracing) = tracing {
        let _ = timeout(FAREWELL, tracing).await;
    }
    timeout(limit, store.close()).await.map_err(|_| ServeError::StoreHangs(limit))??;
    failure.map_or(Ok(()), Err)
}

/// Between two signs of life in the store: who looks there takes a process for dead that gives none for a minute.
const LIVES: Duration = Duration::from_secs(10);

/// Says that this process lives, and counts what waits for somebody; until the store is closed. What fails is said by whoever needs the store.
async fn live(store: Store) {
    while !matches!(store.alive().await, Err(StoreError::Closed)) {
        if let Ok(open) = store.open_promises().await {
            PromisesCounted { open, now_unix_micros: now() }.emit();
        }
        tokio::time::sleep(LIVES).await;
    }
}

/// Unix time in microseconds.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default()
}

fn admin_ended(ended: Result<(), tokio::task::JoinError>) -> ServeError {
    let why = ended.map_or_else(|error| error.to_string(), |()| "it ended".to_owned());
    tracing::error!(event = "admin_failed", error = why, "admin HTTP ended; draining");
    ServeError::AdminEnded(why)
}

/// The address as bound: port 0 in the config is some port here.
fn local(socket: &TcpListener, configured: SocketAddr) -> SocketAddr {
    socket.local_addr().unwrap_or(configured)
}

/// What an upstream may be blamed for.
pub const UPSTREAM_ERRORS: &[&str] = &["connect", "lost", "monitor"];

/// Labels that are known from the start show up as 0.
fn register(settings: &Settings) {
    let listeners: Vec<&str> = settings.listeners.iter().map(|listener| &*listener.name).collect();
    let upstreams: Vec<&str> = settings.upstreams.iter().map(|upstream| &*upstream.name).collect();
    let rules: Vec<&str> = crate::rules::ids().collect();
    let webhooks: Vec<&str> = settings.webhooks.iter().map(|webhook| &*webhook.name).collect();
    telemetry::register(Labels {
        listeners: &listeners,
        upstreams: &upstreams,
        rules: &rules,
        login_failures: LoginError::KINDS,
        upstream_errors: UPSTREAM_ERRORS,
        store_errors: StoreError::KINDS,
        webhooks: &webhooks,
    });
}

async fn listen(shared: &Shared, sessions: &TaskTracker) -> Result<Fronts, ServeError> {
    let settings = Arc::clone(&shared.settings.borrow());
    let room = Arc::new(Semaphore::new(settings.max_sessions.min(Semaphore::MAX_PERMITS)));
    // All are open before the first one accepts: a start that fails must not end somebody's migration.
    let mut bound = Vec::new();
    for listener in &settings.listeners {
        bound.push((bind(listener).await?, watch::Sender::new(front(listener)?)));
    }
    let mut fronts = Vec::new();
    for (socket, front) in bound {
        tokio::spawn(listener::accept(socket, front.subscribe(), shared.clone(), Arc::clone(&room), sessions.clone()));
        fronts.push(front);
    }
    Ok(fronts)
}

async fn bind(listener: &ListenerSettings) -> Result<TcpListener, ServeError> {
    let address = listener.address;
    let bound = TcpListener::bind(address).await.map_err(|source| ServeError::Bind { listener: listener.name.clone(), address, source })?;
    Listening { listener: &listener.name, address: local(&bound, address) }.emit();
    Ok(bound)
}

fn front(listener: &ListenerSettings) -> Result<Front, ServeError> {
    let tls = Acceptor::from_settings(&listener.tls).map_err(|source| ServeError::Tls { listener: listener.name.clone(), source })?;
    Ok(Front { settings: listener.clone(), tls: tls.map(Arc::new) })
}

/// What is shown to whoever connects by TLS.
struct Certificates<'a> {
    fronts: &'a Fronts,
    admin: &'a watch::Sender<Option<Arc<Acceptor>>>,
}

/// The certificate of admin HTTP, where it has one. Read anew at a reload, from the files that were named at the start: who may do what is of then, too.
fn admin_acceptor(settings: &Settings) -> Result<Option<Arc<Acceptor>>, ServeError> {
    let Some(tls) = &settings.dashboard.tls else { return Ok(None) };
    let acceptor = Acceptor::for_browsers(&tls.identity);
    acceptor.map(|acceptor| Some(Arc::new(acceptor))).map_err(|source| ServeError::Tls { listener: "admin".into(), source })
}

/// The dashboard, if there is to be one.
fn board(settings: &Settings, store: &Store, live: &Live) -> Result<Option<Board>, ServeError> {
    if settings.dashboard.shown == Dashboard::Off {
        return Ok(None);
    }
    let live = live.clone();
    let sessions = Arc::new(move || live.all());
    let rules = serde_json::to_string_pretty(&crate::rules::listing::All::default()).unwrap_or_default();
    let board = Board::new(settings.dashboard.clone(), sessions, store.apart()?, rules.into());
    Ok(Some(board.map_err(AdminError::Access)?))
}

/// All of the new settings or none. Addresses, the store, admin and the number of sessions stay as they were at start.
fn reload_settings(
    reload: &impl Fn() -> Result<Settings, ConfigError>,
    started: &Settings,
    source: &watch::Sender<Arc<Settings>>,
    shown: &Certificates<'_>,
) {
    let settings = match reload() {
        Ok(settings) => settings,
        Err(error) => return ConfigRejected { error: &error }.emit(),
    };
    let usable = webhook::check(&settings.webhooks).map_err(ServeError::from);
    let renewed: Result<Vec<Front>, ServeError> = usable.and_then(|()| settings.listeners.iter().map(front).collect());
    match renewed.and_then(|renewed| Ok((renewed, admin_acceptor(started)?))) {
        Ok((renewed, admin)) => {
            shown.admin.send_replace(admin);
            for sender in shown.fronts {
                let name = sender.borrow().settings.name.clone();
                if let Some(front) = renewed.iter().find(|front| front.settings.name == name) {
                    sender.send_replace(front.clone());
                }
            }
            ConfigReloaded.emit();
            for setting in unreloadable(started, &settings) {
                RestartNeeded { setting: &setting }.emit();
            }
            register(&settings);
            source.send_replace(Arc::new(settings));
        }
        Err(error) => ConfigRejected { error: &error }.emit(),
    }
}

/// What differs from the start and stays as it was there.
fn unreloadable(started: &Settings, new: &Settings) -> Vec<String> {
    let find = |settings: &Settings, name: &str| settings.listeners.iter().find(|listener| listener.name == name).map(|listener| listener.address);
    let kept = started.listeners.iter().filter_map(|old| match find(new, &old.name) {
        None => Some(format!("[[listener]] {}: removed", old.name)),
        Some(address) => (address != old.address).then(|| format!("[[listener]] {}: address", old.name)),
    });
    let added =
        new.listeners.iter().filter(|listener| find(started, &listener.name).is_none()).map(|listener| format!("[[listener]] {}", listener.name));
    let process = [
        ("[store]", (&started.store, &started.audit) != (&new.store, &new.audit)),
        ("[telemetry]", started.collector != new.collector),
        ("[admin] address", started.admin != new.admin),
        ("[admin]", started.dashboard != new.dashboard),
        ("[limits] sessions", started.max_sessions != new.max_sessions),
    ];
    kept.chain(added).chain(process.into_iter().filter(|(_, changed)| *changed).map(|(setting, _)| setting.to_owned())).collect()
}

/// Waits for the sessions until the deadline, or until it is told a second time; then cuts off what is left.
async fn drain(draining: &watch::Sender<Drain>, sessions: &TaskTracker, deadline: Duration, signals: &mut Signals) {
    // Told first: what reaches a session after this line is in the log finds it draining.
    draining.send_replace(Drain::Finish);
    Draining { sessions: sessions.len(), deadline }.emit();
    sessions.close();
    tokio::select! {
        () = sessions.wait() => {}
        () = tokio::time::sleep(deadline) => {}
        () = signals.stop() => {}
    }
    let cut_off = sessions.len();
    draining.send_replace(Drain::CutOff);
    // What does not end now ends with the process; the server rolls it back.
    let _ = timeout(FAREWELL, sessions.wait()).await;
    Stopped { cut_off }.emit();
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { hangup: signal(SignalKind::hangup())?, terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next signal to stop.
    async fn stop(&mut self) {
        while self.next().await != Told::Stop {}
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
        }
    }
}
