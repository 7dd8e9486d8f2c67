//! What the files of checkpoints say: which entries they name, and whether the files themselves are whole.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Findings, Writer};
use super::verdict::Place;
use crate::audit::chain::{Digest, Head};
use crate::audit::checkpoint::{self, Checkpoint};
use crate::audit::keys::KeyId;
use crate::audit::signed::{Sealed, Statement};
use crate::audit::trust::{Distrust, Trust};

/// A file of checkpoints, as it was read.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// As it was named.
    pub name: &'a str,
    /// All of it.
    pub text: &'a str,
}

/// An entry that a checkpoint names.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) hash: Digest,
    pub(super) number: i64,
    pub(super) at_unix_micros: i64,
    pub(super) by: Place,
}

/// By chain and entry.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    pub(super) heads: BTreeMap<String, BTreeMap<i64, Named>>,
    pub(super) notes: Vec<String>,
    pub(super) lines: u64,
    pub(super) last_unix_micros: Option<i64>,
}

struct Line {
    place: Place,
    sealed: Sealed,
    checkpoint: Checkpoint,
    digest: Digest,
}

impl Witnesses {
    /// Reads them; a line that is not believed says nothing. The order of files does not matter, and a line may come twice.
    pub(super) fn read(files: &[File<'_>], trust: &mut Trust, findings: &mut Findings) -> Self {
        let mut witnesses = Self::default();
        let lines = witnesses.lines(files, findings);
        lines.iter().for_each(|line| trust.hear(line.checkpoint.endorsements.iter().map(String::as_str)));
        let mut runs: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for line in believed(lines, trust, findings) {
            runs.entry(line.checkpoint.writer.clone()).or_default().push(line);
        }
        for (writer, mut run) in runs {
            run.sort_by(|one, other| (one.checkpoint.number, &one.place).cmp(&(other.checkpoint.number, &other.place)));
            run.dedup_by(|one, other| one.digest == other.digest);
            whole(&writer, &run, findings);
            run.into_iter().for_each(|line| witnesses.take(line, findings));
        }
        witnesses
    }

    fn lines(&mut self, files: &[File<'_>], findings: &mut Findings) -> Vec<Line> {
        let mut lines = Vec::new();
        for file in files {
            if file.text.split('\n').all(str::is_empty) {
                self.notes.push(format!("{} has no line: no checkpoint was written to it, or all were taken away", file.name));
            }
            for (index, text) in file.text.split('\n').enumerate().filter(|(_, text)| !text.is_empty()) {
                let place = Place { file: file.name.to_owned(), line: index + 1 };
                match checkpoint(text) {
                    Ok((sealed, checkpoint)) => lines.push(Line { place, sealed, checkpoint, digest: checkpoint::digest(text) }),
                    Err(error) if text.ends_with('}') => findings.add(Finding::CheckpointUnreadable { place, error }),
                    Err(_) => self.notes.push(format!(
                        "{place} ends in its midst, as when a process dies while it writes; what it would have named, no later line of that process does"
                    )),
                }
            }
        }
        lines
    }

    fn take(&mut self, line: Line, findings: &mut Findings) {
        let Line { place, checkpoint, .. } = line;
        self.lines += 1;
        self.last_unix_micros = self.last_unix_micros.max(Some(checkpoint.at_unix_micros));
        for head in checkpoint.heads {
            self.name(head, checkpoint.at_unix_micros, &place, findings);
        }
    }

    fn name(&mut self, head: Head, at_unix_micros: i64, place: &Place, findings: &mut Findings) {
        let Head { writer, number, seq, hash } = head;
        let of_chain = self.heads.entry(writer.clone()).or_default();
        match of_chain.get(&seq) {
            Some(named) if named.hash != hash || named.number != number => {
                let about = format!("entry {seq} of {}", Writer { writer, number });
                findings.add(Finding::CheckpointsDisagree { place: place.clone(), other: named.by.clone(), about });
            }
            // The first to name it was there first.
            Some(named) if named.at_unix_micros <= at_unix_micros => {}
            _ => {
                of_chain.insert(seq, Named { hash, number, at_unix_micros, by: place.clone() });
            }
        }
    }
}

fn checkpoint(text: &str) -> Result<(Sealed, Checkpoint), String> {
    let mut sealed = Sealed::read(text).map_err(|error| error.to_string())?;
    match std::mem::replace(&mut sealed.statement, Statement::Other) {
        Statement::Checkpoint(checkpoint) if checkpoint.version == checkpoint::VERSION => Ok((sealed, checkpoint)),
        Statement::Checkpoint(checkpoint) => Err(format!("it is of version {}, which a later pgairlock reads", checkpoint.version)),
        _ => Err("it is something else".into()),
    }
}

/// Of an unknown key one line of each file is told.
fn believed(lines: Vec<Line>, trust: &Trust, findings: &mut Findings) -> Vec<Line> {
    if trust.is_empty() {
        return lines;
    }
    let mut strangers: BTreeSet<(String, KeyId)> = BTreeSet::new();
    let mut believed = Vec::with_capacity(lines.len());
    for line in lines {
        match trust.check(&line.sealed) {
            Ok(()) => believed.push(line),
            Err(Distrust::UnknownKey { key }) if !strangers.insert((line.place.file.clone(), key.clone())) => {}
            Err(why) => findings.add(Finding::CheckpointDistrusted { place: line.place, why }),
        }
    }
    believed
}

/// Whether each line of a process stands on the one before.
fn whole(writer: &str, run: &[Line], findings: &mut Findings) {
    let (mut number, mut previous, mut before): (i64, Digest, Option<&Place>) = (0, Digest::NONE, None);
    for line in run {
        let (next, place) = (line.checkpoint.number, line.place.clone());
        if next > number + 1 {
            findings.add(Finding::CheckpointsMissing { writer: writer.to_owned(), from: number + 1, to: next - 1, place });
        } else if line.checkpoint.previous != previous || next == number {
            let other = before.cloned().unwrap_or_else(|| place.clone());
            findings.add(Finding::CheckpointsDisagree { place, other, about: format!("what came before checkpoint {next} of the process {writer}") });
        }
        (number, previous, before) = (next, line.digest, Some(&line.place));
    }
}
