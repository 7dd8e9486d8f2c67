//! Frames by header only: type and length. Bodies are original bytes and stay so.
//!
//! An [`Inbox`] holds what one side sent. Its front is a *run*: frames already approved to be forwarded as they are, so that a read of many frames
//! becomes one write. Frames that need a look are taken out one by one.
//!
//! ```text
//!   buffer:  [ run: approved bytes | next frame …… | more ]
//!                                  ^ approved
//! ```

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of a header: type, then the length of itself and the body.
pub const HEADER: usize = 5;

/// The largest body that PostgreSQL itself accepts or sends (`PQ_LARGE_MESSAGE_LIMIT` is `MaxAllocSize - 1`, below 1 GiB).
pub const MAX_BODY: usize = 0x3fff_ffff;

/// A peer broke the protocol's framing; nothing after it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length word is below 4 or above [`MAX_BODY`].
    #[error("message of type {tag:#04x} has an impossible length of {length} bytes")]
    Length {
        /// The frame's type byte.
        tag: u8,
        /// The length word as sent.
        length: u32,
    },
}

/// The next frame of an [`Inbox`], perhaps not all of it there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The type byte.
    pub tag: u8,
    /// Length of the whole body in bytes.
    pub length: usize,
    /// As much of the body as has arrived.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// All of the body is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.body.len() == self.length
    }
}

/// What one side has sent and nobody has taken yet.
#[derive(Debug, Default)]
pub struct Inbox {
    buffer: BytesMut,
    /// Length of the run at the front.
    approved: usize,
    /// Bytes still to come of a frame that was approved before it was complete.
    streaming: usize,
    /// Bytes still to come of a frame that is thrown away.
    discarding: usize,
    /// Frames that have left the front.
    passed: u64,
}

impl Inbox {
    /// An inbox that begins with bytes read earlier.
    #[must_use]
    pub fn new(buffer: BytesMut) -> Self {
        Self { buffer, ..Self::default() }
    }

    /// Where the socket's bytes are appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Bytes held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next frame behind the run; `Ok(None)` when its header has not arrived.
    ///
    /// # Errors
    /// [`FrameError`] when the length word is impossible.
    pub fn peek(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        self.advance();
        frame_at(&self.buffer, self.approved)
    }

    /// The frame behind the `skip` complete frames that follow the run; `Ok(None)` when it has not arrived.
    ///
    /// # Errors
    /// [`FrameError`] as for [`Inbox::peek`].
    pub fn peek_behind(&mut self, skip: usize) -> Result<Option<Frame<'_>>, FrameError> {
        self.advance();
        let mut at = self.approved;
        for _ in 0..skip {
            match frame_at(&self.buffer, at)? {
                Some(frame) if frame.is_complete() => at += HEADER + frame.length,
                _ => return Ok(None),
            }
        }
        frame_at(&self.buffer, at)
    }

    /// The number of the next frame, counted from the first of the connection: what is kept about a frame goes by it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.passed
    }

    /// Lets the next frame join the run, as far as it has arrived; the rest follows by itself.
    pub fn approve(&mut self) {
        if let Ok(Some(frame)) = frame_at(&self.buffer, self.approved) {
            self.streaming = HEADER + frame.length;
            self.passed += 1;
            self.advance();
        }
    }

    /// Throws the next frame away, also what has not arrived of it. The run must have been taken.
    pub fn discard(&mut self) {
        if let Ok(Some(frame)) = frame_at(&self.buffer, self.approved) {
            self.discarding = HEADER + frame.length;
            self.passed += 1;
            self.advance();
        }
    }

    /// The run, to be forwarded in one write; empty when there is none.
    pub fn take_run(&mut self) -> Bytes {
        let run = self.buffer.split_to(self.approved).freeze();
        self.approved = 0;
        run
    }

    /// The next frame, header included, taken out; `None` unless it is complete and the run has been taken.
    pub fn take_frame(&mut self) -> Option<Bytes> {
        if self.approved != 0 {
            return None;
        }
        let frame = frame_at(&self.buffer, 0).ok().flatten().filter(Frame::is_complete)?;
        let length = HEADER + frame.length;
        self.passed += 1;
        Some(self.buffer.split_to(length).freeze())
    }

    /// Moves bytes of frames that were decided before they were complete.
    fn advance(&mut self) {
        let waiting = self.buffer.len() - self.approved;
        if self.streaming > 0 {
            let step = waiting.min(self.streaming);
            self.approved += step;
            self.streaming -= step;
        } else if self.discarding > 0 && self.approved == 0 {
            let step = waiting.min(self.discarding);
            self.buffer.advance(step);
            self.discarding -= step;
        }
    }
}

fn frame_at(buffer: &[u8], at: usize) -> Result<Option<Frame<'_>>, FrameError> {
    let Some(&[tag, a, b, c, d]) = buffer.get(at..at + HEADER) else { return Ok(None) };
    let word = u32::from_be_bytes([a, b, c, d]);
    let length = usize::try_from(word).ok().and_then(|length| length.checked_sub(4)).filter(|length| *length <= MAX_BODY);
    let length = length.ok_or(FrameError::Length { tag, length: word })?;
    let rest = buffer.get(at + HEADER..).unwrap_or_default();
    Ok(Some(Frame { tag, length, body: rest.get(..length).unwrap_or(rest) }))
}

/// The types of the frames in `bytes`, for tests.
#[cfg(test)]
pub(crate) fn tags(bytes: &[u8]) -> Vec<u8> {
    let mut inbox = Inbox::new(BytesMut::from(bytes));
    std::iter::from_fn(|| inbox.take_frame().and_then(|frame| frame.first().copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(bytes: &[u8]) -> Inbox {
        Inbox::new(BytesMut::from(bytes))
    }

    #[test]
    fn a_header_cut_short_needs_more() {
        assert_eq!(inbox(b"Q\0\0\0").peek(), Ok(None));
    }

    #[test]
    fn frames_join_a_run_and_leave_as_one_write() {
        let mut inbox = inbox(b"D\0\0\0\x05aD\0\0\0\x05bZ\0\0\0\x05I");
        inbox.approve();
        inbox.approve();
        assert_eq!(inbox.peek().unwrap().unwrap(), Frame { tag: b'Z', length: 1, body: b"I" });
        assert_eq!(&inbox.take_run()[..], b"D\0\0\0\x05aD\0\0\0\x05b");
        assert_eq!(&inbox.take_frame().unwrap()[..], b"Z\0\0\0\x05I");
        assert!(inbox.is_empty());
    }

    #[test]
    fn an_approved_frame_streams_before_it_is_complete() {
        let mut inbox = inbox(b"D\0\0\0\x08ab");
        inbox.approve();
        assert_eq!(&inbox.take_run()[..], b"D\0\0\0\x08ab");
        inbox.buffer().extend_from_slice(b"cdC\0\0\0\x04");
        assert_eq!(inbox.peek().unwrap().unwrap().tag, b'C');
        assert_eq!(&inbox.take_run()[..], b"cd");
    }

    #[test]
    fn a_discarded_frame_vanishes_as_it_arrives() {
        let mut inbox = inbox(b"Q\0\0\0\x08ab");
        inbox.discard();
        inbox.buffer().extend_from_slice(b"cdS\0\0\0\x04");
        assert_eq!(inbox.peek().unwrap().unwrap().tag, b'S');
        assert!(inbox.take_run().is_empty());
    }

    #[test]
    fn an_incomplete_frame_is_not_taken() {
        assert_eq!(inbox(b"Q\0\0\0\x08ab").take_frame(), None);
    }

    #[test]
    fn looks_behind_complete_frames() {
        let mut inbox = inbox(b"E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04");
        assert_eq!(inbox.peek_behind(1).unwrap().unwrap().tag, b'S');
        assert_eq!(inbox.peek_behind(2).unwrap(), None);
    }

    #[test]
    fn impossible_lengths_are_errors() {
        assert_eq!(inbox(b"Q\0\0\0\x03").peek(), Err(FrameError::Length { tag: b'Q', length: 3 }));
        assert_eq!(inbox(b"Q\x7f\xff\xff\xff").peek(), Err(FrameError::Length { tag: b'Q', length: 0x7fff_ffff }));
    }
}
