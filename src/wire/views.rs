//! Views of the few bodies that are looked into. Borrowed, bounds-checked, never panicking; `None` is a malformed body.

/// Query: the string.
#[must_use]
pub fn query(body: &[u8]) -> Option<&[u8]> {
    let (text, rest) = c_string(body)?;
    rest.is_empty().then_some(text)
}

/// Parse: statement name, string, and the rest (parameter types) as it came.
#[must_use]
pub fn parse(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = c_string(body)?;
    let (text, types) = c_string(rest)?;
    Some((name, text, types))
}

/// Bind: portal and statement name; the body may be cut behind them.
#[must_use]
pub fn bind(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (portal, rest) = c_string(body)?;
    let (statement, _) = c_string(rest)?;
    Some((portal, statement))
}

/// Execute: the portal.
#[must_use]
pub fn execute(body: &[u8]) -> Option<&[u8]> {
    let (portal, rest) = c_string(body)?;
    (rest.len() == 4).then_some(portal)
}

/// Execute: the portal, and how many rows are wanted (0 is all).
#[must_use]
pub fn execute_in_full(body: &[u8]) -> Option<(&[u8], u32)> {
    let (portal, rest) = c_string(body)?;
    Some((portal, u32::from_be_bytes(rest.try_into().ok()?)))
}

/// Bind: its parameters as integers, each `None` where it is NULL or none.
#[must_use]
pub fn bind_integers(body: &[u8]) -> Option<Vec<Option<i64>>> {
    Some(bind_values(body)?.into_iter().map(|value| value.and_then(|(format, value)| integer(value, format))).collect())
}

/// A parameter with its format (0 is text, 1 is binary); `None` is NULL.
pub type Bound<'a> = Option<(u16, &'a [u8])>;

/// Bind: its parameters.
#[must_use]
pub fn bind_values(body: &[u8]) -> Option<Vec<Bound<'_>>> {
    let (_, rest) = c_string(body)?;
    let (_, mut rest) = c_string(rest)?;
    let formats: Vec<u16> = (0..u16_of(&mut rest)?).map(|_| u16_of(&mut rest)).collect::<Option<_>>()?;
    let values = 0..usize::from(u16_of(&mut rest)?);
    values
        .map(|at| {
            // One format is that of all; none is text.
            let format = if formats.len() == 1 { formats.first() } else { formats.get(at) }.copied().unwrap_or(0);
            let (length, behind) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            let (value, behind) = length.map_or(Some((None, behind)), |length| Some((Some(behind.get(..length)?), behind.get(length..)?)))?;
            rest = behind;
            Some(value.map(|value| (format, value)))
        })
        .collect()
}

/// The end of Parse: the numbers of the types that it names for its parameters.
#[must_use]
pub fn parameter_types(mut types: &[u8]) -> Option<Vec<u32>> {
    (0..u16_of(&mut types)?)
        .map(|_| {
            let (oid, behind) = types.split_first_chunk::<4>()?;
            types = behind;
            Some(u32::from_be_bytes(*oid))
        })
        .collect()
}

fn u16_of(rest: &mut &[u8]) -> Option<u16> {
    let (value, behind) = rest.split_first_chunk::<2>()?;
    *rest = behind;
    Some(u16::from_be_bytes(*value))
}

/// As text, or as int2, int4 or int8 in binary.
fn integer(value: &[u8], format: u16) -> Option<i64> {
    match (format, value.len()) {
        (0, _) => std::str::from_utf8(value).ok()?.trim().parse().ok(),
        (1, 2) => Some(i16::from_be_bytes(value.try_into().ok()?).into()),
        (1, 4) => Some(i32::from_be_bytes(value.try_into().ok()?).into()),
        (1, 8) => Some(i64::from_be_bytes(value.try_into().ok()?)),
        _ => None,
    }
}

/// Describe and Close: `S` or `P`, and the name.
#[must_use]
pub fn target(body: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, rest) = body.split_first()?;
    let (name, end) = c_string(rest)?;
    (end.is_empty() && matches!(kind, b'S' | b'P')).then_some((*kind, name))
}

/// ParameterStatus: name and value.
#[must_use]
pub fn parameter_status(body: &[u8]) -> Option<(&str, &str)> {
    let (name, rest) = c_string(body)?;
    let (value, _) = c_string(rest)?;
    Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
}

/// CommandComplete: the tag.
#[must_use]
pub fn command_tag(body: &[u8]) -> Option<&str> {
    std::str::from_utf8(c_string(body)?.0).ok()
}

/// DataRow: its first column as text; the inner `None` is NULL.
#[must_use]
pub fn first_column(body: &[u8]) -> Option<Option<&[u8]>> {
    let rest = body.get(2..)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    match i32::from_be_bytes(*length) {
        -1 => Some(None),
        length => Some(Some(rest.get(..usize::try_from(length).ok()?)?)),
    }
}

fn c_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_there() {
        assert_eq!(query(b"SELECT 1\0"), Some(&b"SELECT 1"[..]));
        assert_eq!(parse(b"s\0SELECT 1\0\0\0"), Some((&b"s"[..], &b"SELECT 1"[..], &b"\0\0"[..])));
        assert_eq!(bind(b"p\0s\0\0\0"), Some((&b"p"[..], &b"s"[..])));
        assert_eq!(execute(b"p\0\0\0\0\0"), Some(&b"p"[..]));
        assert_eq!(execute_in_full(b"p\0\0\0\0\x05"), Some((&b"p"[..], 5)));
        assert_eq!(target(b"Ss\0"), Some((b'S', &b"s"[..])));
        assert_eq!(parameter_status(b"TimeZone\0UTC\0"), Some(("TimeZone", "UTC")));
        assert_eq!(command_tag(b"ALTER TABLE\0"), Some("ALTER TABLE"));
        assert_eq!(first_column(b"\0\x01\0\0\0\x02hi"), Some(Some(&b"hi"[..])));
        assert_eq!(first_column(b"\0\x01\xff\xff\xff\xff"), Some(None));
    }

    #[test]
    fn malformed_bodies_are_none() {
        assert_eq!(query(b"SELECT 1"), None);
        assert_eq!(query(b"SELECT 1\0; DROP TABLE t\0"), None);
        assert_eq!(parse(b"s\0SELECT 1"), None);
        assert_eq!(bind(b"p\0s"), None);
        assert_eq!(execute(b"p\0\0"), None);
        assert_eq!(target(b"Xs\0"), None);
        assert_eq!(target(b""), None);
        assert_eq!(first_column(b"\0\x01\0\0\0\x09hi"), None);
        assert_eq!(first_column(b"\0\x01\xff\xff\xff\xfe"), None);
    }

    #[test]
    fn parameters_and_their_types_are_read() {
        let mixed = b"p\0s\0\0\x02\0\x01\0\0\0\x03\0\0\0\x01\x07\0\0\0\x02ab\xff\xff\xff\xff\0\0";
        assert_eq!(bind_values(mixed), Some(vec![Some((1, &b"\x07"[..])), Some((0, &b"ab"[..])), None]));
        assert_eq!(parameter_types(b"\0\x02\0\0\0\x14\0\0\0\0"), Some(vec![20, 0]));
        assert_eq!(parameter_types(b"\0\0"), Some(vec![]));
        assert_eq!(parameter_types(b"\0\x01\0"), None);
    }

    #[test]
    fn parameters_are_read_as_integers() {
        let bind = |rest: &[u8]| bind_integers(&[b"p\0s\0", rest].concat());
        assert_eq!(bind(b"\0\0\0\x02\0\0\0\x02-7\xff\xff\xff\xff\0\0"), Some(vec![Some(-7), None]), "text, and NULL");
        assert_eq!(bind(b"\0\x01\0\x01\0\x01\0\0\0\x04\0\0\x01\0\0\0"), Some(vec![Some(256)]), "one format for all");
        let mixed = b"\0\x02\0\x01\0\0\0\x02\0\0\0\x08\0\0\0\0\0\0\0\x05\0\0\0\x03abc\0\0";
        assert_eq!(bind(mixed), Some(vec![Some(5), None]));
        for cut in [&b"\0"[..], b"\0\x01", b"\0\0\0\x01", b"\0\0\0\x01\0\0\0\x02-"] {
            assert_eq!(bind(cut), None, "{cut:?}");
        }
    }
}
