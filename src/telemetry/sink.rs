//! Log lines on their way to stderr: whoever reads them there may hang or be gone, and no session waits for that or ends with it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use metrics::counter;
use tracing_subscriber::fmt::MakeWriter;

use super::names;

/// Lines that wait, in bytes; beyond it lines are dropped and counted.
const WAITING: usize = 8 << 20;

enum Parcel {
    Line(Vec<u8>),
    /// Everything before it is written.
    Mark(SyncSender<()>),
}

/// Where log lines go; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Sink {
    parcels: Sender<Parcel>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

impl Sink {
    /// Writes on a thread of its own.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (parcels, inbox) = channel();
        let sink = Self { parcels, waiting: Arc::default(), limit: WAITING };
        let waiting = Arc::clone(&sink.waiting);
        std::thread::Builder::new().name("log".into()).spawn(move || write_out(&inbox, out, &waiting))?;
        Ok(sink)
    }

    /// Waits until everything is written, but not longer than this.
    pub(super) fn flush(&self, limit: Duration) {
        let (mark, written) = sync_channel(1);
        if self.parcels.send(Parcel::Mark(mark)).is_ok() {
            // Nothing can be done for a reader that hangs.
            let _ = written.recv_timeout(limit);
        }
    }
}

fn write_out(inbox: &Receiver<Parcel>, mut out: impl Write, waiting: &AtomicUsize) {
    while let Ok(parcel) = inbox.recv() {
        match parcel {
            Parcel::Line(line) => {
                // The reader is gone; the store has the decisions, and another reader may come.
                let _ = out.write_all(&line);
                waiting.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Parcel::Mark(mark) => drop(mark.send(())),
        }
    }
}

/// Takes each line as a whole, and always.
impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waiting = self.waiting.fetch_add(line.len(), Ordering::Relaxed);
        if waiting + line.len() > self.limit || self.parcels.send(Parcel::Line(line.to_vec())).is_err() {
            self.waiting.fetch_sub(line.len(), Ordering::Relaxed);
            counter!(names::LOG_LINES_DROPPED_TOTAL).increment(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Sink {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Writes when it is let, and fails where it is told to.
    #[derive(Clone, Default)]
    struct Reader {
        read: Arc<Mutex<Vec<u8>>>,
        gone: bool,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.gone {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.read.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_arrive_in_order() {
        let reader = Reader::default();
        let mut sink = Sink::start(reader.clone()).unwrap();
        sink.write_all(b"a\n").unwrap();
        sink.clone().write_all(b"b\n").unwrap();
        Sink::flush(&sink, LONG);
        assert_eq!(*reader.read.lock().unwrap(), b"a\nb\n");
    }

    #[test]
    fn a_reader_that_is_gone_is_no_error() {
        let mut sink = Sink::start(Reader { gone: true, ..Reader::default() }).unwrap();
        for _ in 0..3 {
            sink.write_all(b"a\n").unwrap();
            Sink::flush(&sink, LONG);
        }
        assert_eq!(sink.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_reader_that_hangs_costs_lines_but_no_time_and_little_memory() {
        let reader = Reader::default();
        let hanging = reader.read.lock().unwrap();
        let mut sink = Sink { limit: 10, ..Sink::start(reader.clone()).unwrap() };
        for line in [b"1234\n", b"2234\n", b"3234\n"] {
            sink.write_all(line).unwrap();
        }
        assert_eq!(sink.waiting.load(Ordering::Relaxed), 10);
        drop(hanging);
        Sink::flush(&sink, LONG);
        assert_eq!(*reader.read.lock().unwrap(), b"1234\n2234\n");
    }
}
