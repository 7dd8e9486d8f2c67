//! Whether the config file is still the one that was read: looked at each second, since not everybody who writes a file can send a signal to who reads it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// Between two looks. A file counts as changed when two of them agree, so that one that is being written is not read.
const PAUSE: Duration = Duration::from_secs(1);

/// What tells one file from another, and one state of it from the next. A link is followed: some replace what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    modified: (i64, i64),
    length: u64,
}

/// The config file as it was when it was read.
#[derive(Debug)]
pub struct ConfigFile {
    path: Option<PathBuf>,
    seen: Changes,
}

/// What two looks come to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Changes {
    /// As it was read; none where there was no file.
    read: Option<Stamp>,
    /// As it looked last.
    last: Option<Stamp>,
}

impl ConfigFile {
    /// To be called before it is read: what is written meanwhile counts as a change. Without a path nothing ever changes.
    #[must_use]
    pub fn at(path: Option<&Path>) -> Self {
        let now = path.and_then(look);
        Self { path: path.map(Path::to_owned), seen: Changes { read: now, last: now } }
    }

    /// It is read now, for whatever reason.
    pub(super) async fn note(&mut self) {
        if let Some(path) = &self.path {
            let now = stamp(path).await;
            self.seen = Changes { read: now, last: now };
        }
    }

    /// Returns when it has changed, and is to be read.
    pub(super) async fn changed(&mut self) {
        let Some(path) = self.path.clone() else { return std::future::pending().await };
        loop {
            sleep(PAUSE).await;
            let now = stamp(&path).await;
            if self.seen.by(now) {
                return;
            }
        }
    }
}

impl Changes {
    /// It looks like this now: whether it has changed and has come to rest.
    fn by(&mut self, now: Option<Stamp>) -> bool {
        let rests = self.last == now;
        self.last = now;
        let changed = rests && self.read != now;
        if changed {
            self.read = now;
        }
        changed
    }
}

/// A file system that hangs holds up a thread, and no signal.
async fn stamp(path: &Path) -> Option<Stamp> {
    let path = path.to_owned();
    spawn_blocking(move || look(&path)).await.ok().flatten()
}

fn look(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some(Stamp { file: (found.dev(), found.ino()), modified: (found.mtime(), found.mtime_nsec()), length: found.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(modified: i64) -> Option<Stamp> {
        Some(Stamp { file: (1, 1), modified: (modified, 0), length: 9 })
    }

    #[test]
    fn it_has_changed_when_two_looks_agree() {
        let mut seen = Changes { read: of(1), last: of(1) };
        let looks = [(of(1), false), (of(2), false), (of(3), false), (of(3), true), (of(3), false), (None, false), (of(4), false), (of(4), true)];
        for (number, (now, changed)) in looks.into_iter().enumerate() {
            assert_eq!(seen.by(now), changed, "look {number}");
        }
    }

    #[test]
    fn a_file_that_is_gone_has_changed_once() {
        let mut seen = Changes { read: of(1), last: of(1) };
        assert_eq!([None, None, None, of(1), of(1)].map(|now| seen.by(now)), [false, true, false, false, true]);
    }

    #[test]
    fn what_is_replaced_is_another_file() {
        let directory = std::env::temp_dir().join(format!("pgairlock-config-file-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (file, other) = (directory.join("a"), directory.join("b"));
        std::fs::write(&file, "one").unwrap();
        std::fs::write(&other, "one").unwrap();
        let before = look(&file);
        assert!(before.is_some() && before == look(&file));
        std::fs::rename(&other, &file).unwrap();
        assert_ne!(look(&file), before);
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(look(&file), None);
    }
}
