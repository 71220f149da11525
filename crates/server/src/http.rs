//! The HTTP API's listeners, on a thread of their own: however large a document is, the shard does not wait while
//! it is read.

use crate::listen;
use admin::{Arrival, FromThisMachine};
use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::Service;
use tracing::{debug, info, warn};

/// RabbitMQ's port for its management.
pub const PORT: u16 = 15672;

/// The most connections at a time: the next ones wait to be accepted.
const CONNECTIONS_MAX: usize = 128;

/// So long a connection may take to send the head of a request, the next one on the same connection too.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// After an error of accept the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds what the configuration says, or the loopback addresses. The API is not worth a server that does not start:
/// a port that is taken costs the API alone.
pub fn bind(configured: Option<&[SocketAddr]>) -> Vec<StdListener> {
    let default = [
        SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, PORT)),
    ];
    let addresses = configured.unwrap_or(&default);
    let mut bound = Vec::new();
    for address in addresses {
        match listen::listener(*address).and_then(TcpListener::into_std) {
            Ok(listener) => bound.push(listener),
            Err(error) if configured.is_none() && listen::lacks_ipv6(&error) => {}
            Err(error) => warn!(
                %address, %error,
                "no HTTP API at this address (--admin-listen chooses another)"
            ),
        }
    }
    bound
}

/// Serves the API for as long as the process runs.
pub fn serve(listeners: Vec<StdListener>, api: Router) -> Result<()> {
    if listeners.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime of the HTTP API")?;
    let serve_all = move || {
        let _in_runtime = runtime.enter();
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let tasks: Vec<_> = listeners
            .into_iter()
            .filter_map(|listener| {
                let listener = TcpListener::from_std(listener);
                listener
                    .inspect_err(|error| warn!(%error, "the HTTP API cannot listen"))
                    .ok()
            })
            .map(|listener| runtime.spawn(accept(listener, places.clone(), api.clone())))
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

async fn accept(listener: TcpListener, places: Arc<Semaphore>, api: Router) {
    if let Ok(address) = listener.local_addr() {
        info!(%address, "the HTTP API listens");
    }
    loop {
        let place = places.clone().acquire_owned().await;
        let place = place.expect("the places are never closed");
        match listener.accept().await {
            Ok((stream, peer)) => {
                let api = api.clone();
                tokio::spawn(async move {
                    converse(stream, peer.ip(), api).await;
                    drop(place);
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
async fn converse(stream: TcpStream, peer: IpAddr, api: Router) {
    let local = FromThisMachine(peer.to_canonical().is_loopback());
    let arrival = Arrival {
        address: peer,
        over_tls: false,
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
