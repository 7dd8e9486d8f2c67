//! Settings that a start-up packet carries, read as PostgreSQL reads them: top-level keys win over `options`, the last duplicate wins.

use bytes::Bytes;

use super::startup::StartupMessage;

/// PostgreSQL cuts role and database names of the start-up packet to this many bytes.
const NAME_BYTES: usize = 63;

/// Switches of a backend that take an argument (`getopt`'s list in `process_postgres_switches`, the same on 13 to 18).
const SWITCHES_WITH_ARGUMENT: &[u8] = b"BCcDdfhkNprStvW-";

/// A setting that the proxy cannot work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unacceptable {
    /// A walsender takes SQL that no rule sees.
    Replication,
    /// Strings would end elsewhere for the server than for the proxy.
    StandardConformingStrings(String),
    /// Bytes would mean something else for the server than for the proxy.
    ClientEncoding(String),
    /// Triggers, foreign keys among them, would not fire.
    SessionReplicationRole(String),
    /// Event triggers would not fire.
    EventTriggers(String),
}

/// The value that the session starts with, as far as the packet decides it. Names of settings ignore case.
#[must_use]
pub fn setting(message: &StartupMessage, name: &str) -> Option<Bytes> {
    let top_level = message.parameters.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
    top_level.map(|(_, value)| value.clone()).or_else(|| {
        let options = switches(&split_options(message.value("options")?));
        options.into_iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    })
}

/// Puts the strictest of the client's `lock_timeout` and `cap` (milliseconds, 0 is none) into the packet; returns it with the value.
///
/// The key goes last and top-level, where it wins whatever the client wrote and however it wrote it.
#[must_use]
pub fn with_lock_timeout(message: &StartupMessage, cap: u64) -> (StartupMessage, u64) {
    let asked = setting(message, "lock_timeout").and_then(|value| milliseconds(&value)).unwrap_or(0);
    let strictest = strictest(asked, cap);
    let mut message = message.clone();
    if strictest > 0 {
        message.parameters.push((Bytes::from_static(b"lock_timeout"), strictest.to_string().into()));
    }
    (message, strictest)
}

/// The stricter of two timeouts, where 0 is none.
#[must_use]
pub fn strictest(one: u64, other: u64) -> u64 {
    if one == 0 || other == 0 { one.max(other) } else { one.min(other) }
}

/// The first thing in the packet that the proxy cannot work with.
#[must_use]
pub fn unacceptable(message: &StartupMessage) -> Option<Unacceptable> {
    let shown = |value: &Bytes| String::from_utf8_lossy(value).into_owned();
    // PostgreSQL does not forget `replication=database` when a later duplicate says false.
    if message.parameters.iter().any(|(key, value)| key == "replication" && boolean(value) != Some(false)) {
        return Some(Unacceptable::Replication);
    }
    if let Some(value) = setting(message, "standard_conforming_strings").filter(|value| boolean(value) != Some(true)) {
        return Some(Unacceptable::StandardConformingStrings(shown(&value)));
    }
    if let Some(encoding) = setting(message, "client_encoding").filter(|value| !is_utf8(value)) {
        return Some(Unacceptable::ClientEncoding(shown(&encoding)));
    }
    if let Some(role) = setting(message, "session_replication_role").filter(|value| !value.eq_ignore_ascii_case(b"origin")) {
        return Some(Unacceptable::SessionReplicationRole(shown(&role)));
    }
    let fire = setting(message, "event_triggers").filter(|value| boolean(value) != Some(true))?;
    Some(Unacceptable::EventTriggers(shown(&fire)))
}

/// Who wants to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The role.
    pub role: String,
    /// The database.
    pub database: String,
    /// application_name, when sent.
    pub application_name: Option<String>,
}

/// Who logs in, by the rules of the server: the database defaults to the role, names are cut. `None` without a role.
#[must_use]
pub fn who(message: &StartupMessage) -> Option<Who> {
    let role = message.value("user").filter(|user| !user.is_empty())?;
    let database = message.value("database").filter(|database| !database.is_empty()).unwrap_or(role);
    let application_name = setting(message, "application_name").map(|name| String::from_utf8_lossy(&name).into_owned());
    Some(Who { role: name(role), database: name(database), application_name })
}

fn name(value: &Bytes) -> String {
    String::from_utf8_lossy(value.get(..NAME_BYTES).unwrap_or(value)).into_owned()
}

/// Is this one of PostgreSQL's spellings of UTF8? It compares letters and digits only.
#[must_use]
pub fn is_utf8(encoding: &[u8]) -> bool {
    let letters: Vec<u8> = encoding.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    matches!(letters.as_slice(), b"utf8" | b"unicode")
}

/// A boolean as PostgreSQL's `parse_bool` reads it: any beginning of true, false, yes, no; on, off, 1, 0.
#[must_use]
pub fn boolean(value: &[u8]) -> Option<bool> {
    let lower = value.to_ascii_lowercase();
    let begins = |word: &[u8], least: usize| lower.len() >= least && word.starts_with(&lower);
    if begins(b"true", 1) || begins(b"yes", 1) || begins(b"on", 2) || lower == b"1" {
        Some(true)
    } else if begins(b"false", 1) || begins(b"no", 1) || begins(b"off", 2) || lower == b"0" {
        Some(false)
    } else {
        None
    }
}

/// `pg_split_opts`: words between white space; a backslash takes the next byte as it is.
fn split_options(options: &[u8]) -> Vec<Vec<u8>> {
    let (mut words, mut word, mut escaped) = (Vec::new(), None::<Vec<u8>>, false);
    for &byte in options {
        if is_space(byte) && !escaped {
            words.extend(word.take());
        } else {
            let word = word.get_or_insert_default();
            escaped = byte == b'\\' && !escaped;
            if !escaped {
                word.push(byte);
            }
        }
    }
    words.extend(word);
    words
}

/// `-c a=b`, `-ca=b`, `--a=b`, also behind flags (`-ec a=b`), in order. What the server refuses (strange switches, words) is stepped over.
fn switches(words: &[Vec<u8>]) -> Vec<(Bytes, Bytes)> {
    let mut settings = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == b"--" {
            break;
        }
        let Some(cluster) = word.strip_prefix(b"-") else { continue };
        let Some(at) = cluster.iter().position(|flag| SWITCHES_WITH_ARGUMENT.contains(flag)) else { continue };
        let argument = match cluster.get(at + 1..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => words.next().map_or(&[][..], Vec::as_slice),
        };
        if matches!(cluster.get(at), Some(b'c' | b'-')) {
            settings.extend(long_option(argument));
        }
    }
    settings
}

/// `ParseLongOption`: `-` in the name is `_`.
fn long_option(argument: &[u8]) -> Option<(Bytes, Bytes)> {
    let at = argument.iter().position(|byte| *byte == b'=')?;
    let (name, value) = argument.split_at(at);
    let name: Vec<u8> = name.iter().map(|byte| if *byte == b'-' { b'_' } else { *byte }).collect();
    Some((name.into(), Bytes::copy_from_slice(value.get(1..)?)))
}

/// A time setting whose base unit is the millisecond, read as PostgreSQL's `parse_int` does. `None`: the server refuses it.
#[must_use]
pub fn milliseconds(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim_start_matches(white);
    let (number, rest) = integer(text).or_else(|| float(text))?;
    // A fraction is rounded to the next smaller unit first, and then to the base unit.
    let (factor, smaller) = match rest.trim_matches(white) {
        "" => (1.0, None),
        "us" => (0.001, None),
        "ms" => (1.0, Some(0.001)),
        "s" => (1_000.0, Some(1.0)),
        "min" => (60_000.0, Some(1_000.0)),
        "h" => (3_600_000.0, Some(60_000.0)),
        "d" => (86_400_000.0, Some(3_600_000.0)),
        _ => return None,
    };
    let scaled = number * factor;
    whole(smaller.map_or(scaled, |smaller| (scaled / smaller).round_ties_even() * smaller))
}

fn whole(number: f64) -> Option<u64> {
    let rounded = number.round_ties_even();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number between 0 and i32::MAX")]
    (0.0..=f64::from(i32::MAX)).contains(&rounded).then_some(rounded as u64)
}

/// `strtol` with base 0. `None` where PostgreSQL reads the text again as a float.
fn integer(text: &str) -> Option<(f64, &str)> {
    let (negative, digits) = sign(text);
    let is_hex = digits.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"))
        && digits.get(2..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
    let (radix, digits) = match digits {
        digits if is_hex => (16, digits.get(2..)?),
        digits if digits.starts_with('0') => (8, digits),
        digits => (10, digits),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    let number = i32::from_str_radix(digits, radix).ok()?;
    (!rest.starts_with(['.', 'e', 'E'])).then(|| (f64::from(if negative { -number } else { number }), rest))
}

/// `strtod`, decimal only.
fn float(text: &str) -> Option<(f64, &str)> {
    let (negative, digits) = sign(text);
    let mantissa = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let end = mantissa + digits.get(mantissa..).map_or(0, exponent);
    let (digits, rest) = digits.split_at_checked(end)?;
    let number: f64 = digits.parse().ok()?;
    Some((if negative { -number } else { number }, rest))
}

/// The length of an exponent at the beginning of `text`.
fn exponent(text: &str) -> usize {
    let Some(power) = text.strip_prefix(['e', 'E']) else { return 0 };
    let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    let count = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if count == 0 { 0 } else { text.len() - digits.len() + count }
}

fn sign(text: &str) -> (bool, &str) {
    (text.starts_with('-'), text.strip_prefix(['+', '-']).unwrap_or(text))
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

fn white(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_space)
}

#[cfg(test)]
#[path = "startup_settings_tests.rs"]
mod tests;
