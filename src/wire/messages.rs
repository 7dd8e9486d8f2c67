//! Messages that we originate, built by pgwire into byte strings.

use bytes::{BufMut, Bytes, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::data::{FieldDescription, RowDescription};
use pgwire::messages::extendedquery::{Bind, Close, Execute, Flush, Parse, Sync};
use pgwire::messages::response::{CommandComplete, ReadyForQuery, TransactionStatus};
use pgwire::messages::simplequery::Query;

/// Our own statement with text parameters: Parse, Bind, Execute, Close of both. No Sync: the caller decides how it ends.
/// Begins with Close of the statement, since one that failed was skipped before it came to its own.
#[must_use]
pub fn own_statement(name: &str, sql: &str, parameters: &[String]) -> Bytes {
    let name = || Some(name.to_owned());
    let values = parameters.iter().map(|value| Some(Bytes::copy_from_slice(value.as_bytes()))).collect();
    let mut out = BytesMut::new();
    put(&mut out, &Close::new(b'S', name()));
    put(&mut out, &Parse::new(name(), sql.to_owned(), Vec::new()));
    put(&mut out, &Bind::new(name(), name(), Vec::new(), values, Vec::new()));
    put(&mut out, &Execute::new(name(), 0));
    put(&mut out, &Close::new(b'P', name()));
    put(&mut out, &Close::new(b'S', name()));
    out.freeze()
}

/// A prepared statement of ours that stays: Close of what may have its name, Parse.
#[must_use]
pub fn own_prepare(statement: &str, sql: &str) -> Bytes {
    let name = || Some(statement.to_owned());
    let mut out = BytesMut::new();
    put(&mut out, &Close::new(b'S', name()));
    put(&mut out, &Parse::new(name(), sql.to_owned(), Vec::new()));
    out.freeze()
}

/// One run of it, under a portal that is closed: Bind, Execute, Close.
#[must_use]
pub fn own_execute(portal: &str, statement: &str, parameters: &[String]) -> Bytes {
    let name = || Some(portal.to_owned());
    let values = parameters.iter().map(|value| Some(Bytes::copy_from_slice(value.as_bytes()))).collect();
    let mut out = BytesMut::new();
    put(&mut out, &Bind::new(name(), Some(statement.to_owned()), Vec::new(), values, Vec::new()));
    put(&mut out, &Execute::new(name(), 0));
    put(&mut out, &Close::new(b'P', name()));
    out.freeze()
}

/// Close of a prepared statement.
#[must_use]
pub fn close_statement(name: &str) -> Bytes {
    built(&Close::new(b'S', Some(name.to_owned())))
}

/// Close of a portal of the client's. Built by hand: its name is bytes.
#[must_use]
pub fn close_portal(name: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(name.len() + 7);
    out.put_u8(b'C');
    // A name that the client could send fits.
    out.put_i32(i32::try_from(name.len() + 6).unwrap_or(i32::MAX));
    out.put_u8(b'P');
    out.put_slice(name);
    out.put_u8(0);
    out.freeze()
}

/// Parse under our own name only: how a batch is made to fail on the server.
#[must_use]
pub fn own_parse(name: &str, sql: &str) -> Bytes {
    built(&Parse::new(Some(name.to_owned()), sql.to_owned(), Vec::new()))
}

/// Query.
#[must_use]
pub fn query(sql: &str) -> Bytes {
    built(&Query::new(sql.to_owned()))
}

/// Sync.
#[must_use]
pub fn sync() -> Bytes {
    built(&Sync::new())
}

/// Flush.
#[must_use]
pub fn flush() -> Bytes {
    built(&Flush::new())
}

/// CommandComplete.
#[must_use]
pub fn command_complete(tag: &str) -> Bytes {
    built(&CommandComplete::new(tag.to_owned()))
}

/// RowDescription of one column of type void.
#[must_use]
pub fn void_description(column: &str) -> Bytes {
    built(&RowDescription::new(vec![FieldDescription::new(column.to_owned(), 0, 0, VOID, 4, -1, 0)]))
}

/// DataRow of one such column.
#[must_use]
pub fn void_row() -> Bytes {
    Bytes::from_static(b"D\0\0\0\x0a\0\x01\0\0\0\0")
}

/// The oid of the type void (pg_type.dat).
const VOID: u32 = 2278;

/// ReadyForQuery with `I`, `T` or `E`.
#[must_use]
pub fn ready_for_query(status: u8) -> Bytes {
    built(&ReadyForQuery::new(match status {
        b'T' => TransactionStatus::Transaction,
        b'E' => TransactionStatus::Error,
        _ => TransactionStatus::Idle,
    }))
}

fn built(message: &impl Message) -> Bytes {
    let mut out = BytesMut::new();
    put(&mut out, message);
    out.freeze()
}

/// Encoding into memory cannot fail; pgwire's signature says otherwise because some messages of others can.
fn put(out: &mut BytesMut, message: &impl Message) {
    let encoded = message.encode(out);
    debug_assert!(encoded.is_ok(), "encoding into memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_what_postgresql_reads() {
        assert_eq!(&sync()[..], b"S\0\0\0\x04");
        assert_eq!(&flush()[..], b"H\0\0\0\x04");
        assert_eq!(&query("x")[..], b"Q\0\0\0\x06x\0");
        assert_eq!(&command_complete("SET")[..], b"C\0\0\0\x08SET\0");
        assert_eq!(&ready_for_query(b'T')[..], b"Z\0\0\0\x05T");
    }

    #[test]
    fn an_own_statement_closes_what_it_opens() {
        let tags: Vec<u8> = crate::wire::frames::tags(&own_statement("ours", "SELECT $1", &["a".to_owned()]));
        assert_eq!(tags, b"CPBECC");
    }
}
