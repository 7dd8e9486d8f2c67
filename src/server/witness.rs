//! Writes checkpoints of the log beside the store, as long as the process lives, and one at its end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::checkpoints::{CheckpointFile, Checkpoints};
use super::signer::Signer;
use crate::admin::Failing;
use crate::audit::checkpoint::Checkpointer;
use crate::config::settings::AuditSettings;
use crate::store::Store;
use crate::telemetry::{CheckpointFailed, CheckpointWritten, Event};

/// After one that could not be written.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest sleep: a clock that was set shows by then.
const LONGEST: Duration = Duration::from_secs(5);

/// The checkpoints of a process, where the settings ask for them. The file is made, and the key read, before anything is served.
///
/// # Errors
/// When the key or the file cannot be used.
pub(super) fn begin(settings: &AuditSettings, store: &Store) -> Result<Option<Checkpoints>, String> {
    let Some((key, file)) = settings.signing_key.as_ref().zip(settings.checkpoints.as_ref()) else { return Ok(None) };
    let Signer { key, endorsements } = Signer::read(key)?;
    let file = CheckpointFile::open(file).map_err(|error| error.to_string())?;
    Ok(Some(Checkpoints::new(Checkpointer::new(key, store.name().to_owned(), endorsements), file)))
}

/// Until `stop` says so; then what is not told yet is.
pub(super) async fn tell(mut checkpoints: Checkpoints, store: Store, failing: Failing, mut stop: watch::Receiver<bool>) {
    let mut written = store.written();
    loop {
        let wait =
            checkpoints.due().map(|due| Duration::from_micros(u64::try_from(due.saturating_sub(now()).max(0)).unwrap_or(u64::MAX)).min(LONGEST));
        let is_over = tokio::select! {
            changed = written.changed() => changed.is_err(),
            _ = stop.wait_for(|stop| *stop) => true,
            () = tokio::time::sleep(wait.unwrap_or(LONGEST)), if wait.is_some() => false,
        };
        checkpoints.written(*written.borrow_and_update());
        let is_due = checkpoints.due().is_some_and(|due| due <= now());
        if is_due || is_over && checkpoints.due().is_some() {
            checkpoints = one(checkpoints, &store, &failing).await;
            if failing.is_set() && !is_over {
                tokio::time::sleep(AGAIN).await;
            }
        }
        if is_over {
            return;
        }
    }
}

/// The heads are asked for first: they are on disk.
async fn one(mut checkpoints: Checkpoints, store: &Store, failing: &Failing) -> Checkpoints {
    let heads = match store.heads().await {
        Ok(heads) => heads,
        Err(error) => {
            failing.set(true);
            CheckpointFailed { error: &error }.emit();
            return checkpoints;
        }
    };
    // A file may hang: it is not written on the threads of the sessions.
    let made = tokio::task::spawn_blocking(move || {
        let made = checkpoints.make(&heads, now());
        (checkpoints, made)
    });
    match made.await {
        Ok((checkpoints, made)) => {
            failing.set(made.is_err());
            match made {
                Ok(Some(line)) => CheckpointWritten { line: &line }.emit(),
                Ok(None) => {}
                Err(error) => CheckpointFailed { error: &error }.emit(),
            }
            checkpoints
        }
        // A panic is reported by itself, and ends this task with the next line.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Unix time in microseconds.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default()
}
