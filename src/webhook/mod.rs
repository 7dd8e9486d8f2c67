//! Tells others what happened, by HTTP. Never in the way of a session: what is told is read from the log behind it, and waits in queues of its own.
//!
//! ```text
//!   log ──tail──▶ Teller ──▶ lane (a queue and a task) of each webhook ──▶ post
//! ```
//!
//! The log is read from where it stands when the process begins; how far it was read is kept in memory alone. So nothing is told twice by one process
//! but where an answer was lost, and what was not delivered when a process dies is not told by the next one.

mod check;
mod lane;
mod post;
mod tail;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::settings::{Settings, WebhookSettings};
use crate::notify::event::{Event, Notification, Test};
use crate::notify::teller::Teller;
use crate::store::Store;
pub use check::{WebhookError, check};
use lane::Lanes;
use tail::Tail;

/// After the log could not be read.
const AGAIN: Duration = Duration::from_secs(5);
/// At the end of the process: to deliver what waits.
const FAREWELL: Duration = Duration::from_secs(5);

/// Its task.
#[derive(Debug)]
pub struct Telling {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Begins to tell what happens from now on.
#[must_use]
pub fn begin(settings: watch::Receiver<Arc<Settings>>, store: Store) -> Telling {
    let stop = watch::Sender::new(false);
    let task = tokio::spawn(tell(settings, Tail::new(store), stop.subscribe()));
    Telling { stop, task }
}

impl Telling {
    /// Reads what is still in the log, and delivers what it can within some seconds.
    pub async fn end(self) {
        self.stop.send_replace(true);
        // A panic is reported by itself.
        let _ = self.task.await;
    }
}

/// A message that only says that messages arrive, sent now and once; what the receiver answered.
///
/// # Errors
/// When no answer came, or a file that belongs to the webhook cannot be read.
pub async fn test(webhook: &WebhookSettings) -> Result<(u16, String), String> {
    let now = unix_micros();
    let event = Event::Test(Test { webhook: webhook.name.clone() });
    let notification = Notification { id: format!("{now}:test"), at_unix_micros: now, event };
    let answer = post::deliver(webhook, &notification).await?;
    Ok((answer.status, answer.body))
}

/// Until `stop` says so.
async fn tell(mut settings: watch::Receiver<Arc<Settings>>, mut tail: Tail, mut stop: watch::Receiver<bool>) {
    let url = |settings: &Settings| settings.dashboard.url.clone();
    let (mut lanes, mut teller) = (Lanes::default(), Teller::of(url(&settings.borrow())));
    let mut written = tail.written();
    let mut again: Option<Instant> = None;
    lanes.renew(&settings.borrow_and_update().webhooks);
    loop {
        let alarm = [teller.next(), again].into_iter().flatten().min();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            changed = written.changed() => if changed.is_err() { break },
            changed = settings.changed() => match changed {
                Ok(()) => {
                    if lanes.is_empty() {
                        // Of what was not listened to nothing is told.
                        tail.skip();
                    }
                    lanes.renew(&settings.borrow_and_update().webhooks);
                    let dashboard = url(&settings.borrow());
                    if lanes.is_empty() {
                        teller = Teller::of(dashboard);
                    } else {
                        teller.lead_to(dashboard);
                    }
                }
                Err(_) => break,
            },
            () = sleep_until(alarm) => {}
        }
        if lanes.is_empty() {
            tail.skip();
            again = None;
            continue;
        }
        // A store that hangs does not hold up the end.
        let read = tokio::select! {
            read = tail.read(&mut teller, &mut lanes) => read,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        again = read.is_err().then(|| Instant::now() + AGAIN);
        lanes.tell(teller.due(Instant::now()));
    }
    if !lanes.is_empty() {
        let _ = tokio::time::timeout(FAREWELL, tail.read(&mut teller, &mut lanes)).await;
        lanes.tell(teller.end());
    }
    lanes.end(FAREWELL).await;
}

/// Cancel safe.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

fn unix_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default()
}
