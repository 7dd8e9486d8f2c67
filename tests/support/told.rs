//! What a session is told while it waits.

use std::time::{Duration, Instant};

use super::Session;

/// The notices that a session has heard so far.
pub struct Told<'a> {
    session: &'a Session,
    pub all: Vec<String>,
}

impl<'a> Told<'a> {
    pub fn by(session: &'a Session) -> Self {
        Self { session, all: Vec::new() }
    }

    /// The next notice with all of these words.
    pub async fn until(&mut self, words: &[&str]) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let new = self.session.notice_texts();
            self.all.extend(new.iter().cloned());
            if let Some(found) = new.into_iter().find(|notice| words.iter().all(|word| notice.contains(word))) {
                return found;
            }
            assert!(Instant::now() < deadline, "nobody said {words:?}, but {:#?}", self.all);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
