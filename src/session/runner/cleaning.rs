//! What a failed step leaves is taken away, and the finished steps before it are taken back.

use std::collections::VecDeque;

use crate::deferred::step::{Debris, Step, Wait};

use super::sql::{LEAVING, NAP, REBUILT, STATE};
use super::{Answered, Failure, Limits, Next, OnFailure, Phase, Runner, ServerError, Todo, as_original};

/// A statement that takes something away.
#[derive(Debug)]
pub(super) struct Clean {
    pub(super) sql: String,
    wait: Wait,
}

/// Looks at what is INVALID while another session has its table's lock: 5 s.
pub(super) const MOST_LOOKS: u32 = 25;
const DUPLICATE_TABLE: &str = "42P07";

impl Clean {
    /// A concurrent drop waits for every older transaction, a validation for whoever changes the table, and neither hurts anybody meanwhile.
    fn of(sql: String) -> Self {
        let waits = sql.starts_with("DROP INDEX CONCURRENTLY") || sql.contains(" VALIDATE CONSTRAINT ");
        let wait = if waits { Wait::Long } else { Wait::Short };
        Self { sql, wait }
    }
}

impl Runner {
    pub(super) fn failed(&mut self, step: &Step, error: ServerError) -> Next {
        let taken = error.sqlstate == DUPLICATE_TABLE;
        self.failure = Some(Failure { error: as_original(error, step.errors.as_ref()), step: step.sql.clone(), left_over: Vec::new() });
        // What fails as the first of all, and alone would have done something, has done nothing.
        let nothing_done = self.on_failure == OnFailure::Undo && self.undo.is_empty() && step.undo.is_some();
        let current = self.current.take().filter(|_| !nothing_done);
        let own = current.and_then(|operation| operation.clean_up()).map(|sql| Clean { sql, wait: Wait::Short });
        let takes_away = own.is_some() && self.on_failure == OnFailure::Keep;
        let mut cleaning: VecDeque<Clean> = own.into_iter().chain(self.undone()).collect();
        dedup(&mut cleaning);
        // The name belongs to somebody else, so nothing of that name is ours to remove.
        let debris = step.debris.clone().filter(|_| !taken);
        match &self.failure {
            Some(failure) if takes_away => {
                let error = failure.error.clone();
                self.phase = Phase::Noting(debris, cleaning);
                Next::Note(error)
            }
            _ => self.clean_up(debris, cleaning),
        }
    }

    /// The failure is on disk, or cannot be: what is left is taken away all the same, since a constraint that stays NOT VALID refuses the
    /// application's changes of old rows.
    pub(super) fn clean_up(&mut self, debris: Option<Debris>, cleaning: VecDeque<Clean>) -> Next {
        match debris {
            Some(debris) => {
                self.tries = 0;
                self.inspect(debris, cleaning)
            }
            None => self.next_clean(cleaning),
        }
    }

    /// What takes back the finished steps, latest first; nothing where they stay.
    pub(super) fn undone(&mut self) -> VecDeque<Clean> {
        self.items.clear();
        let undo = std::mem::take(&mut self.undo).into_iter().rev().map(Clean::of);
        if self.on_failure == OnFailure::Undo { undo.collect() } else { VecDeque::new() }
    }

    pub(super) fn inspect(&mut self, debris: Debris, rest: VecDeque<Clean>) -> Next {
        let next = match &debris {
            Debris::Index(index) | Debris::HalfDropped(index) => Next::Run(STATE.to_owned(), vec![index.to_string()]),
            Debris::Leaving { table, partition } => Next::Run(LEAVING.to_owned(), vec![table.to_string(), partition.to_string()]),
            Debris::Rebuilt(table) => Next::Run(REBUILT.to_owned(), vec![table.as_ref().map(ToString::to_string).unwrap_or_default()]),
        };
        self.phase = Phase::Inspect(debris, rest);
        next
    }

    pub(super) fn inspected(&mut self, debris: Debris, mut rest: VecDeque<Clean>, answer: Answered) -> Next {
        let state = match (&debris, &answer) {
            (Debris::Index(_) | Debris::HalfDropped(_) | Debris::Leaving { .. }, Ok(state)) => state.as_deref().unwrap_or("gone"),
            (Debris::Rebuilt(_), Ok(names)) => {
                left_by_rebuild(names.as_deref()).into_iter().rev().for_each(|sql| rest.push_front(Clean::of(sql)));
                return self.next_clean(rest);
            }
            (_, Err(_)) => "busy",
        };
        self.tries += 1;
        match (state, debris.remedy()) {
            ("gone" | "valid", _) => self.next_clean(rest),
            // Whoever has the lock of the table (a VACUUM that stood behind the build) may have it for long.
            ("busy", _) if self.tries < MOST_LOOKS => {
                self.phase = Phase::Doze(debris, rest);
                Next::Run(NAP.to_owned(), Vec::new())
            }
            ("abandoned", Some(sql)) if matches!(debris, Debris::Index(_)) => {
                rest.push_front(Clean { sql, wait: Wait::Long });
                self.next_clean(rest)
            }
            (_, remedy) => {
                self.leave(remedy);
                self.next_clean(rest)
            }
        }
    }

    fn leave(&mut self, sql: Option<String>) {
        if let Some(failure) = &mut self.failure {
            failure.left_over.extend(sql);
        }
    }

    pub(super) fn next_clean(&mut self, mut cleaning: VecDeque<Clean>) -> Next {
        let Some(clean) = cleaning.pop_front() else {
            self.tries = 0;
            return self.release();
        };
        let limits = if clean.wait == Wait::Long { Limits::Off } else { Limits::Own };
        if limits == self.limits { self.run_clean(clean, cleaning) } else { self.set_limits(limits, Todo::Clean(clean, cleaning)) }
    }

    pub(super) fn run_clean(&mut self, clean: Clean, rest: VecDeque<Clean>) -> Next {
        let sql = clean.sql.clone();
        self.phase = Phase::Clean(clean, rest);
        Next::Run(sql, Vec::new())
    }

    pub(super) fn cleaned(&mut self, clean: Clean, rest: VecDeque<Clean>, succeeded: bool) -> Next {
        if !succeeded {
            self.leave(Some(clean.sql));
        }
        self.next_clean(rest)
    }
}

/// In order.
pub(super) fn to_clean(first: Option<&Clean>, rest: &VecDeque<Clean>) -> Vec<String> {
    first.into_iter().chain(rest).map(|clean| clean.sql.clone()).collect()
}

/// What drops the indexes of the answer to [`REBUILT`].
pub(super) fn left_by_rebuild(names: Option<&str>) -> Vec<String> {
    let names: Vec<String> = names.and_then(|names| serde_json::from_str(names).ok()).unwrap_or_default();
    names.into_iter().map(|name| format!("DROP INDEX CONCURRENTLY {name}")).collect()
}

/// Each once, where it stands first.
fn dedup(cleaning: &mut VecDeque<Clean>) {
    let mut seen = std::collections::HashSet::new();
    cleaning.retain(|clean| seen.insert(clean.sql.clone()));
}
