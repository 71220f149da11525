//! The bodies of requests.

use crate::answer::Failure;
use crate::bodies::BODY_MAX;
use crate::reader::Mistake;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde_json::{Value as Json, json};

/// The largest document of definitions: RabbitMQ's limit.
pub(crate) const DOCUMENT_MAX: usize = 20_000_000;

/// The body of a request: JSON; without a word the empty object.
pub(crate) struct Body(pub(crate) Json);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        Self::of(request, BODY_MAX).await
    }
}

impl Body {
    /// The body of a request, if it has no more bytes than that.
    pub(crate) async fn of(request: Request, most: usize) -> Result<Self, Failure> {
        parse(&octets(request, most).await?).map(Self)
    }
}

/// The body of a request that is a whole document, not read yet.
pub(crate) struct DocumentBody(Bytes);

impl DocumentBody {
    /// Reads it.
    pub(crate) fn parse(self) -> Result<Json, Failure> {
        parse(&self.0)
    }
}

impl<S: Send + Sync> FromRequest<S> for DocumentBody {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        octets(request, DOCUMENT_MAX).await.map(Self)
    }
}

async fn octets(request: Request, most: usize) -> Result<Bytes, Failure> {
    let octets = axum::body::to_bytes(request.into_body(), most).await;
    octets.map_err(|_| Failure::TooLarge)
}

fn parse(octets: &[u8]) -> Result<Json, Failure> {
    if octets.is_empty() {
        return Ok(json!({}));
    }
    let parsed = serde_json::from_slice(octets);
    parsed.map_err(|error| Mistake::new(format!("not_json: {error}")).into())
}
