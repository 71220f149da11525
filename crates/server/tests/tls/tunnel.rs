//! Clients that know nothing of TLS come through a tunnel: a port of this machine, from which all goes on with TLS.

use super::certificates::Certificates;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Stream};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The port, for as long as this is kept.
pub(super) struct Tunnel {
    address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

fn host() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

impl Tunnel {
    /// One to a server.
    pub(super) fn open(server: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        listener
            .set_nonblocking(true)
            .expect("an option can be set");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((mut plain, _)) = listener.accept().await {
                let connector = TlsConnector::from(config.clone());
                tokio::spawn(async move {
                    let stream = tokio::net::TcpStream::connect(server).await?;
                    let mut stream = connector.connect(host(), stream).await?;
                    tokio::io::copy_bidirectional(&mut plain, &mut stream).await
                });
            }
        });
        Self {
            address,
            runtime: Some(runtime),
        }
    }

    /// Where clients connect to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // It may be dropped where nothing may wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn connect(server: SocketAddr, certificates: &Certificates) -> (ClientConnection, TcpStream) {
    let session = ClientConnection::new(certificates.client(None), host());
    let stream = TcpStream::connect(server).expect("it accepts");
    (session.expect("a good name"), stream)
}

/// The certificate that a server shows.
pub(super) fn shown_by(server: SocketAddr, certificates: &Certificates) -> Vec<u8> {
    let (mut session, mut stream) = connect(server, certificates);
    while session.is_handshaking() {
        session.complete_io(&mut stream).expect("it agrees on TLS");
    }
    let shown = session.peer_certificates().expect("it shows one");
    shown[0].to_vec()
}

/// Sends a request, and reads the answer to its end.
pub(super) fn ask(server: SocketAddr, certificates: &Certificates, request: &str) -> String {
    let (mut session, mut stream) = connect(server, certificates);
    let mut stream = Stream::new(&mut session, &mut stream);
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    // Not everybody says goodbye in TLS; what came is what counts.
    let _ = stream.read_to_string(&mut answer);
    answer
}
