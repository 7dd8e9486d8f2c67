//! `pgairlock serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, FromArgMatches};

use super::{FAILURE, SUCCESS, USAGE, fail};
use crate::config::admin::Dashboard;
use crate::config::{Overrides, Source};
use crate::policy::settings::Mode;
use crate::{rules, server, telemetry};

/// Flags of `serve`; each stands over its environment variable, and that over the config file.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Config file (TOML); without it, flags and defaults
    #[arg(long, env = "PGAIRLOCK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where clients connect
    #[arg(long, env = "PGAIRLOCK_LISTEN", value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// The PostgreSQL server; several are tried in order
    #[arg(long, env = "PGAIRLOCK_UPSTREAM", value_name = "HOST:PORT", value_delimiter = ',')]
    upstream: Vec<String>,
    /// Where the dashboard, /healthz, /readyz and /metrics are served [default: 127.0.0.1:9187]
    #[arg(long, env = "PGAIRLOCK_ADMIN", value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
    /// on: the dashboard is there, for whoever the config lets in; off: only probes and metrics; open: everybody may look [default: on]
    #[arg(long, env = "PGAIRLOCK_DASHBOARD", value_name = "WHETHER", value_parser = dashboards())]
    dashboard: Option<Dashboard>,
    /// enforce: rewrite and refuse; warn: forward and say what enforce would do; off: forward bytes [default: enforce]
    #[arg(long, env = "PGAIRLOCK_MODE", value_name = "MODE", value_parser = modes())]
    mode: Option<Mode>,
    /// Keeps every decision: an SQLite file, or postgres://role@host:port/database for a fleet [default: pgairlock.db]
    #[arg(long, env = "PGAIRLOCK_STORE", value_name = "PATH|URL", hide_env_values = true)]
    store: Option<PathBuf>,
    /// Which log lines are written: a level, or tracing's directives
    #[arg(long, env = "PGAIRLOCK_LOG", value_name = "LEVEL", default_value = "info")]
    log: String,
}

fn modes() -> impl TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(["enforce", "warn", "off"]).map(|mode| match mode.as_str() {
        "warn" => Mode::Warn,
        "off" => Mode::Off,
        _ => Mode::Enforce,
    })
}

fn dashboards() -> impl TypedValueParser<Value = Dashboard> {
    PossibleValuesParser::new(["on", "off", "open"]).map(|shown| match shown.as_str() {
        "off" => Dashboard::Off,
        "open" => Dashboard::Open,
        _ => Dashboard::On,
    })
}

/// Serves until told to stop; returns the exit code.
pub(super) fn run(args: ServeArgs) -> u8 {
    if let Err(error) = telemetry::init(&args.log) {
        return fail(USAGE, &error);
    }
    let source = args.source();
    let file = server::ConfigFile::at(source.file.as_deref());
    let settings = match source.load() {
        Ok(settings) => settings,
        Err(error) => return fail(USAGE, &error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILURE, &error),
    };
    let served = runtime.block_on(server::run(settings, file, move || source.load()));
    // Not waiting for what cannot be cut short, such as a name that nobody resolves.
    runtime.shutdown_background();
    telemetry::flush();
    match served {
        Ok(()) => SUCCESS,
        Err(error) => fail(FAILURE, &error),
    }
}

/// What `serve` with this config file, and with the environment that is here, would read.
pub(super) fn source(config: PathBuf, store: Option<PathBuf>) -> Result<Source, clap::Error> {
    let matches = ServeArgs::augment_args(clap::Command::new("serve")).try_get_matches_from(["serve"])?;
    let args = ServeArgs::from_arg_matches(&matches)?;
    Ok(ServeArgs { config: Some(config), store, ..args }.source())
}

impl ServeArgs {
    fn source(self) -> Source {
        let Self { config, listen, upstream, admin, dashboard, mode, store, log: _ } = self;
        Source { file: config, overrides: Overrides { listen, upstream, admin, dashboard, mode, store }, rules: rules::ids().collect() }
    }
}
