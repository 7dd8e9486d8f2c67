//! Ed25519 keys that sign for the audit log, in the text that openssl reads and writes: PKCS#8 and SubjectPublicKeyInfo as PEM.

use std::fmt::{self, Display};

use base64::prelude::{BASE64_STANDARD, Engine};
use ring::rand::SecureRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::chain::Digest;

/// What stands before the 32 bytes of a private key (RFC 8410). Version 1, without the public key behind it: older openssl read no other.
const PRIVATE_PREFIX: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// What stands before the 32 bytes of a public key (RFC 8410).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// A short name of a key: the first 16 hexadecimal digits of the SHA-256 of the public key's DER.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyId(pub String);

impl Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who has it can say whether a signature is that of its private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Its short name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(Digest::of(&[&PUBLIC_PREFIX, &self.0]).to_string().chars().take(16).collect())
    }

    /// The text of its file.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem(PUBLIC, &[&PUBLIC_PREFIX[..], &self.0].concat())
    }

    /// Read from the text of a file.
    ///
    /// # Errors
    /// When that is no public Ed25519 key; says what it is.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        let der = der(PUBLIC, text)?;
        let key = der.strip_prefix(&PUBLIC_PREFIX[..]).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or_else(|| "holds a public key that is none of Ed25519; make one with: pgairlock audit key create FILE".into())
    }

    /// Whether the private key has signed this.
    #[must_use]
    pub fn has_signed(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(text.as_bytes(), signature).is_ok()
    }
}

/// Who has it speaks for the log.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id())
    }
}

impl SigningKey {
    /// The text of the file of a new one.
    ///
    /// # Errors
    /// When the machine has no random bytes.
    pub fn generate(random: &dyn SecureRandom) -> Result<String, String> {
        let mut seed = [0; 32];
        random.fill(&mut seed).map_err(|_| "the machine gave no random bytes for a key".to_owned())?;
        Ok(Self::text_of(&seed))
    }

    /// The text of the file of the one that these bytes are.
    #[must_use]
    pub fn text_of(seed: &[u8; 32]) -> String {
        pem(PRIVATE, &[&PRIVATE_PREFIX[..], seed].concat())
    }

    /// Read from the text of a file.
    ///
    /// # Errors
    /// When that is no private Ed25519 key; says what it is.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        let der = der(PRIVATE, text)?;
        let wrong = || "holds a private key that is none of Ed25519; make one with: pgairlock audit key create FILE".to_owned();
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| wrong())?;
        let public = PublicKey(pair.public_key().as_ref().try_into().map_err(|_| wrong())?);
        Ok(Self { pair, public })
    }

    /// Its other half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Its short name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.public.id()
    }

    pub(super) fn sign(&self, text: &str) -> String {
        BASE64_STANDARD.encode(self.pair.sign(text.as_bytes()))
    }
}

/// Both kinds fit into one line.
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

fn der(label: &str, text: &str) -> Result<Vec<u8>, String> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let Some((_, rest)) = text.split_once(&begin) else { return Err(otherwise(label, text)) };
    let body: Option<String> = rest.split_once(&end).map(|(body, _)| body.split_whitespace().collect());
    body.and_then(|body| BASE64_STANDARD.decode(body).ok()).ok_or_else(|| format!("is damaged between \"{begin}\" and \"{end}\""))
}

/// What the text is, where it is not what was looked for.
fn otherwise(label: &str, text: &str) -> String {
    let found = text.split_once("-----BEGIN ").and_then(|(_, rest)| rest.split_once("-----")).map(|(found, _)| found);
    match (label, found) {
        (PUBLIC, Some(PRIVATE)) => "holds the private key; whoever verifies needs the public one: pgairlock audit key public FILE".into(),
        (PRIVATE, Some(PUBLIC)) => "holds the public key; only the private one signs".into(),
        (PRIVATE, Some("ENCRYPTED PRIVATE KEY")) => {
            "holds a key behind a passphrase, which nobody could give when the proxy starts; take the passphrase away: openssl pkey -in FILE".into()
        }
        (_, Some(found)) => format!("holds a {found}, not a {label}"),
        (_, None) => format!("holds no PEM: there is no line \"-----BEGIN {label}-----\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let text = SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap();
        let key = SigningKey::from_pem(&text).unwrap();
        let public = PublicKey::from_pem(&key.public().to_pem()).unwrap();
        assert_eq!((public, public.id()), (key.public(), key.id()));
        let signature = BASE64_STANDARD.decode(key.sign("what")).unwrap();
        assert!(public.has_signed("what", &signature) && !public.has_signed("that", &signature));
        assert_ne!(SigningKey::generate(&ring::rand::SystemRandom::new()).unwrap(), text);
    }

    #[test]
    fn a_key_of_openssl_is_one_of_ours() {
        // openssl genpkey -algorithm ed25519 | tee /dev/stderr | openssl pkey -pubout
        let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIBsOkFMYdMWCdj4hzHrkShavlb2//5K08ldg6SbeNh+n\n-----END PRIVATE KEY-----\n";
        let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAmj9QzpFfzg8amYyIkSg3V27VGVuPpz/cGOMLAEHoDEQ=\n-----END PUBLIC KEY-----\n";
        let key = SigningKey::from_pem(private).unwrap();
        assert_eq!(key.public().to_pem(), public);
        assert_eq!(key.id().to_string(), "503da0ba4631ac0a");
        assert_eq!(format!("{key:?}"), "SigningKey(503da0ba4631ac0a)");
    }

    #[test]
    fn what_is_no_key_says_what_it_is() {
        let (private, public) = (SigningKey::text_of(&[7; 32]), SigningKey::from_pem(&SigningKey::text_of(&[1; 32])).unwrap().public().to_pem());
        let of_private = |text: &str| SigningKey::from_pem(text).unwrap_err();
        assert!(PublicKey::from_pem(&private).unwrap_err().contains("audit key public"));
        assert!(of_private(&public).contains("only the private one signs"));
        assert!(of_private(&private.replace("PRIVATE", "ENCRYPTED PRIVATE")).contains("passphrase"));
        assert!(of_private(&private.replace("PRIVATE", "RSA PRIVATE")).contains("a RSA PRIVATE KEY"));
        assert!(of_private("").contains("no PEM"));
        assert!(of_private(&private.replace("-----END", "")).contains("damaged"));
        assert!(of_private(&private.replace("MC4C", "MC4D")).contains("none of Ed25519"));
    }
}
