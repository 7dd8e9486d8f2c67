//! Certificates of clients: who issues them, and what a certificate that was found to be good says.

use std::io;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::tls::{TlsError, ca_file, provider, unusable};
use crate::config::settings::ClientCertificates;

/// Checks what clients show: issued by an authority of the file, for clients, and of this day. Reads the file.
pub(super) fn verifier(settings: &ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = ca_file(&settings.ca)?;
    if roots.is_empty() {
        return Err(unusable(&settings.ca, "holds no certificate"));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let builder = if settings.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| unusable(&settings.ca, &error.to_string()))
}

/// The subject of a certificate (DER) that has been verified, as RFC 4514 writes it: `CN=deploy,O=Example`. Where that is empty, its alternative names:
/// `URI:spiffe://example/deploy`. No character of it is a control character.
///
/// # Errors
/// When it cannot be read, or names nobody: who cannot be told must not be let in.
pub fn subject(certificate: &[u8]) -> Result<String, TlsError> {
    let refused = |reason: String| TlsError::ClientCertificate(reason);
    let read = Certificate::from_der(certificate).map_err(|error| refused(format!("the client's certificate cannot be read: {error}")))?;
    let certificate = read.tbs_certificate();
    if !certificate.subject().is_empty() {
        return Ok(certificate.subject().to_string());
    }
    let names =
        certificate.get_extension::<SubjectAltName>().map_err(|error| refused(format!("the client's certificate cannot be read: {error}")))?;
    let names: Vec<String> = names.iter().flat_map(|(_, names)| &names.0).filter_map(alternative).collect();
    if names.is_empty() {
        return Err(refused("the client's certificate names nobody: it has neither a subject nor an alternative name".to_owned()));
    }
    Ok(names.join(","))
}

/// Of a kind that names somebody.
fn alternative(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::Rfc822Name(address) => Some(format!("email:{}", escaped(address.as_str()))),
        GeneralName::DnsName(name) => Some(format!("DNS:{}", escaped(name.as_str()))),
        GeneralName::DirectoryName(name) => Some(format!("DirName:{name}")),
        GeneralName::UniformResourceIdentifier(uri) => Some(format!("URI:{}", escaped(uri.as_str()))),
        GeneralName::OtherName(_) | GeneralName::EdiPartyName(_) | GeneralName::IpAddress(_) | GeneralName::RegisteredId(_) => None,
    }
}

/// As in a subject: what separates names, and what no terminal should see.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ',' | '\\' => escaped.extend(['\\', c]),
            c if c.is_control() => escaped += &format!("\\{:02x}", u32::from(c)),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What a failed handshake says about the client's certificate, if that is why it failed.
pub(super) fn complaint(error: &io::Error) -> Option<TlsError> {
    let reason = match error.get_ref()?.downcast_ref::<Error>()? {
        Error::NoCertificatesPresented => {
            "the client showed no certificate, and this listener asks for one (client_cert = \"required\"): connect with sslcert and sslkey"
                .to_owned()
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the client's certificate has expired".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "the client's certificate is not valid yet".to_owned()
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the client's certificate was not issued by an authority of this listener (client_ca)".to_owned()
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "the client's certificate names an authority of this listener (client_ca), which did not sign it".to_owned()
        }
        Error::InvalidCertificate(CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }) => {
            "the client's certificate is not one for clients (extended key usage)".to_owned()
        }
        Error::InvalidCertificate(error) => format!("the client's certificate was refused: {error}"),
        _ => return None,
    };
    Some(TlsError::ClientCertificate(reason))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType};

    use super::*;

    fn of(name: &[(DnType, &str)], alternatives: Vec<SanType>) -> Result<String, String> {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in name {
            params.distinguished_name.push(kind.clone(), DnValue::Utf8String((*value).to_owned()));
        }
        params.subject_alt_names = alternatives;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        subject(certificate.der()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_subject_is_written_as_rfc_4514_writes_it() {
        let name = [(DnType::CountryName, "DE"), (DnType::OrganizationName, "Example, Inc."), (DnType::CommonName, "deploy")];
        assert_eq!(of(&name, vec![]).unwrap(), "CN=deploy,O=Example\\, Inc.,C=DE");
        // What would end a name, or a line, does neither.
        assert_eq!(of(&[(DnType::CommonName, "a,CN=root+O=x\\")], vec![]).unwrap(), "CN=a\\,CN=root\\+O=x\\\\");
        assert_eq!(of(&[(DnType::CommonName, " a\nb\u{1b}\0")], vec![]).unwrap(), "CN=\\ a\\0ab\\1b\\00");
        assert_eq!(of(&[(DnType::CommonName, "Jürgen")], vec![SanType::DnsName("x".try_into().unwrap())]).unwrap(), "CN=Jürgen");
    }

    /// What an operator copies into the configuration.
    #[test]
    fn a_subject_is_written_as_openssl_writes_it() {
        use std::process::Command;
        if Command::new("openssl").arg("version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "openssl is missing");
            return println!("skipped: no openssl");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let awkward = ["deploy", "Jürgen", "a, b", "a+b", "a\"b", "a\\b", "a<b>c;d", "#a", " a ", "a=b", "Example, Inc."];
        for value in awkward {
            let mut params = CertificateParams::new([]).unwrap();
            params.distinguished_name = DistinguishedName::new();
            let kinds = [
                DnType::CountryName,
                DnType::StateOrProvinceName,
                DnType::LocalityName,
                DnType::OrganizationName,
                DnType::OrganizationalUnitName,
                DnType::CommonName,
            ];
            for kind in kinds {
                let text = if kind == DnType::CountryName { "DE" } else { value };
                params.distinguished_name.push(kind, DnValue::Utf8String(text.to_owned()));
            }
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            std::fs::write(file.path(), certificate.der()).unwrap();
            let told = Command::new("openssl")
                .args(["x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb", "-in"])
                .arg(file.path())
                .output()
                .unwrap();
            let told = String::from_utf8(told.stdout).unwrap();
            assert_eq!(told.trim_end_matches('\n').strip_prefix("subject="), Some(subject(certificate.der()).unwrap().as_str()), "{value}");
        }
    }

    #[test]
    fn without_a_subject_the_alternative_names_say_who_it_is() {
        let uri = SanType::URI("spiffe://example/ns/ci,deploy".try_into().unwrap());
        let address = SanType::Rfc822Name("ci@example.com".try_into().unwrap());
        assert_eq!(of(&[], vec![uri, address]).unwrap(), "URI:spiffe://example/ns/ci\\,deploy,email:ci@example.com");
        assert!(of(&[], vec![]).unwrap_err().contains("names nobody"));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for bytes in [&b""[..], b"\x30\x80", b"hello"] {
            assert!(subject(bytes).unwrap_err().to_string().contains("cannot be read"), "{bytes:?}");
        }
    }
}
