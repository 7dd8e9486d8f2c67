//! `pgairlock admin`: what the dashboard needs.

use clap::{Args, Subcommand, ValueEnum};

use super::rules::print;
use super::{FAILURE, SUCCESS, fail};
use crate::admin::tokens;
use crate::config::admin;

/// Flags of `admin`.
#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a token for the dashboard; it is shown once, and stored nowhere
    Token(TokenArgs),
}

#[derive(Debug, Args)]
struct TokenArgs {
    /// Whose it is: stands in the log, and beside what is decided with it
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// What may be done with it
    #[arg(long, value_enum, default_value_t = Role::Viewer)]
    role: Role,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// Looks
    Viewer,
    /// Decides, too
    Approver,
}

fn name(text: &str) -> Result<String, String> {
    tokens::check_name(text).map(|()| text.to_owned())
}

/// Runs one of the commands; returns the exit code.
pub(super) fn run(args: AdminArgs) -> u8 {
    let Command::Token(TokenArgs { name, role }) = args.command;
    let role = match role {
        Role::Viewer => admin::Role::Viewer,
        Role::Approver => admin::Role::Approver,
    };
    match tokens::random() {
        Ok(token) => {
            print(&format!(
                "{token}\n\nIt is shown this once. Give it to {name}, and add this line to the file of [admin] tokens:\n\n{}\n",
                tokens::line(&name, role, &token)
            ));
            SUCCESS
        }
        Err(why) => fail(FAILURE, &why),
    }
}
