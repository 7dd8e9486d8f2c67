//! Certificates made anew for each test process: a CA, the database server's and the proxy's own.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, date_time_ymd,
};

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
    pub clients: Clients,
}

/// What clients show.
pub struct Clients {
    /// Signed all of them but `strange`, and nothing else.
    pub ca: PathBuf,
    /// Signed `strange`, and has another name.
    pub other_ca: PathBuf,
    /// `CN=deploy,O=Example\, Inc.`
    pub good: Identity,
    /// Without a subject, but `URI:spiffe://example/ci`.
    pub nameless: Identity,
    pub expired: Identity,
    pub strange: Identity,
    /// By an authority that calls itself as `ca` does.
    pub forged: Identity,
    /// For servers.
    pub wrong_purpose: Identity,
}

/// The certificates of this process.
pub fn certificates() -> &'static Certificates {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    MADE.get_or_init(|| {
        let [ca, other] = ["pgairlock test authority"; 2].map(authority);
        Certificates {
            ca: write("ca.crt", &ca.pem()),
            other_ca: write("other.crt", &other.pem()),
            alice: person("alice", "alice", &ca),
            impostor: person("alice", "impostor", &other),
            server: identity("server", &ca),
            proxy: identity("proxy", &ca),
            clients: clients(),
        }
    })
}

fn clients() -> Clients {
    let [ca, namesake, other] = ["clients", "clients", "others"].map(authority);
    let named = |name: &str| {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let mut nameless = CertificateParams::new([]).unwrap();
    nameless.distinguished_name = DistinguishedName::new();
    nameless.subject_alt_names = vec![SanType::URI("spiffe://example/ci".try_into().unwrap())];
    let mut expired = named("expired");
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let mut wrong_purpose = named("server");
    wrong_purpose.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Clients {
        ca: write("clients.crt", &ca.pem()),
        other_ca: write("other-clients.crt", &other.pem()),
        good: signed("client-good", named("deploy"), &ca),
        nameless: signed("client-nameless", nameless, &ca),
        expired: signed("client-expired", expired, &ca),
        strange: signed("client-strange", named("deploy"), &other),
        forged: signed("client-forged", named("deploy"), &namesake),
        wrong_purpose: signed("client-server", wrong_purpose, &ca),
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn identity(name: &str, ca: &Authority) -> Identity {
    person(name, name, ca)
}

/// A subject, in files of this name.
fn person(name: &str, file: &str, ca: &Authority) -> Identity {
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    // OpenSSL takes a certificate for self-signed when its subject is its issuer.
    params.distinguished_name.push(DnType::CommonName, name);
    signed(file, params, ca)
}

fn signed(name: &str, params: CertificateParams, ca: &Authority) -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, ca).unwrap();
    let key = write(&format!("{name}.key"), &key.serialize_pem());
    // libpq takes no key that others may read.
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    Identity { certificate: write(&format!("{name}.crt"), &certificate.pem()), key }
}

fn write(name: &str, pem: &str) -> PathBuf {
    let file = super::directory("certificates").join(name);
    std::fs::write(&file, pem).unwrap();
    file
}
