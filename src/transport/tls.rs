//! TLS: what we show to clients, and how we ask a server for it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::client_certificate;
use super::stream::Stream;
use crate::config::settings::{ClientTls, Identity, ServerTls};

/// The application protocol that PostgreSQL registered.
pub const ALPN: &[u8] = b"postgresql";
/// That of HTTP/1.1.
const WEB_ALPN: &[u8] = b"http/1.1";

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate, key or CA file that cannot be used.
    #[error("{}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no root certificates.
    #[error("no root certificates on this system: {0}")]
    NoRoots(String),
    /// rustls does not take the combination.
    #[error(transparent)]
    Config(#[from] rustls::Error),
    /// The host is neither a name nor an address that a certificate could bear.
    #[error("{0:?} is not a host name that a certificate could bear")]
    HostName(String),
    /// The client's certificate is missing, or none that is taken.
    #[error("{0}")]
    ClientCertificate(String),
    /// The handshake failed.
    #[error("TLS handshake: {0}")]
    Handshake(#[source] io::Error),
}

/// The TLS server of one listener.
#[derive(Clone)]
pub struct Acceptor {
    acceptor: TlsAcceptor,
    leaf: CertificateDer<'static>,
}

impl Acceptor {
    /// The acceptor that a listener's settings ask for; `None` when they ask for none. Reads the files.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn from_settings(settings: &ClientTls) -> Result<Option<Self>, TlsError> {
        match settings {
            ClientTls::Disable => Ok(None),
            ClientTls::Prefer(identity) | ClientTls::Require(identity) => Self::from_files(identity, ALPN).map(Some),
        }
    }

    /// The acceptor of HTTPS. Who shows a certificate that is not trusted fails the handshake. Reads the files.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn for_browsers(identity: &Identity) -> Result<Self, TlsError> {
        Self::from_files(identity, WEB_ALPN)
    }

    fn from_files(identity: &Identity, protocol: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates(&identity.certificate)?;
        let leaf = chain.first().cloned().ok_or_else(|| unusable(&identity.certificate, "holds no certificate"))?;
        let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(|error| unusable(&identity.key, &error.to_string()))?;
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let builder = match &identity.clients {
            Some(clients) => builder.with_client_cert_verifier(client_certificate::verifier(clients)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| unusable(&identity.key, &format!("does not fit {}: {error}", identity.certificate.display())))?;
        if identity.clients.is_some() {
            // A session that is resumed shows no certificate anew, and the one of before may have expired.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), leaf })
    }

    /// The handshake with a client. Not cancel safe: the connection is lost with the future.
    ///
    /// # Errors
    /// The handshake failed; the alert that says why is on its way, and the socket not closed, which could overtake it.
    pub async fn accept(&self, socket: TcpStream) -> Result<Stream, (TlsError, TcpStream)> {
        match self.acceptor.accept(socket).into_fallible().await {
            Ok(stream) => Ok(Stream::Client(Box::new(stream))),
            Err((error, socket)) => Err((client_certificate::complaint(&error).unwrap_or(TlsError::Handshake(error)), socket)),
        }
    }

    /// The certificate (DER) that clients see, and bind SCRAM to.
    #[must_use]
    pub fn leaf(&self) -> &[u8] {
        &self.leaf
    }
}

/// The handshake with a web server, whose certificate and name are checked against this CA file, or the system's roots. Not cancel safe.
///
/// # Errors
/// As [`connect`].
pub async fn connect_to_web(ca: Option<&Path>, socket: TcpStream, host: &str) -> Result<Stream, TlsError> {
    handshake(&ServerTls::VerifyFull(ca.map(Path::to_owned)), WEB_ALPN, socket, host).await
}

/// Whether this file holds authorities that can be trusted. Blocks while it reads.
///
/// # Errors
/// Names the file.
pub fn check_authorities(file: &Path) -> Result<(), TlsError> {
    verifier(ca_file(file)?, file).map(drop)
}

/// The handshake with a server that said it speaks TLS. Not cancel safe.
///
/// # Errors
/// The CA file cannot be used, or the handshake failed; a certificate that is not trusted fails it.
pub async fn connect(settings: &ServerTls, socket: TcpStream, host: &str) -> Result<Stream, TlsError> {
    handshake(settings, ALPN, socket, host).await
}

async fn handshake(settings: &ServerTls, protocol: &[u8], socket: TcpStream, host: &str) -> Result<Stream, TlsError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::HostName(host.to_owned()))?;
    let config = client_config(settings, protocol)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(TlsError::Handshake)?;
    Ok(Stream::Server(Box::new(stream)))
}

/// The handshake with an HTTP server, whose certificate is checked against the system's roots. Not cancel safe.
///
/// # Errors
/// The handshake failed; a certificate that is not trusted fails it.
pub async fn connect_http(socket: TcpStream, host: &str) -> Result<Stream, TlsError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::HostName(host.to_owned()))?;
    let config = client_config(&ServerTls::VerifyFull(None), b"http/1.1")?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(TlsError::Handshake)?;
    Ok(Stream::Server(Box::new(stream)))
}

/// Made for each connection, so that a new CA file counts at once; only the system's roots are kept.
fn client_config(settings: &ServerTls, protocol: &[u8]) -> Result<ClientConfig, TlsError> {
    let verifier: Arc<dyn ServerCertVerifier> = match settings {
        ServerTls::Disable | ServerTls::Prefer | ServerTls::Require => Arc::new(AnyCertificate(provider())),
        ServerTls::VerifyFull(Some(file)) => verifier(ca_file(file)?, file)?,
        ServerTls::VerifyFull(None) => verifier(system_roots()?, Path::new("system roots"))?,
    };
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

fn verifier(roots: Arc<RootCertStore>, origin: &Path) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    WebPkiServerVerifier::builder_with_provider(roots, provider()).build().map_err(|error| unusable(origin, &error.to_string()))
}

pub(super) fn ca_file(file: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| unusable(file, &error.to_string()))?;
    }
    Ok(Arc::new(roots))
}

/// Reading a system's roots takes tens of milliseconds: once is enough.
fn system_roots() -> Result<Arc<RootCertStore>, TlsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(found.certs).0 == 0 {
        let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoRoots(reasons.join("; ")));
    }
    Ok(Arc::clone(ROOTS.get_or_init(|| Arc::new(roots))))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    read.map_err(|error| unusable(file, &error.to_string()))
}

pub(super) fn unusable(file: &Path, reason: &str) -> TlsError {
    TlsError::File { file: file.to_owned(), reason: reason.to_owned() }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

/// libpq's `require` without a CA: encrypt, whoever the server is. It still has to own the key of the certificate that it shows.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
