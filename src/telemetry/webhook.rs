//! What becomes of messages to webhooks. Neither their URLs nor what they say stands here.

use std::time::Duration;

use metrics::{counter, gauge};
use tracing::{error, info, warn};

use super::{Event, names};

/// A message was taken.
#[derive(Debug, Clone, Copy)]
pub struct WebhookDelivered<'a> {
    /// The webhook's name.
    pub webhook: &'a str,
    /// The event's name.
    pub event: &'a str,
    /// The message's id.
    pub id: &'a str,
    /// How often it was sent.
    pub attempts: u32,
    /// The HTTP status.
    pub status: u16,
}

impl Event for WebhookDelivered<'_> {
    fn emit(self) {
        let Self { webhook, event, id, attempts, status } = self;
        counted(webhook, "ok");
        info!(event = "webhook_delivered", webhook, about = event, id, attempts, status, "webhook delivered");
    }
}

/// An attempt failed; there will be another one.
#[derive(Debug, Clone, Copy)]
pub struct WebhookFailed<'a> {
    /// The webhook's name.
    pub webhook: &'a str,
    /// The event's name.
    pub event: &'a str,
    /// The message's id.
    pub id: &'a str,
    /// How often it was sent so far.
    pub attempts: u32,
    /// Why.
    pub error: &'a str,
    /// Until the next one.
    pub wait: Duration,
}

impl Event for WebhookFailed<'_> {
    fn emit(self) {
        let Self { webhook, event, id, attempts, error, wait } = self;
        counted(webhook, "retried");
        let again_in_seconds = wait.as_secs_f64();
        warn!(event = "webhook_failed", webhook, about = event, id, attempts, error, again_in_seconds, "webhook failed; it is tried again");
    }
}

/// A message is not sent any more.
#[derive(Debug, Clone, Copy)]
pub struct WebhookGivenUp<'a> {
    /// The webhook's name.
    pub webhook: &'a str,
    /// The event's name.
    pub event: &'a str,
    /// The message's id.
    pub id: &'a str,
    /// How often it was sent.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: &'a str,
    /// `refused`: trying again would not help. `expired`: it is too old. `shutdown`.
    pub result: &'static str,
}

impl Event for WebhookGivenUp<'_> {
    fn emit(self) {
        let Self { webhook, event, id, attempts, error, result } = self;
        counted(webhook, result);
        error!(event = "webhook_given_up", webhook, about = event, id, attempts, error, result, "a message to a webhook was not delivered");
    }
}

/// Messages were not even tried.
#[derive(Debug, Clone, Copy)]
pub struct WebhookDropped<'a> {
    /// The webhook's name.
    pub webhook: &'a str,
    /// How many.
    pub count: usize,
    /// `full`: so many wait already. `removed`: a reload has taken the webhook away. `shutdown`.
    pub why: &'static str,
}

impl Event for WebhookDropped<'_> {
    fn emit(self) {
        let Self { webhook, count, why } = self;
        counter!(names::WEBHOOK_DROPPED_TOTAL, "webhook" => webhook.to_owned(), "why" => why).increment(u64::try_from(count).unwrap_or(u64::MAX));
        error!(event = "webhook_dropped", webhook, count, why, "messages to a webhook were dropped");
    }
}

fn counted(webhook: &str, result: &'static str) {
    counter!(names::WEBHOOK_DELIVERIES_TOTAL, "webhook" => webhook.to_owned(), "result" => result).increment(1);
}

/// Messages that wait for a webhook, the one on its way included.
pub fn webhook_queue(webhook: &str, waiting: usize) {
    #[allow(clippy::cast_precision_loss, reason = "there are some hundreds at most")]
    gauge!(names::WEBHOOK_QUEUE, "webhook" => webhook.to_owned()).set(waiting as f64);
}
