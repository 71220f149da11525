//! The API, asked as tools ask it, over an operator that keeps definitions in memory.

mod fake;

mod access;
mod cluster;
mod connections;
mod declaring;
mod endpoints;
mod features;
mod getting;
mod hostile;
mod hosts;
mod import;
mod journeys;
mod lists;
mod matrix;
mod messages;
mod metrics;
mod moving;
mod openapi;
mod operations;
mod operator_policies;
mod pausing;
mod publishing;
mod real;
mod searching;
mod self_testing;
mod sessions;
mod summary;
mod transcript;

use crate::node::Node;
use crate::{About, FromThisMachine, Hosts, Operator, Sampling, entrance, router};
use axum::body::Body;
use axum::http::{Request, Response, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cluster::Alone;
use fake::Fake;
use http_body_util::BodyExt;
use serde_json::Value;
use std::fmt::Write;
use std::sync::Arc;
use tower::ServiceExt;

/// The API over a fresh server: virtual host `/`, user guest.
struct Api(axum::Router);

impl Api {
    fn new() -> Self {
        Self::over(Fake::fresh())
    }

    fn over(operator: impl Operator + 'static) -> Self {
        Self::of(operator, Arc::new(Alone))
    }

    fn of(operator: impl Operator + 'static, node: Arc<dyn Node>) -> Self {
        let operations = node.operations();
        let served = router(Arc::new(operator), node, about());
        Self(entrance(served.api, hosts(), operations))
    }

    /// The API, and what has to run beside it.
    fn sampled(operator: impl Operator + 'static) -> (Self, Sampling) {
        let mut served = router(Arc::new(operator), Arc::new(Alone), about());
        let sampling = served.sampling.remove(0);
        let api = entrance(served.api, hosts(), None);
        (Self(api), sampling)
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = self.0.clone().oneshot(request).await;
        response
    }

    /// Asks as the guest, and returns the code and the body.
    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.ask_as("guest:guest", method, path, body).await
    }

    async fn ask_as(&self, user: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, basic(user))
            .extension(FromThisMachine(true))
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let response = self.send(request).await;
        let code = response.status().as_u16();
        let said = text(response).await;
        openapi::check(method, path, code, &said);
        (code, said)
    }

    async fn get(&self, path: &str) -> Value {
        let (code, body) = self.ask("GET", path, "").await;
        assert_eq!(code, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Asks for each line `METHOD path [body]`, and writes down what was answered.
    async fn transcript(&self, lines: &str) -> String {
        self.transcript_as("guest:guest", lines).await
    }

    async fn transcript_as(&self, user: &str, lines: &str) -> String {
        let mut written = String::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut parts = line.splitn(3, ' ');
            let mut part = || parts.next().unwrap_or_default();
            let (code, body) = self.ask_as(user, part(), part(), part()).await;
            let answered = format!("{line}\n  {code} {body}");
            writeln!(written, "{}", answered.trim_end()).expect("strings take everything");
        }
        written
    }
}

fn about() -> About {
    About {
        product: "Landfall".into(),
        version: "1.2.3",
        cluster_name: "test".into(),
        oauth: None,
    }
}

fn hosts() -> Hosts {
    Hosts::named(["node", "here"])
}

fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(user))
}

async fn text(response: Response<Body>) -> String {
    let collected = response.into_body().collect().await;
    let bytes = collected.expect("a body in memory").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}
