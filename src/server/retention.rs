//! Takes away what is older than `[store] retention` says, as long as the process lives. What fails is told, and tried again; it stops nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::signer::Signer;
use crate::audit::retention::Sealer;
use crate::config::settings::AuditSettings;
use crate::store::{Aged, RetentionError, Store};
use crate::telemetry::{EntriesRemoved, Event, RetentionFailed, RetentionRan};

/// Between two runs, at most: what a day or a year is measured in need not be met to the minute, and each run costs a look at every chain.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// And at least.
const LEAST: Duration = Duration::from_secs(1);
/// Who is not in turn looks again: a process that has died meanwhile keeps its turn for as long.
const TURN: Duration = Duration::from_secs(60);
/// So many chains of which nothing may go are named in one line.
const NAMED: usize = 5;

/// How long entries are kept, and who signs for those that went.
#[derive(Debug)]
pub(super) struct Retention {
    keep: Duration,
    sealer: Sealer,
}

/// What the settings ask for. The key is read before anything is served.
///
/// # Errors
/// When the key cannot be used.
pub(super) fn begin(settings: &AuditSettings) -> Result<Option<Retention>, String> {
    let Some(keep) = settings.retention else { return Ok(None) };
    let sealer = match &settings.signing_key {
        Some(key) => {
            let Signer { key, endorsements } = Signer::read(key)?;
            Sealer::new(Some(key), &endorsements)
        }
        None => Sealer::default(),
    };
    Ok(Some(Retention { keep, sealer }))
}

/// Until `stop` says so.
pub(super) async fn keep(retention: Retention, store: Store, mut stop: watch::Receiver<bool>) {
    loop {
        // Cut short it leaves what a crash would leave, which is sound.
        let ran = tokio::select! {
            ran = run(&retention, &store) => Some(ran),
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some(ran) = ran else {
            let _ = store.end_retention().await;
            return;
        };
        let pause = EVERY.min(retention.keep).max(LEAST);
        let pause = match ran {
            Ok(Ran::All) => {
                RetentionRan.emit();
                pause
            }
            Ok(Ran::NotInTurn) => pause.min(TURN),
            Err(error) => {
                RetentionFailed { error: &error }.emit();
                pause
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What a run came to.
enum Ran {
    /// All that may go is gone.
    All,
    /// Another process is at it, or has died at it a moment ago.
    NotInTurn,
}

async fn run(retention: &Retention, store: &Store) -> Result<Ran, String> {
    let before = now().saturating_sub(i64::try_from(retention.keep.as_micros()).unwrap_or(i64::MAX));
    let aged = store.aged(before).await.map_err(|error| error.to_string())?;
    if aged.is_empty() {
        return Ok(Ran::All);
    }
    if !store.begin_retention().await.map_err(|error| error.to_string())? {
        return Ok(Ran::NotInTurn);
    }
    let ran = expire(retention, store, aged, before).await;
    // Where that fails the turn ends by itself.
    let _ = store.end_retention().await;
    ran.map(|()| Ran::All)
}

/// Of a chain that is not as it was written nothing goes; the others are not held up by it.
async fn expire(retention: &Retention, store: &Store, aged: Vec<Aged>, before: i64) -> Result<(), String> {
    let mut left = Vec::new();
    for chain in aged {
        match store.expire(&chain, before, &retention.sealer).await {
            Ok(0) => {}
            Ok(removed) => told(&chain, removed),
            Err(error @ RetentionError::Unsound { .. }) => left.push(error.to_string()),
            Err(error @ (RetentionError::Store(_) | RetentionError::Line(_))) => return Err(error.to_string()),
        }
    }
    all(&left).map_or(Ok(()), Err)
}

fn told(chain: &Aged, removed: u64) {
    EntriesRemoved { chain: chain.number, writer: &chain.writer, removed }.emit();
}

fn all(left: &[String]) -> Option<String> {
    let named = left.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    match left.len() {
        0 => None,
        count if count > NAMED => Some(format!("{named}; and {} chains more", count - NAMED)),
        _ => Some(named),
    }
}

/// Unix time in microseconds.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default()
}
