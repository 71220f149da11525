//! Requests of the HTTP API that the node which owns the shard has to answer: another node passes them on to it, once.
//!
//! A request that is passed on carries a header with the secret of the cluster, as connections of clients do
//! ([`crate::relay`]), which shard it is for, whether it came from the machine of the node that passes it on, and whose
//! session it belongs to, if it belongs to one. One that was passed on to a node that does not own the shard any more is
//! refused: whoever asked asks again.

use crate::attending::{Asked, There};
use crate::relay::Secret;
use admin::{FromNode, FromThisMachine, Vouched};
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::Mark;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::ShortStr;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::{debug, warn};

/// What marks a request that was passed on.
const PASSED_ON: HeaderName = HeaderName::from_static("landfall-passed-on");
/// The other node has so long to accept.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// And so long to answer: longer than it gives itself.
const ANSWER_MAX: Duration = Duration::from_secs(65);
/// What concerns one connection, and not who is behind it.
const OF_CONNECTION: [HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Who owns a shard, and what nodes know each other by.
#[derive(Clone)]
pub(crate) struct Passing {
    pub(crate) asked: watch::Receiver<Asked>,
    pub(crate) secret: Secret,
}

/// Who owns which shard, and what nodes know each other by.
#[derive(Clone)]
pub(crate) struct Recognising {
    pub(crate) asked: Arc<[watch::Receiver<Asked>]>,
    pub(crate) secret: Secret,
}

/// The shard that a node passed a request on to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToShard(pub(crate) u32);

/// Tells requests that another node passed on from all others, before anything else is made of them.
pub(crate) async fn recognise(
    State(known): State<Recognising>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(mark) = request.headers_mut().remove(PASSED_ON) else {
        return next.run(request).await;
    };
    let Some(said) = understand(&mark, known.secret) else {
        warn!(
            "refusing a request that says it was passed on: it does not know the secret of this cluster"
        );
        return refuse(StatusCode::FORBIDDEN, "it was not passed on by a node");
    };
    let asked = known.asked.get(said.shard as usize);
    if !asked.is_some_and(|asked| matches!(&*asked.borrow(), Asked::Here(_))) {
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "this node owns the queues no more",
        );
    }
    let extensions = request.extensions_mut();
    extensions.insert(FromNode);
    extensions.insert(ToShard(said.shard));
    extensions.insert(FromThisMachine(said.local));
    if let Some(vouched) = said.vouched {
        extensions.insert(vouched);
    }
    next.run(request).await
}

/// Answers here what this node can answer, and has the owner answer the rest.
pub(crate) async fn pass_on(
    State(passing): State<Passing>,
    request: Request,
    next: Next,
) -> Response {
    if request.extensions().get::<FromNode>().is_some() {
        return next.run(request).await;
    }
    if admin::is_of_node(request.uri().path()) {
        return next.run(request).await;
    }
    let there = match &*passing.asked.borrow() {
        Asked::There(there) => Some(there.clone()),
        Asked::Here(_) | Asked::Nobody => None,
    };
    match there {
        None => next.run(request).await,
        Some(there) => {
            let is_stranger = !admin::has_been_let_in(request.extensions());
            let answered = ask(&there, passing.secret, request).await;
            answered.unwrap_or_else(|unanswered| {
                unanswered.say();
                let reason = match is_stranger {
                    true => unanswered.for_strangers(),
                    false => unanswered.to_string(),
                };
                refuse(StatusCode::SERVICE_UNAVAILABLE, &reason)
            })
        }
    }
}

/// Has another node answer a request; or says why it does not.
pub(crate) async fn ask(
    there: &There,
    secret: Secret,
    mut request: Request,
) -> Result<Response, Unanswered> {
    if there.admin.is_empty() {
        return Err(Unanswered {
            at: there.node.clone(),
            why: "its API listens to its own machine only (--admin-listen)".to_owned(),
        });
    }
    let local = request.extensions().get::<FromThisMachine>();
    let local = local.is_some_and(|FromThisMachine(local)| *local);
    let said = Said {
        shard: there.shard,
        local,
        vouched: request.extensions().get().cloned(),
    };
    let headers = request.headers_mut();
    forget(headers);
    headers.insert(PASSED_ON, mark(secret, &said));
    let host = HeaderValue::from_str(&there.admin);
    headers.insert(
        header::HOST,
        host.map_err(|_| unreachable(there, "that is no address"))?,
    );
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    let answered = tokio::time::timeout(ANSWER_MAX, send(there, request)).await;
    answered.unwrap_or_else(|_| Err(unreachable(there, "it does not answer")))
}

async fn send(there: &There, request: Request) -> Result<Response, Unanswered> {
    let connected = tokio::time::timeout(CONNECT_MAX, TcpStream::connect(&*there.admin)).await;
    let stream = connected
        .map_err(|_| unreachable(there, "it does not accept a connection"))?
        .map_err(|error| unreachable(there, &error.to_string()))?;
    let failed = |error: hyper::Error| unreachable(there, &error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%error, "a request that was passed on ended");
        }
    });
    let response = sender.send_request(request).await.map_err(failed)?;
    let mut response = response.map(Body::new);
    forget(response.headers_mut());
    Ok(response)
}

fn forget(headers: &mut HeaderMap) {
    for name in OF_CONNECTION {
        headers.remove(name);
    }
}

/// Another node did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the node that serves cannot be asked at {at}: {why}")]
pub(crate) struct Unanswered {
    at: Arc<str>,
    why: String,
}

impl Unanswered {
    /// The same without a word of where it is.
    fn for_strangers(&self) -> String {
        format!("the node that serves cannot be asked: {}", self.why)
    }

    /// Tells the log, for those who may not be told; now and then, however many ask.
    fn say(&self) {
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|at| at.elapsed() >= SAID_EVERY) {
            *said = Some(Instant::now());
            warn!("{self}");
        }
    }
}

/// When the log was told last.
static SAID: Mutex<Option<Instant>> = Mutex::new(None);
const SAID_EVERY: Duration = Duration::from_secs(10);

fn unreachable(there: &There, why: &str) -> Unanswered {
    Unanswered {
        at: there.admin.clone(),
        why: why.to_owned(),
    }
}

fn refuse(code: StatusCode, reason: &str) -> Response {
    let body = Json(json!({"error": "elsewhere", "reason": reason}));
    (code, body).into_response()
}

/// What a node says of a request that it passes on.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    shard: u32,
    /// Whether it came from the node's machine.
    local: bool,
    /// Whose session it belongs to.
    vouched: Option<Vouched>,
}

fn mark(secret: Secret, said: &Said) -> HeaderValue {
    let place = if said.local { "here" } else { "elsewhere" };
    let mut text = format!("{:032x} {place}", secret.0);
    if said.shard > 0 {
        text.push_str(&format!(":{}", said.shard));
    }
    if let Some(Vouched { user, mark }) = &said.vouched {
        let user = STANDARD.encode(user.as_bytes());
        text.push_str(&format!(" {:032x} {user}", mark.0));
    }
    HeaderValue::from_str(&text).expect("digits and letters are a header's value")
}

/// What the node says that passed the request on; `None` if it was no node.
fn understand(mark: &HeaderValue, secret: Secret) -> Option<Said> {
    let mut words = mark.to_str().ok()?.split(' ');
    let known = words.next()?;
    // One comparison of 16 bytes: how long it takes tells nothing about how many of them fit.
    if u128::from_str_radix(known, 16) != Ok(secret.0) {
        return None;
    }
    let place = words.next()?;
    let (place, shard) = place.split_once(':').unwrap_or((place, "0"));
    let (local, shard) = (place == "here", shard.parse().ok()?);
    let vouched = match (words.next(), words.next()) {
        (Some(mark), Some(user)) => Some(Vouched {
            mark: Mark(u128::from_str_radix(mark, 16).ok()?),
            user: ShortStr::try_from(&*String::from_utf8(STANDARD.decode(user).ok()?).ok()?)
                .ok()?,
        }),
        _ => None,
    };
    Some(Said {
        shard,
        local,
        vouched,
    })
}

/// A node that owns a shard: where its API is, and where it listens to other nodes.
pub(crate) fn there(shard: u32, admin: &str, node: &str) -> There {
    There {
        shard,
        admin: Arc::from(admin),
        node: Arc::from(node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::middleware::from_fn_with_state;
    use tower::ServiceExt;

    #[tokio::test]
    async fn a_stranger_is_not_told_where_the_other_node_is() {
        let nowhere = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let nowhere = nowhere.expect("a free port").to_string();
        let there = there(0, &nowhere, "node-2.internal:25672");
        let (_sender, asked) = watch::channel(Asked::There(there));
        let secret = Secret(7);
        let passing = Passing { asked, secret };
        let api = axum::Router::new().layer(from_fn_with_state(passing, pass_on));
        let ask = async |vouched: Option<Vouched>| {
            let mut request = Request::get("/api/queues")
                .body(Body::empty())
                .expect("a request");
            if let Some(vouched) = vouched {
                request.extensions_mut().insert(vouched);
            }
            let Ok(response) = api.clone().oneshot(request).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            let body = axum::body::to_bytes(response.into_body(), 1000).await;
            String::from_utf8(body.expect("a body").to_vec()).expect("text")
        };
        let told = ask(None).await;
        assert!(
            told.contains("the node that serves cannot be asked: "),
            "{told}"
        );
        assert!(
            !told.contains(&nowhere) && !told.contains("internal"),
            "{told}"
        );
        let ada = Vouched {
            user: ShortStr::from_static("ada"),
            mark: Mark(1),
        };
        let told = ask(Some(ada)).await;
        assert!(told.contains(&format!("asked at {nowhere}: ")), "{told}");
    }

    #[test]
    fn only_who_knows_the_secret_passes_requests_on() {
        let (secret, other) = (Secret(0x00ab_cdef << 90), Secret(7));
        let ada = Vouched {
            user: ShortStr::from_static("ada\r\n x"),
            mark: Mark(1 << 100),
        };
        for local in [true, false] {
            for vouched in [None, Some(ada.clone())] {
                for shard in [0, 7] {
                    let vouched = vouched.clone();
                    let said = Said {
                        shard,
                        local,
                        vouched,
                    };
                    assert_eq!(understand(&mark(other, &said), secret), None);
                    assert_eq!(understand(&mark(secret, &said), secret), Some(said));
                }
            }
        }
        for text in ["", "here", "1 here", "x here", "7 here:x"] {
            let mark = HeaderValue::from_static(text);
            assert_eq!(understand(&mark, secret), None, "{text}");
        }
    }
}
