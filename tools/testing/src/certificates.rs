//! A certificate authority of a test's own, with a certificate for a server on loopback and one for a client.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rcgen::{Error, KeyUsagePurpose};

/// PEM files.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority's certificate: what either side trusts.
    pub ca: PathBuf,
    /// The server's certificate, for `localhost` and 127.0.0.1.
    pub server: PathBuf,
    /// The server's key.
    pub server_key: PathBuf,
    /// The client's certificate.
    pub client: PathBuf,
    /// The client's key.
    pub client_key: PathBuf,
}

impl Certificates {
    /// Makes an authority and writes its certificates to a folder. Those of another call are strangers to these.
    pub fn write(folder: &Path) -> Self {
        let authority = authority().expect("an authority");
        let file = |name: &str, pem: String| {
            let path = folder.join(name);
            std::fs::write(&path, pem).expect("it is written");
            path
        };
        let signed = |name: &str, hosts: &[&str], purpose| {
            let (certificate, key) = signed(&authority, name, hosts, purpose).expect("a certificate");
            (file(&format!("{name}.pem"), certificate), file(&format!("{name}.key"), key))
        };
        let (server, server_key) = signed("server", &["localhost", "127.0.0.1"], ExtendedKeyUsagePurpose::ServerAuth);
        let (client, client_key) = signed("client", &[], ExtendedKeyUsagePurpose::ClientAuth);
        Self { ca: file("ca.pem", authority.pem()), server, server_key, client, client_key }
    }
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, Error> {
    let mut parameters = named("authority", &[])?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)
}

/// A certificate and its key.
fn signed(
    authority: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    hosts: &[&str],
    purpose: ExtendedKeyUsagePurpose,
) -> Result<(String, String), Error> {
    let mut parameters = named(name, hosts)?;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![purpose];
    let key = KeyPair::generate()?;
    Ok((parameters.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

fn named(name: &str, hosts: &[&str]) -> Result<CertificateParams, Error> {
    let mut parameters = CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}
