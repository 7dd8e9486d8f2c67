//! A verdict, for people and programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::audit::verify::{ChainVerdict, Proof, Verdict};
use crate::cli::deferred::{one_line, utc};

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    intact: bool,
    entries: u64,
    beyond: u64,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

/// All of it.
pub(super) fn json(verdict: &Verdict) -> Result<String, serde_json::Error> {
    let document = Document { version: 1, intact: verdict.is_intact(), entries: verdict.entries(), beyond: verdict.beyond(), verdict };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

const WHAT_TO_DO: &str = "\
Before anything else, copy the store and the checkpoint files as they are, and do not start pgairlock on them: each is evidence. Then compare the entries
named above with a backup of the store, and with what the log shipper kept.
";

/// What was found, how far the rest is certain, and what to do.
pub(super) fn text(verdict: &Verdict) -> String {
    let mut out = format!("{}: {} in {}\n", outcome(verdict), many(verdict.entries(), "entry", "entries"), chains(verdict.chains.len()));
    for finding in &verdict.findings {
        let _ = writeln!(out, "  {}", one_line(&finding.to_string()));
    }
    if verdict.more_findings > 0 {
        let _ = writeln!(out, "  and {} more", verdict.more_findings);
    }
    if !verdict.is_intact() {
        out.push_str(WHAT_TO_DO);
    }
    for note in &verdict.notes {
        let _ = writeln!(out, "note: {}", one_line(note));
    }
    out.push_str(&ground(verdict));
    for chain in &verdict.chains {
        out.push_str(&of_chain(chain, verdict.proof));
    }
    out
}

fn outcome(verdict: &Verdict) -> String {
    match u64::try_from(verdict.findings.len()).unwrap_or(u64::MAX).saturating_add(verdict.more_findings) {
        0 => "intact".to_owned(),
        count => format!("NOT INTACT, {}", many(count, "finding", "findings")),
    }
}

/// What the verdict goes by, and what that does not prove.
fn ground(verdict: &Verdict) -> String {
    let last = verdict.last_checkpoint_unix_micros.map_or_else(|| "never".to_owned(), utc);
    let checkpoints = many(verdict.checkpoints, "checkpoint", "checkpoints");
    match verdict.proof {
        Proof::Signed => {
            format!("by {checkpoints} with good signatures, the last of {last}; a chain that began after it could be missing as a whole\n")
        }
        Proof::Unsigned => format!(
            "by {checkpoints}, the last of {last}, whose signatures were not looked at, since no --public-key was given: who can write both the store and \
             the file of checkpoints could have made all of it anew\n"
        ),
        Proof::Chain => {
            "by the store alone, since there is no checkpoint that is believed (--checkpoints, --public-key): who can write the store could \
                         have made all of it anew\n"
                .to_owned()
        }
    }
}

fn of_chain(chain: &ChainVerdict, proof: Proof) -> String {
    let mut out = format!("chain {} (writer {}): {}", chain.number, one_line(&chain.writer), many(chain.entries, "entry", "entries"));
    if let Some(last) = chain.last_unix_micros {
        let _ = write!(out, ", the last is {}-{} of {}", chain.number, chain.last, utc(last));
    }
    if let Some(removed) = &chain.removed {
        let _ = write!(
            out,
            "; {} before them, of {} to {}, removed by retention",
            many(u64::try_from(removed.entries).unwrap_or_default(), "entry", "entries"),
            utc(removed.oldest_unix_micros),
            utc(removed.newest_unix_micros)
        );
    }
    match &chain.vouched {
        Some(vouched) => {
            let _ = write!(out, "; vouched for up to {}-{} by {}, made {}", chain.number, vouched.seq, vouched.by, utc(vouched.at_unix_micros));
        }
        None if proof != Proof::Chain => out.push_str("; no checkpoint names it"),
        None => {}
    }
    out.push('\n');
    if let Some(since) = chain.beyond_since_unix_micros.filter(|_| proof != Proof::Chain) {
        out.push_str(&beyond(chain, since));
    }
    out
}

fn beyond(chain: &ChainVerdict, since: i64) -> String {
    let overdue = if chain.overdue {
        "; that is more than comes between two checkpoints: they failed (see audit_checkpoint_failed in the log), their file is not the right one, or lines \
         of it were removed"
    } else {
        ""
    };
    format!(
        "  beyond the last checkpoint: {} since {} could have been cut off, written anew or put there by who can write the store{overdue}\n",
        many(chain.beyond, "entry", "entries"),
        utc(since)
    )
}

fn chains(count: usize) -> String {
    many(u64::try_from(count).unwrap_or(u64::MAX), "chain", "chains")
}

fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
