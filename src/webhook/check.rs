//! The files that belong to a webhook.

use std::path::{Path, PathBuf};

use crate::config::settings::WebhookSettings;
use crate::transport::tls::{self, TlsError};

/// So many bytes a secret has at least: a shorter one is guessed from one signature.
const SHORTEST: usize = 16;

/// Why a webhook cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("[[webhook]] {webhook}: {why}")]
pub struct WebhookError {
    webhook: String,
    why: String,
}

/// Whether the files of all of them can be used: better told now than at the first message. Blocks while it reads.
///
/// # Errors
/// Names the first file that cannot be.
pub fn check(webhooks: &[WebhookSettings]) -> Result<(), WebhookError> {
    webhooks.iter().try_for_each(|webhook| one(webhook).map_err(|why| WebhookError { webhook: webhook.name.clone(), why }))
}

fn one(webhook: &WebhookSettings) -> Result<(), String> {
    if let Some(file) = &webhook.secret_file {
        read(file)?;
    }
    match &webhook.ca {
        Some(file) => tls::check_authorities(file).map_err(|error: TlsError| format!("ca {error}")),
        None => Ok(()),
    }
}

/// Read with each message, so that a new one needs no reload. A file may hang: it is not read on the threads of the sessions.
pub(super) async fn secret(file: PathBuf) -> Result<Vec<u8>, String> {
    tokio::task::spawn_blocking(move || read(&file)).await.map_err(|error| error.to_string())?
}

/// Without the end of its last line.
fn read(file: &Path) -> Result<Vec<u8>, String> {
    let wrong = |why: String| format!("secret_file {}: {why}", file.display());
    let mut secret = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    while secret.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        secret.pop();
    }
    if secret.len() < SHORTEST {
        return Err(wrong(format!("holds fewer than {SHORTEST} bytes; openssl rand -hex 32 makes a good one")));
    }
    Ok(secret)
}
