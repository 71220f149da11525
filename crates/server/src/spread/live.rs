//! How things stand in all shards, every second, for whoever watches: each is asked for its last sample.

use super::together::add_sample;
use super::{Asking, Spread};
use crate::following::HOME;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::{Channel, Sender};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Where a shard tells its last sample.
const LAST: &str = "/api/landfall/history?samples=1";
/// A sample is taken so often.
const EVERY: Duration = Duration::from_secs(1);
/// A stream lasts so long; then the browser asks for the next by itself, and has to show again who it is.
const STREAM_MAX: Duration = Duration::from_secs(600);
/// Samples on their way to somebody who reads slowly.
const AHEAD: usize = 4;

impl Spread {
    /// The first sample is the answer to whoever may not see it, too.
    pub(super) async fn live(spread: Arc<Self>, request: Request) -> Response {
        let (head, _) = request.into_parts();
        let body = Bytes::new();
        let (asked, last) = (asking(&head, &body), Uri::from_static(LAST));
        let first = spread.tell(HOME, &asked, Some(&last)).await;
        if !first.code.is_success() {
            return first.into_response();
        }
        let (sender, channel) = Channel::<Bytes, Infallible>::new(AHEAD);
        tokio::spawn(async move {
            let telling = async {
                let mut sender = sender;
                let begin = Bytes::from_static(b"retry: 2000\n\n");
                let mut told = sender.send_data(begin).await.is_ok();
                let mut times = tokio::time::interval(EVERY);
                while told {
                    times.tick().await;
                    told = spread.tell_sample(asking(&head, &body), &mut sender).await;
                }
            };
            let _ = tokio::time::timeout(STREAM_MAX, telling).await;
        });
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (headers, Body::new(channel)).into_response()
    }

    /// Whether there is somebody who goes on watching.
    async fn tell_sample(self: &Arc<Self>, asking: Asking, sender: &mut Sender<Bytes>) -> bool {
        let told = self.tell_all(asking, Some(Uri::from_static(LAST))).await;
        // Whose session is over watches no more; a shard that moves is left out for a moment.
        if told.iter().any(|told| told.code.is_client_error()) {
            return false;
        }
        let samples = told.iter().map(|told| told.json()["samples"][0].take());
        let mut samples = samples.filter(Value::is_object);
        let Some(mut sum) = samples.next() else {
            return true;
        };
        samples.for_each(|sample| add_sample(&mut sum, &sample));
        let event = Bytes::from(format!("data: {sum}\n\n"));
        sender.send_data(event).await.is_ok()
    }
}

fn asking(head: &axum::http::request::Parts, body: &Bytes) -> Asking {
    Asking {
        head: head.clone(),
        body: body.clone(),
    }
}
