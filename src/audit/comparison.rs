//! What was said of a statement's time, beside the time that it took.

use serde::{Deserialize, Serialize};

use super::record::{Record, RecordedFinding};

/// Below this nothing was promised: what takes less than a second is told as "less than 1 s".
const TOLD_AS_BRIEF_MILLIS: u64 = 1_000;

/// What was said before it ran, of what ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// What ran.
    pub of: Form,
    /// Milliseconds, most likely.
    pub likely_millis: u64,
    /// And at most.
    pub at_most_millis: u64,
}

/// What ran of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// The client's own text.
    AsWritten,
    /// The steps in its place.
    SafeForm,
}

impl Form {
    /// The label of metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::AsWritten => "as-written",
            Self::SafeForm => "safe-form",
        }
    }
}

/// The time that was said beside the time that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// What ran.
    pub of: Form,
    /// In seconds, most likely.
    pub likely_seconds: f64,
    /// And at most.
    pub at_most_seconds: f64,
    /// In seconds: of what was sent itself where that is known, otherwise from the decision to the reply.
    pub took_seconds: f64,
    /// The time taken has pauses and other waiting between steps in it.
    pub with_waiting: bool,
    /// It took no longer than was said; nothing shorter than a second counts as longer.
    pub within: bool,
    /// How many times as long as what was likely.
    pub ratio: f64,
}

/// What was said of what ran; nothing where it was not told, or ran in part only.
#[must_use]
pub fn said(record: &Record) -> Option<Said> {
    let safely = match record.decision.as_str() {
        "pass" | "gate" => false,
        decision if decision.starts_with("would-") => false,
        "rewrite" => true,
        // Nothing ran, or a part of it runs after the COMMIT.
        _ => return None,
    };
    let of = if safely { Form::SafeForm } else { Form::AsWritten };
    let mut said = Said { of, likely_millis: 0, at_most_millis: 0 };
    let mut told = false;
    for finding in &record.findings {
        let Some((likely, at_most)) = times(finding, safely && finding.verdict == "enforced")? else { continue };
        told = true;
        said.likely_millis = said.likely_millis.saturating_add(likely);
        said.at_most_millis = said.at_most_millis.saturating_add(at_most);
    }
    told.then_some(said)
}

/// Of one finding; nothing at all where its work was told no time. What does no work takes none.
fn times(finding: &RecordedFinding, safely: bool) -> Option<Option<(u64, u64)>> {
    match &finding.estimate {
        Some(estimate) if safely => Some(Some((estimate.safe_millis?, estimate.safe_at_most_millis?))),
        Some(estimate) => Some(Some((estimate.millis, estimate.at_most_millis))),
        None => (finding.work == "none").then_some(None),
    }
}

/// Beside the time that it took, from the decision to the reply; and of that what was sent itself, where somebody measured it. In microseconds.
#[must_use]
pub fn compare(said: Said, duration_micros: i64, ran_micros: Option<i64>) -> Comparison {
    let took_seconds = seconds(ran_micros.unwrap_or(duration_micros).max(0).unsigned_abs());
    let of_millis = |millis: u64| seconds(millis.saturating_mul(1_000));
    Comparison {
        of: said.of,
        likely_seconds: of_millis(said.likely_millis),
        at_most_seconds: of_millis(said.at_most_millis),
        took_seconds,
        with_waiting: ran_micros.is_none(),
        within: took_seconds <= of_millis(said.at_most_millis.max(TOLD_AS_BRIEF_MILLIS)),
        ratio: took_seconds / of_millis(said.likely_millis.max(1)),
    }
}

#[allow(clippy::cast_precision_loss, reason = "microseconds of years are exact")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

impl Comparison {
    /// In a few words.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { likely_seconds, at_most_seconds, took_seconds, .. } = self;
        let what = match self.of {
            Form::AsWritten => "as written",
            Form::SafeForm => "in its safe form",
        };
        let waiting = if self.with_waiting { ", waiting included" } else { "" };
        let verdict = if self.within {
            "within what was said".to_owned()
        } else {
            format!("{:.1} times as long as was said at most", took_seconds / at_most_seconds.max(0.001))
        };
        format!("said {likely_seconds:.1} s, at most {at_most_seconds:.1} s {what}; took {took_seconds:.1} s{waiting}: {verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{RecordedEstimate, test_record};
    use super::*;

    fn finding(verdict: &str, work: &str, estimate: Option<(u64, Option<u64>)>) -> RecordedFinding {
        let estimate = estimate.map(|(millis, safe_millis)| RecordedEstimate {
            millis,
            at_most_millis: millis * 3,
            safe_millis,
            safe_at_most_millis: safe_millis.map(|millis| millis * 3),
            rows: 1,
            disk_bytes: 0,
            calibrated: true,
        });
        RecordedFinding {
            rule: "r".into(),
            relation: None,
            verdict: verdict.into(),
            certainty: "proven".into(),
            lock: None,
            work: work.into(),
            bytes: None,
            estimate,
            message: String::new(),
        }
    }

    fn of(decision: &str, findings: Vec<RecordedFinding>) -> Option<(Form, u64, u64)> {
        let record = Record { decision: decision.into(), findings, ..test_record() };
        said(&record).map(|said| (said.of, said.likely_millis, said.at_most_millis))
    }

    #[test]
    fn only_what_really_ran_counts() {
        let enforced = || finding("enforced", "scan", Some((1_000, Some(1_600))));
        let lifted = || finding("exempted: down", "rewrite", Some((5_000, None)));
        assert_eq!(of("pass", vec![lifted()]), Some((Form::AsWritten, 5_000, 15_000)));
        assert_eq!(of("would-refuse", vec![finding("warned", "scan", Some((7, None)))]), Some((Form::AsWritten, 7, 21)));
        assert_eq!(of("rewrite", vec![enforced()]), Some((Form::SafeForm, 1_600, 4_800)));
        assert_eq!(of("rewrite", vec![enforced(), lifted()]), Some((Form::SafeForm, 6_600, 19_800)));
        assert_eq!(of("rewrite", vec![enforced(), finding("warned", "none", None)]), Some((Form::SafeForm, 1_600, 4_800)));
        assert_eq!(of("rewrite", vec![finding("enforced", "scan", Some((1, None)))]), None, "of the steps nothing was said");
        assert_eq!(of("rewrite", vec![enforced(), finding("warned", "scan", None)]), None, "a part of it was told no time");
        assert_eq!(of("pass", vec![]), None);
        for nothing_ran in ["refuse", "defer", "settle"] {
            assert_eq!(of(nothing_ran, vec![enforced()]), None, "{nothing_ran}");
        }
    }

    #[test]
    fn said_and_taken_stand_side_by_side() {
        let said = Said { of: Form::SafeForm, likely_millis: 1_200, at_most_millis: 3_600 };
        let within = compare(said, 9_000_000, Some(2_100_000));
        assert_eq!((within.within, within.with_waiting, within.ratio), (true, false, 2.1 / 1.2));
        assert_eq!(within.words(), "said 1.2 s, at most 3.6 s in its safe form; took 2.1 s: within what was said");
        let longer = compare(said, 9_000_000, None);
        assert!(!longer.within);
        assert_eq!(longer.words(), "said 1.2 s, at most 3.6 s in its safe form; took 9.0 s, waiting included: 2.5 times as long as was said at most");
        let brief = Said { of: Form::AsWritten, likely_millis: 0, at_most_millis: 2 };
        assert!(compare(brief, 900_000, None).within, "it was told as less than a second");
        assert!(!compare(brief, 1_100_000, None).within);
        assert!(compare(brief, -5, None).took_seconds.abs() < f64::EPSILON);
    }
}
