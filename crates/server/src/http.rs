//! The HTTP API's listeners, on a thread of their own: however large a document is, the shard does not wait while
//! it is read.

use crate::config::Config;
use crate::listen::{self, Entry};
use crate::tls::Tls;
use admin::{Arrival, FromThisMachine, Hosts, Served};
use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::Service;
use tracing::{debug, info, warn};

/// RabbitMQ's port for its management.
pub const PORT: u16 = 15672;

/// The most connections at a time: the next ones wait to be accepted.
const CONNECTIONS_MAX: usize = 128;

/// The most of one address: whoever keeps connections open and says nothing keeps nobody else out.
const OF_ADDRESS_MAX: usize = 64;

/// So long a connection may take to send the head of a request, the next one on the same connection too.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// After an error of accept the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// RabbitMQ's port for Prometheus.
pub const METRICS_PORT: u16 = 15692;

/// RabbitMQ's port for its management over TLS.
pub const TLS_PORT: u16 = 15671;

/// Binds what the configuration says, or the loopback addresses. The API is not worth a server that does not start:
/// a port that is taken costs the API alone.
pub fn bind(config: &Config, tls: Option<&Arc<Tls>>) -> Doors {
    let plain = bind_all(config.admin_listen.as_deref(), PORT, "--admin-listen");
    let mut entries: Vec<_> = { plain.into_iter() }
        .map(|listener| Entry {
            listener,
            tls: None,
        })
        .collect();
    if let Some(tls) = tls {
        let configured = config.admin_listen_tls.as_deref();
        for listener in bind_all(configured, TLS_PORT, "--admin-listen-tls") {
            let tls = Some(tls.clone());
            entries.push(Entry { listener, tls });
        }
    }
    let configured = config.prometheus_listen.as_deref();
    Doors {
        operators: entries,
        metrics: bind_all(configured, METRICS_PORT, "--prometheus-listen"),
    }
}

fn bind_all(configured: Option<&[SocketAddr]>, port: u16, option: &str) -> Vec<StdListener> {
    let default = [
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ];
    let addresses = configured.unwrap_or(&default);
    let mut bound = Vec::new();
    for address in addresses {
        match listen::listener(*address).and_then(TcpListener::into_std) {
            Ok(listener) => bound.push(listener),
            Err(error) if configured.is_none() && listen::lacks_ipv6(&error) => {}
            Err(error) => warn!(
                %address, %error,
                "no HTTP API at this address ({option} chooses another)"
            ),
        }
    }
    bound
}

/// What listens for whom.
#[derive(Default)]
pub struct Doors {
    /// For operators.
    pub operators: Vec<Entry<StdListener>>,
    /// For Prometheus.
    pub metrics: Vec<StdListener>,
}

/// Serves the API for as long as the process runs.
pub fn serve(doors: Doors, served: Served, hosts: &Hosts) -> Result<()> {
    let Served {
        api,
        metrics,
        sampling,
    } = served;
    // The pages are every node's own: what they ask the API for may be another's to answer.
    let api = api.merge(admin::answering(hosts.clone(), pages::router()));
    let metrics = admin::answering(hosts.clone(), metrics);
    let scrapers = doors.metrics.into_iter().map(|listener| Entry {
        listener,
        tls: None,
    });
    // However many browsers there are, Prometheus has room.
    let (for_operators, for_scrapers) = (Room::default(), Room::default());
    let scrapers = scrapers.map(|entry| (entry, for_scrapers.clone(), metrics.clone()));
    let operators = doors.operators.into_iter();
    let operators = operators.map(|entry| (entry, for_operators.clone(), api.clone()));
    let entries: Vec<(Entry<StdListener>, Room, Router)> = operators.chain(scrapers).collect();
    if entries.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime of the HTTP API")?;
    let serve_all = move || {
        let _in_runtime = runtime.enter();
        runtime.spawn(sampling.run());
        let tasks: Vec<_> = entries
            .into_iter()
            .filter_map(|(Entry { listener, tls }, room, router)| {
                let listener = TcpListener::from_std(listener);
                let listener = listener
                    .inspect_err(|error| warn!(%error, "the HTTP API cannot listen"))
                    .ok()?;
                let entry = Entry { listener, tls };
                Some(runtime.spawn(accept(entry, room, router)))
            })
            .collect();
        for task in tasks {
            // It never ends.
            let _ = runtime.block_on(task);
        }
    };
    std::thread::Builder::new()
        .name("http".into())
        .spawn(serve_all)
        .context("cannot start the thread of the HTTP API")?;
    Ok(())
}

/// How many connections there may be, and from where. Clones share it.
#[derive(Clone)]
struct Room {
    places: Arc<Semaphore>,
    guests: Guests,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            guests: Guests::default(),
        }
    }
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of an address's connections.
struct Guest(Guests, IpAddr);

impl Guests {
    /// Lets a connection in, unless its address has enough of them.
    fn admit(&self, address: IpAddr) -> Option<Guest> {
        let mut guests = self.lock();
        let count = guests.entry(address).or_default();
        if *count >= OF_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Guest(self.clone(), address))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.0.lock();
        if let Some(count) = guests.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                guests.remove(&self.1);
            }
        }
    }
}

async fn accept(entry: Entry<TcpListener>, room: Room, api: Router) {
    let Entry { listener, tls } = entry;
    let Room { places, guests } = room;
    let port = listener.local_addr().map_or(0, |address| address.port());
    if let Ok(address) = listener.local_addr() {
        info!(%address, tls = tls.is_some(), "the HTTP API listens");
    }
    loop {
        let place = places.clone().acquire_owned().await;
        let place = place.expect("the places are never closed");
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(guest) = guests.admit(peer.ip()) else {
                    debug!(%peer, "this address has enough connections to the HTTP API");
                    continue;
                };
                let (api, tls) = (api.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, (peer.ip(), port), false, api).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => converse(stream, (peer.ip(), port), true, api).await,
                            Err(error) => debug!(%error, %peer, "no TLS with a tool"),
                        },
                    }
                    drop((place, guest));
                });
            }
            Err(error) => {
                debug!(%error, "cannot accept a connection to the HTTP API");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection.
async fn converse<S>(stream: S, (peer, port): (IpAddr, u16), over_tls: bool, api: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let local = FromThisMachine(peer.to_canonical().is_loopback());
    let arrival = Arrival {
        address: peer,
        over_tls,
        port,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(local);
        request.extensions_mut().insert(arrival);
        api.clone().call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        debug!(%error, %peer, "a connection to the HTTP API ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others() {
        let guests = Guests::default();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut admitted: Vec<Guest> = (0..OF_ADDRESS_MAX)
            .map(|_| guests.admit(one).expect("there is room"))
            .collect();
        assert!(guests.admit(one).is_none());
        assert!(guests.admit(other).is_some());
        admitted.pop();
        assert!(guests.admit(one).is_some());
        drop(admitted);
        assert!(guests.lock().is_empty());
    }
}
