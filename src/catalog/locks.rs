//! Lock modes and work, as PostgreSQL names them.

use std::fmt;

/// Table-level lock modes, weak to strong (manual, "Explicit Locking").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// SELECT.
    AccessShare,
    /// SELECT FOR UPDATE.
    RowShare,
    /// INSERT, UPDATE, DELETE.
    RowExclusive,
    /// VALIDATE, CREATE INDEX CONCURRENTLY.
    ShareUpdateExclusive,
    /// CREATE INDEX.
    Share,
    /// ADD FOREIGN KEY, CREATE TRIGGER.
    ShareRowExclusive,
    /// REFRESH MATERIALIZED VIEW CONCURRENTLY.
    Exclusive,
    /// Most of ALTER TABLE, DROP.
    AccessExclusive,
}

impl LockMode {
    /// Weak to strong.
    pub const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// Two transactions cannot hold these two on one table (manual, "Conflicting Lock Modes").
    #[must_use]
    pub fn conflicts_with(self, other: Self) -> bool {
        let (weaker, stronger) = (self.min(other), self.max(other));
        match stronger {
            Self::AccessShare | Self::RowShare | Self::RowExclusive => false,
            Self::ShareUpdateExclusive => weaker == Self::ShareUpdateExclusive,
            // The one mode that does not conflict with itself.
            Self::Share => matches!(weaker, Self::RowExclusive | Self::ShareUpdateExclusive),
            Self::ShareRowExclusive => weaker >= Self::RowExclusive,
            Self::Exclusive => weaker >= Self::RowShare,
            Self::AccessExclusive => true,
        }
    }

    /// Who waits while it is held, or waited for.
    #[must_use]
    pub fn stops(self) -> &'static str {
        match self {
            Self::AccessShare | Self::RowShare | Self::RowExclusive | Self::ShareUpdateExclusive => "some other DDL waits",
            Self::Share | Self::ShareRowExclusive => "all writes wait",
            Self::Exclusive => "all writes and SELECT FOR UPDATE wait",
            Self::AccessExclusive => "all reads and writes wait",
        }
    }

    /// What stands in its way, as `pg_locks` names it.
    #[must_use]
    pub fn opponents(self) -> Vec<String> {
        Self::ALL.into_iter().filter(|other| self.conflicts_with(*other)).map(|other| format!("{other}Lock")).collect()
    }
}

/// What is done while the lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Metadata only.
    None,
    /// The table is read from end to end.
    Scan,
    /// The table or an index is written anew.
    Rewrite,
}

impl Work {
    /// What it means for those who wait.
    #[must_use]
    pub fn takes(self) -> &'static str {
        match self {
            Self::None => "no row is touched: it is over as soon as it has its lock",
            Self::Scan => "every row is read, or an index built, under that lock",
            Self::Rewrite => "the table or an index is written anew under that lock",
        }
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Scan => "scan",
            Self::Rewrite => "rewrite",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_conflicts_is_what_the_manual_says() {
        let row = |mode: LockMode| LockMode::ALL.map(|other| if mode.conflicts_with(other) { 'X' } else { '.' }).iter().collect::<String>();
        assert_eq!(LockMode::ALL.map(row), [".......X", "......XX", "....XXXX", "...XXXXX", "..XX.XXX", "..XXXXXX", ".XXXXXXX", "XXXXXXXX"]);
    }

    #[test]
    fn who_waits_is_what_conflicts() {
        for mode in LockMode::ALL {
            let stopped = |other: LockMode| mode.conflicts_with(other);
            let words = match (stopped(LockMode::AccessShare), stopped(LockMode::RowShare), stopped(LockMode::RowExclusive)) {
                (true, _, _) => "all reads and writes wait",
                (false, true, _) => "all writes and SELECT FOR UPDATE wait",
                (false, false, true) => "all writes wait",
                (false, false, false) => "some other DDL waits",
            };
            assert_eq!(mode.stops(), words, "{mode}");
        }
    }

    #[test]
    fn modes_are_named_as_in_pg_locks() {
        assert_eq!(LockMode::Exclusive.opponents().first().map(String::as_str), Some("RowShareLock"));
    }
}
