//! `pgairlock deferred run`: the steps on the server, and what becomes of them in the store.

use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::BY_A_PERSON;
use super::choice::{self, Here};
use super::{Ended, FAILURE, RunArgs, SUCCESS, USAGE, say, show};
use crate::config::settings::Timeouts;
use crate::deferred::fate::{self, Fate};
use crate::deferred::promise::{Pending, Place, Progress, is_passing};
use crate::deferred::seen::{self, Seen};
use crate::session::runner::{Answered, Doing, Failure, Next, Runner, ServerError, Task};
use crate::store::{Store, Wanted};
use crate::upstream::client::{Client, DatabaseUrl, StatementError};

/// Everything that has to be known of the session first, as JSON.
const QUESTION: &str = "SELECT pg_catalog.json_build_object('system', (SELECT c.system_identifier FROM pg_catalog.pg_control_system() c)::pg_catalog.text, \
     'database', pg_catalog.current_database(), 'role', SESSION_USER, 'standby', pg_catalog.pg_is_in_recovery(), \
     'lock_timeout', s.setting, 'from', s.source)::pg_catalog.text \
     FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) 'lock_timeout'";
const SET_LOCK_TIMEOUT: &str = "SELECT pg_catalog.set_config('lock_timeout', $1, false)";

/// A COMMIT on its way is over in a moment, unless it waits for a standby.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// How often a step that takes long is told to be running.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Greeting {
    system: String,
    database: String,
    role: String,
    standby: bool,
    lock_timeout: String,
    from: String,
}

pub(super) async fn run(store: &Store, args: &RunArgs, timeouts: Timeouts) -> Result<u8, Ended> {
    let could_not = |why: String| Ended(USAGE, why);
    let password = std::env::var("PGPASSWORD").ok();
    let url = DatabaseUrl::read(&args.database_url, password.as_deref())
        .map_err(|why| could_not(format!("--database-url (PGAIRLOCK_DATABASE_URL) {why}")))?;
    let pending = choice::by_number(store.pending(Wanted::All).await?, &args.ids).map_err(could_not)?;
    if pending.is_empty() {
        say("nothing is pending\n");
        return Ok(SUCCESS);
    }
    let client = Client::connect(&url, timeouts.login).await.map_err(|error| could_not(error.to_string()))?;
    let here = greet(&client, &url, timeouts.lock).await.map_err(could_not)?;
    let choice = choice::here(pending, &here);
    let asked_for = !args.ids.is_empty();
    if choice.run.is_empty() || (asked_for && !choice.refused.is_empty()) {
        return Err(could_not(choice.refused.join("\n")));
    }
    choice.refused.iter().for_each(|why| say(&format!("left out: {why}\n")));
    let stop = signals().map_err(|error| could_not(error.to_string()))?;
    let mut work = Work { client: &client, store, timeouts, stop, stopping: false };
    work.all(&choice.run).await
}

fn signals() -> std::io::Result<[Signal; 2]> {
    Ok([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?])
}

/// Who and where we are; and no step that takes a strong lock queues for it for long, as behind the proxy.
async fn greet(client: &Client, url: &DatabaseUrl, lock: Duration) -> Result<Here, String> {
    let unusable = |why: &str| format!("the database server could not be asked who and where this is: {why}");
    let answer = client.run(QUESTION, &[]).await.map_err(|error| unusable(&words(&error)))?.unwrap_or_default();
    let greeting: Greeting = serde_json::from_str(&answer).map_err(|error| unusable(&error.to_string()))?;
    if greeting.standby {
        return Err("the database server is a standby, where nothing can be changed; give the primary's URL".into());
    }
    if greeting.from == "client" && !url.sets_lock_timeout() {
        return Err("the URL leads through pgairlock itself, which would take these statements for a migration of their own; give the URL of the \
                    database server behind it"
            .into());
    }
    let own: u128 = greeting.lock_timeout.parse().unwrap_or_default();
    let strictest = if own == 0 { lock.as_millis() } else { own.min(lock.as_millis()) };
    client.run(SET_LOCK_TIMEOUT, &[strictest.to_string()]).await.map_err(|error| unusable(&words(&error)))?;
    Ok(Here { place: Place { system: greeting.system, database: greeting.database }, role: greeting.role })
}

fn words(error: &StatementError) -> String {
    match error {
        StatementError::Server { sqlstate, message, .. } => format!("{message} ({sqlstate})"),
        StatementError::Lost(why) => format!("the connection is lost: {why}"),
    }
}

/// How one promise ended.
enum End {
    Done,
    Failed,
    CouldNot(String),
}

struct Work<'a> {
    client: &'a Client,
    store: &'a Store,
    /// The deadline of a step that waits.
    timeouts: Timeouts,
    stop: [Signal; 2],
    /// A signal has come: what runs is cancelled and cleaned up, and nothing more is begun.
    stopping: bool,
}

impl Work<'_> {
    async fn all(&mut self, pending: &[Pending]) -> Result<u8, Ended> {
        let (mut failed, mut could_not) = (false, Vec::new());
        for pending in pending {
            if self.stopping {
                could_not.push(format!("promise {}: not begun", pending.id.0));
                continue;
            }
            match self.one(pending).await? {
                End::Done => {}
                End::Failed => failed = true,
                End::CouldNot(why) => could_not.push(why),
            }
        }
        match (failed, could_not.is_empty()) {
            (true, true) => Ok(FAILURE),
            (true, false) => Err(Ended(FAILURE, could_not.join("\n"))),
            (false, false) => Err(Ended(USAGE, could_not.join("\n"))),
            (false, true) => Ok(SUCCESS),
        }
    }

    /// Its transaction's fate first, where it is not known.
    async fn one(&mut self, pending: &Pending) -> Result<End, Ended> {
        if pending.committed || pending.promise.whole.is_some() {
            return self.work(pending).await;
        }
        let id = pending.id.0;
        match self.fate(pending).await? {
            Fate::Committed => {
                self.store.progress(pending.id, Progress::Committed, BY_A_PERSON).await?;
                self.work(pending).await
            }
            Fate::Aborted => {
                self.store.progress(pending.id, Progress::Aborted, BY_A_PERSON).await?;
                say(&format!("promise {id}: its transaction was not committed, so there is nothing to do\n"));
                Ok(End::Done)
            }
            Fate::InProgress => {
                Ok(End::CouldNot(format!("promise {id}: its transaction {} is still in progress; try again when it is over", pending.promise.xid)))
            }
            Fate::Doubtful | Fate::Unknown => Ok(End::CouldNot(format!(
                "promise {id}: whether its transaction {} was committed cannot be found out: it was too long ago, or the server has crashed since. Look whether what stood beside it in the migration \
                 is there; then do what is left by hand, as needed, and give the promise up: pgairlock deferred drop {id} --reason …",
                pending.promise.xid
            ))),
        }
    }

    async fn fate(&self, pending: &Pending) -> Result<Fate, Ended> {
        let mut looks = 1;
        loop {
            let answer = match self.client.run(&fate::question(), std::slice::from_ref(&pending.promise.xid)).await {
                Ok(status) => Ok(status),
                Err(StatementError::Server { sqlstate, .. }) => Err(sqlstate),
                Err(error @ StatementError::Lost(_)) => return Err(Ended(USAGE, words(&error))),
            };
            let answer = answer.as_ref().map(|text| text.as_deref()).map_err(String::as_str);
            match Fate::of(answer, &pending.promise.life) {
                Fate::InProgress if looks < LOOKS => tokio::time::sleep(BETWEEN_LOOKS).await,
                Fate::Doubtful => return self.borne_out(pending).await,
                fate => return Ok(fate),
            }
            looks += 1;
        }
    }

    async fn borne_out(&self, pending: &Pending) -> Result<Fate, Ended> {
        let Some(parameters) = fate::evidence(&pending.promise.operations) else { return Ok(Fate::Doubtful) };
        let answer = self.client.run(seen::QUESTION, &parameters).await.map_err(|error| Ended(USAGE, words(&error)))?;
        Ok(answer.and_then(|text| Seen::read(&text).ok()).map_or(Fate::Unknown, |seen| fate::borne_out(&seen)))
    }

    async fn work(&mut self, pending: &Pending) -> Result<End, Ended> {
        let id = pending.id.0;
        let tasks = pending.rest().iter().enumerate().map(|(place, deferred)| Task::promised(deferred, pending.tried(place))).collect();
        let deadline_ms = u64::try_from(self.timeouts.step.as_millis()).unwrap_or(u64::MAX);
        let whole = pending.promise.whole.is_some();
        let runner = if whole { Runner::back(deadline_ms, pending) } else { Runner::promised(deadline_ms, tasks) };
        let mut runner = runner.patient(self.timeouts.patience(), &format!("{id} {}", std::process::id()), None);
        let (mut noted, mut told, mut ran) = (0, false, false);
        let mut next = runner.start();
        loop {
            if runner.done() > noted && !whole {
                noted = runner.done();
                self.store.progress(pending.id, Progress::Done(pending.done + noted), BY_A_PERSON).await?;
            }
            if runner.waits() && !std::mem::replace(&mut told, true) {
                say(&format!("promise {id}: another session is at the same table; waiting for it\n"));
            }
            let (sql, parameters) = match next {
                Next::Run(sql, parameters) => (sql, parameters),
                // Only the proxy itself can ask its sessions; here the server waits for them as long as they take.
                Next::Quiet => {
                    next = runner.answered(Ok(None));
                    continue;
                }
                Next::Note(ServerError { sqlstate, message, .. }) => {
                    self.store.progress(pending.id, Progress::Failed { operation: pending.done + noted, sqlstate, message }, BY_A_PERSON).await?;
                    next = runner.answered(Ok(None));
                    continue;
                }
                // Nobody promises anew what is promised.
                Next::Promise => {
                    next = runner.promise_answered(Ok(true));
                    continue;
                }
                Next::Finished(Ok(())) if pending.promise.whole.is_some() => return self.taken_back(pending, runner.is_complete()).await,
                Next::Finished(Ok(())) => {
                    self.store.progress(pending.id, Progress::Settled, BY_A_PERSON).await?;
                    say(&format!("promise {id}: {}\n", if ran { "done" } else { "was done already, or what it was about is gone" }));
                    return Ok(End::Done);
                }
                Next::Finished(Err(failure)) => return self.failed(pending, noted, &failure).await,
            };
            let doing = runner.doing();
            ran |= doing.is_some();
            let answer = match doing {
                // The cancel request may have come when nothing ran that it could cancel.
                Some(Doing::Step) if self.stopping => Ok(Err(stopped())),
                Some(doing) => self.step(id, doing, &sql).await,
                None => self.statement(&sql, &parameters, None).await,
            };
            match answer {
                Ok(answer) => next = runner.answered(answer),
                Err(why) => return Ok(End::CouldNot(lost(pending, &sql, &why))),
            }
        }
    }

    async fn taken_back(&self, pending: &Pending, complete: bool) -> Result<End, Ended> {
        self.store.progress(pending.id, if complete { Progress::Settled } else { Progress::Aborted }, BY_A_PERSON).await?;
        let what = if complete { "the statement had come to its end" } else { "what the statement had done is taken back; run the migration again" };
        say(&format!("promise {}: {what}\n", pending.id.0));
        Ok(End::Done)
    }

    async fn failed(&self, pending: &Pending, done: usize, failure: &Failure) -> Result<End, Ended> {
        let error = &failure.error;
        let (sqlstate, message) = (error.sqlstate.clone(), error.message.clone());
        self.store.progress(pending.id, Progress::Failed { operation: pending.done + done, sqlstate, message }, BY_A_PERSON).await?;
        say(&report(pending, failure));
        Ok(End::Failed)
    }

    /// A step, told as it begins and as it ends.
    async fn step(&mut self, id: i64, doing: Doing, sql: &str) -> Result<Answered, String> {
        let begun = Instant::now();
        let what = if doing == Doing::CleanUp { "cleaning up: " } else { "" };
        say(&format!("promise {id}: {what}{}\n", show::one_line(sql)));
        let answer = self.statement(sql, &[], Some(id)).await?;
        let ended = answer.as_ref().err().map_or_else(|| "ok".to_owned(), |error| format!("error {}", error.sqlstate));
        say(&format!("promise {id}: {ended}, {}\n", elapsed(begun.elapsed())));
        Ok(answer)
    }

    /// The outer error is a lost connection.
    async fn statement(&mut self, sql: &str, parameters: &[String], step_of: Option<i64>) -> Result<Answered, String> {
        let begun = Instant::now();
        let running = self.client.run(sql, parameters);
        tokio::pin!(running);
        let [interrupt, terminate] = &mut self.stop;
        loop {
            tokio::select! {
                answer = &mut running => return answered(answer),
                _ = interrupt.recv() => {},
                _ = terminate.recv() => {},
                () = tokio::time::sleep(SIGN_OF_LIFE) => {
                    if let Some(id) = step_of {
                        say(&format!("promise {id}: still running after {}\n", elapsed(begun.elapsed())));
                    }
                    continue;
                }
            }
            if std::mem::replace(&mut self.stopping, true) {
                return Err("told twice to stop".into());
            }
            say("stopping: what runs is cancelled, and what it leaves is cleaned up\n");
            self.client.cancel().await;
        }
    }
}

fn stopped() -> ServerError {
    ServerError { sqlstate: "57014".into(), message: "it was told to stop".into(), ..ServerError::default() }
}

fn answered(answer: Result<Option<String>, StatementError>) -> Result<Answered, String> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(StatementError::Server { sqlstate, message, detail, hint }) => Ok(Err(ServerError { sqlstate, message, detail, hint, position: None })),
        Err(StatementError::Lost(why)) => Err(why),
    }
}

fn elapsed(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn lost(pending: &Pending, sql: &str, why: &str) -> String {
    let id = pending.id.0;
    format!("promise {id}: the connection is lost ({why}) while this ran: {sql}. The server may still finish it; then: pgairlock deferred run {id}")
}

/// What a person needs who has to mend it.
fn report(pending: &Pending, failure: &Failure) -> String {
    let (id, error) = (pending.id.0, &failure.error);
    let mut text = format!("promise {id}: FAILED: {} ({})\n", show::one_line(&error.message), error.sqlstate);
    for (name, words) in [("DETAIL", &error.detail), ("HINT", &error.hint)] {
        text += &words.as_ref().map_or_else(String::new, |words| format!("  {name}: {}\n", show::one_line(words)));
    }
    text += &format!("  it was running: {}\n", show::one_line(&failure.step));
    for sql in &failure.left_over {
        text += &format!("  left over, to be run by hand: {sql};\n");
    }
    if is_passing(&error.sqlstate) {
        return text + &format!("  nothing speaks against trying again: pgairlock deferred run {id}; the next session of this role does so too\n");
    }
    text + &format!("  mend the cause, then: pgairlock deferred run {id}; or give it up: pgairlock deferred drop {id} --reason …\n")
}
