//! A log of three processes with its checkpoints, as a store and a file would hold it, and what somebody does to it.

use pgairlock::audit::anchor::{self, Anchor};
use pgairlock::audit::chain::{Chain, Digest, Entry, Head};
use pgairlock::audit::checkpoint::Checkpointer;
use pgairlock::audit::event::{Event, Fate, Settled, Started};
use pgairlock::audit::keys::SigningKey;
use pgairlock::audit::record::DecisionId;
use pgairlock::audit::retention::{Expiring, Sealer};
use pgairlock::audit::verify::{File, Verdict, Verifier, Writer};

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_pem(&SigningKey::text_of(&[number; 32])).unwrap()
}

/// What a store holds, and the file of checkpoints beside it.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) chains: Vec<(Writer, Vec<Entry>)>,
    pub(crate) anchors: Vec<String>,
    pub(crate) checkpoints: Vec<String>,
}

/// What happens, in order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happening {
    /// Process 0, 1 or 2 writes an entry; at its first it begins.
    Entry(usize),
    /// It makes a checkpoint, if it has begun.
    Checkpoint(usize),
}

pub(crate) const WRITERS: usize = 3;

struct Process {
    chain: Chain,
    checkpointer: Checkpointer,
}

pub(crate) fn writer(number: usize) -> String {
    format!("0190b7a5-0000-7000-8000-00000000000{number}")
}

/// The log that comes of it; `salt` makes others of the same happenings.
pub(crate) fn log(happenings: &[Happening], signer: u8, salt: &str) -> Log {
    let mut processes: Vec<Option<Process>> = (0..WRITERS).map(|_| None).collect();
    let mut log = Log { chains: Vec::new(), anchors: Vec::new(), checkpoints: Vec::new() };
    for (at, happening) in happenings.iter().enumerate() {
        let at = 1_000_000 * i64::try_from(at + 1).unwrap();
        match happening {
            Happening::Entry(number) => {
                let heads = heads(&processes);
                let place = log.chains.iter().position(|(chain, _)| chain.writer == writer(*number));
                let count = i64::try_from(log.chains.len()).unwrap();
                let process = processes[*number].get_or_insert_with(|| Process {
                    chain: Chain::new(writer(*number), count + 1),
                    checkpointer: Checkpointer::new(key(signer), writer(*number), Vec::new()),
                });
                let body = if place.is_none() { started(process.chain.head(), heads) } else { settled(at, salt) };
                let entry = process.chain.link(at, body);
                match place {
                    Some(place) => log.chains[place].1.push(entry),
                    None => log.chains.push((Writer { writer: writer(*number), number: count + 1 }, vec![entry])),
                }
            }
            Happening::Checkpoint(number) => {
                let heads = heads(&processes);
                let Some(process) = &mut processes[*number] else { continue };
                log.checkpoints.extend(process.checkpointer.line(&heads, at).unwrap());
            }
        }
    }
    log
}

fn heads(processes: &[Option<Process>]) -> Vec<Head> {
    processes.iter().flatten().map(|process| process.chain.head().clone()).collect()
}

fn started(head: &Head, heads: Vec<Head>) -> String {
    let started = Started { writer: head.writer.clone(), number: head.number, version: "0.1.0".into(), heads };
    serde_json::to_string(&Event::Started(started)).unwrap()
}

fn settled(at: i64, salt: &str) -> String {
    let settled = Settled { decision: DecisionId { writer: 1, seq: at }, fate: Fate::Committed, by: format!("catalog{salt}"), evidence: None };
    serde_json::to_string(&Event::Settled(settled)).unwrap()
}

impl Log {
    /// Retention takes the first entries of a chain.
    pub(crate) fn retain(&mut self, chain: usize, removed: usize, signer: Option<u8>) {
        let (writer, entries) = &mut self.chains[chain];
        let gone: Vec<Entry> = entries.drain(..removed).collect();
        let (first, last) = (gone.first().unwrap(), gone.last().unwrap());
        let anchor = Anchor {
            version: anchor::VERSION,
            at_unix_micros: 77,
            writer: writer.writer.clone(),
            number: writer.number,
            seq: last.seq,
            hash: last.hash,
            removed: i64::try_from(removed).unwrap(),
            oldest_unix_micros: first.at_unix_micros,
            newest_unix_micros: last.at_unix_micros,
        };
        self.anchors.push(anchor.line(signer.map(key).as_ref()).unwrap());
    }

    /// Retention as the proxy does it, of everything before that time; a chain that lives keeps its last entry. What it made of each chain before it was
    /// through with it comes back, with the anchors of then.
    pub(crate) fn expire(&mut self, before: i64, lives: bool, signer: u8) -> Vec<Self> {
        let sealer = Sealer::new(Some(key(signer)), &[]);
        let mut passed = Vec::new();
        for chain in 0..self.chains.len() {
            let (writer, entries) = self.chains[chain].clone();
            let Some(last) = entries.last() else { continue };
            let keep = if lives { last.seq } else { i64::MAX };
            let place = self.anchors.iter().position(|line| line.contains(&writer.writer));
            let anchor = place.map(|place| self.anchors[place].as_str());
            let mut expiring = Expiring::begin((&writer.writer, writer.number), anchor, &sealer, before, 99).unwrap();
            let mut rest = &entries[..];
            while !rest.is_empty() {
                let (page, behind) = rest.split_at(rest.len().min(3));
                if !expiring.page(page, keep).unwrap() {
                    break;
                }
                rest = behind;
            }
            for step in expiring.steps() {
                passed.push(self.clone());
                self.chains[chain].1.retain(|entry| entry.seq > step.anchor.seq);
                self.anchors.retain(|line| !line.contains(&writer.writer));
                self.anchors.push(sealer.seal(step.anchor).unwrap());
            }
        }
        passed
    }

    /// Makes a chain sound in itself again from this entry on, as who can write the store can.
    pub(crate) fn rehash(&mut self, chain: usize, from: usize) {
        let (writer, entries) = &mut self.chains[chain];
        let mut previous = from.checked_sub(1).map_or(Digest::NONE, |before| entries[before].hash);
        let first = from.checked_sub(1).map_or(0, |before| entries[before].seq);
        for (entry, seq) in entries[from..].iter_mut().zip(first + 1..) {
            entry.seq = seq;
            entry.hash = Entry::digest(previous, &writer.writer, seq, entry.at_unix_micros, &entry.body);
            previous = entry.hash;
        }
    }

    pub(crate) fn file(&self) -> String {
        self.checkpoints.iter().map(|line| format!("{line}\n")).collect()
    }

    /// As somebody who has the public half of these keys.
    pub(crate) fn verified(&self, keys: &[u8]) -> Verdict {
        self.verified_with(&self.file(), keys)
    }

    pub(crate) fn verified_with(&self, checkpoints: &str, keys: &[u8]) -> Verdict {
        let keys: Vec<_> = keys.iter().map(|number| key(*number).public()).collect();
        let mut verifier = Verifier::new(&keys, &[File { name: "checkpoints", text: checkpoints }]);
        self.anchors.iter().for_each(|line| verifier.anchor(line));
        self.chains.iter().filter_map(|(_, entries)| entries.first()).for_each(|entry| verifier.first(entry));
        for (chain, entries) in &self.chains {
            verifier.begin(chain.clone());
            entries.iter().for_each(|entry| {
                verifier.entry(entry);
            });
        }
        verifier.finish()
    }

    /// How far a checkpoint answers for a chain: 0 where none does.
    pub(crate) fn vouched(&self, writer: &str) -> i64 {
        let verdict = self.verified(&[1]);
        let chain = verdict.chains.iter().find(|chain| chain.writer == writer);
        chain.and_then(|chain| chain.vouched.as_ref()).map_or(0, |vouched| vouched.seq)
    }
}
