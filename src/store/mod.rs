//! The log and the promises on disk. Durable before the statement that they are about is forwarded.
//!
//! One thread owns the connection that writes, another the one that reads; callers wait for an answer and may stop waiting at any time (every future
//! here is cancel safe). So a disk that hangs, or a database that does not answer, holds up these threads, never a session.
//!
//! What has happened is an entry of a chain (`audit::chain`); entries are only added, and taken away by `retention` alone. Everything else follows from
//! them, for who searches.

mod approvals;
mod backend;
mod decisions;
mod derive;
mod differences;
mod entries;
mod error;
mod migrations;
mod place;
mod plan;
mod postgres;
mod promises;
mod reader;
mod retention;
mod schema;
mod search;
mod sqlite;
mod unheard;
mod writer;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::audit::approval;
use crate::audit::chain::{Entry, Head};
use crate::audit::event::{Attribution, Ended, Event, Trail};
use crate::audit::listed::{Applied, Listed, Migrated, Search, Story};
use crate::audit::record::{DecisionId, Outcome, Record};
use crate::audit::refusals::Alike;
use crate::audit::settling::Unheard;
use crate::audit::summary::Decided;
use crate::deferred::promise::{Pending, Place as At, Progress, Promise, PromiseId};
use backend::Backend;
pub use error::StoreError;
pub use place::Place;
use plan::{Change, Dated};
use reader::Question;
pub use retention::{Aged, RetentionError};
use writer::{Request, Writer};

/// Waiting requests. Beyond it callers wait in line, under their own deadline.
const QUEUE: usize = 1024;

/// How often a use is tried that others take meanwhile.
const RESERVE_TRIES: usize = 5;

/// A handle on the store; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    requests: mpsc::Sender<Request>,
    /// Its chain.
    name: Arc<str>,
    /// The last entry of its own that is on disk.
    written: watch::Receiver<i64>,
    /// What has happened and is not written yet.
    owed: Arc<AtomicUsize>,
    questions: mpsc::Sender<Question>,
    place: Place,
    /// All that read it; each is told when it is closed.
    readers: Arc<Mutex<Vec<mpsc::Sender<Question>>>>,
}

/// Which promises are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All that leave something to be done.
    All,
    /// Those of one cluster and database, made by one role; also of transactions of which only nobody has heard whether they committed.
    Of(At, String),
}

/// Promises that are not settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenPromises {
    /// Those that nothing has failed of.
    pub waiting: Group,
    /// Those of which something has.
    pub failed: Group,
}

/// Some promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub count: i64,
    /// When the oldest was made, in microseconds since 1970; 0 where there is none.
    pub oldest_unix_micros: i64,
}

/// Some decisions of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Those behind this one.
    pub after: DecisionId,
    /// Those that came at this time or later, in microseconds since 1970.
    pub since_unix_micros: i64,
    /// So many at most.
    pub most: u32,
}

impl Store {
    /// Opens the store, creating the file (mode 0600) or the schema and its tables where needed. A chain of its own begins with the first entry.
    ///
    /// # Errors
    /// When it cannot be opened, is not a store, is damaged, or was written by a newer version.
    pub fn open(place: &Place) -> Result<Self, StoreError> {
        let here = place.clone();
        Self::start(move || here.open(), place.clone())
    }

    /// Opens a store that is there already: for whoever only looks at what another process keeps.
    ///
    /// # Errors
    /// Also when there is no such file.
    pub fn open_existing(place: &Place) -> Result<Self, StoreError> {
        if let Place::File(path) = place
            && let Err(error) = std::fs::metadata(path)
        {
            return Err(StoreError::Open(format!("{}: {error}", path.display())));
        }
        Self::open(place)
    }

    /// Runs it on threads of its own; also what opens it, which may have a runtime of its own.
    fn start(open: impl FnOnce() -> Result<Box<dyn Backend>, StoreError> + Send + 'static, place: Place) -> Result<Self, StoreError> {
        let (requests, inbox) = mpsc::channel(QUEUE);
        let name: Arc<str> = uuid::Uuid::now_v7().to_string().into();
        let (told, written) = watch::channel(0);
        let chain = name.to_string();
        let owed = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&owed);
        let (opened, is_open) = std::sync::mpsc::channel();
        let clock = || tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(no_thread);
        let writes = move || match open().and_then(|backend| Ok((backend, clock()?))) {
            Ok((mut backend, clock)) => {
                // What cannot be derived now is when the store can be written.
                let _ = derive::catch_up(backend.as_mut());
                let _ = opened.send(Ok(()));
                Writer::new(backend, chain, told, counted, clock).serve(inbox);
            }
            Err(error) => _ = opened.send(Err(error)),
        };
        thread("store").spawn(writes).map_err(no_thread)?;
        is_open.recv().map_err(|_| StoreError::Closed)??;
        let questions = read_by("store reader", &place)?;
        let readers = Arc::new(Mutex::new(vec![questions.clone()]));
        Ok(Self { requests, name, written, owed, questions, place, readers })
    }

    /// The same store, read on a thread and a connection of its own: what takes long there keeps nobody else waiting.
    ///
    /// # Errors
    /// When there is no further thread.
    pub fn apart(&self) -> Result<Self, StoreError> {
        let questions = read_by("store looker", &self.place)?;
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(questions.clone());
        Ok(Self { questions, ..self.clone() })
    }

    /// The name of the chain that this process writes: a UUID, new with each start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the last entry of that chain that is on disk.
    #[must_use]
    pub fn written(&self) -> watch::Receiver<i64> {
        self.written.clone()
    }

    /// How many entries of what has happened the store has not taken yet: they are in memory only.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.owed.load(Ordering::Relaxed)
    }

    /// How many requests wait for the thread that writes.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.requests.max_capacity() - self.requests.capacity()
    }

    /// Writes a decision; returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be written: then nothing is in the store, or a record that says that the statement was not run.
    pub async fn record(&self, record: Record) -> Result<DecisionId, StoreError> {
        self.event(Event::Decision(Box::new(record))).await
    }

    /// Writes how a decision ended; returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be written. Where the store is only away for now, it is written when that is back.
    pub async fn outcome(&self, decision: DecisionId, outcome: Outcome) -> Result<(), StoreError> {
        self.event(Event::Outcome(Ended { decision, outcome })).await.map(drop)
    }

    /// Writes an entry of any kind; returns when it is on disk.
    ///
    /// # Errors
    /// As [`Store::record`] for what announces an act, as [`Store::outcome`] for what has happened.
    pub async fn event(&self, event: Event) -> Result<DecisionId, StoreError> {
        self.write(Change::Event(event)).await.map(plan::id)
    }

    /// The same for what has happened, in the order of the calls: it is in line when this returns.
    pub fn post(&self, event: Event) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let dated = Dated { change: Change::Event(event), at_unix_micros: unix_micros() };
        // Who finds the line full stands at its end.
        let waiting = self.requests.try_send(Request::Write(Box::new(dated), reply)).err();
        let requests = self.requests.clone();
        async move {
            match waiting {
                Some(TrySendError::Full(request)) => requests.send(request).await.map_err(|_| StoreError::Closed)?,
                Some(TrySendError::Closed(_)) => return Err(StoreError::Closed),
                None => {}
            }
            answer.await.map_err(|_| StoreError::Closed)?.map(drop)
        }
    }

    /// Writes down what a transaction was promised, and what it has done; returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be written: then nothing is in the store.
    pub async fn promise(&self, promise: Promise, trail: Trail) -> Result<PromiseId, StoreError> {
        self.write(Change::Promise(Box::new(promise), trail)).await.map(PromiseId)
    }

    /// Writes down what has become of a promise by this session; returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be written. Where the store is only away for now, it is written when that is back.
    pub async fn progress(&self, id: PromiseId, progress: Progress, session: &str) -> Result<(), StoreError> {
        self.write(Change::Progress(id, progress, session.to_owned())).await.map(drop)
    }

    /// The promises that are not settled, oldest first.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn pending(&self, wanted: Wanted) -> Result<Vec<Pending>, StoreError> {
        self.read(move |backend| promises::pending(backend, &wanted)).await
    }

    /// Statements outside of any transaction that this role ran there, whose end nobody has heard, and of which the catalog can tell; oldest first.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn unheard(&self, place: At, role: String) -> Result<Vec<Unheard>, StoreError> {
        self.read(move |backend| unheard::of(backend, &place, &role)).await
    }

    /// Of these, those of which nothing else in the log had to do with the same at that time or later.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn alone(&self, asked: Vec<Unheard>) -> Result<Vec<DecisionId>, StoreError> {
        self.read(move |backend| unheard::alone(backend, &asked)).await
    }

    /// How many of them there are, and since when.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn open_promises(&self) -> Result<OpenPromises, StoreError> {
        self.read(promises::count).await
    }

    /// Decisions in the order in which they were taken, a page of them; an empty one is behind the last.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn decisions(&self, page: Page) -> Result<Vec<(DecisionId, Decided)>, StoreError> {
        self.read(move |backend| decisions::page(backend, &page)).await
    }

    /// The newest decisions that fit, newest first.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn search(&self, wanted: Search) -> Result<Vec<Listed>, StoreError> {
        self.read(move |backend| search::search(backend, &wanted, unix_micros())).await
    }

    /// Decisions behind that one in time, with what was recorded of each: oldest first, so many at most; none behind the last.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn records(&self, after: (i64, DecisionId), most: u32) -> Result<Vec<(Listed, Event)>, StoreError> {
        self.read(move |backend| search::after(backend, after, most, unix_micros())).await
    }

    /// A decision and all that followed; none where the number is nobody's.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn story(&self, id: DecisionId) -> Result<Option<Story>, StoreError> {
        self.read(move |backend| search::story(backend, id, unix_micros())).await
    }

    /// What a migration of this version or name did, oldest first, so much at most.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn of_migration(&self, version: String, most: u32) -> Result<Vec<(Listed, Event)>, StoreError> {
        self.read(move |backend| search::of_migration(backend, &version, most, unix_micros())).await
    }

    /// The statements that persons may let through, those refused last first, so many at most.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn requests(&self, before: Option<(i64, DecisionId)>, most: u32) -> Result<Vec<approval::Request>, StoreError> {
        self.read(move |backend| approvals::requests(backend, before, most)).await
    }

    /// Those whose fingerprint begins so; two where there are more of them.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn request(&self, fingerprint: String) -> Result<Vec<approval::Request>, StoreError> {
        self.read(move |backend| approvals::request(backend, &fingerprint)).await
    }

    /// Writes down that a person lets a statement through.
    ///
    /// # Errors
    /// When it could not be written: then it is not so.
    pub async fn approve(&self, approval: approval::Approval) -> Result<DecisionId, StoreError> {
        self.event(Event::Approval(approval)).await
    }

    /// Writes down that a person takes such a word back. What has used it is not undone.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn revoke(&self, revocation: approval::Revocation) -> Result<DecisionId, StoreError> {
        self.event(Event::Revocation(revocation)).await
    }

    /// Takes one use of the words of so many persons for a statement; none where there are not enough of them.
    ///
    /// # Errors
    /// When it could not be read or written: then none is taken, or it is given back.
    pub async fn reserve(&self, wanted: approval::Use, people: usize) -> Result<Option<approval::Reserved>, StoreError> {
        // Another process may take the same one in between.
        for _ in 0..RESERVE_TRIES {
            let (fingerprint, now) = (wanted.fingerprint.clone(), unix_micros());
            let words = self.read(move |backend| approvals::words(backend, &fingerprint, now)).await?;
            let chosen = approval::choose(&words, people, now);
            if chosen.len() < people || chosen.is_empty() {
                return Ok(None);
            }
            let given = chosen.iter().map(|word| approval::Given { id: word.id, by: word.by.clone(), reason: word.reason.clone() }).collect();
            let approvals = chosen.iter().map(|word| word.id).collect();
            let id = self.event(Event::ApprovalUse(approval::Use { approvals, ..wanted.clone() })).await?;
            if self.read(move |backend| approvals::taken(backend, id)).await? == people {
                return Ok(Some(approval::Reserved { id, given }));
            }
            self.event(Event::ApprovalUseEnded(approval::UseEnded { of: id, consumed: false })).await?;
        }
        Ok(None)
    }

    /// Whether so many persons let a statement through now.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn is_approved(&self, fingerprint: String, people: usize) -> Result<bool, StoreError> {
        let now = unix_micros();
        self.read(move |backend| Ok(approval::choose(&approvals::words(backend, &fingerprint, now)?, people, now).len() >= people.max(1))).await
    }

    /// Migrations, newest first; older than that one, which came at that time.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn migrations(&self, before: Option<(i64, DecisionId)>, most: u32) -> Result<Vec<Applied>, StoreError> {
        self.read(move |backend| migrations::page(backend, before, most, unix_micros())).await
    }

    /// The migration of this entry with all its statements; none where it is of another kind.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn migration(&self, entry: DecisionId) -> Result<Option<Migrated>, StoreError> {
        self.read(move |backend| migrations::one(backend, entry, unix_micros())).await
    }

    /// Refused statements since then, alike ones counted; so many kinds at most, and whether there are more.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn refusals(&self, since_unix_micros: i64, most: u32) -> Result<(Vec<Alike>, bool), StoreError> {
        self.read(move |backend| search::refusals(backend, since_unix_micros, most)).await
    }

    /// The last entry of every chain.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        self.read(entries::heads).await
    }

    /// How many chains have entries that cannot be searched for yet: a moment later none.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn underived(&self) -> Result<usize, StoreError> {
        self.read(|backend| entries::underived(backend).map(|chains| chains.len())).await
    }

    /// Numbers and names of all chains.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn writers(&self) -> Result<Vec<(i64, String)>, StoreError> {
        self.read(entries::writers).await
    }

    /// Numbers of all chains that have entries, also of those that nobody claims.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn chains(&self) -> Result<Vec<i64>, StoreError> {
        self.read(entries::numbers).await
    }

    /// What earlier processes found out of migrations, oldest first; of many the newest.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn attributions(&self) -> Result<Vec<Attribution>, StoreError> {
        self.read(entries::attributions).await
    }

    /// The next entries of one chain, so many at most; none behind the last.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn entries(&self, after: DecisionId, most: u32) -> Result<Vec<Entry>, StoreError> {
        self.read(move |backend| entries::page(backend, after, most)).await
    }

    /// What stands for entries that retention took, a line each.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn anchors(&self) -> Result<Vec<String>, StoreError> {
        self.read(entries::anchors).await
    }

    /// In what the rows that are listed and searched differ from these entries of a chain, by entry.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn differences(&self, number: i64, page: Vec<(Entry, Option<Event>)>) -> Result<Vec<(i64, String)>, StoreError> {
        self.read(move |backend| differences::of(backend, number, &page)).await
    }

    /// What is read from now on is what stands there now, whatever is written meanwhile; for who reads much, and closes it then.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn pin(&self) -> Result<(), StoreError> {
        self.read(|backend| backend.pin()).await
    }

    /// Proves by a durable write that a decision could be recorded now.
    ///
    /// # Errors
    /// When it could not.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.write(Change::Ready).await.map(drop)
    }

    /// Says that this writer lives.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn alive(&self) -> Result<(), StoreError> {
        self.write(Change::Alive).await.map(drop)
    }

    /// Finishes what waits, then closes the store; later calls fail with `StoreError::Closed`.
    ///
    /// # Errors
    /// When it is closed already.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        // The reader first: the last to close the file takes the log into it.
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for questions in readers {
            // What somebody looks for may take long; what has happened must be written all the same.
            let _ = tokio::time::timeout(READER_CLOSES, ask(&questions, |backend| backend.close())).await;
        }
        self.requests.send(Request::Close(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn write(&self, change: Change) -> Result<i64, StoreError> {
        let (reply, answer) = oneshot::channel();
        let dated = Dated { change, at_unix_micros: unix_micros() };
        self.requests.send(Request::Write(Box::new(dated), reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        ask(&self.questions, question).await
    }
}

async fn ask<T: Send + 'static>(
    questions: &mpsc::Sender<Question>,
    question: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (reply, answer) = oneshot::channel();
    let ask = Box::new(move |backend: Result<&mut dyn Backend, StoreError>| {
        if !reply.is_closed() {
            // Nobody may be waiting any more; that is their business.
            let _ = reply.send(backend.and_then(question));
        }
    });
    questions.send(ask).await.map_err(|_| StoreError::Closed)?;
    answer.await.map_err(|_| StoreError::Closed)?
}

fn thread(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.into())
}

fn no_thread(error: std::io::Error) -> StoreError {
    StoreError::Open(format!("no thread for it: {error}"))
}

/// A reader that is at something is not waited for longer when the store is closed.
const READER_CLOSES: std::time::Duration = std::time::Duration::from_secs(1);

/// A thread that reads, and the way to it.
fn read_by(name: &str, place: &Place) -> Result<mpsc::Sender<Question>, StoreError> {
    let (questions, asked) = mpsc::channel(QUEUE);
    let place = place.clone();
    thread(name).spawn(move || reader::serve(&place, asked)).map_err(no_thread)?;
    Ok(questions)
}

/// Unix time in microseconds.
fn unix_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default()
}

/// The version of a store, if this process may use it: one that only has more in it, which older processes need not know.
fn compatible(found: i64, compatible: i64) -> Result<i64, StoreError> {
    let known = schema::known();
    if compatible > known { Err(StoreError::Newer { found, known }) } else { Ok(found) }
}

#[cfg(test)]
mod tests;
