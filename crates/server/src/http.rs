//! The HTTP API's listeners, on a thread of their own: however large a document is, the shard does not wait while
//! it is read.

use crate::config::Config;
use crate::listen::{self, Entry};
use crate::room::Room;
use crate::tls::Tls;
use admin::{Arrival, FromThisMachine, Hosts, Served};
use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tower::Service;
use tracing::{debug, info, warn};

/// RabbitMQ's port for its management.
pub const PORT: u16 = 15672;

/// So long a connection may take to send the head of a request, the next one on the same connection too.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// So much of a request's head is kept while it comes in, in bytes: a token fits.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A client that takes nothing of an answer for so long is given up, in milliseconds: else it would keep its connection, and
/// what it was to read, for ever.
const UNREAD_MAX: u32 = 60_000;

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
        for sampling in sampling {
            runtime.spawn(sampling.run());
        }
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

async fn accept(entry: Entry<TcpListener>, room: Room, api: Router) {
    let Entry { listener, tls } = entry;
    let port = listener.local_addr().map_or(0, |address| address.port());
    if let Ok(address) = listener.local_addr() {
        info!(%address, tls = tls.is_some(), "the HTTP API listens");
    }
    loop {
        let place = room.place().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(guest) = room.admit(peer.ip(), place) else {
                    debug!(%peer, "this party has enough connections to the HTTP API");
                    continue;
                };
                give_up_unread(&stream);
                let (api, tls) = (api.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, (peer.ip(), port), false, api).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => converse(stream, (peer.ip(), port), true, api).await,
                            Err(error) => debug!(%error, %peer, "no TLS with a tool"),
                        },
                    }
                    drop(guest);
                });
            }
            Err(error) => {
                debug!(%error, "cannot accept a connection to the HTTP API");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn give_up_unread(stream: &TcpStream) {
    // Where this fails the connection has failed, which its task will see.
    let _ = sockopt::set_tcp_user_timeout(stream, UNREAD_MAX);
}

/// Answers the requests of one connection.
async fn converse<S>(stream: S, (peer, port): (IpAddr, u16), over_tls: bool, api: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let arrival = Arrival {
        address: peer,
        over_tls,
        port,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        let local = comes_from_here(peer, request.headers());
        request.extensions_mut().insert(FromThisMachine(local));
        request.extensions_mut().insert(arrival);
        api.clone().call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        debug!(%error, %peer, "a connection to the HTTP API ended");
    }
}

/// What programs add that pass requests on: what came through one came from elsewhere, as far as anybody can tell.
const OF_PROXIES: [HeaderName; 5] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

/// Whether a request comes from this machine. A header can say that it does not, and never that it does.
fn comes_from_here(peer: IpAddr, headers: &HeaderMap) -> bool {
    peer.to_canonical().is_loopback() && !OF_PROXIES.iter().any(|name| headers.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[tokio::test]
    async fn who_reads_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let _client = TcpStream::connect(address).await.expect("it listens");
        let (stream, _) = listener.accept().await.expect("a client");
        assert_eq!(sockopt::tcp_user_timeout(&stream), Ok(0), "not by itself");
        give_up_unread(&stream);
        assert_eq!(sockopt::tcp_user_timeout(&stream), Ok(UNREAD_MAX));
    }

    #[test]
    fn what_was_passed_on_comes_from_elsewhere() {
        let comes = |peer: [u8; 4], header: &'static str| {
            let mut request = Request::new(());
            if !header.is_empty() {
                let name = HeaderName::from_static(header);
                let value = HeaderValue::from_static("127.0.0.1");
                request.headers_mut().insert(name, value);
            }
            comes_from_here(peer.into(), request.headers())
        };
        assert!(comes([127, 0, 0, 1], ""));
        assert!(comes([127, 0, 0, 1], "x-request-id"));
        for header in [
            "forwarded",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-real-ip",
        ] {
            assert!(!comes([127, 0, 0, 1], header), "{header}");
        }
        assert!(!comes([10, 0, 0, 1], ""));
        assert!(
            !comes([10, 0, 0, 1], "x-forwarded-for"),
            "nobody can say so"
        );
    }
}
