//! Bytes on their way to one peer.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Chunks in one write: enough for a few replies of ours between two runs.
const SLICES: usize = 16;

/// What is still to be written, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    unflushed: bool,
}

impl Outbox {
    /// Takes over the chunks. Empty ones are dropped: a write of nothing looks like a peer that takes nothing.
    pub(super) fn extend(&mut self, chunks: &mut VecDeque<Bytes>) {
        chunks.retain(|chunk| !chunk.is_empty());
        self.bytes += chunks.iter().map(Bytes::len).sum::<usize>();
        self.chunks.append(chunks);
    }

    /// Bytes not written yet.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// There is something to write or to flush.
    pub(super) fn has_work(&self) -> bool {
        self.unflushed || !self.chunks.is_empty()
    }

    /// One write, or the flush behind the last. Cancel safe: bytes leave the box only when the writer has taken them.
    pub(super) async fn push<W: AsyncWrite + Unpin>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.chunks.is_empty() {
            writer.flush().await?;
            self.unflushed = false;
            return Ok(());
        }
        let slices: Vec<IoSlice<'_>> = self.chunks.iter().take(SLICES).map(|chunk| IoSlice::new(chunk)).collect();
        let written = writer.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.unflushed = true;
        self.written(written);
        Ok(())
    }

    fn written(&mut self, mut count: usize) {
        self.bytes = self.bytes.saturating_sub(count);
        while let Some(chunk) = self.chunks.front_mut() {
            if count < chunk.len() {
                chunk.advance(count);
                return;
            }
            count -= chunk.len();
            self.chunks.pop_front();
        }
    }

    /// Everything that is left.
    pub(super) async fn drain<W: AsyncWrite + Unpin>(&mut self, writer: &mut W) -> io::Result<()> {
        while self.has_work() {
            self.push(writer).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_leave_in_order_through_a_narrow_pipe() {
        let (mut near, mut far) = tokio::io::duplex(3);
        let mut outbox = Outbox::default();
        outbox.extend(&mut VecDeque::from([Bytes::from_static(b"abcd"), Bytes::from_static(b"e"), Bytes::from_static(b"fgh")]));
        assert_eq!(outbox.len(), 8);
        let reader = tokio::spawn(async move {
            let mut got = Vec::new();
            tokio::io::AsyncReadExt::read_to_end(&mut far, &mut got).await.unwrap();
            got
        });
        outbox.drain(&mut near).await.unwrap();
        drop(near);
        assert_eq!(reader.await.unwrap(), b"abcdefgh");
        assert_eq!(outbox.len(), 0);
    }

    #[tokio::test]
    async fn nothing_to_write_is_no_failure() {
        let mut outbox = Outbox::default();
        outbox.extend(&mut VecDeque::from([Bytes::new()]));
        assert!(!outbox.has_work());
        outbox.drain(&mut tokio::io::duplex(3).0).await.unwrap();
    }
}
