//! A webhook's queue, and the task that delivers from it: one message after the other, each until it is taken, refused, or too old.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::post::{self, Answer};
use crate::config::settings::WebhookSettings;
use crate::notify::backoff::{GIVE_UP, Verdict, pause, verdict};
use crate::notify::event::Notification;
use crate::telemetry::{Event, WebhookDelivered, WebhookDropped, WebhookFailed, WebhookGivenUp, webhook_queue};

/// Messages that wait for one webhook. A deploy has some; an hour without the receiver has few more, since refusals are told by their number.
const QUEUE: usize = 256;

/// One for each webhook, by its name.
#[derive(Default)]
pub(super) struct Lanes(BTreeMap<String, Lane>);

struct Lane {
    settings: watch::Sender<Arc<WebhookSettings>>,
    queue: mpsc::Sender<Arc<Notification>>,
    ending: watch::Sender<bool>,
    waiting: Waiting,
    task: JoinHandle<()>,
}

/// How many have not come to their end; shown as a metric.
#[derive(Clone)]
struct Waiting {
    webhook: Arc<str>,
    count: Arc<AtomicUsize>,
}

impl Waiting {
    fn change(&self, by: isize) {
        let before = self.count.fetch_add(by.cast_unsigned(), Ordering::Relaxed);
        webhook_queue(&self.webhook, before.wrapping_add_signed(by));
    }

    fn is(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Lanes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that stay keep what waits, and deliver it as the new settings say.
    pub(super) fn renew(&mut self, webhooks: &[WebhookSettings]) {
        let gone: Vec<String> = self.0.keys().filter(|name| webhooks.iter().all(|webhook| webhook.name != **name)).cloned().collect();
        for lane in gone.iter().filter_map(|name| self.0.remove(name)) {
            lane.task.abort();
            lane.drop_rest("removed");
        }
        for webhook in webhooks {
            match self.0.get(&webhook.name) {
                Some(lane) => drop(lane.settings.send_replace(Arc::new(webhook.clone()))),
                None => drop(self.0.insert(webhook.name.clone(), Lane::open(webhook.clone(), QUEUE))),
            }
        }
    }

    /// Puts each into the queue of everybody who wants it. Never waits.
    pub(super) fn tell(&mut self, notifications: impl IntoIterator<Item = Notification>) {
        for notification in notifications {
            let notification = Arc::new(notification);
            self.0.values().filter(|lane| lane.settings.borrow().wants(&notification.event)).for_each(|lane| lane.tell(&notification));
        }
    }

    /// Delivers what it can within this, each message with one more attempt.
    pub(super) async fn end(self, limit: Duration) {
        for lane in self.0.values() {
            lane.ending.send_replace(true);
        }
        let ends = self.0.into_values().map(|lane| lane.end(limit));
        futures_util::future::join_all(ends).await;
    }
}

impl Lane {
    fn open(settings: WebhookSettings, most: usize) -> Self {
        webhook_queue(&settings.name, 0);
        let waiting = Waiting { webhook: settings.name.as_str().into(), count: Arc::default() };
        let (settings, ending) = (watch::Sender::new(Arc::new(settings)), watch::Sender::new(false));
        let (queue, messages) = mpsc::channel(most);
        let delivery = Delivery { settings: settings.subscribe(), ending: ending.subscribe(), random: SystemRandom::new() };
        let task = tokio::spawn(delivery.all(messages, waiting.clone()));
        Self { settings, queue, ending, waiting, task }
    }

    fn tell(&self, notification: &Arc<Notification>) {
        self.waiting.change(1);
        if self.queue.try_send(Arc::clone(notification)).is_err() {
            self.waiting.change(-1);
            WebhookDropped { webhook: &self.waiting.webhook, count: 1, why: "full" }.emit();
        }
    }

    async fn end(self, limit: Duration) {
        let Self { queue, mut task, waiting, settings, ending } = self;
        // The task ends behind the last message.
        drop(queue);
        if timeout(limit, &mut task).await.is_err() {
            task.abort();
            drop_rest(&waiting, "shutdown");
        }
        drop((settings, ending));
    }

    fn drop_rest(&self, why: &'static str) {
        drop_rest(&self.waiting, why);
    }
}

fn drop_rest(waiting: &Waiting, why: &'static str) {
    let count = waiting.is();
    if count > 0 {
        WebhookDropped { webhook: &waiting.webhook, count, why }.emit();
    }
    webhook_queue(&waiting.webhook, 0);
}

struct Delivery {
    settings: watch::Receiver<Arc<WebhookSettings>>,
    ending: watch::Receiver<bool>,
    random: SystemRandom,
}

/// Why a message is not tried again.
enum End {
    Refused,
    TooOld,
    Shutdown,
}

impl Delivery {
    async fn all(mut self, mut messages: mpsc::Receiver<Arc<Notification>>, waiting: Waiting) {
        while let Some(notification) = messages.recv().await {
            self.one(&notification).await;
            waiting.change(-1);
        }
    }

    async fn one(&mut self, notification: &Notification) {
        let mut attempts = 0;
        loop {
            let settings = Arc::clone(&self.settings.borrow_and_update());
            attempts += 1;
            let answer = post::deliver(&settings, notification).await;
            let (webhook, event, id) = (settings.name.as_str(), notification.event.name(), notification.id.as_str());
            let (error, end, asked) = match answer {
                Ok(answer) if verdict(answer.status) == Verdict::Taken => {
                    return WebhookDelivered { webhook, event, id, attempts, status: answer.status }.emit();
                }
                Ok(answer) => (answer.words(), (verdict(answer.status) == Verdict::Refused).then_some(End::Refused), answer.retry_after),
                Err(error) => (error, None, None),
            };
            let wait = pause(attempts, self.chance(), asked);
            let end = end.or_else(|| is_too_old(notification, wait).then_some(End::TooOld));
            let end = end.or_else(|| (*self.ending.borrow()).then_some(End::Shutdown));
            if let Some(end) = end {
                return WebhookGivenUp { webhook, event, id, attempts, error: &error, result: end.label() }.emit();
            }
            WebhookFailed { webhook, event, id, attempts, error: &error, wait }.emit();
            self.rest(wait).await;
        }
    }

    /// Until it is time, the process ends, or there are new settings to try with.
    async fn rest(&mut self, wait: Duration) {
        let Self { ending, settings, .. } = self;
        let ended = async { drop(ending.wait_for(|ending| *ending).await) };
        let renewed = async {
            if settings.changed().await.is_err() {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = ended => {}
            () = renewed => {}
        }
    }

    fn chance(&self) -> u8 {
        let mut byte = [127];
        // Without chance it is the middle.
        let _ = self.random.fill(&mut byte);
        byte[0]
    }
}

impl End {
    fn label(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::TooOld => "expired",
            Self::Shutdown => "shutdown",
        }
    }
}

/// It would be when it is tried again.
fn is_too_old(notification: &Notification, wait: Duration) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = Duration::from_micros(u64::try_from(notification.at_unix_micros).unwrap_or(0));
    now.saturating_sub(at) + wait > GIVE_UP
}

impl Answer {
    /// What is said of an answer that is none of success.
    fn words(&self) -> String {
        let more = match self.status {
            300..=399 => "; redirects are not followed, give the URL that it leads to",
            _ if self.body.is_empty() => return format!("HTTP {}", self.status),
            _ => "",
        };
        format!("HTTP {}{more}{}{}", self.status, if self.body.is_empty() { "" } else { ": " }, self.body)
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
