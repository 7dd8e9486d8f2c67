//! Named, counted places at which a test lets the process die, or lets it wait while something else dies. They exist in builds with debug
//! assertions only: of a release build they are no part.
//!
//! | environment variable | what happens |
//! | --- | --- |
//! | `PGAIRLOCK_FAILPOINT=NAME:N` | the process aborts when the place is passed for the N-th time |
//! | `PGAIRLOCK_FAILPOINT_PAUSE=NAME:N` | there it connects to the Unix socket `PGAIRLOCK_FAILPOINT_SOCKET`, and waits until that is closed |
//! | `PGAIRLOCK_FAILPOINTS_LOG=FILE` | each name is appended to the file as it is passed |
//!
//! Places are named by what is about to happen and to what: `send COMMIT`, `sent COMMIT`, `reply COMMIT`, `before promise`, `after promise`,
//! `before answer`, `after answer`.

#[cfg(debug_assertions)]
pub(super) use present::{Watch, pass};

#[cfg(not(debug_assertions))]
pub(super) use absent::{Watch, pass};

#[cfg(not(debug_assertions))]
mod absent {
    use std::collections::VecDeque;

    use bytes::Bytes;

    /// Nothing.
    #[derive(Default)]
    pub(in crate::server) struct Watch;

    impl Watch {
        pub(in crate::server) fn sending(&mut self, _: &VecDeque<Bytes>) {}
        pub(in crate::server) fn sent(&mut self) {}
        pub(in crate::server) fn received(&mut self, _: &[u8]) {}
        pub(in crate::server) fn answering(&mut self, _: &VecDeque<Bytes>) {}
        pub(in crate::server) fn answered(&mut self) {}
    }

    pub(in crate::server) fn pass(_: &str, _: &str) {}
}

#[cfg(debug_assertions)]
mod present {
    use std::collections::{BTreeMap, VecDeque};
    use std::fs::OpenOptions;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::{Mutex, OnceLock, PoisonError};

    use bytes::{Buf, Bytes, BytesMut};

    /// What the environment asks for.
    struct Points {
        dies: Option<Place>,
        waits: Option<(Place, String)>,
        log: Option<String>,
        passed: Mutex<BTreeMap<String, usize>>,
    }

    /// A name, and the how-manieth time.
    #[derive(Debug, PartialEq, Eq)]
    struct Place(String, usize);

    impl Place {
        fn read(text: &str) -> Option<Self> {
            let (name, count) = text.rsplit_once(':')?;
            Some(Self(name.to_owned(), count.parse().ok()?))
        }
    }

    fn points() -> Option<&'static Points> {
        static POINTS: OnceLock<Option<Points>> = OnceLock::new();
        let read = || {
            let (variable, place) = (|name: &str| std::env::var(name).ok(), |text: String| Place::read(&text));
            let dies = variable("PGAIRLOCK_FAILPOINT").and_then(place);
            let waits = variable("PGAIRLOCK_FAILPOINT_PAUSE").and_then(place).zip(variable("PGAIRLOCK_FAILPOINT_SOCKET"));
            let log = variable("PGAIRLOCK_FAILPOINTS_LOG");
            let asked = dies.is_some() || waits.is_some() || log.is_some();
            asked.then(|| Points { dies, waits, log, passed: Mutex::default() })
        };
        POINTS.get_or_init(read).as_ref()
    }

    /// The process is before, after … something.
    pub(in crate::server) fn pass(when: &str, what: &str) {
        let Some(points) = points() else { return };
        let name = format!("{when} {what}");
        let place = {
            let mut passed = points.passed.lock().unwrap_or_else(PoisonError::into_inner);
            let count = passed.entry(name.clone()).or_default();
            *count += 1;
            if let Some(log) = &points.log {
                let written = OpenOptions::new().create(true).append(true).open(log).and_then(|mut log| writeln!(log, "{name}"));
                assert!(written.is_ok(), "{log}: {written:?}");
            }
            Place(name, *count)
        };
        if points.dies.as_ref() == Some(&place) {
            std::process::abort();
        }
        if let Some((_, socket)) = points.waits.as_ref().filter(|(at, _)| *at == place) {
            tokio::task::block_in_place(|| wait(socket));
        }
    }

    /// Tells whoever listens that the place is reached; the end of the stream is the word to go on.
    fn wait(socket: &str) {
        let waited = UnixStream::connect(socket).and_then(|mut stream| stream.read_to_end(&mut Vec::new()));
        assert!(waited.is_ok(), "{socket}: {waited:?}");
    }

    /// Sees what goes over the wire of one session.
    #[derive(Default)]
    pub(in crate::server) struct Watch {
        /// On its way to the server, or there and not answered.
        statement: Option<String>,
        unsent: bool,
        unanswered: bool,
        /// What the server has said, up to the frame that is not complete.
        server: BytesMut,
    }

    impl Watch {
        /// These bytes go to the server next.
        pub(in crate::server) fn sending(&mut self, chunks: &VecDeque<Bytes>) {
            if points().is_none() {
                return;
            }
            let statements: Vec<String> = chunks.iter().flat_map(statements).collect();
            let Some(statement) = statements.into_iter().max_by_key(String::len) else { return };
            let statement = label(&statement);
            pass("send", &statement);
            (self.statement, self.unsent) = (Some(statement), true);
        }

        /// The server has taken all bytes.
        pub(in crate::server) fn sent(&mut self) {
            if let Some(statement) = self.statement.as_ref().filter(|_| std::mem::take(&mut self.unsent)) {
                pass("sent", statement);
            }
        }

        /// The server has said this; nothing was done about it yet.
        pub(in crate::server) fn received(&mut self, bytes: &[u8]) {
            if points().is_none() {
                return;
            }
            self.server.extend_from_slice(bytes);
            while let Some((tag, _)) = frame(&mut self.server) {
                if let Some(statement) = self.statement.take_if(|_| tag == b'Z') {
                    pass("reply", &statement);
                }
            }
        }

        /// The client hears this next.
        pub(in crate::server) fn answering(&mut self, chunks: &VecDeque<Bytes>) {
            if points().is_some() && chunks.iter().flat_map(frames).any(|(tag, _)| tag == b'Z') {
                pass("before", "answer");
                self.unanswered = true;
            }
        }

        /// The client has taken all bytes.
        pub(in crate::server) fn answered(&mut self) {
            if std::mem::take(&mut self.unanswered) {
                pass("after", "answer");
            }
        }
    }

    /// Takes the first frame out, if all of it is there.
    fn frame(bytes: &mut BytesMut) -> Option<(u8, BytesMut)> {
        let [tag, length @ ..] = *bytes.first_chunk::<5>()?;
        let size = usize::try_from(u32::from_be_bytes(length)).ok()?.checked_add(1)?;
        let mut frame = (bytes.len() >= size.max(5)).then(|| bytes.split_to(size.max(5)))?;
        frame.advance(5);
        Some((tag, frame))
    }

    /// The frames of a chunk. It need not begin with one; then there is none.
    fn frames(chunk: &Bytes) -> Vec<(u8, BytesMut)> {
        let mut bytes = BytesMut::from(&**chunk);
        std::iter::from_fn(|| frame(&mut bytes)).collect()
    }

    /// The texts of Query and Parse.
    fn statements(chunk: &Bytes) -> Vec<String> {
        let text = |(tag, body): (u8, BytesMut)| {
            let mut strings = (*body).split(|byte| *byte == 0);
            let text = match tag {
                b'Q' => strings.next(),
                b'P' => strings.nth(1),
                _ => None,
            };
            text.map(|text| String::from_utf8_lossy(text).into_owned())
        };
        frames(chunk).into_iter().filter_map(text).collect()
    }

    /// What a statement is: its keywords, or the first functions that it calls.
    fn label(sql: &str) -> String {
        let words = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect::<Vec<_>>();
        let mut functions: Vec<String> =
            sql.match_indices("pg_catalog.").filter_map(|(at, found)| sql.get(at + found.len()..)).filter_map(call).collect();
        if functions.is_empty() {
            let keyword = |word: &String| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
            return words(sql).into_iter().filter(keyword).take(8).collect::<Vec<_>>().join(" ");
        }
        functions.dedup();
        functions.truncate(3);
        functions.join("+")
    }

    /// The name, where an opening parenthesis follows it.
    fn call(text: &str) -> Option<String> {
        let (name, _) = text.split_once('(')?;
        name.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| name.to_owned())
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::wire::messages;

        #[test]
        fn statements_are_found_and_named() {
            let own = messages::own_statement("ours", "ALTER TABLE public.t VALIDATE CONSTRAINT \"c\"", &[]);
            assert_eq!(statements(&own), ["ALTER TABLE public.t VALIDATE CONSTRAINT \"c\""]);
            assert_eq!(statements(&messages::query("COMMIT")), ["COMMIT"]);
            for (sql, expected) in [
                ("ALTER TABLE public.t VALIDATE CONSTRAINT \"c\"", "ALTER TABLE VALIDATE CONSTRAINT"),
                ("SELECT pg_catalog.pg_xact_status($1::pg_catalog.xid8)", "pg_xact_status"),
                ("UPDATE t SET a = 1", "UPDATE SET"),
            ] {
                assert_eq!(label(sql), expected);
            }
        }

        #[test]
        fn places_are_read() {
            assert_eq!(Place::read("send COMMIT:2"), Some(Place("send COMMIT".to_owned(), 2)));
            assert_eq!(Place::read("send COMMIT"), None);
        }
    }
}
