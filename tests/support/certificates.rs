//! Certificates made anew for each test process: a CA, the database server's and the proxy's own.

use std::path::PathBuf;
use std::sync::OnceLock;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// PEM files.
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

pub struct Certificates {
    /// Signed all of the others, but for the impostor.
    pub ca: PathBuf,
    /// Another CA, which signed nothing.
    pub other_ca: PathBuf,
    /// For `localhost` and 127.0.0.1: the database server.
    pub server: Identity,
    /// For `localhost` and 127.0.0.1: the proxy.
    pub proxy: Identity,
    /// A person whom the first CA knows, `CN=alice`.
    pub alice: Identity,
    /// One of that name whom only the other CA knows.
    pub impostor: Identity,
}

/// The certificates of this process.
pub fn certificates() -> &'static Certificates {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    MADE.get_or_init(|| {
        let (ca, other) = (authority(), authority());
        Certificates {
            ca: write("ca.crt", &ca.pem()),
            other_ca: write("other.crt", &other.pem()),
            alice: person("alice", "alice", &ca),
            impostor: person("alice", "impostor", &other),
            server: identity("server", &ca),
            proxy: identity("proxy", &ca),
        }
    })
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "pgairlock test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn identity(name: &str, ca: &Authority) -> Identity {
    person(name, name, ca)
}

/// A subject, in files of this name.
fn person(name: &str, file: &str, ca: &Authority) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    // OpenSSL takes a certificate for self-signed when its subject is its issuer.
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.signed_by(&key, ca).unwrap();
    Identity { certificate: write(&format!("{file}.crt"), &certificate.pem()), key: write(&format!("{file}.key"), &key.serialize_pem()) }
}

fn write(name: &str, pem: &str) -> PathBuf {
    let file = super::directory("certificates").join(name);
    std::fs::write(&file, pem).unwrap();
    file
}
