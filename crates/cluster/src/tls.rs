//! TLS to the database: its server must show a certificate that the operator's authority has signed for its name.

use crate::error::DatabaseError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// TLS that trusts the authorities whose certificates are in a PEM file, and no others.
pub(crate) fn trusting(authorities: &Path) -> Result<MakeRustlsConnect, DatabaseError> {
    let refused = |why: &dyn std::fmt::Display| {
        let file = authorities.display();
        DatabaseError::Refused(format!("the database's authorities in {file}: {why}"))
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(authorities);
    for certificate in certificates.map_err(|error| refused(&error))? {
        let certificate = certificate.map_err(|error| refused(&error))?;
        roots.add(certificate).map_err(|error| refused(&error))?;
    }
    if roots.is_empty() {
        return Err(refused(&"there is no certificate in it"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
