//! Listening: sockets are bound before the server says that it is there, and accept until it stops.

use crate::bridge;
use crate::config::Config;
use crate::connection::serve;
use crate::host::{self, Host, Hosts};
use crate::login::External;
use crate::socket::Socket;
use crate::tls::Tls;
use anyhow::{Context, Result, ensure};
use model::ConnectionId;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tracing::{debug, error, warn};

/// The port that IANA gave to AMQP.
pub const PORT: u16 = 5672;

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;

/// After an error of accept (no file descriptors left, mostly) the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The port that IANA gave to AMQP over TLS.
pub const TLS_PORT: u16 = 5671;

/// Where somebody comes in, and whether that is with TLS.
pub struct Entry<L> {
    /// What accepts.
    pub listener: L,
    /// What TLS is made with; `None` without.
    pub tls: Option<Arc<Tls>>,
}

/// Binds where clients come in: what the configuration says, or the loopback addresses.
pub fn bind(config: &Config, tls: Option<&Arc<Tls>>) -> Result<Vec<Entry<TcpListener>>> {
    let mut entries = Vec::new();
    for listener in bind_all(config.listen.as_deref(), PORT, "--listen")? {
        let tls = None;
        entries.push(Entry { listener, tls });
    }
    let Some(tls) = tls else {
        return Ok(entries);
    };
    for listener in bind_all(config.listen_tls.as_deref(), TLS_PORT, "--listen-tls")? {
        let tls = Some(tls.clone());
        entries.push(Entry { listener, tls });
    }
    ensure!(!entries.is_empty(), "there is nowhere to listen");
    Ok(entries)
}

fn bind_all(
    configured: Option<&[SocketAddr]>,
    port: u16,
    option: &str,
) -> Result<Vec<TcpListener>> {
    let refusal =
        |address| format!("cannot listen on {address} ({option} chooses another address)");
    let bind_to = |address| listener(address).with_context(|| refusal(address));
    if let Some(addresses) = configured {
        return addresses.iter().map(|address| bind_to(*address)).collect();
    }
    let v4 = bind_to((IpAddr::from(Ipv4Addr::LOCALHOST), port).into())?;
    // Several clients try ::1 first for "localhost".
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
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

/// A client that has come in.
pub(crate) struct Visitor {
    pub(crate) socket: Socket,
    pub(crate) peer: SocketAddr,
    pub(crate) external: External,
}

impl Visitor {
    /// One who comes to this node, and has agreed on TLS where that is to be.
    async fn enter(stream: TcpStream, peer: SocketAddr, tls: Option<Arc<Tls>>) -> io::Result<Self> {
        // Replies are small and awaited; where this fails the connection has failed, which its task will see.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else {
            return Ok(Self {
                socket: Socket::Plain(stream),
                peer,
                external: External::Unknown,
            });
        };
        let stream = tls.accept(stream).await?;
        let user = tls.user_of(&stream);
        Ok(Self {
            socket: Socket::Tls(Box::new(stream)),
            peer,
            external: user.map_or(External::Unknown, External::Certificate),
        })
    }
}

/// What the listeners share: numbers for connections, and how many there may be.
pub struct Door {
    hosts: Hosts,
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
    pub fn new(hosts: Hosts, connections_max: usize) -> Arc<Self> {
        let places = connections_max.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            hosts,
            connections_max,
            next: AtomicU64::new(1),
            places: Arc::new(Semaphore::new(places)),
            vestibule: Arc::new(Semaphore::new(VESTIBULE)),
        })
    }

    /// Accepts connections for as long as the server runs.
    pub async fn accept(self: Arc<Self>, entry: Entry<TcpListener>) {
        let Entry { listener, tls } = entry;
        let mut full = false;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let visitor = Visitor::enter(stream, peer, tls.clone());
                    let admitted = self.admit(peer, visitor, None);
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

    /// Serves a client that another node has passed on: it is not passed on again.
    pub(crate) fn admit_passed_on(
        &self,
        stream: TcpStream,
        client: SocketAddr,
        shard: u32,
    ) -> bool {
        // As for all others.
        let _ = stream.set_nodelay(true);
        let visitor = Visitor {
            socket: Socket::Plain(stream),
            peer: client,
            external: External::Node,
        };
        self.admit(client, std::future::ready(Ok(visitor)), Some(shard))
    }

    /// Serves a client on a task of its own; false if there are too many. One that another node passes on wants to a shard,
    /// and is not passed on again.
    fn admit(
        &self,
        peer: SocketAddr,
        visitor: impl Future<Output = io::Result<Visitor>> + Send + 'static,
        passed_on_to: Option<u32>,
    ) -> bool {
        let place = self.places.clone().try_acquire_owned();
        let admitted = place.is_ok();
        let Ok(place) = place.or_else(|_| self.vestibule.clone().try_acquire_owned()) else {
            return false;
        };
        let id = ConnectionId(self.next.fetch_add(1, Ordering::Relaxed));
        let hosts = self.hosts.clone();
        tokio::spawn(async move {
            let _place = place;
            let visitor = match visitor.await {
                Ok(visitor) => visitor,
                Err(error) => {
                    debug!(%peer, %error, "a client does not agree on TLS");
                    return;
                }
            };
            let passes_on = passed_on_to.is_none() && admitted;
            if let Some(front) = hosts.front().filter(|_| passes_on) {
                return bridge::serve(front, id, visitor, hosts).await;
            }
            let host = match hosts.of(passed_on_to.unwrap_or(0)) {
                Some(mut host) => host::wait(&mut host).await,
                None => None,
            };
            match host {
                Some(Host::Here(house)) => serve(house, id, visitor, !admitted).await,
                Some(Host::There(node)) if passes_on => {
                    bridge::serve(node.front, id, visitor, hosts).await;
                }
                _ => debug!(%peer, "nobody serves this client"),
            }
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
