//! The command line.

mod admin;
mod approve;
mod audit;
mod check;
mod deferred;
mod explain;
mod report;
mod rules;
mod serve;
mod webhook;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Makes database migrations safe on their way to PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "pgairlock", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forwards PostgreSQL connections and makes DDL safe, or refuses it
    Serve(Box<serve::ServeArgs>),
    /// Judges files of migrations as the proxy would, without running them
    Check(Box<check::CheckArgs>),
    /// Lets one refused statement through, with a reason, or lists those that may be
    Approve(approve::ApproveArgs),
    /// Shows and settles what migrations left to be done after their COMMIT
    Deferred(Box<deferred::DeferredArgs>),
    /// Reads the log: what was decided, why, what ran, and what came of it
    Audit(Box<audit::AuditArgs>),
    /// Says what enforce would have done, from what was recorded in warn mode, and which policy to start with
    Report(report::ReportArgs),
    /// Tries whether messages to a webhook arrive
    Webhook(webhook::WebhookArgs),
    /// Makes tokens for the dashboard
    Admin(admin::AdminArgs),
    /// Lists the rules: what each is about, and what is done about it
    Rules(rules::RulesArgs),
    /// Explains one rule: the hazard, what pgairlock does, what to write instead
    Explain(explain::ExplainArgs),
}

/// Ended as asked.
const SUCCESS: u8 = 0;
/// Could not start or run.
const FAILURE: u8 = 1;
/// Flags, environment or config file are wrong; clap ends with the same.
const USAGE: u8 = 2;

/// Runs the process's command line.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { command } = Cli::parse();
    ExitCode::from(match command {
        Command::Serve(args) => serve::run(*args),
        Command::Check(args) => check::run(*args),
        Command::Approve(args) => approve::run(args),
        Command::Deferred(args) => deferred::run(*args),
        Command::Audit(args) => audit::run(*args),
        Command::Report(args) => report::run(args),
        Command::Webhook(args) => webhook::run(args),
        Command::Admin(args) => admin::run(args),
        Command::Rules(args) => rules::run(&args),
        Command::Explain(args) => explain::run(&args),
    })
}

/// The command line as clap sees it: flags, environment variables, help.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Says why it ended; each line begins with the program's name, as other tools' do.
fn fail(code: u8, error: &dyn std::fmt::Display) -> u8 {
    for line in error.to_string().lines() {
        // Nobody may be listening; that is no reason to end otherwise than said.
        let _ = writeln!(std::io::stderr(), "pgairlock: {line}");
    }
    code
}

#[cfg(test)]
mod tests;
