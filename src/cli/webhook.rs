//! `pgairlock webhook`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::deferred::say;
use super::{FAILURE, SUCCESS, USAGE, fail, serve};
use crate::config::settings::WebhookSettings;
use crate::config::suggestion;
use crate::webhook;

/// Flags of `webhook`.
#[derive(Debug, Args)]
pub(super) struct WebhookArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends one message that says that it is a test, and prints the answer
    Test(TestArgs),
}

#[derive(Debug, Args)]
struct TestArgs {
    /// The webhook's name in the config file
    name: String,
    /// The config file of `serve`
    #[arg(long, env = "PGAIRLOCK_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Runs one of the commands; returns the exit code.
pub(super) fn run(args: WebhookArgs) -> u8 {
    let Command::Test(args) = args.command;
    let webhook = match find(&args) {
        Ok(webhook) => webhook,
        Err(why) => return fail(USAGE, &why),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILURE, &error),
    };
    let sent = runtime.block_on(webhook::test(&webhook));
    runtime.shutdown_background();
    match sent {
        Ok((status @ 200..=299, body)) => {
            say(&format!("{}\n", format!("HTTP {status} {body}").trim_end()));
            SUCCESS
        }
        Ok((status, body)) => fail(FAILURE, &format!("webhook {}: HTTP {status} {body}", webhook.name)),
        Err(why) => fail(FAILURE, &format!("webhook {}: {why}", webhook.name)),
    }
}

fn find(args: &TestArgs) -> Result<WebhookSettings, String> {
    let source = serve::source(args.config.clone(), None).map_err(|error| error.to_string())?;
    let settings = source.load().map_err(|error| error.to_string())?;
    webhook::check(&settings.webhooks).map_err(|error| error.to_string())?;
    let names: Vec<&str> = settings.webhooks.iter().map(|webhook| &*webhook.name).collect();
    let unknown = match names.as_slice() {
        [] => format!("there is no [[webhook]] in {}", args.config.display()),
        known => format!("no [[webhook]] is called \"{}\"{}", args.name, suggestion(&args.name, known)),
    };
    settings.webhooks.into_iter().find(|webhook| webhook.name == args.name).ok_or(unknown)
}
