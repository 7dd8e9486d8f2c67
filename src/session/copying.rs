//! COPY FROM STDIN: while the server reads data it ignores Sync and Flush, and anything else but data ends the COPY (manual, "COPY Operations").
//!
//! So nothing is sent behind a COPY until the server has said whether it wants data; then it is known what each frame will be taken for.

use super::replies::Kind;
use super::work::Work;
use super::{Fatal, Progress, Session};

impl Session {
    /// CopyInResponse.
    pub(super) fn copy_in_begins(&mut self) {
        self.copying_in = true;
        if self.work.is_await_copy() {
            self.work = Work::Open;
        }
    }

    /// A frame of the client while the server reads CopyData. The answer: go on to the next frame.
    pub(super) fn copy_in_frame(&mut self, tag: u8) -> Progress<bool> {
        match tag {
            b'd' => self.client.approve(),
            b'c' | b'f' => {
                self.client.approve();
                self.copying_in = false;
                if self.replies.head().is_some_and(|entry| entry.kind == Kind::Query) {
                    // Another COPY of the same string may follow.
                    self.work = Work::AwaitCopy;
                }
            }
            b'H' | b'S' => return Ok(false),
            b'X' => self.client.approve(),
            _ => return Err(Fatal::protocol(format!("message of type {tag:#04x} during COPY FROM STDIN"))),
        }
        Ok(true)
    }
}

impl Work {
    pub(super) fn is_await_copy(&self) -> bool {
        matches!(self, Self::AwaitCopy)
    }
}
