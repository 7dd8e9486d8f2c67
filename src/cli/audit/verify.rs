//! `pgairlock audit verify`.

mod show;

use std::path::{Path, PathBuf};

use clap::Args;

use super::source::Entries;
use crate::audit::chain::Entry;
use crate::audit::event::Event;
use crate::audit::keys::PublicKey;
use crate::audit::verify::{File, Verdict, Verifier, Writer};
use crate::cli::deferred::{Ended, Format, Place, say, with_store};
use crate::cli::{FAILURE, SUCCESS, USAGE};

/// Flags of `audit verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    how: How,
}

/// What the store is compared with, and how that is told.
#[derive(Debug, Args)]
pub(super) struct How {
    /// Whose signatures are believed, and those of the keys that it endorsed; may be given several times
    #[arg(long = "public-key", value_name = "FILE")]
    pub(super) public_keys: Vec<PathBuf>,
    /// A file of checkpoints; may be given several times
    #[arg(long = "checkpoints", value_name = "FILE")]
    pub(super) checkpoints: Vec<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// So many entries are in memory at once.
const PAGE: u32 = 1_000;

/// Reads, compares and prints; returns the exit code: 0 where nothing was found, 1 where something was, 2 where nothing could be said.
pub(super) fn run(args: &VerifyArgs) -> u8 {
    with_store(&args.place, async |store, _| {
        let (text, code) = verified(&store, &args.how).await?;
        say(&text);
        Ok(code)
    })
}

/// What is printed, and the exit code. The files are read first: a checkpoint that comes later may name what the store did not have at the moment
/// that is looked at.
pub(super) async fn verified(source: &impl Entries, how: &How) -> Result<(String, u8), Ended> {
    let keys = how.public_keys.iter().map(|path| public_key(path)).collect::<Result<Vec<_>, _>>()?;
    let texts = how.checkpoints.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = how.checkpoints.iter().map(|path| path.display().to_string()).collect();
    let files: Vec<File<'_>> = names.iter().zip(&texts).map(|(name, text)| File { name, text }).collect();
    let verdict = verdict(source, Verifier::new(&keys, &files)).await?;
    let text = match how.format {
        Format::Text => show::text(&verdict),
        Format::Json => show::json(&verdict).map_err(|error| Ended(USAGE, error.to_string()))?,
    };
    Ok((text, if verdict.is_intact() { SUCCESS } else { FAILURE }))
}

/// Page by page: the store may be larger than memory.
async fn verdict(source: &impl Entries, mut verifier: Verifier) -> Result<Verdict, Ended> {
    source.pin().await?;
    source.anchors().await?.iter().for_each(|line| verifier.anchor(line));
    let chains = source.writers().await?;
    for chain in &chains {
        source.entries(chain, i64::MIN, 1).await?.first().into_iter().for_each(|entry| verifier.first(entry));
    }
    for chain in &chains {
        verifier.begin(chain.clone());
        let mut after = i64::MIN;
        loop {
            let page = source.entries(chain, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            compared(source, chain, page, &mut verifier).await?;
        }
    }
    Ok(verifier.finish())
}

async fn compared(source: &impl Entries, chain: &Writer, page: Vec<Entry>, verifier: &mut Verifier) -> Result<(), Ended> {
    let read = |entry: Entry| {
        let event: Option<Event> = verifier.entry(&entry);
        (entry, event)
    };
    let page: Vec<(Entry, Option<Event>)> = page.into_iter().map(read).collect();
    source.differences(chain, &page).await?.into_iter().for_each(|(seq, what)| verifier.differs(seq, what));
    Ok(())
}

fn public_key(path: &Path) -> Result<PublicKey, Ended> {
    PublicKey::from_pem(&read(path)?).map_err(|why| Ended(USAGE, format!("{} {why}", path.display())))
}

/// What is no UTF-8 was not written by us, and is no reason to say nothing of the rest.
fn read(path: &Path) -> Result<String, Ended> {
    let bytes = std::fs::read(path).map_err(|error| Ended(USAGE, format!("{} cannot be read: {error}", path.display())))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
