//! ErrorResponse and NoticeResponse: built by hand, so that the `V` field is there, and read field by field.

use bytes::{BufMut, Bytes, BytesMut};

/// What a client is told, in PostgreSQL's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// `ERROR`, `FATAL`, `WARNING`, `NOTICE`; goes into `S` and `V`.
    pub severity: &'a str,
    /// SQLSTATE, five characters.
    pub sqlstate: &'a str,
    /// The primary message.
    pub message: &'a str,
    /// DETAIL.
    pub detail: Option<&'a str>,
    /// HINT.
    pub hint: Option<&'a str>,
    /// 1-based character position in the client's string.
    pub position: Option<usize>,
}

impl<'a> Report<'a> {
    /// A report without DETAIL, HINT and position.
    #[must_use]
    pub fn new(severity: &'a str, sqlstate: &'a str, message: &'a str) -> Self {
        Self { severity, sqlstate, message, detail: None, hint: None, position: None }
    }
}

/// A whole ErrorResponse frame.
#[must_use]
pub fn error(report: &Report<'_>) -> Bytes {
    frame(b'E', report)
}

/// The ErrorResponse frame of this body.
#[must_use]
pub fn error_of(body: &[u8]) -> Bytes {
    framed(b'E', body)
}

/// A whole NoticeResponse frame.
#[must_use]
pub fn notice(report: &Report<'_>) -> Bytes {
    frame(b'N', report)
}

/// The fields of an ErrorResponse or NoticeResponse body (without tag and length). Ends at the first thing that is not a field.
pub fn fields(body: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (&code, text) = rest.split_first().filter(|(code, _)| **code != 0)?;
        let end = text.iter().position(|byte| *byte == 0)?;
        let (value, behind) = text.split_at(end);
        rest = behind.get(1..)?;
        Some((code, value))
    })
}

/// The field `code` of an ErrorResponse or NoticeResponse body.
#[must_use]
pub fn field(body: &[u8], code: u8) -> Option<&[u8]> {
    fields(body).find(|(found, _)| *found == code).map(|(_, value)| value)
}

/// An ErrorResponse frame whose position, if it has one, counts from so many characters before.
#[must_use]
pub fn moved(frame: &[u8], characters: usize) -> Bytes {
    let mut body = BytesMut::with_capacity(frame.len() + 8);
    for (code, value) in fields(frame.get(5..).unwrap_or_default()) {
        let position = (code == b'P').then(|| std::str::from_utf8(value).ok()?.parse::<usize>().ok()).flatten();
        body.put_u8(code);
        match position {
            Some(position) => body.put_slice(position.saturating_add(characters).to_string().as_bytes()),
            None => body.put_slice(value),
        }
        body.put_u8(0);
    }
    body.put_u8(0);
    framed(b'E', &body)
}

fn frame(tag: u8, report: &Report<'_>) -> Bytes {
    let position = report.position.map(|position| position.to_string());
    let fields = [
        (b'S', Some(report.severity)),
        (b'V', Some(report.severity)),
        (b'C', Some(report.sqlstate)),
        (b'M', Some(report.message)),
        (b'D', report.detail),
        (b'H', report.hint),
        (b'P', position.as_deref()),
    ];
    let mut body = BytesMut::new();
    for (code, text) in fields {
        if let Some(text) = text {
            body.put_u8(code);
            put_text(&mut body, text);
        }
    }
    body.put_u8(0);
    framed(tag, &body)
}

fn framed(tag: u8, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(body.len() + 5);
    frame.put_u8(tag);
    // Texts of ours are far below 2 GB; a saturated length would at worst end this connection.
    frame.put_i32(i32::try_from(body.len() + 4).unwrap_or(i32::MAX));
    frame.extend_from_slice(body);
    frame.freeze()
}

/// A NUL would end the string early and turn the rest into fields.
fn put_text(body: &mut BytesMut, text: &str) {
    body.extend(text.bytes().map(|byte| if byte == 0 { b'?' } else { byte }));
    body.put_u8(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_localized_and_plain_severity() {
        let bytes = error(&Report::new("FATAL", "08001", "gone"));
        assert_eq!(&bytes[..], b"E\0\0\0\x20SFATAL\0VFATAL\0C08001\0Mgone\0\0".as_slice());
    }

    #[test]
    fn every_field_is_written_and_read_back() {
        let report = Report { detail: Some("d"), hint: Some("h"), position: Some(12), ..Report::new("ERROR", "PA001", "m") };
        let bytes = error(&report);
        let read: Vec<_> = fields(&bytes[5..]).map(|(code, value)| (code as char, String::from_utf8_lossy(value).into_owned())).collect();
        let expected = [('S', "ERROR"), ('V', "ERROR"), ('C', "PA001"), ('M', "m"), ('D', "d"), ('H', "h"), ('P', "12")];
        assert_eq!(read, expected.map(|(code, value)| (code, value.to_owned())));
        assert_eq!(error_of(&bytes[5..]), bytes);
        assert_eq!(usize::try_from(u32::from_be_bytes(bytes[1..5].try_into().unwrap())).unwrap(), bytes.len() - 1);
    }

    #[test]
    fn a_nul_in_a_message_cannot_forge_a_field() {
        let bytes = notice(&Report::new("NOTICE", "00000", "a\0C99999"));
        assert_eq!(bytes[0], b'N');
        assert_eq!(field(&bytes[5..], b'M'), Some(b"a?C99999".as_slice()));
        assert_eq!(field(&bytes[5..], b'C'), Some(b"00000".as_slice()));
    }

    #[test]
    fn a_position_is_moved_and_nothing_else() {
        let report = Report { detail: Some("d"), position: Some(12), ..Report::new("ERROR", "42601", "m") };
        assert_eq!(moved(&error(&report), 30), error(&Report { position: Some(42), ..report }));
        let without = error(&Report { position: None, ..report });
        assert_eq!(moved(&without, 30), without);
    }

    #[test]
    fn broken_bodies_end_the_iteration() {
        for body in [b"".as_slice(), b"\0", b"S", b"SERROR", b"\0SERROR\0"] {
            assert_eq!(fields(body).count(), 0, "{body:?}");
        }
        assert_eq!(fields(b"SERROR\0M").count(), 1);
        assert_eq!(fields(b"S\0\0").count(), 1);
    }
}
