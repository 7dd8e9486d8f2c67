//! The subject of a certificate as text, as RFC 4514 has it: `CN=alice,O=Example`. Only for certificates whose signatures have been checked.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const IA5: u8 = 0x16;

/// Short names of the usual attributes, by the bytes of their object identifiers.
const NAMES: [(&[u8], &str); 10] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "street"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
];

/// None where it is empty, or has anything in it that would not be told for certain: then nobody is known by it.
#[must_use]
pub fn subject(certificate: &[u8]) -> Option<String> {
    let der = CertificateDer::from_slice(certificate);
    let certificate = EndEntityCert::try_from(&der).ok()?;
    name(certificate.subject())
}

/// The parts of a name, the last first; given without the header around them.
fn name(mut parts: &[u8]) -> Option<String> {
    let mut told = Vec::new();
    while !parts.is_empty() {
        let (set, rest) = element(parts, SET)?;
        told.push(relative(set)?);
        parts = rest;
    }
    told.reverse();
    (!told.is_empty()).then(|| told.join(","))
}

fn relative(mut set: &[u8]) -> Option<String> {
    let mut told = Vec::new();
    while !set.is_empty() {
        let (pair, rest) = element(set, SEQUENCE)?;
        let (oid, value) = element(pair, OID)?;
        let (_, name) = NAMES.iter().find(|(known, _)| *known == oid)?;
        let (text, nothing) = [UTF8, PRINTABLE, IA5].into_iter().find_map(|kind| element(value, kind))?;
        let text = std::str::from_utf8(text).ok().filter(|_| nothing.is_empty())?;
        told.push(format!("{name}={}", escaped(text)));
        set = rest;
    }
    (!told.is_empty()).then(|| told.join("+"))
}

/// What is inside the first element, if it is of this kind, and what comes behind it.
fn element(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        ..=0x7f => (usize::from(length), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => (usize::from(*rest.first()?) << 8 | usize::from(*rest.get(1)?), rest.get(2..)?),
        _ => return None,
    };
    (first == kind).then(|| rest.split_at_checked(length)).flatten()
}

fn escaped(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut told = String::new();
    for (place, letter) in text.chars().enumerate() {
        match letter {
            ' ' if place == 0 || place == last => told.push_str("\\ "),
            '#' if place == 0 => told.push_str("\\#"),
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => told.extend(['\\', letter]),
            letter if letter.is_control() => told.push_str(&format!("\\{:02X}", u32::from(letter))),
            letter => told.push(letter),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn of(parts: &[(DnType, &str)]) -> Option<String> {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        parts.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), *value));
        subject(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn a_subject_is_told_as_openssl_does_with_rfc2253() {
        let usual = [(DnType::OrganizationName, "Example"), (DnType::OrganizationalUnitName, "Data"), (DnType::CommonName, "alice")];
        assert_eq!(of(&usual).as_deref(), Some("CN=alice,OU=Data,O=Example"));
        assert_eq!(of(&[(DnType::CommonName, "a,O=Other")]).as_deref(), Some("CN=a\\,O=Other"), "a name cannot pretend to be two");
        assert_eq!(of(&[(DnType::CommonName, " #a\" ")]).as_deref(), Some("CN=\\ #a\\\"\\ "));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(DnType::CustomDnType(vec![1, 2, 3]), "x")]), None, "an attribute that nobody knows");
    }

    #[test]
    fn nothing_is_told_of_what_is_no_certificate() {
        assert_eq!(subject(b""), None);
        assert_eq!(name(&[SET, 5, 1]), None);
        assert_eq!(name(&[SET, 0x84, 255, 255, 255, 255]), None);
    }
}
