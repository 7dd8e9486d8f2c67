//! Tokens: random, shown once, kept by their SHA-256 in a file of lines `name:role:hash`.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::config::admin::Role;

/// What a token begins with, so that a leaked one is recognised for what it is.
const PREFIX: &str = "pgairlock_";
/// So many random bytes.
const BYTES: usize = 32;
/// A longer file is none of tokens.
const MOST: usize = 10_000;

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Whose.
    pub name: String,
    /// What he may do.
    pub role: Role,
    hash: [u8; 32],
}

/// Reads a file; empty lines and those that begin with `#` say nothing.
///
/// # Errors
/// With the number of the line that is wrong, and never with what stands in it.
pub fn read(text: &str) -> Result<Vec<Token>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let mut tokens: Vec<Token> = Vec::new();
    for (number, line) in lines {
        let token = line_of(line.trim()).map_err(|why| format!("line {}: {why}", number + 1))?;
        if tokens.iter().any(|other| other.hash == token.hash) {
            return Err(format!("line {}: the same token stands in a line before", number + 1));
        }
        if tokens.len() >= MOST {
            return Err(format!("more than {MOST} tokens"));
        }
        tokens.push(token);
    }
    Ok(tokens)
}

fn line_of(line: &str) -> Result<Token, String> {
    let mut parts = line.split(':');
    let (Some(name), Some(role), Some(hash), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err("is not name:role:sha256-of-token, as `pgairlock admin token` prints it".into());
    };
    check_name(name)?;
    let role = role.parse().map_err(|_| "its role is neither viewer nor approver".to_owned())?;
    let hash = unhex(hash).ok_or("its last part is no SHA-256 in hexadecimal digits")?;
    Ok(Token { name: name.to_owned(), role, hash })
}

/// Whether somebody may be called so.
///
/// # Errors
/// In words.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = !name.is_empty() && name.len() <= 100 && name.trim() == name && !name.contains(|c: char| c == ':' || c.is_control());
    if fits { Ok(()) } else { Err("a name has 1 to 100 bytes, no colon, and no blanks at its ends".into()) }
}

/// A new token.
///
/// # Errors
/// When the system has no random numbers.
pub fn random() -> Result<String, String> {
    Ok(format!("{PREFIX}{}", hex(&random_bytes()?)))
}

pub(super) fn random_bytes() -> Result<[u8; BYTES], String> {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system gives no random numbers".to_owned())?;
    Ok(bytes)
}

/// The line of the file that lets in who has it.
#[must_use]
pub fn line(name: &str, role: Role, token: &str) -> String {
    format!("{name}:{}:{}", role.label(), hex(&hash(token)))
}

/// Whose it is. All are looked at, each in the same time.
pub(super) fn find<'a>(tokens: &'a [Token], token: &str) -> Option<&'a Token> {
    let hash = hash(token);
    tokens.iter().fold(None, |found, one| if same(&one.hash, &hash) { Some(one) } else { found })
}

/// The one of that name and hash is still there.
pub(super) fn again<'a>(tokens: &'a [Token], name: &str, hash: &[u8; 32]) -> Option<&'a Token> {
    tokens.iter().find(|token| token.name == name && same(&token.hash, hash))
}

impl Token {
    pub(super) fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

fn hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest(&SHA256, token.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

/// In a time that does not tell where they differ.
pub(super) fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    std::hint::black_box(one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b))) == 0
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_hash_alone() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_ne!(one, other);
        assert_eq!((one.len(), one.starts_with("pgairlock_")), (74, true));
        let file = format!("# who\n\n{}\n{}\n", line("alice", Role::Approver, &one), line("bob b", Role::Viewer, &other));
        assert!(!file.contains(&one), "{file}");
        let tokens = read(&file).unwrap();
        let found = |token: &str| find(&tokens, token).map(|token| (token.name.as_str(), token.role));
        assert_eq!(found(&one), Some(("alice", Role::Approver)));
        assert_eq!(found(&other), Some(("bob b", Role::Viewer)));
        assert_eq!((found(""), found(&one.to_uppercase()), found(&one[1..])), (None, None, None));
        let openssl = "alice:viewer:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        assert!(find(&read(openssl).unwrap(), "test").is_some(), "printf test | sha256sum");
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let hash = "0".repeat(64);
        for (line, why) in [
            ("alice", "is not name:role"),
            ("alice:viewer:x:y", "is not name:role"),
            (&*format!("alice:admin:{hash}"), "neither viewer nor approver"),
            ("alice:viewer:secret", "no SHA-256"),
            (&format!(":viewer:{hash}"), "a name has"),
            (&format!("a:viewer:{hash}\nb:viewer:{hash}"), "line 3: the same token"),
        ] {
            let told = read(&format!("#\n{line}")).unwrap_err();
            assert!(told.starts_with("line ") && told.contains(why) && !told.contains("secret"), "{told}");
        }
    }
}
