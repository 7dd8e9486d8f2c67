//! One chain, entry by entry.

use std::collections::BTreeMap;

use super::finding::{Finding, Findings, Writer};
use super::verdict::{ChainVerdict, Removed, Vouched};
use super::witness::Named;
use crate::audit::anchor::Anchor;
use crate::audit::chain::{Digest, Entry};
use crate::audit::checkpoint::{LONGEST_MICROS, MOST_ENTRIES};

/// An entry of another chain, as a process saw it when it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) number: i64,
    pub(super) hash: Digest,
    /// Whose first entry says so.
    pub(super) by: String,
}

/// What others say of a chain, by entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) named: Option<&'a BTreeMap<i64, Named>>,
    pub(super) seen: Option<&'a BTreeMap<i64, Vec<Seen>>>,
}

/// How far a chain was read.
#[derive(Debug)]
pub(super) struct Walk {
    chain: Writer,
    anchor: Option<Anchor>,
    /// What the next entry may stand on: behind a changed one, the hash that it has and the one that it should have. Nothing where that is gone.
    previous: Vec<Digest>,
    last: i64,
    last_unix_micros: Option<i64>,
    entries: u64,
    vouched: Option<Vouched>,
    beyond: u64,
    beyond_since: Option<i64>,
    rewritten: bool,
}

impl Walk {
    pub(super) fn begin(chain: Writer, anchor: Option<Anchor>, said: Said<'_>, findings: &mut Findings) -> Self {
        let (last, hash) = anchor.as_ref().map_or((0, Digest::NONE), |anchor| (anchor.seq, anchor.hash));
        let last_unix_micros = anchor.as_ref().map(|anchor| anchor.newest_unix_micros);
        let mut walk = Self {
            chain,
            anchor,
            previous: vec![hash],
            last,
            last_unix_micros,
            entries: 0,
            vouched: None,
            beyond: 0,
            beyond_since: None,
            rewritten: false,
        };
        walk.compare(last, hash, said, findings);
        walk.number(said, findings);
        walk
    }

    pub(super) fn chain(&self) -> &Writer {
        &self.chain
    }

    pub(super) fn entry(&mut self, entry: &Entry, said: Said<'_>, findings: &mut Findings) {
        self.entries += 1;
        let chain = || self.chain.clone();
        if entry.seq <= self.last {
            findings.add(Finding::OutOfOrder { chain: chain(), seq: entry.seq, after: self.last });
            return;
        }
        if entry.seq > self.last + 1 {
            self.previous.clear();
            findings.add(match (self.last, &self.anchor) {
                (0, None) => Finding::BeginsWithoutAnchor { chain: chain(), seq: entry.seq },
                _ => Finding::EntriesMissing { chain: chain(), from: self.last + 1, to: entry.seq - 1 },
            });
        }
        self.previous = self.linked(entry, findings);
        (self.last, self.last_unix_micros) = (entry.seq, Some(entry.at_unix_micros));
        self.beyond += 1;
        self.beyond_since = self.beyond_since.or(Some(entry.at_unix_micros));
        self.compare(entry.seq, entry.hash, said, findings);
    }

    /// What the next entry may stand on.
    fn linked(&self, entry: &Entry, findings: &mut Findings) -> Vec<Digest> {
        let digest = |previous: &Digest| Entry::digest(*previous, &self.chain.writer, entry.seq, entry.at_unix_micros, &entry.body);
        let candidates: Vec<Digest> = self.previous.iter().map(digest).collect();
        if candidates.is_empty() || candidates.contains(&entry.hash) {
            return vec![entry.hash];
        }
        findings.add(Finding::EntriesChanged { chain: self.chain.clone(), from: entry.seq, to: entry.seq });
        [entry.hash].into_iter().chain(candidates.into_iter().take(1)).collect()
    }

    /// Whether others have seen this entry as it is.
    fn compare(&mut self, seq: i64, hash: Digest, said: Said<'_>, findings: &mut Findings) {
        if let Some(named) = said.named.and_then(|named| named.get(&seq)) {
            if named.hash == hash {
                self.vouched = Some(Vouched { seq, at_unix_micros: named.at_unix_micros, by: named.by.clone() });
                (self.beyond, self.beyond_since) = (0, None);
            } else if !std::mem::replace(&mut self.rewritten, true) {
                let after = self.vouched.as_ref().map_or(0, |vouched| vouched.seq);
                findings.add(Finding::Rewritten { chain: self.chain.clone(), after, seq, by: named.by.clone() });
            }
        }
        for seen in said.seen.and_then(|seen| seen.get(&seq)).into_iter().flatten().filter(|seen| seen.hash != hash) {
            findings.add(Finding::SeenOtherwise { chain: self.chain.clone(), seq, by: seen.by.clone() });
        }
    }

    /// Decisions are called by the number of their chain, so it is not to change either.
    fn number(&self, said: Said<'_>, findings: &mut Findings) {
        let other = said.named.and_then(|named| named.values().find(|named| named.number != self.chain.number));
        if let Some(other) = other {
            findings.add(Finding::NumberChanged { chain: self.chain.clone(), named: other.number, by: other.by.clone() });
        } else if self.anchor.as_ref().is_some_and(|anchor| anchor.number != self.chain.number) {
            findings.add(Finding::NotStarted { chain: self.chain.clone() });
        }
    }

    pub(super) fn end(self, said: Said<'_>, findings: &mut Findings) -> ChainVerdict {
        if let Some((named, by)) = said.named.and_then(BTreeMap::last_key_value).filter(|(named, _)| **named > self.last) {
            findings.add(Finding::TailCut { chain: self.chain.clone(), last: self.last, named: *named, by: by.by.clone() });
        }
        if let Some((seq, seen)) = said.seen.and_then(BTreeMap::last_key_value).filter(|(seq, _)| **seq > self.last)
            && let Some(seen) = seen.first()
        {
            findings.add(Finding::SeenAndGone { chain: self.chain.clone(), seq: *seq, by: seen.by.clone() });
        }
        let span = self.beyond_since.zip(self.last_unix_micros).map_or(0, |(since, last)| last.saturating_sub(since));
        ChainVerdict {
            entries: self.entries,
            last: self.last,
            last_unix_micros: self.last_unix_micros,
            removed: self.anchor.map(|anchor| Removed {
                seq: anchor.seq,
                entries: anchor.removed,
                oldest_unix_micros: anchor.oldest_unix_micros,
                newest_unix_micros: anchor.newest_unix_micros,
            }),
            vouched: self.vouched,
            // What was written while the last checkpoint was made is not late.
            overdue: self.beyond > 2 * MOST_ENTRIES.unsigned_abs() || span > 2 * LONGEST_MICROS,
            beyond: self.beyond,
            beyond_since_unix_micros: self.beyond_since,
            writer: self.chain.writer,
            number: self.chain.number,
        }
    }
}
