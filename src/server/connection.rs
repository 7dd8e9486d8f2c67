//! One logged-in session: the loop that owns both sockets and the state machine. It does what the effects say and decides nothing.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::audit::attribution::{Decision as Deciding, Group};
use crate::audit::event::{Attribution, Ended, Event as Logged, SessionEnded, Trail};
use crate::audit::record::Record;
use crate::config::settings::{Pooler, Settings};
use crate::deferred::promise::{Progress, Promise, PromiseId};
use crate::policy::settings::{Mode, Principal};
use crate::session::effects::{ApprovalAnswer, ApprovalQuestion, Close, Effects, Event as SessionEvent, Lookup};
use crate::session::{Identity, Session};
use crate::store::{Store, StoreError, Wanted};
use crate::telemetry::{Attributed, Decision, DecisionEnded, Event, PromiseProgress, Promised, StoreFailed, StoreWritten, UpstreamError};

use super::failpoint;
use super::live::{Live, Seat};
use super::login::Established;
use super::migrations::{Follower, Migrations};
use super::monitor::{Monitor, Watched};
use super::observer::Observer;
use super::outbox::Outbox;
use super::presence::Presence;
use super::siblings::{Ask, Membership, Siblings};
use super::speeds::Speeds;
use super::traces::Traces;
use crate::transport::stream::Stream;
use crate::upstream::cancel;
use crate::wire::startup::CancelRequest;

/// Read at once.
const READ: usize = 64 << 10;
/// A peer that does not take its bytes stops the other side's reading beyond this.
const HIGH_WATER: usize = 1 << 20;
/// Strings beyond this are parsed off the async threads.
const PARSED_APART: usize = 64 << 10;
/// The client went away without Terminate.
const CLIENT_GONE: &str = "client-gone";
/// A peer has this long to take the last bytes of a session.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long sessions may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drain {
    /// As long as they like.
    No,
    /// To the end of what they have begun.
    Finish,
    /// Not at all.
    CutOff,
}

/// What every session of the process shares.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) settings: watch::Receiver<Arc<Settings>>,
    pub(super) draining: watch::Receiver<Drain>,
    pub(super) store: Store,
    pub(super) siblings: Siblings,
    pub(super) speeds: Speeds,
    pub(super) migrations: Migrations,
    pub(super) traces: Traces,
    pub(super) live: Live,
}

/// Something that the store was asked, whose answer the session waits for.
type Asking = Pin<Box<dyn Future<Output = SessionEvent> + Send>>;

struct Connection {
    session: Session,
    identity: Identity,
    upstream: String,
    /// `host:port` of it.
    address: String,
    cancel: Option<CancelRequest>,
    effects: Effects,
    client_in: ReadHalf<Stream>,
    client_out: WriteHalf<Stream>,
    to_client: Outbox,
    server_in: ReadHalf<Stream>,
    server_out: WriteHalf<Stream>,
    to_server: Outbox,
    client_read: BytesMut,
    server_read: BytesMut,
    client_open: bool,
    asking: Option<Asking>,
    monitor: Monitor,
    membership: Membership,
    asked: mpsc::UnboundedReceiver<Ask>,
    /// Whom to tell that this session is quiet.
    quiet_asked_by: Vec<oneshot::Sender<()>>,
    /// What has become of promises is written in order.
    progress: mpsc::UnboundedSender<(PromiseId, Progress)>,
    outcomes: JoinSet<()>,
    follower: Follower,
    /// The decision that is being recorded.
    deciding: Deciding,
    /// A decision of it is in the log.
    is_logged: bool,
    points: failpoint::Watch,
    observer: Observer,
    /// Where the dashboard sees it.
    seat: Seat,
    since: Instant,
    shared: Shared,
}

/// Carries a session from its login to its end.
pub(super) async fn run(established: Established, id: String, listener: String, mode: Mode, client: String, shared: Shared) {
    let identity = Identity {
        id,
        listener,
        client,
        tls: established.certificate.clone(),
        mode,
        principal: established.principal.clone(),
        backend_pid: comparable_pid(&shared.settings.borrow(), &established),
        monitored: shared.settings.borrow().monitor.is_some(),
        lock_timeout_ms: established.lock_timeout_ms,
        kept_lock_timeout_ms: milliseconds(shared.settings.borrow().timeouts.lock),
        patience: shared.settings.borrow().timeouts.patience(),
        step_timeout_ms: milliseconds(shared.settings.borrow().timeouts.step),
        pace: shared.speeds.of(&established.upstream_address, Instant::now()),
    };
    let presence = Presence::begin(&identity, &established.upstream_name);
    let seat = shared.live.join(&identity, &established.upstream_name, established.backend_pid);
    let (reason, message) = if mode == Mode::Off {
        let ended = relay(established, shared.draining).await;
        drop(seat);
        (ended, None)
    } else {
        Connection::new(established, identity.clone(), seat, shared).serve().await
    };
    presence.end(reason, message);
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A session pooler announces a pid of its own.
fn comparable_pid(settings: &Settings, established: &Established) -> Option<u32> {
    let pooled = settings.upstreams.iter().any(|upstream| upstream.name == established.upstream_name && upstream.pooler == Pooler::Session);
    (!pooled).then_some(established.backend_pid)
}

/// Mode off: bytes, until a peer ends it. Whether something runs cannot be seen, so that it ends only when all do.
async fn relay(established: Established, mut draining: watch::Receiver<Drain>) -> &'static str {
    let Established { mut client, client_buffer, mut server, server_buffer, .. } = established;
    let mut to_client = Outbox::default();
    to_client.extend(&mut [crate::wire::messages::ready_for_query(b'I'), server_buffer.freeze()].into());
    let mut to_server = Outbox::default();
    to_server.extend(&mut [client_buffer.freeze()].into());
    let relayed = async {
        to_client.drain(&mut client).await?;
        to_server.drain(&mut server).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await
    };
    tokio::select! {
        ended = relayed => if ended.is_ok() { Close::Client.label() } else { "broken" },
        _ = draining.wait_for(|drain| *drain == Drain::CutOff) => Close::CutOff.label(),
    }
}

impl Connection {
    fn new(established: Established, identity: Identity, seat: Seat, shared: Shared) -> Self {
        let policy = Arc::new(shared.settings.borrow().policy.clone());
        let session = Session::new(identity.clone(), policy, &established.parameters, established.client_buffer, established.server_buffer);
        let (client_in, client_out) = split(established.client);
        let (server_in, server_out) = split(established.server);
        let (membership, asked) = shared.siblings.join(&established.upstream_name, &identity.principal.database, established.cancel.clone());
        let monitor = Monitor::new(Watched {
            session: identity.id.clone(),
            upstream: established.upstream_name.clone(),
            address: established.upstream_address.clone(),
            database: identity.principal.database.clone(),
        });
        let Principal { role, database, .. } = &identity.principal;
        let group = Group::new(&identity.client, role, database, &established.upstream_name);
        let follower = shared.migrations.follow(&identity.id, group);
        let observer = Observer::new(identity.clone(), shared.traces.clone());
        let (progress, told) = mpsc::unbounded_channel();
        let mut outcomes = JoinSet::new();
        outcomes.spawn(write_progress(shared.clone(), identity.id.clone(), told));
        Self {
            session,
            identity,
            upstream: established.upstream_name,
            address: established.upstream_address,
            cancel: established.cancel,
            effects: Effects::default(),
            client_in,
            client_out,
            to_client: Outbox::default(),
            server_in,
            server_out,
            to_server: Outbox::default(),
            client_read: BytesMut::new(),
            server_read: BytesMut::new(),
            client_open: true,
            asking: None,
            monitor,
            membership,
            asked,
            quiet_asked_by: Vec::new(),
            progress,
            outcomes,
            follower,
            deciding: Deciding::default(),
            is_logged: false,
            points: failpoint::Watch::default(),
            observer,
            seat,
            since: Instant::now(),
            shared,
        }
    }

    async fn serve(mut self) -> (&'static str, Option<String>) {
        self.step(SessionEvent::Begin);
        if *self.shared.draining.borrow() != Drain::No {
            self.step(SessionEvent::Drain);
        }
        let reason = loop {
            if let Some(close) = self.effects.close {
                break if close == Close::Client && !self.client_open { CLIENT_GONE } else { close.label() };
            }
            match self.turn().await {
                Ok(Some(event)) => self.step(event),
                Ok(None) => {}
                Err(reason) => break reason,
            }
        };
        for attribution in self.follower.leave() {
            self.write_attribution(attribution);
        }
        let message = self.effects.farewell.take();
        self.log_end(reason);
        tokio::join!(self.release_locks(), self.farewell());
        (reason, message)
    }

    /// Waits for the next thing to happen. What it reads is appended before it returns; everything it waits for is cancel safe.
    async fn turn(&mut self) -> Result<Option<SessionEvent>, &'static str> {
        let backlog_limit = self.shared.settings.borrow().policy.statement_bytes + READ;
        let read_client = self.client_open && self.to_server.len() < HIGH_WATER && self.session.client_backlog() < backlog_limit;
        let read_server = self.to_client.len() < HIGH_WATER;
        let tick = self.session.next_tick();
        self.client_read.reserve(READ);
        self.server_read.reserve(READ);
        // In this order: what the process says comes before what a peer says, and a server that still speaks is heard before its client goes on.
        tokio::select! {
            biased;
            changed = self.shared.draining.changed() => match changed {
                Ok(()) => Ok(Some(if *self.shared.draining.borrow_and_update() == Drain::CutOff { SessionEvent::CutOff } else { SessionEvent::Drain })),
                Err(_) => Err("shutdown"),
            },
            changed = self.shared.settings.changed() => match changed {
                Ok(()) => Ok(Some(SessionEvent::Policy(Arc::new(self.shared.settings.borrow_and_update().policy.clone())))),
                Err(_) => Err("shutdown"),
            },
            answered = answer(&mut self.asking) => {
                self.asking = None;
                Ok(Some(answered))
            }
            seen = self.monitor.seen() => Ok(Some(seen)),
            Some(ask) = self.asked.recv() => Ok(Some(match ask {
                Ask::BeQuiet(answer) => {
                    self.quiet_asked_by.push(answer);
                    SessionEvent::BeQuiet
                }
                Ask::GoOn => SessionEvent::Built,
                Ask::Cancel => SessionEvent::CancelRequested,
            })),
            () = sleep_until(tick), if tick.is_some() => Ok(Some(SessionEvent::Tick)),
            wrote = self.to_client.push(&mut self.client_out), if self.to_client.has_work() => match wrote {
                Ok(()) => {
                    if !self.to_client.has_work() {
                        self.points.answered();
                    }
                    Ok(None)
                }
                Err(_) => Ok(Some(self.client_lost())),
            },
            wrote = self.to_server.push(&mut self.server_out), if self.to_server.has_work() => match wrote {
                Ok(()) => {
                    if !self.to_server.has_work() {
                        self.points.sent();
                    }
                    Ok(None)
                }
                Err(error) => Ok(Some(self.server_lost(Some(&error)))),
            },
            read = self.server_in.read_buf(&mut self.server_read), if read_server => Ok(Some(self.server_said(read))),
            read = self.client_in.read_buf(&mut self.client_read), if read_client => Ok(Some(self.client_said(read))),
        }
    }

    fn client_said(&mut self, read: io::Result<usize>) -> SessionEvent {
        match read {
            Ok(1..) => {
                append(self.session.client_buffer(), &mut self.client_read);
                SessionEvent::FromClient
            }
            _ => self.client_lost(),
        }
    }

    fn client_lost(&mut self) -> SessionEvent {
        self.client_open = false;
        self.to_client = Outbox::default();
        SessionEvent::ClientGone
    }

    fn server_said(&mut self, read: io::Result<usize>) -> SessionEvent {
        match read {
            Ok(1..) => {
                self.points.received(&self.server_read);
                append(self.session.server_buffer(), &mut self.server_read);
                SessionEvent::FromServer
            }
            Ok(_) => self.server_lost(None),
            Err(error) => self.server_lost(Some(&error)),
        }
    }

    fn server_lost(&mut self, error: Option<&io::Error>) -> SessionEvent {
        self.to_server = Outbox::default();
        let message = error.map_or_else(|| "the server closed the connection".to_owned(), ToString::to_string);
        UpstreamError { session: &self.identity.id, upstream: &self.upstream, kind: "lost", message: &message }.emit();
        SessionEvent::ServerGone
    }

    fn step(&mut self, event: SessionEvent) {
        let now = Instant::now();
        if let SessionEvent::Recorded(Ok(id)) = &event {
            self.follower.decided(*id, self.deciding);
            self.is_logged = true;
        }
        if let SessionEvent::Recorded(result) = &event {
            self.observer.recorded(result.as_ref().ok().copied());
        }
        if self.session.client_backlog() > PARSED_APART {
            tokio::task::block_in_place(|| self.session.handle(event, now, &mut self.effects));
        } else {
            self.session.handle(event, now, &mut self.effects);
        }
        self.seat.note(self.session.activity());
        self.carry_out();
        self.observer.look(&self.session);
    }

    fn carry_out(&mut self) {
        for observed in std::mem::take(&mut self.effects.observed) {
            self.observer.observed(observed);
        }
        if let Some(speed) = self.effects.gauged.take() {
            self.shared.speeds.note(&self.address, speed, Instant::now());
        }
        if let Some(record) = self.effects.record.take() {
            self.deciding = self.effects.deciding;
            self.observer.recording(&record, self.effects.arrived.take().as_ref());
            self.asking = Some(Box::pin(make_durable(self.shared.clone(), *record)));
        }
        if let Some(promise) = self.effects.promise.take() {
            let (promise, trail) = *promise;
            self.asking = Some(Box::pin(make_promise(self.shared.clone(), promise, trail)));
        }
        if let Some((id, progress)) = self.effects.note.take() {
            self.asking = Some(Box::pin(make_note(self.shared.clone(), self.identity.id.clone(), id, progress)));
        }
        if let Some(place) = self.effects.pending.take() {
            let wanted = Wanted::Of(place, self.identity.principal.role.clone());
            self.asking = Some(Box::pin(look_up(self.shared.clone(), self.identity.id.clone(), wanted)));
        }
        if let Some(question) = self.effects.approval.take() {
            self.asking = Some(Box::pin(ask_for_approval(self.shared.clone(), self.identity.id.clone(), question)));
        }
        if let Some(lookup) = self.effects.lookup.take() {
            self.asking = Some(Box::pin(look_back(self.shared.clone(), self.identity.clone(), lookup)));
        }
        if std::mem::take(&mut self.effects.quiet_siblings) {
            let quiet = self.membership.quiet();
            self.asking = Some(Box::pin(async move {
                quiet.await;
                SessionEvent::SiblingsQuiet
            }));
        }
        if let Some(watch) = self.effects.watch.take() {
            self.monitor.look(watch, Arc::clone(&self.shared.settings.borrow()));
        } else if !self.session.waits() {
            self.monitor.rest();
        }
        if std::mem::take(&mut self.effects.built) {
            self.membership.built();
        }
        if std::mem::take(&mut self.effects.quiet) {
            // Who asked may have stopped waiting.
            for ask in self.quiet_asked_by.drain(..) {
                let _ = ask.send(());
            }
        }
        for progress in std::mem::take(&mut self.effects.progress) {
            // Its writer ends with the session, not before.
            let _ = self.progress.send(progress);
        }
        for (id, outcome) in std::mem::take(&mut self.effects.outcomes) {
            DecisionEnded { session: &self.identity.id, id, outcome: &outcome }.emit();
            self.observer.ended(id, &outcome);
            if outcome.sqlstate.is_some() {
                self.follower.failed(id);
            }
            self.log(Logged::Outcome(Ended { decision: id, outcome }), "outcome");
        }
        for settled in std::mem::take(&mut self.effects.settled) {
            self.log(Logged::Settled(settled), "settled");
        }
        for transaction in std::mem::take(&mut self.effects.transactions) {
            self.log(Logged::Transaction(transaction), "transaction");
        }
        for ended in std::mem::take(&mut self.effects.uses) {
            self.log(Logged::ApprovalUseEnded(ended), "approval");
        }
        let noticed = std::mem::take(&mut self.effects.noticed);
        for attribution in self.follower.noticed(noticed) {
            self.write_attribution(attribution);
        }
        self.points.answering(&self.effects.to_client);
        self.points.sending(&self.effects.to_server);
        self.to_client.extend(&mut self.effects.to_client);
        self.to_server.extend(&mut self.effects.to_server);
        if !self.client_open {
            self.to_client = Outbox::default();
        }
    }

    /// Says which migration decisions belong to.
    fn write_attribution(&mut self, attribution: Attribution) {
        if attribution.session == self.identity.id {
            self.seat.is_of(&attribution.migration.tool);
        }
        Attributed(&attribution).emit();
        self.log(Logged::Attribution(attribution), "attribution");
    }

    /// Writes down what has happened, in this order.
    fn log(&mut self, event: Logged, operation: &'static str) {
        let written = self.shared.store.post(event);
        let (shared, session) = (self.shared.clone(), self.identity.id.clone());
        self.outcomes.spawn(async move {
            let _ = within_deadline(&shared, &session, operation, written).await;
        });
    }

    /// What nobody recorded by itself is told by numbers; and of a session that decided something the log has the end.
    fn log_end(&mut self, reason: &str) {
        let ended = self.session.told_at_end();
        if self.is_logged || !ended.statements.is_empty() {
            let duration_micros = i64::try_from(self.since.elapsed().as_micros()).unwrap_or(i64::MAX);
            self.log(Logged::Session(SessionEnded { reason: reason.to_owned(), duration_micros, ..ended }), "session");
        }
    }

    /// A server reads Terminate only when the statement that runs has ended: where its transaction is lost anyway, it need not.
    fn release_locks(&mut self) -> impl Future<Output = ()> + use<> {
        let lost = self.effects.close == Some(Close::CutOff) && self.session.is_in_transaction();
        let (request, settings) = (self.cancel.take().filter(|_| lost), Arc::clone(&self.shared.settings.borrow()));
        async move {
            if let Some(request) = request {
                cancel::forward(&request, &settings).await;
            }
        }
    }

    /// The last bytes to both sides, Terminate among them, and the outcomes still on their way to the store.
    async fn farewell(mut self) {
        if self.effects.close != Some(Close::Client) || !self.client_open {
            self.to_server.extend(&mut [Bytes::from_static(b"X\0\0\0\x04")].into());
        }
        let (client, server) = (self.to_client.drain(&mut self.client_out), self.to_server.drain(&mut self.server_out));
        // Both may be gone already; there is nobody left to tell.
        let _ = timeout(FAREWELL, async { tokio::join!(client, server) }).await;
        let _ = timeout(FAREWELL, async {
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut self.client_out).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut self.server_out).await;
        })
        .await;
        drop(self.progress);
        while self.outcomes.join_next().await.is_some() {}
    }
}

/// The store's answer; never, when nothing was asked. Cancel safe.
async fn answer(asking: &mut Option<Asking>) -> SessionEvent {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}

/// Cancel safe.
async fn sleep_until(tick: Option<Instant>) {
    match tick {
        Some(tick) => tokio::time::sleep_until(tick.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for the store no longer than its deadline. Not cancel safe in the sense that it may be written all the same.
async fn within_deadline<T>(
    shared: &Shared,
    session: &str,
    operation: &'static str,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, String> {
    let (limit, started) = (shared.settings.borrow().timeouts.store, Instant::now());
    failpoint::pass("before", operation);
    let (why, error) = match timeout(limit, asked).await {
        Ok(Ok(answer)) => {
            failpoint::pass("after", operation);
            StoreWritten { operation, duration: started.elapsed() }.emit();
            return Ok(answer);
        }
        Ok(Err(error)) => (error.to_string(), Some(error)),
        Err(_) => (format!("it did not answer within {limit:?}"), None),
    };
    StoreFailed { session, operation, error: error.as_ref() }.emit();
    Err(why)
}

/// Writes a decision down.
async fn make_durable(shared: Shared, record: Record) -> SessionEvent {
    let id = within_deadline(&shared, &record.session, "record", shared.store.record(record.clone())).await;
    if let Ok(id) = &id {
        Decision { id: Some(*id), record: &record }.emit();
    }
    SessionEvent::Recorded(id)
}

/// Writes down what a transaction is promised.
async fn make_promise(shared: Shared, promise: Promise, trail: Trail) -> SessionEvent {
    let session = promise.session.clone();
    let id = within_deadline(&shared, &session, "promise", shared.store.promise(promise.clone(), trail)).await;
    if let Ok(id) = &id {
        Promised { id: *id, promise: &promise }.emit();
    }
    SessionEvent::Promised(id)
}

/// Writes down a failure; it is told when all that follows from it is done.
async fn make_note(shared: Shared, session: String, id: PromiseId, progress: Progress) -> SessionEvent {
    let _ = within_deadline(&shared, &session, "progress", shared.store.progress(id, progress, &session)).await;
    SessionEvent::Noted
}

/// Looks up what earlier sessions of a role were promised.
async fn look_up(shared: Shared, session: String, wanted: Wanted) -> SessionEvent {
    SessionEvent::Pending(within_deadline(&shared, &session, "pending", shared.store.pending(wanted)).await)
}

/// Takes a use of what persons have said, or only looks.
async fn ask_for_approval(shared: Shared, session: String, question: ApprovalQuestion) -> SessionEvent {
    let answer = match question {
        ApprovalQuestion::Reserve(using, people) => {
            within_deadline(&shared, &session, "approval", shared.store.reserve(using, people)).await.map(ApprovalAnswer::Reserved)
        }
        ApprovalQuestion::Look(fingerprint, people) => {
            within_deadline(&shared, &session, "approval", shared.store.is_approved(fingerprint, people)).await.map(ApprovalAnswer::Looked)
        }
    };
    SessionEvent::Approval(answer)
}

/// Looks up what nobody has heard of earlier statements. Whoever cannot be answered settles nothing.
async fn look_back(shared: Shared, identity: Identity, lookup: Lookup) -> SessionEvent {
    match lookup {
        Lookup::Unheard(place) => {
            let found = shared.store.unheard(place, identity.principal.role.clone());
            SessionEvent::Unheard(within_deadline(&shared, &identity.id, "unheard", found).await)
        }
        Lookup::Alone(asked) => SessionEvent::Alone(within_deadline(&shared, &identity.id, "alone", shared.store.alone(asked)).await),
    }
}

/// Writes down what becomes of promises, one after the other. A failed write is told in the log: the next run finds out by looking.
async fn write_progress(shared: Shared, session: String, mut told: mpsc::UnboundedReceiver<(PromiseId, Progress)>) {
    while let Some((id, progress)) = told.recv().await {
        PromiseProgress { session: &session, id, progress: &progress }.emit();
        let _ = within_deadline(&shared, &session, "progress", shared.store.progress(id, progress, &session)).await;
    }
}

fn append(inbox: &mut BytesMut, read: &mut BytesMut) {
    if inbox.is_empty() {
        std::mem::swap(inbox, read);
        read.clear();
    } else {
        inbox.extend_from_slice(read);
        read.clear();
    }
}
