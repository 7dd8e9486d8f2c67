//! Whether the process may open as many files as its sessions need.

/// Sockets of a session: one to each side.
const EACH: usize = 2;
/// Listeners, the store, admin HTTP and its readers, the runtime's own.
const OTHERS: usize = 64;

/// How many files the sessions need, and how many may be open, where that is too few.
pub(super) fn too_few(sessions: usize) -> Option<(usize, usize)> {
    // Only Linux tells it here; elsewhere nobody is warned.
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let (needed, allowed) = (sessions.saturating_mul(EACH).saturating_add(OTHERS), soft_limit(&limits)?);
    (allowed < needed).then_some((needed, allowed))
}

/// `None` also for "unlimited".
fn soft_limit(limits: &str) -> Option<usize> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_counts() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max processes             7823                 7823                 processes\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit("Max open files  unlimited  unlimited  files\n"), None);
    }

    #[test]
    fn a_few_sessions_fit_and_very_many_do_not() {
        assert_eq!(too_few(0), None);
        if let Some((needed, allowed)) = too_few(usize::MAX) {
            assert!(needed > allowed);
        }
    }
}
