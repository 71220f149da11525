//! Listening: sockets are bound before the server says that it is there, and accept until it stops.

use crate::bridge;
use crate::connection::serve;
use crate::host::{self, Host};
use anyhow::{Context, Result};
use model::ConnectionId;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tracing::{debug, error, warn};

/// The port that IANA gave to AMQP.
pub const PORT: u16 = 5672;

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;

/// After an error of accept (no file descriptors left, mostly) the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds what the configuration says, or the loopback addresses.
pub fn bind(configured: Option<&[SocketAddr]>) -> Result<Vec<TcpListener>> {
    if let Some(addresses) = configured {
        return addresses.iter().map(|address| bind_to(*address)).collect();
    }
    let v4 = bind_to((IpAddr::from(Ipv4Addr::LOCALHOST), PORT).into())?;
    // Several clients try ::1 first for "localhost".
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, PORT));
    let v6 = match listener(v6) {
        Ok(listener) => Some(listener),
        Err(error) if lacks_ipv6(&error) => None,
        Err(error) => return Err(error).with_context(|| refusal(v6)),
    };
    Ok([v4].into_iter().chain(v6).collect())
}

/// Binds where other nodes come in.
pub fn bind_to_nodes(address: SocketAddr) -> Result<TcpListener> {
    let refused = || {
        format!("cannot listen to other nodes on {address} (--node-listen chooses another address)")
    };
    listener(address).with_context(refused)
}

fn bind_to(address: SocketAddr) -> Result<TcpListener> {
    listener(address).with_context(|| refusal(address))
}

fn refusal(address: SocketAddr) -> String {
    format!("cannot listen on {address} (--listen chooses another address)")
}

/// A socket that listens there.
pub(crate) fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A restart need not wait for connections of the last run to be forgotten by the system.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether the machine has no such address, rather than someone else using it.
pub(crate) fn lacks_ipv6(error: &io::Error) -> bool {
    let unsupported = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(unsupported)
}

/// What the listeners share: numbers for connections, and how many there may be.
pub struct Door {
    host: watch::Receiver<Host>,
    connections_max: usize,
    next: AtomicU64,
    places: Arc<Semaphore>,
    /// For those that are too many, to be told so.
    vestibule: Arc<Semaphore>,
}

/// So many clients beyond the limit are told why they are refused; the others are hung up on.
const VESTIBULE: usize = 64;

impl Door {
    /// A door to whoever serves, for at most so many clients at a time.
    pub fn new(host: watch::Receiver<Host>, connections_max: usize) -> Arc<Self> {
        let places = connections_max.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            host,
            connections_max,
            next: AtomicU64::new(1),
            places: Arc::new(Semaphore::new(places)),
            vestibule: Arc::new(Semaphore::new(VESTIBULE)),
        })
    }

    /// Accepts connections for as long as the server runs.
    pub async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut full = false;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let admitted = self.admit(stream, peer);
                    if !admitted && !full {
                        let most = self.connections_max;
                        warn!(%peer, "connections-max is {most}: refusing connections");
                    }
                    full = !admitted;
                }
                Err(error) if concerns_one_client(&error) => debug!(%error, "a client gave up"),
                Err(error) => {
                    error!(%error, "cannot accept connections; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves a client on a task of its own; false if there are too many.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) -> bool {
        self.admit_to(stream, peer, self.host.clone(), true)
    }

    /// The same for a client that another node has passed on: it is not passed on again.
    pub(crate) fn admit_passed_on(&self, stream: TcpStream, client: SocketAddr) -> bool {
        self.admit_to(stream, client, self.host.clone(), false)
    }

    fn admit_to(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        mut hosts: watch::Receiver<Host>,
        passes_on: bool,
    ) -> bool {
        let place = self.places.clone().try_acquire_owned();
        let admitted = place.is_ok();
        let Ok(place) = place.or_else(|_| self.vestibule.clone().try_acquire_owned()) else {
            return false;
        };
        // Replies are small and awaited; where this fails the connection has failed, which its task will see.
        let _ = stream.set_nodelay(true);
        let id = ConnectionId(self.next.fetch_add(1, Ordering::Relaxed));
        tokio::spawn(async move {
            match host::wait(&mut hosts).await {
                Some(Host::Here(house)) => serve(house, id, stream, peer, !admitted).await,
                Some(Host::There(node)) if passes_on && admitted => {
                    bridge::serve(node.front, id, stream, peer, hosts).await;
                }
                _ => debug!(%peer, "nobody serves this client"),
            }
            drop(place);
        });
        admitted
    }
}

/// Errors of accept that the next client need not have.
fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
