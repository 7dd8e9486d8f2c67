//! One session as a state machine without I/O: bytes and events in, bytes and effects out.
//!
//! ```text
//!                 ┌────────────────────────────── Open ◀───────────────────────────────┐
//!                 │ a statement that needs a decision                                   │
//!                 ▼                                                                     │
//!              Asking ──facts──▶ (decide) ──▶ Recording ──durable──▶ act: pass ─────────┤
//!                 │                                            │     refuse ────────────┤
//!                 │ nothing to ask                             │     rewrite ▶ Running ─┤
//!                 └───────────────▶ (decide) …                 └──── lift  ▶ Caring  ───┘
//! ```
//!
//! While a session is not `Open` the client's next frames wait in its inbox, so nothing overtakes a decision. Three invariants hold it together:
//!
//! * every reply goes through [`replies::Replies`]; what we make up is said only when nothing else is owed, or takes the place of a reply that is;
//! * what the server holds (statements, portals, the transaction's changes) is noted when the server says so, never when the client asks;
//! * a refusal inside a transaction fails the transaction on the server too.

mod act;
pub mod activity;
mod approving;
mod asking;
mod batch;
mod chronicle;
mod client;
mod committing;
pub mod completion;
mod copying;
mod deferring;
pub mod effects;
mod enclosing;
mod gating;
pub mod gauging;
mod greeting;
mod holders;
mod in_the_way;
mod interrupted;
mod judging;
mod measured;
mod observing;
mod own;
mod patience;
mod polling;
mod probing;
mod record;
mod refusals;
pub mod registry;
pub mod replies;
mod resuming;
pub mod runner;
mod running;
mod server;
mod settling;
mod siblings;
pub mod sight;
mod splitting;
mod ticks;
mod trying;
mod versions;
mod waiting;
mod wholes;
mod work;

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::catalog::overlay::Overlay;
use crate::catalog::shadows::Shadows;
use crate::deferred::promise::{Pending, Place, PromiseId};
use crate::policy::allowance::Allowance;
use crate::policy::decide::Outcome;
use crate::policy::settings::{Mode, PolicySettings, Principal};
use crate::policy::strong::Patience;
use crate::sql::statement::Script;
use crate::wire::errors::{self, Report};
use crate::wire::frames::{FrameError, Inbox};

use approving::Grant;
use asking::Questions;
use batch::Batch;
use chronicle::Chronicle;
use effects::{Close, Effects, Event};
use enclosing::Block;
use gauging::Pace;
use measured::{Measured, Unwritten};
use own::OwnExchange;
use registry::Registry;
use replies::Replies;
use settling::Process;
use splitting::Split;
use versions::Versions;
use work::Work;

/// The transaction's state as of the last ReadyForQuery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `I`.
    Idle,
    /// `T`.
    InTransaction,
    /// `E`.
    Failed,
}

/// What a session is from its first moment on.
#[derive(Debug, Clone)]
pub struct Identity {
    /// UUID v7.
    pub id: String,
    /// The listener's name.
    pub listener: String,
    /// The client's address.
    pub client: String,
    /// The subject of the client's certificate.
    pub tls: Option<String>,
    /// Who logged in.
    pub principal: Principal,
    /// What the listener does with findings.
    pub mode: Mode,
    /// What BackendKeyData said, to be compared with the backend that answers; `None` behind a session pooler.
    pub backend_pid: Option<u32>,
    /// Somebody can look at the session from outside while its client waits.
    pub monitored: bool,
    /// lock_timeout as sent in the start-up packet, in milliseconds.
    pub lock_timeout_ms: u64,
    /// The proxy's own lock_timeout, in milliseconds.
    pub kept_lock_timeout_ms: u64,
    /// How a statement waits for a strong lock.
    pub patience: Patience,
    /// How long a step may take that waits without hurting anyone, in milliseconds.
    pub step_timeout_ms: u64,
    /// How fast the server is, or whether to ask.
    pub pace: Pace,
}

/// See the module.
pub struct Session {
    identity: Identity,
    settings: Arc<PolicySettings>,
    /// Of our own prepared statements and portals. No client can guess it, so the client's are never touched.
    own_name: String,
    client: Inbox,
    server: Inbox,
    replies: Replies,
    registry: Registry,
    /// The portal that was bound last to wait for an advisory lock, and its parameters as numbers.
    bound_keys: Option<(Vec<u8>, Vec<Option<i64>>)>,
    overlay: Overlay,
    allowance: Allowance,
    /// What persons have let through of the string that is being worked off.
    grant: Option<Grant>,
    shadows: Shadows,
    /// Functions may have come since the shadows were asked for.
    shadows_stale: bool,
    status: Status,
    batch: Batch,
    work: Work,
    /// Whose the open transaction is.
    block: Block,
    /// The string of several statements that is being run one by one.
    split: Option<Split>,
    own: Option<OwnExchange>,
    questions: Questions,
    chronicle: Chronicle,
    /// The recorded statement that runs.
    measured: Option<Measured>,
    /// What is asked behind it before its outcome is written.
    unwritten: Option<Box<Unwritten>>,
    /// Set while the server reads CopyData.
    copying_in: bool,
    /// The server skips to the next Sync; so do we.
    skipping: bool,
    /// The script of the client's next frame, by the frame's number: parsed once while the frame waits.
    parsed: Option<(u64, Result<Arc<Script>, Outcome>)>,
    parameters: Parameters,
    /// The strictest lock_timeout of role, client and proxy, in milliseconds; 0 is none.
    lock_timeout_cap_ms: u64,
    /// The server was a standby when the session began.
    standby: bool,
    /// Cluster and database, as the server named them.
    place: Option<Place>,
    /// The server's process, where its beginning is known.
    process: Option<Process>,
    /// What nobody heard of earlier statements of this role has been looked at.
    looked_back: bool,
    /// What earlier transactions of this role were promised has been looked at.
    resumed: bool,
    /// What of it is still to do, and not to be tried without a person's word.
    pending: Vec<Pending>,
    /// Failures that this session has told its client of as errors.
    told: Vec<PromiseId>,
    /// A statement that an earlier session has not brought to its end, and that comes again.
    cut_off: Option<Pending>,
    /// The siblings were asked to stand out of the way of a build of this session.
    builds: bool,
    /// A sibling builds.
    sibling_builds: bool,
    /// The portals of the batch of which the client wants all rows.
    run_to_their_end: Vec<Vec<u8>>,
    /// The transaction may have locks on relations.
    touched: bool,
    /// How fast the server is.
    pace: Pace,
    /// What tells of migrations.
    versions: Versions,
    client_gone: bool,
    /// The client has heard a FATAL of the server.
    server_said_goodbye: bool,
    draining: bool,
    closed: bool,
}

/// What ParameterStatus told us, as far as decisions depend on it.
#[derive(Debug, Clone, Default)]
struct Parameters {
    server_version: u32,
    time_zone: String,
    unsafe_setting: Option<String>,
}

/// The session cannot go on.
#[derive(Debug)]
struct Fatal {
    close: Close,
    sqlstate: &'static str,
    message: String,
}

type Progress<T = ()> = Result<T, Fatal>;

impl Session {
    /// A session whose login has ended with the server's ReadyForQuery, which is held back until [`Event::Begin`] has been worked off.
    #[must_use]
    pub fn new(identity: Identity, settings: Arc<PolicySettings>, parameters: &[(String, String)], client: BytesMut, server: BytesMut) -> Self {
        let mut session = Self {
            lock_timeout_cap_ms: identity.lock_timeout_ms,
            pace: identity.pace,
            own_name: format!("_pgairlock_{}", identity.id),
            chronicle: Chronicle::new(identity.id.clone()),
            identity,
            settings,
            client: Inbox::new(client),
            server: Inbox::new(server),
            replies: Replies::default(),
            registry: Registry::default(),
            bound_keys: None,
            overlay: Overlay::default(),
            allowance: Allowance::default(),
            grant: None,
            shadows: Shadows::default(),
            shadows_stale: false,
            status: Status::Idle,
            batch: Batch::default(),
            work: Work::Open,
            block: Block::Client,
            split: None,
            own: None,
            questions: Questions::default(),
            measured: None,
            unwritten: None,
            copying_in: false,
            skipping: false,
            parsed: None,
            parameters: Parameters::default(),
            standby: false,
            place: None,
            process: None,
            looked_back: false,
            resumed: false,
            pending: Vec::new(),
            told: Vec::new(),
            cut_off: None,
            builds: false,
            sibling_builds: false,
            run_to_their_end: Vec::new(),
            touched: false,
            versions: Versions::default(),
            client_gone: false,
            server_said_goodbye: false,
            draining: false,
            closed: false,
        };
        for (name, value) in parameters {
            session.parameters.note(name, value);
        }
        session
    }

    /// Where the client's bytes are appended before [`Event::FromClient`].
    pub fn client_buffer(&mut self) -> &mut BytesMut {
        self.client.buffer()
    }

    /// Where the server's bytes are appended before [`Event::FromServer`].
    pub fn server_buffer(&mut self) -> &mut BytesMut {
        self.server.buffer()
    }

    /// Bytes of the client that wait for something.
    #[must_use]
    pub fn client_backlog(&self) -> usize {
        self.client.len()
    }

    /// The session may be ended without losing anything that has begun; frames that nobody has looked at may be waiting.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.work.is_open() && self.split.is_none() && self.replies.is_empty() && self.status == Status::Idle && !self.batch.open && !self.copying_in
    }

    /// A block is open, which is rolled back with the session.
    #[must_use]
    pub fn is_in_transaction(&self) -> bool {
        self.status == Status::InTransaction
    }

    /// Takes one event and says what to do.
    pub fn handle(&mut self, event: Event, now: Instant, out: &mut Effects) {
        if self.closed {
            return;
        }
        if let Err(fatal) = self.step(event, now, out) {
            self.end(&fatal, out);
        }
        if let Some(own) = &mut self.own {
            own.begun.get_or_insert(now);
        }
        if self.closed {
            self.tell_measured(out);
            self.write_without_files(out);
        }
    }

    fn step(&mut self, event: Event, now: Instant, out: &mut Effects) -> Progress {
        match event {
            Event::Begin => self.greet(out),
            Event::FromClient => {}
            Event::FromServer => self.read_server(now, out)?,
            Event::ClientGone => self.client_gone = true,
            Event::ServerGone => return Err(self.server_gone(now, out)),
            Event::CutOff => return Err(self.cut_off(now, out)),
            Event::Recorded(result) => self.recorded(result, now, out)?,
            Event::Promised(result) => self.promised(result, now, out)?,
            Event::Noted => self.noted(out),
            Event::Pending(result) => self.pending_found(result, now, out)?,
            Event::Unheard(found) => self.unheard_found(found.unwrap_or_default(), out),
            Event::Alone(found) => self.alone_found(found.ok().as_deref(), now, out),
            Event::Tick => self.tick(now, out),
            Event::Seen(sight) => self.seen(sight.as_deref(), now, out),
            Event::SiblingsQuiet => self.siblings_are_quiet(now, out)?,
            Event::BeQuiet => self.be_quiet(out),
            Event::Built => self.sibling_builds = false,
            Event::CancelRequested => self.cancel_requested(now, out),
            Event::Policy(settings) => self.settings = settings,
            Event::Approval(answer) => self.approval_answered(answer, now, out)?,
            Event::Drain => {
                self.draining = true;
                if self.waits_for_persons() {
                    self.stop_waiting(None, out);
                }
            }
        }
        self.note_end_of_build(out);
        self.tell_measured(out);
        self.ask_for_files(out);
        self.read_client(now, out)?;
        self.stay_quiet(out);
        self.close_questions(out);
        self.tell_noticed(out);
        self.maybe_end(now, out);
        self.tell_measured(out);
        self.stop_measuring();
        self.note_look(now, out);
        out.transactions.extend(self.chronicle.take_ended());
        out.uses.extend(self.chronicle.take_uses(&out.outcomes));
        Ok(())
    }

    fn maybe_end(&mut self, now: Instant, out: &mut Effects) {
        if self.client_gone && self.work.may_be_abandoned() {
            self.client_left(now, out);
            self.close(Close::Client, out);
        } else if self.draining && self.is_idle() && !self.closed {
            let fatal = Fatal {
                close: Close::Drained,
                sqlstate: "57P01",
                message: "terminating connection: pgairlock is shutting down; nothing was running".to_owned(),
            };
            self.end(&fatal, out);
        }
    }

    /// Sends bytes of ours to the server, behind everything that the client sent before.
    fn send(&mut self, bytes: Bytes, out: &mut Effects) {
        out.server(self.client.take_run());
        out.server(bytes);
    }

    /// Sends bytes of ours to the client, behind everything that the server said before.
    fn say(&mut self, bytes: Bytes, out: &mut Effects) {
        out.client(self.server.take_run());
        out.client(bytes);
    }

    fn end(&mut self, fatal: &Fatal, out: &mut Effects) {
        if !self.server_said_goodbye {
            self.say(errors::error(&Report::new("FATAL", fatal.sqlstate, &fatal.message)), out);
        }
        out.farewell = Some(fatal.message.clone());
        self.close(fatal.close, out);
    }

    fn close(&mut self, close: Close, out: &mut Effects) {
        out.client(self.server.take_run());
        out.close = Some(close);
        self.closed = true;
    }
}

impl Parameters {
    fn note(&mut self, name: &str, value: &str) {
        match name {
            "server_version" => self.server_version = version_number(value),
            "TimeZone" => value.clone_into(&mut self.time_zone),
            "standard_conforming_strings" if value != "on" => self.unsafe_setting = Some(format!("{name} is {value}")),
            "client_encoding" if value != "UTF8" => self.unsafe_setting = Some(format!("{name} is {value}")),
            _ => {}
        }
    }
}

/// `server_version` as `server_version_num` says it: `15.18 (Debian …)` is 150018, `18beta1` is 180000.
fn version_number(text: &str) -> u32 {
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse::<u32>().unwrap_or(0));
    let major = parts.next().unwrap_or(0);
    let minor = if text.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('.') { parts.next().unwrap_or(0) } else { 0 };
    major.saturating_mul(10_000).saturating_add(minor)
}

impl From<FrameError> for Fatal {
    fn from(error: FrameError) -> Self {
        Self::protocol(error.to_string())
    }
}

impl Fatal {
    fn protocol(message: impl Into<String>) -> Self {
        Self { close: Close::Protocol, sqlstate: "08P01", message: format!("pgairlock: {}", message.into()) }
    }
}

#[cfg(test)]
mod tests;
