//! Whether the log is as it was written. Reads each chain once, from its beginning, and keeps what others say of it: so much memory as there are chains
//! and checkpoints, however many entries.

mod finding;
mod verdict;
mod walk;
mod witness;

use std::collections::{BTreeMap, BTreeSet};

use super::anchor::{self, Anchor};
use super::chain::Entry;
use super::event::Event;
use super::keys::PublicKey;
use super::signed::{Sealed, Statement};
use super::trust::Trust;
use finding::Findings;
pub use finding::{Finding, Writer};
pub use verdict::{ChainVerdict, Place, Proof, Removed, Verdict, Vouched};
use walk::{Said, Seen, Walk};
pub use witness::File;
use witness::Witnesses;

/// Takes everything in this order: checkpoints and keys, anchors, the first entry of each chain, then chain by chain all entries.
#[derive(Debug)]
pub struct Verifier {
    trust: Trust,
    proof: Proof,
    witnesses: Witnesses,
    anchors: BTreeMap<String, Anchor>,
    /// What processes saw of other chains when they began.
    seen: BTreeMap<String, BTreeMap<i64, Vec<Seen>>>,
    findings: Findings,
    walk: Option<Walk>,
    chains: Vec<ChainVerdict>,
}

impl Verifier {
    /// Without keys no signature is looked at; without files nothing but the store says what it should hold.
    #[must_use]
    pub fn new(keys: &[PublicKey], files: &[File<'_>]) -> Self {
        let (mut trust, mut findings) = (Trust::in_keys(keys), Findings::default());
        let witnesses = Witnesses::read(files, &mut trust, &mut findings);
        let proof = match (witnesses.lines, trust.is_empty()) {
            (0, _) => Proof::Chain,
            (_, true) => Proof::Unsigned,
            (_, false) => Proof::Signed,
        };
        Self { trust, proof, witnesses, anchors: BTreeMap::new(), seen: BTreeMap::new(), findings, walk: None, chains: Vec::new() }
    }

    /// What stands for the beginning of a chain: a line, as the store has it.
    pub fn anchor(&mut self, line: &str) {
        let unreadable = |error: String| Finding::AnchorUnreadable { error };
        let sealed = match Sealed::read(line) {
            Ok(sealed) => sealed,
            Err(error) => return self.findings.add(unreadable(error.to_string())),
        };
        let Statement::Anchor(anchor) = &sealed.statement else { return self.findings.add(unreadable("it is something else".into())) };
        if anchor.version != anchor::VERSION {
            return self.findings.add(unreadable(format!("it is of version {}, which a later pgairlock reads", anchor.version)));
        }
        if !self.trust.is_empty()
            && let Err(why) = self.trust.check(&sealed)
        {
            let chain = Writer { writer: anchor.writer.clone(), number: anchor.number };
            return self.findings.add(Finding::AnchorDistrusted { chain, why });
        }
        if self.anchors.get(&anchor.writer).is_none_or(|known| known.seq < anchor.seq) {
            self.anchors.insert(anchor.writer.clone(), anchor.clone());
        }
    }

    /// The first entry of a chain, before any chain is read: it says where the others ended then. It is looked at with its chain.
    pub fn first(&mut self, entry: &Entry) {
        let Ok(Event::Started(started)) = serde_json::from_str(&entry.body) else { return };
        for head in started.heads {
            let seen = Seen { number: head.number, hash: head.hash, by: started.writer.clone() };
            let of_entry = self.seen.entry(head.writer).or_default().entry(head.seq).or_default();
            if !of_entry.iter().any(|known| known.hash == seen.hash) {
                of_entry.push(seen);
            }
        }
    }

    /// The entries that follow are of this chain; the one before is complete.
    pub fn begin(&mut self, chain: Writer) {
        self.end();
        let anchor = self.anchors.remove(&chain.writer);
        let said = said(&self.witnesses, &self.seen, &chain.writer);
        self.walk = Some(Walk::begin(chain, anchor, said, &mut self.findings));
    }

    /// The next entry of the chain, in the order of the store; gives what it says, for a comparison with what the store lists and searches.
    pub fn entry(&mut self, entry: &Entry) -> Option<Event> {
        let walk = self.walk.as_mut()?;
        let chain = walk.chain().clone();
        walk.entry(entry, said(&self.witnesses, &self.seen, &chain.writer), &mut self.findings);
        let event = match serde_json::from_str::<Event>(&entry.body) {
            Ok(event) => Some(event),
            Err(error) => {
                self.findings.add(Finding::EntryUnreadable { chain: chain.clone(), seq: entry.seq, error: error.to_string() });
                None
            }
        };
        if entry.seq == 1 && !event.as_ref().is_some_and(|event| begins(event, &chain)) {
            self.findings.add(Finding::NotStarted { chain });
        }
        event
    }

    /// What the store lists and searches for an entry of the chain is not what the entry says.
    pub fn differs(&mut self, seq: i64, what: String) {
        if let Some(walk) = &self.walk {
            self.findings.add(Finding::RowDiffers { chain: walk.chain().clone(), seq, what });
        }
    }

    fn end(&mut self) {
        if let Some(walk) = self.walk.take() {
            let said = said(&self.witnesses, &self.seen, &walk.chain().writer);
            let verdict = walk.end(said, &mut self.findings);
            self.chains.push(verdict);
        }
    }

    /// All chains were read.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        // Of a chain whose entries are all gone by retention, the anchor is left.
        while let Some((writer, anchor)) = self.anchors.first_key_value() {
            let chain = Writer { writer: writer.clone(), number: anchor.number };
            self.begin(chain);
        }
        self.end();
        self.missing_chains();
        Verdict {
            proof: self.proof,
            findings: self.findings.kept,
            more_findings: self.findings.more,
            notes: self.witnesses.notes,
            chains: self.chains,
            checkpoints: self.witnesses.lines,
            last_checkpoint_unix_micros: self.witnesses.last_unix_micros,
        }
    }

    fn missing_chains(&mut self) {
        let there: BTreeSet<&str> = self.chains.iter().map(|chain| chain.writer.as_str()).collect();
        for (writer, named) in self.witnesses.heads.iter().filter(|(writer, _)| !there.contains(writer.as_str())) {
            let Some((seq, named)) = named.last_key_value() else { continue };
            let chain = Writer { writer: writer.clone(), number: named.number };
            self.findings.add(Finding::ChainMissing { chain, named: *seq, by: named.by.clone() });
        }
        for (writer, seen) in self.seen.iter().filter(|(writer, _)| !there.contains(writer.as_str())) {
            let Some((seq, Some(last))) = seen.last_key_value().map(|(seq, seen)| (seq, seen.first())) else { continue };
            let chain = Writer { writer: writer.clone(), number: last.number };
            self.findings.add(Finding::SeenAndGone { chain, seq: *seq, by: last.by.clone() });
        }
    }
}

fn said<'a>(witnesses: &'a Witnesses, seen: &'a BTreeMap<String, BTreeMap<i64, Vec<Seen>>>, writer: &str) -> Said<'a> {
    Said { named: witnesses.heads.get(writer), seen: seen.get(writer) }
}

fn begins(event: &Event, chain: &Writer) -> bool {
    matches!(event, Event::Started(started) if started.writer == chain.writer && started.number == chain.number)
}
