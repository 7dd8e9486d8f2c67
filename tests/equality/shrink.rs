//! The least of a case that still differs. Any part of it is a case, so statements are left out until each is needed; that takes tens of runs,
//! where shrinking by the generator's choices (as proptest does it) would take hundreds and leave what is valid to chance.

use std::time::{Duration, Instant};

use super::case::Case;

/// Longer than that nobody waits for a smaller case.
const PATIENCE: Duration = Duration::from_secs(90);

pub(super) async fn shrink(case: &Case, mut differs: impl AsyncFnMut(&Case) -> bool) -> Case {
    let (mut least, deadline) = (case.clone(), Instant::now() + PATIENCE);
    for list in [migration, schema, migration, schema] {
        let mut size = list(&mut least).len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < list(&mut least).len() && Instant::now() < deadline {
                let mut fewer = least.clone();
                let end = (at + size).min(list(&mut fewer).len());
                list(&mut fewer).drain(at..end);
                if differs(&fewer).await { least = fewer } else { at = end }
            }
            if size == 1 {
                break;
            }
            size = size.div_ceil(2);
        }
    }
    least
}

fn migration(case: &mut Case) -> &mut Vec<String> {
    &mut case.migration
}

fn schema(case: &mut Case) -> &mut Vec<String> {
    &mut case.schema
}
