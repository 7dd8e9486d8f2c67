//! `pgairlock audit`: the log of decisions.

mod key;
mod source;
mod verify;

use clap::{Args, Subcommand};

/// Flags of `audit`.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes and follows the keys that sign checkpoints
    Key(key::KeyArgs),
    /// Says whether the log is as it was written, and how far that is certain
    Verify(verify::VerifyArgs),
}

/// Runs one of the commands; returns the exit code.
pub(super) fn run(args: AuditArgs) -> u8 {
    match args.command {
        Command::Key(args) => key::run(&args),
        Command::Verify(args) => verify::run(&args),
    }
}

#[cfg(test)]
mod tests;
