//! The HTTP API of a cluster of several shards. What is about one virtual host the shard answers that has it; who may what
//! the first shard says, and has the others follow where that was changed ([`crate::following`]); what is asked of all is
//! put together from what each of them answers (`together`).
//!
//! A shard is asked by its own router, which answers where this node serves it and passes on where another one does.

mod live;
mod metrics;
mod place;
mod together;

use crate::attending::Asked;
use crate::following::{DIRECTORY, Directory, HOME};
use crate::passing::ToShard;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use place::{Gather, Place, place, vhost_removed};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tower::Service as _;
use tracing::warn;

/// A body of a request is no longer than this, in bytes: the largest is a document of definitions.
const REQUEST_MAX: usize = 20_000_000;

/// So many documents are taken in at a time; the others wait.
pub(crate) const DOCUMENTS: usize = 2;

/// One has so long to come: as long as any request.
const DOCUMENT_TIME: Duration = Duration::from_secs(60);

/// Where a node says who a request is from.
const WHO: &str = "/api/whoami";

/// What a shard answers is no longer than this, in bytes.
const ANSWER_MAX: usize = 256 * 1024 * 1024;

/// A virtual host's name is no longer, in bytes.
const NAME_MAX: usize = 255;

/// What was changed has landed when it is answered; that the other shards follow is waited for no longer than this.
const SPREAD_MAX: Duration = Duration::from_secs(5);

/// The shards' routers.
pub(crate) struct Spread {
    /// The API of each shard.
    pub(crate) shards: Box<[Router]>,
    /// What Prometheus is told of each shard.
    pub(crate) metrics: Box<[Router]>,
    /// And of the node, by a router that has no shard.
    pub(crate) node_metrics: Router,
    pub(crate) asked: Arc<[watch::Receiver<Asked>]>,
    pub(crate) directory: Arc<Directory>,
    /// Places for documents that are taken in.
    pub(crate) documents: Semaphore,
}

/// The API.
pub(crate) fn api(spread: Arc<Spread>) -> Router {
    Router::new().fallback(answer).with_state(spread)
}

/// `/metrics`, for whoever can reach it.
pub(crate) fn metrics(spread: Arc<Spread>) -> Router {
    let answer = async |State(spread): State<Arc<Spread>>, request: Request| {
        let (head, _) = request.into_parts();
        spread.tell_metrics(&head).await
    };
    Router::new().fallback(answer).with_state(spread)
}

/// A request that may be asked of several.
struct Asking {
    head: Parts,
    body: Bytes,
}

/// What one of them answered.
struct Told {
    code: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

async fn answer(State(spread): State<Arc<Spread>>, request: Request) -> Response {
    if let Some(ToShard(shard)) = request.extensions().get().copied() {
        return spread.answer_node(shard, request).await;
    }
    let place = place(request.method(), request.uri());
    match place {
        Place::Home => spread.at_home(request).await,
        Place::Of(vhost) => spread.ask(spread.shard_of(&vhost), request).await,
        Place::Live => Spread::live(spread, request).await,
        Place::Metrics => {
            let head = request.into_parts().0;
            let asking = Asking {
                head,
                body: Bytes::new(),
            };
            let told = spread.tell(HOME, &asking, None).await;
            if !told.code.is_success() {
                return told.into_response();
            }
            spread.tell_metrics(&asking.head).await
        }
        Place::All(Gather::Import) => {
            let (head, body) = request.into_parts();
            match spread.document(&head, body).await {
                Ok((body, _place)) => spread.gather(Gather::Import, Asking { head, body }).await,
                Err(refused) => refused,
            }
        }
        Place::All(gather) => {
            let (head, body) = (request.into_parts().0, Bytes::new());
            spread.gather(gather, Asking { head, body }).await
        }
    }
}

impl Spread {
    fn shard_of(&self, vhost: &str) -> u32 {
        broker::shard_of(vhost, self.shards.len() as u32)
    }

    async fn ask(&self, shard: u32, request: Request) -> Response {
        let Some(router) = self.shards.get(shard as usize) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let Ok(response) = router.clone().call(request).await;
        response
    }

    /// Takes in the document of a request, if it is an administrator's: strangers could fill the memory with theirs (P9).
    async fn document(
        &self,
        head: &Parts,
        body: Body,
    ) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Response> {
        let mut head = head.clone();
        head.method = Method::GET;
        let asking = Asking {
            head,
            body: Bytes::new(),
        };
        let who = self.tell(HOME, &asking, Some(&Uri::from_static(WHO))).await;
        if !who.code.is_success() {
            return Err(who.into_response());
        }
        let tags = who.json()["tags"].clone();
        let is_administrator =
            { tags.as_array().into_iter().flatten() }.any(|tag| tag == "administrator");
        if !is_administrator {
            // The shard says why not, without the document.
            return Ok((Bytes::new(), None));
        }
        let taking_in = async {
            let place = self.documents.acquire().await.ok();
            (axum::body::to_bytes(body, REQUEST_MAX).await, place)
        };
        match tokio::time::timeout(DOCUMENT_TIME, taking_in).await {
            Ok((Ok(document), place)) => Ok((document, place)),
            Ok((Err(_), _)) => Err(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT.into_response()),
        }
    }

    /// Another node asks for a shard that this one serves.
    async fn answer_node(&self, shard: u32, request: Request) -> Response {
        let done = match (request.uri().path(), request.method()) {
            (DIRECTORY, &Method::GET) => self.directory.tell().await,
            (DIRECTORY, &Method::POST) => {
                let followed = self.directory.follow_now(shard).await;
                followed.map(|()| json!({"followed": shard}))
            }
            (DIRECTORY, &Method::DELETE) => self.remove_here(shard, request).await,
            _ => return self.ask(shard, request).await,
        };
        match done {
            Ok(said) => axum::Json(said).into_response(),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
        }
    }

    /// Who may what: when that was changed all shards know it, or know it soon.
    async fn at_home(&self, request: Request) -> Response {
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        let changes = changes && !admin::is_of_node(request.uri().path());
        let removed = vhost_removed(request.method(), request.uri());
        let response = self.ask(HOME, request).await;
        let code = response.status();
        // Where it is not known any more, its queues may be there all the same: nobody was there to be told.
        let is_gone = code.is_success() || code == StatusCode::NOT_FOUND;
        if let Some(vhost) = removed.filter(|_| is_gone)
            && let Err(why) = self.remove(&vhost).await
        {
            let text =
                format!("'{vhost}' is removed, but its queues are not: ask once more. {why}");
            let said = json!({"error": "elsewhere", "reason": text});
            return (StatusCode::SERVICE_UNAVAILABLE, axum::Json(said)).into_response();
        }
        if changes && code.is_success() {
            self.spread().await;
        }
        response
    }

    /// Removes a virtual host with its queues from the shard that has them.
    async fn remove(&self, vhost: &str) -> Result<(), String> {
        match self.shard_of(vhost) {
            HOME => Ok(()),
            shard => self.directory.remove(shard, vhost).await,
        }
    }

    async fn remove_here(&self, shard: u32, request: Request) -> Result<Value, String> {
        let vhost = axum::body::to_bytes(request.into_body(), NAME_MAX).await;
        let vhost = vhost.map_err(|error| error.to_string())?;
        let vhost = std::str::from_utf8(&vhost).map_err(|error| error.to_string())?;
        self.directory.remove(shard, vhost).await?;
        Ok(json!({"removed": vhost}))
    }

    async fn spread(&self) {
        let spread = tokio::time::timeout(SPREAD_MAX, self.directory.spread());
        if spread.await.is_err() {
            warn!("a change is answered before all shards follow it: they took too long");
        }
    }

    /// Asks one shard, for this instead of what the request asks for, if it is said.
    async fn tell(&self, shard: u32, asking: &Asking, uri: Option<&Uri>) -> Told {
        let Asking { head, body } = asking;
        let mut request = Request::new(Body::from(body.clone()));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = uri.unwrap_or(&head.uri).clone();
        *request.headers_mut() = head.headers.clone();
        *request.extensions_mut() = head.extensions.clone();
        // Where the body is another one than came its length is, too.
        request.headers_mut().remove(header::CONTENT_LENGTH);
        Told::of(self.ask(shard, request).await).await
    }

    /// Asks all shards at once; tells what each of them answered, in their order.
    async fn tell_all(self: &Arc<Self>, asking: Asking, uri: Option<Uri>) -> Vec<Told> {
        let asking = Arc::new(asking);
        let each = (0..self.shards.len() as u32).map(|shard| {
            let (spread, asking, uri) = (self.clone(), asking.clone(), uri.clone());
            tokio::spawn(async move { spread.tell(shard, &asking, uri.as_ref()).await })
        });
        let each: Vec<_> = each.collect();
        let mut all = Vec::with_capacity(each.len());
        for told in each {
            all.push(told.await.unwrap_or_else(|_| Told::nothing()));
        }
        all
    }
}

impl Told {
    async fn of(response: Response) -> Self {
        let (head, body) = response.into_parts();
        match axum::body::to_bytes(body, ANSWER_MAX).await {
            Ok(body) => Self {
                code: head.status,
                headers: head.headers,
                body,
            },
            Err(_) => Self::nothing(),
        }
    }

    fn nothing() -> Self {
        Self {
            code: StatusCode::SERVICE_UNAVAILABLE,
            headers: HeaderMap::new(),
            body: Bytes::from_static(
                br#"{"error":"elsewhere","reason":"a shard does not answer"}"#,
            ),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The same answer, which says something else.
    fn saying(mut self, said: Response) -> Response {
        let (head, body) = said.into_parts();
        self.headers.remove(header::CONTENT_LENGTH);
        self.headers.extend(head.headers);
        (head.status, self.headers, body).into_response()
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        (self.code, self.headers, self.body).into_response()
    }
}
