//! Requests to the HTTP API, and what its refusals mean for whoever typed the command.

use super::AdminServer;
use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::time::Duration;
use ureq::http::request::Builder;
use ureq::http::{Request, Response, StatusCode};

/// The server may be landing a large document.
const PATIENCE: Duration = Duration::from_secs(120);

/// The most that is read of an answer.
const ANSWER_MAX: u64 = 256 * 1024 * 1024;

/// The API of one server.
pub(super) struct Api {
    agent: ureq::Agent,
    url: String,
    user: String,
    login: String,
}

impl Api {
    pub(super) fn new(server: &AdminServer) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .build();
        let credentials = format!("{}:{}", server.admin_user, server.admin_password);
        Self {
            agent: config.into(),
            url: server.admin_url.trim_end_matches('/').to_owned(),
            user: server.admin_user.clone(),
            login: format!("Basic {}", STANDARD.encode(credentials)),
        }
    }

    /// What is there; `None` for 404.
    pub(super) fn find(&self, path: &str) -> Result<Option<Value>> {
        match self.ask("GET", path, None)? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            answered => self.content(answered).map(Some),
        }
    }

    /// What is there.
    pub(super) fn get(&self, path: &str) -> Result<Value> {
        self.content(self.ask("GET", path, None)?)
    }

    /// Sends a document and reads the answer.
    pub(super) fn post(&self, path: &str, body: &[u8]) -> Result<Value> {
        self.content(self.ask("POST", path, Some(body.to_owned()))?)
    }

    /// Has something done and reads what came of it.
    pub(super) fn act(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = body.to_string().into_bytes();
        self.content(self.ask(method, path, Some(body))?)
    }

    /// Has something made that is answered with nothing.
    pub(super) fn post_for_nothing(&self, path: &str, body: &Value) -> Result<()> {
        let body = body.to_string().into_bytes();
        self.done(self.ask("POST", path, Some(body))?)
    }

    /// Asks for something that is done later, or answered with nothing.
    pub(super) fn tell(&self, method: &str, path: &str) -> Result<()> {
        self.done(self.ask(method, path, None)?)
    }

    /// Makes or changes something; says whether it was made.
    pub(super) fn put(&self, path: &str, body: &Value) -> Result<bool> {
        let body = body.to_string().into_bytes();
        let answered = self.ask("PUT", path, Some(body))?;
        let made = answered.0 == StatusCode::CREATED;
        self.done(answered).map(|()| made)
    }

    /// Removes something.
    pub(super) fn delete(&self, path: &str) -> Result<()> {
        self.tell("DELETE", path)
    }

    /// Closes a connection of a client, who is told the reason.
    pub(super) fn close(&self, path: &str, reason: &str) -> Result<()> {
        let request = self.request("DELETE", path).header("x-reason", reason);
        let wrong = || format!("'{reason}' cannot be a reason: it is sent in a header");
        let response = self.agent.run(request.body(()).with_context(wrong)?);
        self.done(self.read(response)?)
    }

    fn content(&self, answered: (StatusCode, Vec<u8>)) -> Result<Value> {
        let body = answered.1.clone();
        self.done(answered)?;
        serde_json::from_slice(&body)
            .with_context(|| format!("{} does not answer in JSON", self.url))
    }

    /// An error, if it was refused.
    fn done(&self, (code, body): (StatusCode, Vec<u8>)) -> Result<()> {
        if code.is_success() {
            return Ok(());
        }
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let reason = match &said["reason"] {
            Value::String(reason) => reason.clone(),
            Value::Null => format!("it answers {code}"),
            other => other.to_string(),
        };
        let (url, user) = (&self.url, &self.user);
        if code != StatusCode::UNAUTHORIZED {
            bail!("{reason}");
        } else if said["error"] == "not_authorized" {
            bail!(
                "{url} does not let '{user}' in: no such user, another password, or not from this machine \
                 (--admin-user, --admin-password)"
            );
        }
        bail!("{url} does not allow that to '{user}': {reason}")
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Vec<u8>)> {
        let request = self.request(method, path);
        let wrong = || format!("'{}' is no address (--admin-url)", self.url);
        let response = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body).with_context(wrong)?)
            }
            None => self.agent.run(request.body(()).with_context(wrong)?),
        };
        self.read(response)
    }

    fn request(&self, method: &str, path: &str) -> Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", &self.login)
    }

    fn read(
        &self,
        response: Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<(StatusCode, Vec<u8>)> {
        let mut response = response
            .map_err(|error| anyhow!("no server answers at {} (--admin-url): {error}", self.url))?;
        let read = response
            .body_mut()
            .with_config()
            .limit(ANSWER_MAX)
            .read_to_vec();
        let body = read.with_context(|| format!("the answer of {} broke off", self.url))?;
        Ok((response.status(), body))
    }
}

/// A name as a part of a path.
pub(super) fn part(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
