//! From the parts of a file to one verdict a statement.

use std::ops::Range;
use std::sync::Arc;

use crate::catalog::facts::Facts;
use crate::catalog::overlay::Overlay;
use crate::catalog::questions::{Inquiry, Prepared};
use crate::policy::compose;
use crate::policy::decide::Situation;
use crate::policy::foresee::{Basis, foresee};
use crate::policy::settings::{Mode, PolicySettings, Principal};
use crate::sql::parse::{self, ParseError};
use crate::sql::statement::Script;

use super::psql;
use super::report::{Lines, Problem, StatementReport};
use super::source::{Around, Part};

/// Longest text of one file, in bytes.
pub const MOST_BYTES: usize = 100 * 1024 * 1024;

/// A part whose statements are read, and what has to be asked about them.
pub struct Read {
    /// Where the part begins in the file.
    from: usize,
    script: Script,
    around: Around,
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

/// Reads a part. Where one statement of it is not understood, the others are judged.
#[must_use]
pub fn read(text: &str, lines: &Lines, part: &Part) -> (Vec<Read>, Vec<Problem>) {
    let own = text.get(part.span.clone()).unwrap_or_default();
    let problem = |at: usize, error: &ParseError| Problem { at: Some(lines.position(text, part.span.start + at)), message: error.to_string() };
    let read = |own: &str, span: Range<usize>| -> Result<Read, ParseError> {
        let script = parse::script(own.get(span.clone()).unwrap_or_default(), MOST_BYTES)?;
        Ok(Read { from: part.span.start + span.start, script, around: part.around })
    };
    let error = match read(own, 0..own.len()) {
        Ok(read) => return (vec![read], Vec::new()),
        Err(error) => error,
    };
    let mut sql = psql::without_its_commands(own);
    let mut problems = Vec::new();
    for span in parse::pieces(&sql) {
        if let Err(error) = read(&sql, span.clone()) {
            problems.push((span, error));
        }
    }
    problems.iter().for_each(|(span, _)| psql::blank(&mut sql, span.clone()));
    let mut told: Vec<Problem> = problems.iter().map(|(span, error)| problem(span.start, error)).collect();
    match read(&sql, 0..sql.len()) {
        Ok(read) => (vec![read], told),
        Err(_) => {
            told.extend(told.is_empty().then(|| problem(0, &error)));
            (Vec::new(), told)
        }
    }
}

impl Read {
    /// What has to be asked of a server.
    #[must_use]
    pub fn inquiry(&self) -> Inquiry {
        Inquiry::of(&self.script, &Nobody)
    }

    /// The verdicts.
    #[must_use]
    pub fn judge(&self, text: &str, lines: &Lines, facts: &Facts, asking: &Asking<'_>) -> Vec<StatementReport> {
        let in_block = match self.around {
            Around::Nothing => false,
            Around::Transaction => true,
            Around::String => self.script.statements.len() > 1,
        };
        let overlay = Overlay::default();
        let situation = Situation {
            principal: asking.principal,
            settings: asking.settings,
            mode: Mode::Enforce,
            in_transaction: in_block,
            in_block,
            promises: in_block,
            failed_transaction: false,
            overlay: &overlay,
            pending: &[],
            lock_timeout_cap_ms: asking.lock_timeout_ms,
            prepared: &Nobody,
            extended: false,
        };
        let foreseen = foresee(&self.script, facts, &situation, asking.basis);
        let reports = foreseen.into_iter().zip(&self.script.statements).map(|(foreseen, parsed)| {
            let span = self.from + parsed.span.start..self.from + parsed.span.end;
            StatementReport {
                index: 0,
                at: lines.position(text, span.start),
                span,
                plan: foreseen.plan,
                findings: foreseen.findings,
                in_transaction: foreseen.in_transaction,
                prefix: compose::prefix(&parsed.statement),
            }
        });
        reports.collect()
    }
}
