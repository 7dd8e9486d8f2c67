//! `pgairlock audit`: what was decided, what it did, and whether the log is whole.

mod export;
mod key;
mod list;
mod rollback;
mod show;
mod source;
mod tail;
mod verify;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::SUCCESS;
use super::deferred::{Ended, Place, now, say, with_store};
use crate::audit::listed::Search;
use crate::audit::record::DecisionId;
use crate::config::units;

/// Flags of `audit`.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists decisions, newest first
    List(Box<ListArgs>),
    /// Shows one decision: what was sent, what ran, why, and what came of it
    Show(ShowArgs),
    /// Shows the newest decisions, and with -f those that come
    Tail(TailArgs),
    /// Prints all decisions of a time, oldest first
    Export(ExportArgs),
    /// Says whether the log is as it was written, and how far that is certain
    Verify(verify::VerifyArgs),
    /// Prints the SQL that takes a migration back, and what has no way back
    RollbackSql(rollback::RollbackArgs),
    /// Makes and follows the keys that sign checkpoints
    Key(key::KeyArgs),
}

/// What is looked for; all of it must fit.
#[derive(Debug, Args)]
struct Filter {
    /// How far back: a time such as 7d, 2h, 30min
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    since: Option<Duration>,
    /// Not younger than that
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    until: Option<Duration>,
    /// The migration tool, such as alembic
    #[arg(long)]
    tool: Option<String>,
    /// The migration's version
    #[arg(long, value_name = "VERSION")]
    migration: Option<String>,
    /// A table, with its schema, that a rule had something to say about
    #[arg(long, value_name = "SCHEMA.TABLE")]
    table: Option<String>,
    /// A rule that found something
    #[arg(long)]
    rule: Option<String>,
    /// pass, rewrite, defer, gate, settle, refuse; in warn mode would-refuse …
    #[arg(long)]
    decision: Option<String>,
    /// The role that logged in
    #[arg(long)]
    role: Option<String>,
    /// The database
    #[arg(long)]
    database: Option<String>,
    /// The session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Words that the SQL has, in any order
    #[arg(long, value_name = "WORDS")]
    sql: Option<String>,
    /// Only those whose outcome nobody has heard
    #[arg(long)]
    open: bool,
}

impl Filter {
    fn search(self, most: u32) -> Search {
        let back = |time: Duration| now().saturating_sub(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        Search {
            since_unix_micros: self.since.map(back),
            until_unix_micros: self.until.map(back),
            before: None,
            tool: self.tool,
            version: self.migration,
            table: self.table,
            rule: self.rule,
            decision: self.decision,
            role: self.role,
            database: self.database,
            session: self.session,
            words: self.sql,
            open: self.open,
            most,
        }
    }
}

/// How it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    Text,
    /// One document
    Json,
    /// One object a line, for log shippers
    Jsonl,
    /// For spreadsheets
    Csv,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filter: Filter,
    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The decision's number, such as 3-118: `list` has it, the process' log, and every refusal
    #[arg(value_name = "ID")]
    id: DecisionId,
    #[command(flatten)]
    place: Place,
    /// How it is printed: text or json
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct TailArgs {
    #[command(flatten)]
    place: Place,
    /// Goes on with what comes, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// How many of those that there are
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    lines: u32,
    /// text, or jsonl: every entry of the log, outcomes and transactions too
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct ExportArgs {
    #[command(flatten)]
    place: Place,
    /// How far back
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    since: Option<Duration>,
    /// json, jsonl or csv
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
}

/// Runs one of the commands; returns the exit code.
pub(super) fn run(args: AuditArgs) -> u8 {
    match args.command {
        Command::List(args) => {
            let ListArgs { place, filter, limit, format } = *args;
            with_store(&place, async |store, _| {
                let found = store.search(filter.search(limit)).await?;
                say(&list::list(&found, format).map_err(unprintable)?);
                Ok(SUCCESS)
            })
        }
        Command::Show(ShowArgs { id, place, format }) => with_store(&place, async |store, _| {
            let story =
                store.story(id).await?.ok_or_else(|| Ended(super::FAILURE, format!("the log has no decision {id}; see: pgairlock audit list")))?;
            say(&if format == Format::Text { show::text(&story) } else { show::json(&story).map_err(unprintable)? });
            Ok(SUCCESS)
        }),
        Command::Tail(args) => with_store(&args.place, async |store, _| tail::tail(&store, &args).await),
        Command::Verify(args) => verify::run(&args),
        Command::RollbackSql(args) => rollback::run(&args),
        Command::Key(args) => key::run(&args),
        Command::Export(ExportArgs { place, since, format }) => with_store(&place, async |store, _| export::export(&store, since, format).await),
    }
}

fn unprintable(error: impl std::fmt::Display) -> Ended {
    Ended(super::FAILURE, format!("a record cannot be printed: {error}"))
}

#[cfg(test)]
mod tests;
