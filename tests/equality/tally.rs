//! How many statements met which fate. A run in which nearly all of them pass untouched says nothing about the proxy.

use std::fmt;
use std::ops::AddAssign;

use super::case::Case;
use super::shape::Shape;
use super::support::frontend::Reply;
use super::verdict::is_refused;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) runs: usize,
    pub(super) statements: usize,
    /// Run in another form in its place.
    pub(super) rewritten: usize,
    /// Left, in part at least, for after the COMMIT.
    pub(super) deferred: usize,
    pub(super) refused: usize,
    /// By PostgreSQL, or behind such a failure in the same transaction.
    pub(super) failed: usize,
    /// Runs of which something failed after the COMMIT.
    pub(super) late: usize,
}

impl Tally {
    pub(super) fn of(case: &Case, shape: Shape, replies: &[Reply]) -> Self {
        let notices: Vec<&String> = replies.iter().flat_map(|reply| &reply.notices).filter(|notice| notice.starts_with("pgairlock [")).collect();
        let with = |words: &str| notices.iter().filter(|notice| notice.contains(words)).count();
        let statements = case.migration.len();
        let refused = replies.iter().filter(|reply| is_refused(reply)).count();
        let failed = replies.iter().filter(|reply| !reply.errors.is_empty()).count() - refused;
        // What is sent together is refused, or fails, as a whole.
        let each = if shape.is_whole() { statements } else { 1 };
        let deferred = with("after COMMIT: ");
        Self { runs: 1, statements, rewritten: with("runs as: "), deferred, refused: refused * each, failed: failed * each, late: 0 }
    }

    fn share(&self, part: usize) -> f64 {
        let as_float = |count: usize| f64::from(u32::try_from(count).unwrap());
        as_float(100 * part) / as_float(self.statements.max(1))
    }

    /// At least one in twelve has to be made safe, or the generator has become too tame.
    pub(super) fn says_something(&self) -> bool {
        12 * (self.rewritten + self.deferred) >= self.statements
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.statements += other.statements;
        self.rewritten += other.rewritten;
        self.deferred += other.deferred;
        self.refused += other.refused;
        self.failed += other.failed;
        self.late += other.late;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, statements, rewritten, deferred, refused, failed, late } = *self;
        let shares = [("rewritten", rewritten), ("deferred", deferred), ("refused", refused), ("failed", failed)];
        write!(f, "{runs} runs of {statements} statements:")?;
        shares.iter().try_for_each(|(name, part)| write!(f, " {name} {:.1} %,", self.share(*part)))?;
        write!(f, " the rest untouched; {late} runs failed after COMMIT")
    }
}
