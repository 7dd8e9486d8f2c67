//! From the parts of a file to one verdict a statement.

use std::ops::Range;
use std::sync::Arc;

use crate::catalog::facts::Facts;
use crate::catalog::overlay::Overlay;
use crate::catalog::questions::{Inquiry, Prepared};
use crate::policy::allowance::Allowance;
use crate::policy::compose;
use crate::policy::decide::Situation;
use crate::policy::foresee::{Basis, SoFar, foresee};
use crate::policy::settings::{Mode, PolicySettings, Principal};
use crate::sql::parse::{self, ParseError};
use crate::sql::statement::Script;

use super::psql;
use super::report::{Lines, Problem, StatementReport};
use super::source::{Around, Part};

/// Longest text of one file, in bytes.
pub const MOST_BYTES: usize = 100 * 1024 * 1024;

/// So much of a file is read at once: the tree of a text is some sixty times its size.
const CHUNK_BYTES: usize = 256 * 1024;

/// Statements that are read, and what has to be asked about them.
pub struct Read {
    /// Where their text begins in the file.
    from: usize,
    script: Script,
}

/// Everything that does not come from the file.
pub struct Asking<'a> {
    /// The settings that decide.
    pub settings: &'a PolicySettings,
    /// Who would run it.
    pub principal: &'a Principal,
    /// Whether a server was asked.
    pub basis: Basis,
    /// The lock_timeout that the proxy would keep, in milliseconds.
    pub lock_timeout_ms: u64,
}

struct Nobody;

impl Prepared for Nobody {
    fn script(&self, _: &str) -> Option<Arc<Script>> {
        None
    }
}

/// A part of a file on its way from statement to statement.
pub struct Course<'a> {
    text: &'a str,
    lines: &'a Lines,
    so_far: SoFar,
}

/// The pieces of a part that are read one after the other: whole statements of a long text, all of a short one.
#[must_use]
pub fn chunks(text: &str, part: &Part) -> Vec<Range<usize>> {
    let own = text.get(part.span.clone()).unwrap_or_default();
    let place = |span: Range<usize>| part.span.start + span.start..part.span.start + span.end;
    let pieces = if own.len() > CHUNK_BYTES { parse::split(own) } else { Vec::new() };
    let mut chunks: Vec<Range<usize>> = Vec::new();
    for piece in pieces {
        match chunks.last_mut() {
            Some(chunk) if piece.end - chunk.start <= CHUNK_BYTES => chunk.end = piece.end,
            _ => chunks.push(piece),
        }
    }
    if chunks.is_empty() { vec![part.span.clone()] } else { chunks.into_iter().map(place).collect() }
}

impl<'a> Course<'a> {
    /// Before the first statement of a part that stands in so many chunks.
    #[must_use]
    pub fn of(text: &'a str, lines: &'a Lines, part: &Part, chunks: usize) -> Self {
        // Whether a string has more than one statement shows when it is read.
        let in_block = part.around == Around::Transaction || part.around == Around::String && chunks > 1;
        Self { text, lines, so_far: SoFar { in_block, ..SoFar::default() } }
    }

    /// Reads a chunk. Where one statement of it is not understood, the others are judged.
    #[must_use]
    pub fn read(&self, chunk: &Range<usize>) -> (Option<Read>, Vec<Problem>) {
        let own = self.text.get(chunk.clone()).unwrap_or_default();
        let problem =
            |at: usize, error: &ParseError| Problem { at: Some(self.lines.position(self.text, chunk.start + at)), message: error.to_string() };
        let read = |own: &str| parse::script(own, MOST_BYTES).map(|script| Read { from: chunk.start, script });
        let error = match read(own) {
            Ok(read) => return (Some(read), Vec::new()),
            Err(error) => error,
        };
        let mut sql = psql::without_its_commands(own);
        let mut problems = Vec::new();
        for span in parse::pieces(&sql) {
            if let Err(error) = read(sql.get(span.clone()).unwrap_or_default()) {
                problems.push((span, error));
            }
        }
        problems.iter().for_each(|(span, _)| psql::blank(&mut sql, span.clone()));
        let mut told: Vec<Problem> = problems.iter().map(|(span, error)| problem(span.start, error)).collect();
        let rest = read(&sql).ok();
        told.extend((told.is_empty() && rest.is_none()).then(|| problem(0, &error)));
        (rest, told)
    }

    /// The verdicts.
    #[must_use]
    pub fn judge(&mut self, read: &Read, around: Around, facts: &Facts, asking: &Asking<'_>) -> Vec<StatementReport> {
        self.so_far.in_block |= around == Around::String && !self.so_far.begun && read.script.statements.len() > 1;
        let situation = Situation {
            principal: asking.principal,
            settings: asking.settings,
            mode: Mode::Enforce,
            in_transaction: false,
            in_block: false,
            promises: true,
            failed_transaction: false,
            overlay: &Overlay::default(),
            pending: &[],
            lock_timeout_cap_ms: asking.lock_timeout_ms,
            prepared: &Nobody,
            extended: false,
            allowance: &Allowance::default(),
            // Not known: whether it may be approved does not hang on it.
            system: Some(""),
            granted: None,
        };
        let foreseen = foresee(&read.script, facts, &situation, asking.basis, &mut self.so_far);
        let reports = foreseen.into_iter().zip(&read.script.statements).map(|(foreseen, parsed)| {
            let span = read.from + parsed.span.start..read.from + parsed.span.end;
            StatementReport {
                index: 0,
                at: self.lines.position(self.text, span.start),
                span,
                plan: foreseen.plan,
                findings: foreseen.findings,
                in_transaction: foreseen.in_transaction,
                approvable: foreseen.approvable,
                prefix: compose::prefix(&parsed.statement),
            }
        });
        reports.collect()
    }
}

impl Read {
    /// What has to be asked of a server.
    #[must_use]
    pub fn inquiry(&self) -> Inquiry {
        Inquiry::of(&self.script, &Nobody).without_former()
    }
}
