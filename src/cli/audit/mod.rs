//! `pgairlock audit`: the log of decisions.

mod key;
mod rollback;
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
    /// Prints the SQL that takes a migration back, and what has no way back
    RollbackSql(rollback::RollbackArgs),
}

/// Runs one of the commands; returns the exit code.
pub(super) fn run(args: AuditArgs) -> u8 {
    match args.command {
        Command::Key(args) => key::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::RollbackSql(args) => rollback::run(&args),
    }
}

#[cfg(test)]
mod tests;
