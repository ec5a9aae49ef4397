//! TLS with the broker: whom to believe, and what to show.
//!
//! Not left to lapin, which believes the system's authorities beside those of the file, needs the system to have some in
//! any case, and looks into the files only when it connects.

use std::path::Path;

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use ops::fs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::connect::{BrokerError, MAX_SECRET_BYTES};

/// What makes TLS of a connection: believes the authorities of a file, or those of the system, and shows a certificate
/// if there is one, given with its key.
pub(crate) fn connector(ca: Option<&Path>, shown: Option<(&Path, &Path)>) -> Result<RustlsConnector, BrokerError> {
    let config = match ca {
        Some(ca) => RustlsConnectorConfig::default().with_parsable_certificates(certificates(ca)?),
        None => RustlsConnectorConfig::new_with_native_certs().map_err(BrokerError::NoAuthorities)?,
    };
    let Some((certificate, key)) = shown else {
        return config.connector_with_no_client_auth().map_err(|error| match ca {
            Some(ca) => unusable(ca, error),
            None => BrokerError::NoAuthorities(error),
        });
    };
    let secret = PrivateKeyDer::from_pem_slice(&fs::read_limited(key, MAX_SECRET_BYTES)?);
    let secret = secret.map_err(|error| unusable(key, format!("it holds no private key in PEM: {error}")))?;
    config.connector_with_single_cert(certificates(certificate)?, secret).map_err(|error| unusable(certificate, error))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, BrokerError> {
    let pem = fs::read_limited(file, MAX_SECRET_BYTES)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(unusable(file, "it holds no certificate in PEM")),
        Err(error) => Err(unusable(file, error)),
    }
}

fn unusable(file: &Path, reason: impl ToString) -> BrokerError {
    BrokerError::Unusable { path: file.to_owned(), reason: reason.to_string() }
}
