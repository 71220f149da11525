//! Under which names the API answers on its own machine.
//!
//! A page of another site can have its name lead to this machine once it has been loaded. Its scripts then ask a server that
//! listens here only, as if it were where they came from, and the browser lets them read the answers. What they cannot change
//! is the name that they ask for: so one that is not known to stand for this machine is refused. Whoever comes from another
//! machine could ask without a browser, and over TLS the name has to be the certificate's.

use crate::answer::Failure;
use crate::entrance::Arrival;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// So much of a name is repeated in a refusal, in bytes.
const REPEATED_MAX: usize = 255;

/// Probes of whoever looks after processes: they tell nothing.
const PROBES: &str = "/healthz/";

/// Names that stand for this machine, beside addresses and `localhost`.
#[derive(Clone, Debug)]
pub struct Hosts(Option<Arc<[String]>>);

impl Hosts {
    /// Whatever it is called.
    pub const fn any() -> Self {
        Self(None)
    }

    /// These, and no others.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().map(plain);
        Self(Some(names.filter(|name| !name.is_empty()).collect()))
    }

    /// Refuses a request from this machine for a name that need not stand for it. One without a name is no browser's.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Failure> {
        let arrival = Arrival::of(request.extensions());
        if arrival.over_tls || !arrival.is_on_loopback() || is_probe(request) {
            return Ok(());
        }
        self.check_names(request.headers())
    }

    fn check_names(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let said = headers.get_all(header::HOST).iter();
        let unknown = { said }.find(|said| !self.stands_for_here(said));
        let Some(unknown) = unknown else {
            return Ok(());
        };
        let name = String::from_utf8_lossy(unknown.as_bytes());
        let name = &name[..name.floor_char_boundary(REPEATED_MAX)];
        Err(Failure::Misdirected(format!(
            "'{name}' is not known to be this machine: ask for localhost, or say --admin-hosts"
        )))
    }

    fn stands_for_here(&self, said: &HeaderValue) -> bool {
        let Some(names) = &self.0 else {
            return true;
        };
        let Some(name) = said.to_str().ok().and_then(without_port) else {
            return false;
        };
        if name.parse::<Ipv4Addr>().is_ok() {
            return true;
        }
        let name = plain(name);
        name == "localhost" || names.contains(&name)
    }
}

/// The host of `host:port`; `None` of what is neither. An address of IPv6, which stands in brackets, is told as one of IPv4: any
/// address is nobody's name.
fn without_port(said: &str) -> Option<&str> {
    const ANY: &str = "0.0.0.0";
    if let Some(rest) = said.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_address = address.parse::<Ipv6Addr>().is_ok();
        return (is_address && is_port(port)).then_some(ANY);
    }
    let at = said.find(':').unwrap_or(said.len());
    let (name, port) = said.split_at(at);
    is_port(port).then_some(name)
}

fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':');
    text.is_empty() || digits.is_some_and(|of| of.bytes().all(|byte| byte.is_ascii_digit()))
}

/// As names are compared: case and a dot at the end mean nothing.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_probe(request: &Request) -> bool {
    request.uri().path().starts_with(PROBES)
}

impl Arrival {
    /// Whether it comes from this machine, by itself or through something here that passes it on.
    pub(crate) fn is_on_loopback(&self) -> bool {
        let address: IpAddr = self.address.to_canonical();
        address.is_loopback()
    }
}

/// Has what stands beside the API (pages, metrics) answer under the same names.
pub fn answering(hosts: Hosts, router: Router) -> Router {
    router.layer(from_fn_with_state(hosts, check))
}

async fn check(
    State(hosts): State<Hosts>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    hosts.check(&request)?;
    Ok(next.run(request).await)
}
