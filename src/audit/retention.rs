//! Which entries may go: of each chain a beginning of which everything is old enough, and sound as it stands. What somebody has changed is not taken
//! away under our signature: it would never be found again.

use thiserror::Error;

use super::anchor::{self, Anchor};
use super::chain::{Digest, Entry};
use super::keys::SigningKey;
use super::signed::{Sealed, Statement, Unwritable};
use super::trust::{Distrust, Trust};

/// Signs anchors, and knows its own again.
#[derive(Debug, Default)]
pub struct Sealer {
    key: Option<SigningKey>,
    trust: Trust,
}

/// Why a chain is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unsound {
    /// What stands for its beginning is none of ours.
    #[error("its anchor is not believed: {0}")]
    Distrusted(#[from] Distrust),
    /// A process that has a key signed it.
    #[error("its anchor is signed, and [store] signing_key names no key: without one it would become an anchor that nobody believes")]
    Signed,
    /// It is no line of ours.
    #[error("its anchor cannot be read: {0}")]
    Unreadable(String),
    /// There is a gap, or an entry that was taken away once.
    #[error("where entry {expected} should stand there is {found}")]
    OutOfPlace {
        /// Its number within the chain.
        expected: i64,
        /// What stands there.
        found: i64,
    },
    /// It was changed, or what stood before it was.
    #[error("the hash of entry {0} is not that of what stands there")]
    Changed(i64),
}

impl Sealer {
    /// With the key of this process and the lines that say whom it follows; without a key anchors have no signature.
    #[must_use]
    pub fn new(key: Option<SigningKey>, endorsements: &[String]) -> Self {
        let trust = key.as_ref().map(|key| Trust::following(&key.public(), endorsements)).unwrap_or_default();
        Self { key, trust }
    }

    /// The line of an anchor.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn seal(&self, anchor: Anchor) -> Result<String, Unwritable> {
        anchor.line(self.key.as_ref())
    }

    /// Only what is believed is followed by a signature of ours: else ours would make a forged anchor good.
    fn read(&self, line: &str, writer: &str) -> Result<Anchor, Unsound> {
        let sealed = Sealed::read(line).map_err(|error| Unsound::Unreadable(error.to_string()))?;
        match (&self.key, &sealed.signature) {
            (Some(_), _) => self.trust.check(&sealed)?,
            (None, Some(_)) => return Err(Unsound::Signed),
            (None, None) => {}
        }
        match sealed.statement {
            Statement::Anchor(anchor) if anchor.version == anchor::VERSION && anchor.writer == writer => Ok(anchor),
            Statement::Anchor(anchor) if anchor.version == anchor::VERSION => Err(Unsound::Unreadable(format!("it is that of {}", anchor.writer))),
            _ => Err(Unsound::Unreadable("it is something else".into())),
        }
    }
}

/// Entries that go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The first of them.
    pub first: i64,
    /// What stands for them and all before them.
    pub anchor: Anchor,
}

/// The beginning of one chain, as far as it was looked at.
#[derive(Debug)]
pub struct Expiring {
    writer: String,
    number: i64,
    before_unix_micros: i64,
    now_unix_micros: i64,
    last: i64,
    hash: Digest,
    anchor: Option<Anchor>,
    steps: Vec<Step>,
}

impl Expiring {
    /// Of this chain, behind the anchor that the store has for it.
    ///
    /// # Errors
    /// When the anchor is none that may be followed by another one.
    pub fn begin(chain: (&str, i64), anchor: Option<&str>, sealer: &Sealer, before_unix_micros: i64, now_unix_micros: i64) -> Result<Self, Unsound> {
        let (writer, number) = chain;
        let anchor = anchor.map(|line| sealer.read(line, writer)).transpose()?;
        let (last, hash) = anchor.as_ref().map_or((0, Digest::NONE), |anchor| (anchor.seq, anchor.hash));
        Ok(Self { writer: writer.to_owned(), number, before_unix_micros, now_unix_micros, last, hash, anchor, steps: Vec::new() })
    }

    /// The last entry that may go, or is gone.
    #[must_use]
    pub fn last(&self) -> i64 {
        self.last
    }

    /// Takes the next entries, up to the first one that is young, or that is to be kept; whether there may be more behind them. They go together.
    ///
    /// # Errors
    /// When they are not as they were written: then nothing of the chain may go.
    pub fn page(&mut self, entries: &[Entry], keep: i64) -> Result<bool, Unsound> {
        let before = self.last;
        let (mut first, mut newest) = (None, 0);
        for entry in entries {
            if entry.seq != self.last + 1 {
                return Err(Unsound::OutOfPlace { expected: self.last + 1, found: entry.seq });
            }
            if entry.at_unix_micros >= self.before_unix_micros || entry.seq >= keep {
                break;
            }
            if Entry::digest(self.hash, &self.writer, entry.seq, entry.at_unix_micros, &entry.body) != entry.hash {
                return Err(Unsound::Changed(entry.seq));
            }
            (self.last, self.hash) = (entry.seq, entry.hash);
            first = first.or(Some(entry.at_unix_micros));
            newest = entry.at_unix_micros;
        }
        let Some(oldest) = first else { return Ok(false) };
        let last = Anchor {
            version: anchor::VERSION,
            at_unix_micros: self.now_unix_micros,
            writer: self.writer.clone(),
            number: self.number,
            seq: self.last,
            hash: self.hash,
            removed: self.last - before,
            oldest_unix_micros: oldest,
            newest_unix_micros: newest,
        };
        let moved = Anchor::moved(self.anchor.as_ref(), last);
        self.anchor = Some(moved.clone());
        self.steps.push(Step { first: before + 1, anchor: moved });
        Ok(entries.last().is_some_and(|entry| entry.seq == self.last))
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// How many may go.
    #[must_use]
    pub fn going(&self) -> i64 {
        self.steps.first().map_or(0, |first| self.last - first.first + 1)
    }

    /// Page by page: each anchor takes the place of the one before.
    #[must_use]
    pub fn steps(self) -> Vec<Step> {
        self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::chain::Chain;
    use crate::audit::trust::endorse;

    const NOW: i64 = 1_000;

    fn key(number: u8) -> SigningKey {
        SigningKey::from_pem(&SigningKey::text_of(&[number; 32])).unwrap()
    }

    fn sealer(number: u8) -> Sealer {
        Sealer::new(Some(key(number)), &[])
    }

    /// Entry n came at the time n.
    fn entries(count: i64) -> Vec<Entry> {
        let mut chain = Chain::new("w".into(), 3);
        (1..=count).map(|at| chain.link(at, format!("{{\"kind\":\"of-tomorrow\",\"number\":{at}}}"))).collect()
    }

    fn begin(anchor: Option<&str>, sealer: &Sealer, before: i64) -> Result<Expiring, Unsound> {
        Expiring::begin(("w", 3), anchor, sealer, before, NOW)
    }

    fn numbers(steps: &[Step]) -> Vec<(i64, i64, i64, i64, i64)> {
        let numbers = |Step { first, anchor }: &Step| (*first, anchor.seq, anchor.removed, anchor.oldest_unix_micros, anchor.newest_unix_micros);
        steps.iter().map(numbers).collect()
    }

    #[test]
    fn what_is_old_goes_page_by_page_up_to_what_is_young_or_kept() {
        let entries = entries(10);
        let mut all = begin(None, &sealer(1), 8).unwrap();
        assert_eq!((all.page(&entries[..4], i64::MAX), all.page(&entries[4..], i64::MAX)), (Ok(true), Ok(false)));
        assert_eq!((all.last(), all.hash(), all.going()), (7, entries[6].hash, 7));
        assert_eq!(numbers(&all.steps()), [(1, 4, 4, 1, 4), (5, 7, 7, 1, 7)]);
        let mut kept = begin(None, &sealer(1), i64::MAX).unwrap();
        assert_eq!(kept.page(&entries, 4), Ok(false));
        let steps = kept.steps();
        assert_eq!((numbers(&steps), steps[0].anchor.hash), (vec![(1, 3, 3, 1, 3)], entries[2].hash));
        let line = sealer(1).seal(steps[0].anchor.clone()).unwrap();
        let mut again = begin(Some(&line), &sealer(1), 6).unwrap();
        assert_eq!(again.page(&entries[3..], i64::MAX), Ok(false));
        assert_eq!((again.going(), numbers(&again.steps())), (2, vec![(4, 5, 5, 1, 5)]));
        let mut nothing = begin(Some(&line), &sealer(1), 3).unwrap();
        assert_eq!((nothing.page(&entries[3..], i64::MAX), nothing.page(&[], i64::MAX)), (Ok(false), Ok(false)));
        assert_eq!((nothing.going(), nothing.steps()), (0, vec![]));
    }

    /// A young entry holds all behind it, whatever their time: a clock may have been set back.
    #[test]
    fn only_a_beginning_goes() {
        let mut chain = Chain::new("w".into(), 3);
        let entries: Vec<Entry> = [1, 9, 2].map(|at| chain.link(at, "{}".into())).into();
        let mut expiring = begin(None, &sealer(1), 5).unwrap();
        assert_eq!(expiring.page(&entries, i64::MAX), Ok(false));
        assert_eq!(expiring.last(), 1);
    }

    #[test]
    fn what_was_changed_is_not_taken_away() {
        let whole = entries(5);
        let told = |entries: &[Entry]| begin(None, &sealer(1), i64::MAX).unwrap().page(entries, i64::MAX);
        let mut changed = whole.clone();
        changed[2].body.push(' ');
        assert_eq!(told(&changed), Err(Unsound::Changed(3)));
        let mut older = whole.clone();
        older[4].at_unix_micros = 0;
        assert_eq!(told(&older), Err(Unsound::Changed(5)));
        assert_eq!(told(&whole[1..]), Err(Unsound::OutOfPlace { expected: 1, found: 2 }));
        let mut gap = whole;
        gap.remove(3);
        assert_eq!(told(&gap), Err(Unsound::OutOfPlace { expected: 4, found: 5 }));
    }

    /// The anchors of others are not followed by one of ours.
    #[test]
    fn no_signature_makes_a_forged_anchor_good() {
        let mut expiring = begin(None, &sealer(1), i64::MAX).unwrap();
        expiring.page(&entries(3), i64::MAX).unwrap();
        let anchor = expiring.steps().remove(0).anchor;
        let line = |sealer: &Sealer| sealer.seal(anchor.clone()).unwrap();
        let refused = |line: &str, sealer: &Sealer| begin(Some(line), sealer, i64::MAX).err();
        let unsigned = Sealer::default();
        assert_eq!(refused(&line(&sealer(1)), &sealer(1)), None);
        assert_eq!(refused(&line(&unsigned), &unsigned), None);
        assert_eq!(refused(&line(&unsigned), &sealer(1)), Some(Unsound::Distrusted(Distrust::Unsigned)));
        assert_eq!(refused(&line(&sealer(1)), &unsigned), Some(Unsound::Signed));
        let stranger = Unsound::Distrusted(Distrust::UnknownKey { key: key(2).id() });
        assert_eq!(refused(&line(&sealer(2)), &sealer(1)), Some(stranger));
        let moved = line(&sealer(1)).replace("\"seq\":3", "\"seq\":4");
        assert_eq!(refused(&moved, &sealer(1)), Some(Unsound::Distrusted(Distrust::BadSignature { key: key(1).id() })));
        assert!(matches!(refused("{", &sealer(1)), Some(Unsound::Unreadable(_))));
        let other = Sealer::read(&sealer(1), &line(&sealer(1)), "v");
        assert_eq!(other, Err(Unsound::Unreadable("it is that of w".into())));
    }

    #[test]
    fn who_follows_a_key_believes_its_anchors() {
        let endorsements = [endorse(&key(1), &key(2).public(), 5).unwrap(), endorse(&key(2), &key(3).public(), 6).unwrap()];
        let third = Sealer::new(Some(key(3)), &endorsements);
        let mut expiring = begin(None, &sealer(1), i64::MAX).unwrap();
        expiring.page(&entries(3), i64::MAX).unwrap();
        let anchor = expiring.steps().remove(0).anchor;
        for (number, believed) in [(1, true), (2, true), (3, true), (4, false)] {
            let line = sealer(number).seal(anchor.clone()).unwrap();
            assert_eq!(begin(Some(&line), &third, i64::MAX).is_ok(), believed, "{number}");
        }
    }
}
