//! `pgairlock audit key`: files of keys. None is ever written over.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ring::rand::SystemRandom;

use crate::audit::keys::SigningKey;
use crate::audit::trust;
use crate::cli::deferred::{now, say};
use crate::cli::{SUCCESS, USAGE, fail};
use crate::server::signer::{Signer, endorsements_of};

/// Flags of `audit key`.
#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a key
    Create {
        /// Where it is written, with mode 0600
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Makes a key that follows an older one: who believes the older one believes it
    Rotate {
        /// The key that signs until now
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// Where the new one is written, with mode 0600; beside it NEW.endorsements says whom it follows
        #[arg(value_name = "NEW")]
        new: PathBuf,
    },
    /// Prints the public half, for who verifies
    Public {
        /// The key
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Runs one of the commands; returns the exit code.
pub(super) fn run(args: &KeyArgs) -> u8 {
    let said = match &args.command {
        Command::Create { file } => create(file),
        Command::Rotate { old, new } => rotate(old, new),
        Command::Public { file } => Signer::read(file).map(|signer| signer.key.public().to_pem()),
    };
    match said {
        Ok(text) => {
            say(&text);
            SUCCESS
        }
        Err(why) => fail(USAGE, &why),
    }
}

pub(super) fn create(file: &Path) -> Result<String, String> {
    let text = SigningKey::generate(&SystemRandom::new())?;
    let key = SigningKey::from_pem(&text)?;
    write_new(file, &text)?;
    let path = file.display();
    Ok(format!("key {} is in {path}; keep a copy of its public half away from this machine: pgairlock audit key public {path}\n", key.id()))
}

pub(super) fn rotate(old: &Path, new: &Path) -> Result<String, String> {
    let signer = Signer::read(old)?;
    if new.exists() {
        return Err(format!("{} exists already; a key is never written over", new.display()));
    }
    let text = SigningKey::generate(&SystemRandom::new())?;
    let key = SigningKey::from_pem(&text)?;
    let line = trust::endorse(&signer.key, &key.public(), now()).map_err(|error| error.to_string())?;
    let lines: String = signer.endorsements.iter().chain([&line]).map(|line| format!("{line}\n")).collect();
    // A new key without them would be a stranger to who has the old one.
    write_new(&endorsements_of(new), &lines)?;
    write_new(new, &text)?;
    Ok(format!(
        "key {} in {} follows {}: sign with it from now on, and keep {} beside it; who verifies may give the public half of either\n",
        key.id(),
        new.display(),
        signer.key.id(),
        endorsements_of(new).display()
    ))
}

fn write_new(path: &Path, text: &str) -> Result<(), String> {
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => format!("{} exists already; it is never written over", path.display()),
        _ => format!("{} cannot be written: {error}", path.display()),
    })
}
