//! An authority, and what it signs: made by the openssl program.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A directory of certificates, which goes with it.
pub(super) struct Certificates(tempfile::TempDir);

fn openssl(arguments: &[&str]) {
    let made = Command::new("openssl").args(arguments).output();
    let made = made.expect("the openssl program is there");
    assert!(made.status.success(), "{arguments:?}: {made:?}");
}

impl Certificates {
    /// An authority, a server's certificate, and those of ada and bob.
    pub(super) fn make() -> Self {
        let made = Self(tempfile::tempdir().expect("a scratch directory can be made"));
        let (authority, key) = (made.text("authority.pem"), made.text("authority.key"));
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=authority",
            "-keyout",
            &key,
            "-out",
            &authority,
        ]);
        made.sign("server", "localhost");
        made.sign("ada", "ada.test");
        made.sign("bob", "bob.test");
        made
    }

    fn sign(&self, name: &str, host: &str) {
        let key = self.text(&format!("{name}.key"));
        let (request, certificate) = (self.text("request"), self.text(&format!("{name}.pem")));
        openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            &format!("/O=test/CN={name}"),
            "-addext",
            &format!("subjectAltName=DNS:{host}"),
            "-keyout",
            &key,
            "-out",
            &request,
        ]);
        openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &self.text("authority.pem"),
            "-CAkey",
            &self.text("authority.key"),
            "-CAcreateserial",
            "-days",
            "2",
            "-copy_extensions",
            "copy",
            "-out",
            &certificate,
        ]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("a plain path").to_owned()
    }

    /// The certificate that everything is signed by.
    pub(super) fn authority(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// What a server is started with.
    pub(super) fn server_options(&self) -> [String; 4] {
        let (certificate, key) = (self.text("server.pem"), self.text("server.key"));
        [
            "--tls-certificate".into(),
            certificate,
            "--tls-key".into(),
            key,
        ]
    }

    /// What a server is started with that asks clients for certificates.
    pub(super) fn asking(&self, verify: &'static str) -> [&str; 4] {
        let authority = self.0.path().join("authority.pem");
        let authority = authority.to_str().expect("a plain path").to_owned();
        // A test's few bytes.
        [
            "--tls-authorities",
            authority.leak(),
            "--tls-verify",
            verify,
        ]
    }

    /// Another certificate for the server, with another key.
    pub(super) fn renew_server(&self) {
        self.sign("server", "localhost");
    }

    /// Writes something in its place.
    pub(super) fn replace_server_by(&self, octets: &[u8]) {
        std::fs::write(self.path("server.pem"), octets).expect("a scratch file can be written");
    }

    /// A client that trusts the authority, and shows this certificate.
    pub(super) fn client(&self, name: Option<&str>) -> Arc<ClientConfig> {
        self.configure(name.map(|name| (self.0.path(), name)))
    }

    /// One that shows a certificate of another authority.
    pub(super) fn client_with(&self, other: &Self, name: &str) -> Arc<ClientConfig> {
        self.configure(Some((other.0.path(), name)))
    }

    fn configure(&self, shows: Option<(&Path, &str)>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(self.authority()).expect("a certificate");
        roots.add(authority).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let Some((directory, name)) = shows else {
            return Arc::new(builder.with_no_client_auth());
        };
        let certificate = directory.join(format!("{name}.pem"));
        let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(directory.join(format!("{name}.key")));
        let config = builder.with_client_auth_cert(vec![certificate], key.expect("a key"));
        Arc::new(config.expect("a pair"))
    }
}
