//! TLS for clients and operators: a certificate of the server's, and what is asked of theirs.
//!
//! The files are looked at while the server runs, and at a SIGHUP: a new certificate counts for connections that come after
//! it. One that cannot be used changes nothing; that is said, and the one before stays.

use crate::config::{LoginFrom, TlsFiles, Verify};
use anyhow::{Context, Result, ensure};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{info, warn};
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};
use x509_cert::name::Name;

/// A client has so long to agree on TLS.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// How often it is looked whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// So many bytes may wait in TLS for a client that does not read; the rest waits where it is counted.
const WAITING_MAX: usize = 16 * 1024;

/// What connections are made with.
pub struct Tls {
    files: TlsFiles,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    stamps: Vec<Stamp>,
}

/// Tells whether a file is another one than before.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If they cannot be used.
    pub fn open(files: TlsFiles) -> Result<Arc<Self>> {
        let stamps = stamps(&files);
        let current = Mutex::new(Current {
            config: Arc::new(load(&files)?),
            stamps,
        });
        Ok(Arc::new(Self { files, current }))
    }

    /// Agrees with a client that has just connected.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.current().config.clone();
        let accepting = TlsAcceptor::from(config).accept_with(stream, |session| {
            session.set_buffer_limit(Some(WAITING_MAX));
        });
        let accepted = tokio::time::timeout(HANDSHAKE_MAX, accepting).await;
        accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// The user whom the client's certificate names, if it has shown one.
    pub(crate) fn user_of(&self, stream: &TlsStream<TcpStream>) -> Option<String> {
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates()?.first()?;
        user(certificate, self.files.login_from)
    }

    /// Looks at the files for as long as the server runs.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut hang_up = match signal(SignalKind::hangup()) {
            Ok(hang_up) => hang_up,
            Err(error) => {
                warn!(%error, "cannot receive SIGHUP");
                return;
            }
        };
        loop {
            let asked = tokio::select! {
                asked = hang_up.recv() => asked.is_some(),
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let this = self.clone();
            // A disk that is slow holds up nobody.
            let _ = tokio::task::spawn_blocking(move || this.look(asked)).await;
        }
    }

    /// Reads the files again if they have changed, or if it was asked for.
    fn look(&self, asked: bool) {
        let stamps = stamps(&self.files);
        if !asked && self.current().stamps == stamps {
            return;
        }
        let loaded = load(&self.files);
        let mut current = self.current();
        current.stamps = stamps;
        match loaded {
            Ok(config) => {
                current.config = Arc::new(config);
                info!("new connections get the new TLS certificate");
            }
            Err(error) => warn!("the TLS certificate stays as it is: {error:#}"),
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamps(files: &TlsFiles) -> Vec<Stamp> {
    let paths = [
        Some(&files.certificate),
        Some(&files.key),
        files.authorities.as_ref(),
    ];
    let stamp = |of: Metadata| (of.ino(), of.len(), of.mtime(), of.mtime_nsec());
    let paths = paths.into_iter().flatten();
    paths
        .map(|path| std::fs::metadata(path).ok().map(stamp))
        .collect()
}

fn load(files: &TlsFiles) -> Result<ServerConfig> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("tls-key: {}", files.key.display()))?;
    let provider = Arc::new(default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .context("TLS 1.3 and 1.2")?
        .with_client_cert_verifier(verifier(files)?)
        .with_single_cert(chain, key)
        .context("tls-certificate and tls-key do not go together")?;
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = || -> Result<Vec<_>> {
        let all = CertificateDer::pem_file_iter(path)?;
        let all = all.collect::<Result<Vec<_>, _>>()?;
        ensure!(!all.is_empty(), "there is no certificate in it");
        Ok(all)
    };
    read().with_context(|| format!("certificates in {}", path.display()))
}

fn verifier(files: &TlsFiles) -> Result<Arc<dyn ClientCertVerifier>> {
    let Some(authorities) = files
        .authorities
        .as_ref()
        .filter(|_| files.verify != Verify::None)
    else {
        return Ok(Arc::new(NoClientAuth));
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(authorities)? {
        roots.add(authority).context("tls-authorities")?;
    }
    let provider = Arc::new(default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match files.verify {
        Verify::Required => builder,
        Verify::Optional | Verify::None => builder.allow_unauthenticated(),
    };
    builder.build().context("tls-authorities")
}

/// The attribute of a subject that is its common name.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// What a certificate calls its owner; nothing where it says so twice, for which of them would count?
fn user(certificate: &[u8], from: LoginFrom) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?.tbs_certificate;
    let mut names = match from {
        LoginFrom::CommonName => common_names(&certificate.subject),
        LoginFrom::Dns | LoginFrom::Email | LoginFrom::Uri => {
            let (_, names) = certificate.get::<SubjectAltName>().ok()??;
            let names = names.0.iter().filter_map(|name| match (name, from) {
                (GeneralName::DnsName(name), LoginFrom::Dns)
                | (GeneralName::Rfc822Name(name), LoginFrom::Email)
                | (GeneralName::UniformResourceIdentifier(name), LoginFrom::Uri) => {
                    Some(name.to_string())
                }
                _ => None,
            });
            names.collect()
        }
    };
    let name = names.pop().filter(|name| !name.is_empty())?;
    names.is_empty().then_some(name)
}

fn common_names(subject: &Name) -> Vec<String> {
    let attributes = subject.0.iter().flat_map(|part| part.0.iter());
    let names = attributes.filter(|attribute| attribute.oid == COMMON_NAME);
    names
        .filter_map(|name| {
            let text = DirectoryString::from_der(&name.value.to_der().ok()?).ok()?;
            Some(match text {
                DirectoryString::PrintableString(text) => text.to_string(),
                DirectoryString::TeletexString(text) => text.to_string(),
                DirectoryString::Utf8String(text) => text,
            })
        })
        .collect()
}
