//! What is looked at when somebody reads the metrics.

use metrics::gauge;

use super::{Event, names};

/// The process and its store, at this moment.
#[derive(Debug, Clone, Copy)]
pub struct Scraped {
    /// What `/readyz` says.
    pub ready: bool,
    /// Entries that the store has not taken yet.
    pub owed: usize,
    /// Requests that wait for it.
    pub queued: usize,
}

impl Event for Scraped {
    fn emit(self) {
        let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        gauge!(names::READY).set(f64::from(u8::from(self.ready)));
        gauge!(names::STORE_OWED).set(count(self.owed));
        gauge!(names::STORE_QUEUE).set(count(self.queued));
        // Only Linux tells these; elsewhere they stay 0.
        if let Some(kilobytes) = std::fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident) {
            gauge!(names::RESIDENT_BYTES).set(f64::from(kilobytes) * 1024.0);
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            // The directory that is read is one of them.
            gauge!(names::OPEN_FILES).set(count(files.count().saturating_sub(1)));
        }
        gauge!(names::MOST_FILES).set(count(most_files().unwrap_or(0)));
    }
}

/// How many files may be open (`ulimit -n`); `None` also for "unlimited".
#[must_use]
pub fn most_files() -> Option<usize> {
    soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

fn soft_limit(limits: &str) -> Option<usize> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

/// VmRSS, in kB.
fn resident(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
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
    fn memory_is_read_in_kilobytes() {
        assert_eq!(resident("VmHWM:\t   9000 kB\nVmRSS:\t    8368 kB\n"), Some(8368));
        assert_eq!(resident(""), None);
    }
}
