//! `pgairlock deferred`: what migrations left for after their COMMIT and was not done.

mod choice;
mod show;
mod waiting;
mod working;

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};

use super::{FAILURE, SUCCESS, USAGE, fail, serve};
use crate::config::settings::{Settings, StorePlace, Timeouts};
use crate::config::units;
use crate::deferred::promise::Progress;
use crate::store::{self, Store, StoreError, Wanted};
pub(super) use show::{one_line, utc, utc_micros};

/// Flags of `deferred`.
#[derive(Debug, Args)]
pub(super) struct DeferredArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows what is still to be done
    List(ListArgs),
    /// Does it now, on the database server itself
    Run(RunArgs),
    /// Waits until nothing is left that the proxy does by itself
    Wait(WaitArgs),
    /// Gives one up: it is not done, and the reason is kept
    Drop(DropArgs),
}

/// The session of what a person does.
const BY_A_PERSON: &str = "";

/// Where the store is.
#[derive(Debug, Clone, Args)]
pub(super) struct Place {
    /// The store of `serve`: its SQLite file, or postgres://role@host:port/database; the password may stand in PGPASSWORD [default: pgairlock.db]
    #[arg(long, env = "PGAIRLOCK_STORE", value_name = "PATH|URL", hide_env_values = true)]
    store: Option<PathBuf>,
    /// The config file of `serve`, which says where the store is
    #[arg(long, env = "PGAIRLOCK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for people
    Text,
    /// For programs
    Json,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    place: Place,
    /// The database server itself, not the proxy, as the role that made the promise: postgres://role@host:port/database?sslmode=…; the password may
    /// stand in PGPASSWORD
    #[arg(long, env = "PGAIRLOCK_DATABASE_URL", hide_env_values = true, value_name = "URL", required = true)]
    database_url: String,
    /// The promises to run; without any, all of this role in this database
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
}

#[derive(Debug, Args)]
struct WaitArgs {
    #[command(flatten)]
    place: Place,
    /// How long
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = units::duration)]
    timeout: Duration,
}

#[derive(Debug, Args)]
struct DropArgs {
    #[command(flatten)]
    place: Place,
    /// The promise
    #[arg(value_name = "ID")]
    id: i64,
    /// Why it is not to be done; kept in the store
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("is empty; say why it is not to be done".into()) } else { Ok(text.to_owned()) }
}

/// Runs one of the commands; returns the exit code.
pub(super) fn run(args: DeferredArgs) -> u8 {
    match args.command {
        Command::List(args) => with_store(&args.place, async |store, _| list(&store, args.format).await),
        Command::Run(args) => with_store(&args.place, async |store, timeouts| working::run(&store, &args, timeouts).await),
        Command::Wait(args) => with_store(&args.place, async |store, _| waiting::wait(&store, args.timeout).await),
        Command::Drop(args) => with_store(&args.place, async |store, _| give_up(&store, &args).await),
    }
}

/// Ended otherwise than with what was asked for; the exit code and why.
pub(super) struct Ended(pub(super) u8, pub(super) String);

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self(USAGE, error.to_string())
    }
}

pub(super) fn with_store<F>(place: &Place, command: impl FnOnce(Store, Timeouts) -> F) -> u8
where
    F: Future<Output = Result<u8, Ended>>,
{
    let (path, timeouts) = match place.find() {
        Ok(found) => found,
        Err(why) => return fail(USAGE, &why),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(USAGE, &error),
    };
    let ended = runtime.block_on(async {
        let store = open(&path)?;
        let ended = command(store.clone(), timeouts).await;
        // The last to close it takes the log into the file.
        let _ = store.close().await;
        ended
    });
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(Ended(code, why)) => fail(code, &why),
    }
}

fn open(place: &StorePlace) -> Result<Store, Ended> {
    let place = store::Place::read(place).map_err(|why| Ended(USAGE, why))?;
    Store::open_existing(&place).map_err(|error| {
        Ended(USAGE, format!("{error}; name the store of `pgairlock serve` with --store (PGAIRLOCK_STORE), or its config file with --config"))
    })
}

impl Place {
    /// As `serve` would find it.
    fn find(&self) -> Result<(StorePlace, Timeouts), String> {
        let Some(config) = &self.config else {
            let place = self.store.as_deref().unwrap_or(Path::new(Settings::DEFAULT_STORE));
            let place = StorePlace::read(place).map_err(|why| format!("--store (PGAIRLOCK_STORE): {why}"))?;
            return Ok((place, Timeouts::default()));
        };
        let source = serve::source(config.clone(), self.store.clone()).map_err(|error| error.to_string())?;
        source.load().map(|settings| (settings.store, settings.timeouts)).map_err(|error| error.to_string())
    }
}

async fn list(store: &Store, format: Format) -> Result<u8, Ended> {
    let pending = store.pending(Wanted::All).await?;
    match format {
        Format::Json => say(&show::json(&pending).map_err(|error| Ended(USAGE, error.to_string()))?),
        Format::Text if pending.is_empty() => say("nothing is pending\n"),
        Format::Text => say(&show::table(&pending)),
    }
    Ok(SUCCESS)
}

async fn give_up(store: &Store, args: &DropArgs) -> Result<u8, Ended> {
    let pending = choice::by_number(store.pending(Wanted::All).await?, &[args.id]).map_err(|why| Ended(USAGE, why))?;
    let Some(pending) = pending.first() else { return Ok(USAGE) };
    store.progress(pending.id, Progress::Dropped { reason: args.reason.clone(), at_unix_micros: now() }, BY_A_PERSON).await?;
    say(&show::left_undone(pending));
    Ok(SUCCESS)
}

pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default()
}

/// Nobody may be reading; that is no reason to leave undone what was begun.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests;
