//! How to reach the servers: the options that senders and receivers share.

use crate::address::{Address, AddressError};
use std::time::Duration;
#[cfg(feature = "tls")]
use {
    rustls::ClientConfig, rustls::RootCertStore, rustls::pki_types::CertificateDer,
    rustls::pki_types::pem::PemObject, std::io, std::path::Path, std::sync::Arc,
};

/// How to connect, and how to come back when the connection is lost.
///
/// ```
/// use landfall_client::Options;
///
/// let options = Options::parse(["amqp://a.test", "amqp://b.test"])?.connection_name("billing");
/// # Ok::<(), landfall_client::AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) addresses: Vec<Address>,
    pub(crate) connection_name: Option<String>,
    pub(crate) heartbeat: Duration,
    pub(crate) timeout: Duration,
    pub(crate) patience: Duration,
    pub(crate) first_pause: Duration,
    pub(crate) longest_pause: Duration,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Default for Options {
    /// `guest` at localhost.
    fn default() -> Self {
        Self::new([Address::default()])
    }
}

impl Options {
    /// Any of these servers, tried in turn. No address stands for [`Address::default`].
    pub fn new(addresses: impl IntoIterator<Item = Address>) -> Self {
        let mut addresses: Vec<_> = addresses.into_iter().collect();
        if addresses.is_empty() {
            addresses.push(Address::default());
        }
        Self {
            addresses,
            connection_name: None,
            heartbeat: Duration::from_secs(20),
            timeout: Duration::from_secs(10),
            patience: Duration::ZERO,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Any of the servers that these URLs name.
    pub fn parse<'a>(urls: impl IntoIterator<Item = &'a str>) -> Result<Self, AddressError> {
        let addresses: Result<Vec<_>, _> = urls.into_iter().map(str::parse).collect();
        Ok(Self::new(addresses?))
    }

    /// What the server shows as this connection's name. Default: none.
    pub fn connection_name(mut self, name: impl Into<String>) -> Self {
        self.connection_name = Some(name.into());
        self
    }

    /// How often both sides show that they live; a server that is silent for twice as long is given up. Zero
    /// turns it off; fractions of a second are dropped. Default 20 s; the server may ask for less.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// How long one connection may take until it is ready, login and declarations included. Default 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long `connect` goes on trying before it fails. Default zero: each address is tried once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The pauses between rounds through the addresses: the first, doubled each time, up to the longest.
    /// Default 0.1 s to 10 s.
    pub fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.first_pause = first;
        self.longest_pause = longest;
        self
    }

    /// How TLS is made for `amqps://`: whom to trust, and which certificate to show.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// TLS that trusts the authorities whose certificates are in a PEM file, and no others.
    ///
    /// # Errors
    /// If there are none in it.
    #[cfg(feature = "tls")]
    pub fn trusting(self, authorities: impl AsRef<Path>) -> io::Result<Self> {
        let invalid = |why: &dyn std::fmt::Display| {
            let file = authorities.as_ref().display();
            io::Error::new(io::ErrorKind::InvalidData, format!("{file}: {why}"))
        };
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(authorities.as_ref());
        for certificate in certificates.map_err(|error| invalid(&error))? {
            let certificate = certificate.map_err(|error| invalid(&error))?;
            roots.add(certificate).map_err(|error| invalid(&error))?;
        }
        if roots.is_empty() {
            return Err(invalid(&"there is no certificate in it"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(self.tls(Arc::new(config)))
    }
}
