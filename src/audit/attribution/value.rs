//! Values as they come with Bind, and as text.

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// NULL.
    Null,
    /// In text form.
    Text(String),
    /// In binary form.
    Binary {
        /// The type as Parse says it; 0 leaves it to the server, which takes that of the column.
        oid: u32,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Not kept, or no UTF-8.
    Unread,
}

/// What the tool's column holds, for values whose type nobody has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Any text.
    Text,
    /// int2, int4 or int8: its length tells which.
    Number,
    /// bool.
    Truth,
}

/// A value, as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// NULL.
    Null,
    /// This.
    Known(String),
    /// It could not be read.
    Unknown,
}

impl Given {
    pub(super) fn read(&self, class: Class) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::Known(text.clone()),
            Self::Binary { oid, bytes } => decoded(*oid, bytes, class).map_or(Value::Unknown, Value::Known),
            Self::Unread => Value::Unknown,
        }
    }
}

/// By the numbers of PostgreSQL's own types.
fn decoded(oid: u32, bytes: &[u8], class: Class) -> Option<String> {
    match (oid, class) {
        (16, _) | (0, Class::Truth) => truth(bytes),
        (20 | 21 | 23, _) | (0, Class::Number) => number(bytes),
        (25 | 1042 | 1043 | 19 | 705, _) | (0, Class::Text) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        (2950, _) => uuid(bytes),
        _ => None,
    }
}

fn truth(bytes: &[u8]) -> Option<String> {
    match bytes {
        [0] => Some("false".to_owned()),
        [1] => Some("true".to_owned()),
        _ => None,
    }
}

fn number(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        2 => Some(i16::from_be_bytes(bytes.try_into().ok()?).to_string()),
        4 => Some(i32::from_be_bytes(bytes.try_into().ok()?).to_string()),
        8 => Some(i64::from_be_bytes(bytes.try_into().ok()?).to_string()),
        _ => None,
    }
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range| hex.get(range);
    Some([part(0..8)?, part(8..12)?, part(12..16)?, part(16..20)?, part(20..32)?].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(oid: u32, bytes: &[u8], class: Class) -> Value {
        Given::Binary { oid, bytes: bytes.to_vec() }.read(class)
    }

    #[test]
    fn binary_values_are_read_by_their_type_or_by_the_column() {
        let known = |text: &str| Value::Known(text.to_owned());
        assert_eq!(binary(20, &7_i64.to_be_bytes(), Class::Text), known("7"));
        assert_eq!(binary(0, &(-1_i64).to_be_bytes(), Class::Number), known("-1"), "the server takes the type of the column");
        assert_eq!(binary(23, &300_i32.to_be_bytes(), Class::Number), known("300"));
        assert_eq!(binary(21, &3_i16.to_be_bytes(), Class::Number), known("3"));
        assert_eq!(binary(16, &[1], Class::Truth), known("true"));
        assert_eq!(binary(1043, "ä".as_bytes(), Class::Number), known("ä"));
        assert_eq!(binary(2950, &[0xab; 16], Class::Text), known("abababab-abab-abab-abab-abababababab"));
    }

    #[test]
    fn what_cannot_be_read_is_said_to_be_unknown() {
        for (oid, bytes, class) in [
            (1700, &b"\0\x01"[..], Class::Number),
            (20, b"\0\x01\x02", Class::Number),
            (0, b"\xff\xfe", Class::Text),
            (16, b"\x07", Class::Truth),
            (2950, b"short", Class::Text),
        ] {
            assert_eq!(binary(oid, bytes, class), Value::Unknown, "{oid} {bytes:?}");
        }
        assert_eq!(Given::Unread.read(Class::Text), Value::Unknown);
        assert_eq!(Given::Null.read(Class::Text), Value::Null);
    }
}
