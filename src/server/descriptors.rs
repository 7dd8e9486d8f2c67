//! Whether the process may open as many files as its sessions need.

use crate::telemetry;

/// Sockets of a session: one to each side.
const EACH: usize = 2;
/// Listeners, the store, admin HTTP and its readers, the runtime's own.
const OTHERS: usize = 64;

/// How many files the sessions need, and how many may be open, where that is too few.
pub(super) fn too_few(sessions: usize) -> Option<(usize, usize)> {
    // Only Linux tells it here; elsewhere nobody is warned.
    let (needed, allowed) = (sessions.saturating_mul(EACH).saturating_add(OTHERS), telemetry::most_files()?);
    (allowed < needed).then_some((needed, allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_sessions_fit_and_very_many_do_not() {
        assert_eq!(too_few(0), None);
        if let Some((needed, allowed)) = too_few(usize::MAX) {
            assert!(needed > allowed);
        }
    }
}
