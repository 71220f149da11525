//! What operators did: each request that changes something, and each login that was refused, is noted by the node that was
//! asked. Bodies are not: a password may stand there.

use crate::answer::Failure;
use crate::endpoints::Api;
use crate::moments;
use axum::Json;
use axum::extract::{Query, State};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// The most that are told at once.
const MOST: usize = 1000;
const USUAL: usize = 100;

/// A request of an operator, and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// When it was answered, in milliseconds since 1970.
    pub at: u64,
    /// Who asked; empty where that was not found out.
    pub user: String,
    /// From where.
    pub address: IpAddr,
    /// `PUT`, `POST` or `DELETE`; `GET` where a login was refused.
    pub method: String,
    /// The path, as it was sent; without its query.
    pub path: String,
    /// HTTP's code of the answer.
    pub status: u16,
}

/// Where they are noted.
pub trait Operations: Send + Sync {
    /// Writes one down. Nobody waits for more than that; what cannot be written is counted.
    fn note(&self, operation: &Operation);

    /// Those that are wanted, the newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    fn read(&self, wanted: &Wanted) -> io::Result<Vec<Operation>>;

    /// How many could not be written since the start.
    fn unwritten(&self) -> u64;
}

/// Which are wanted.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Wanted {
    /// Of this user.
    pub user: Option<String>,
    /// With this in their path.
    pub path: Option<String>,
    /// Answered with such a code: `failed` for 400 and above, `done` for those below.
    pub outcome: Option<Outcome>,
    /// From before this time, in milliseconds since 1970.
    pub before: Option<u64>,
    /// So many.
    pub limit: Option<usize>,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it was asked for.
    Done,
    /// Otherwise.
    Failed,
}

impl Wanted {
    /// How many are told.
    pub fn most(&self) -> usize {
        self.limit.unwrap_or(USUAL).min(MOST)
    }

    /// Whether it is one of them.
    pub fn includes(&self, operation: &Operation) -> bool {
        let failed = operation.status >= 400;
        let user = self.user.as_ref();
        let path = self.path.as_ref();
        self.before.is_none_or(|before| operation.at < before)
            && user.is_none_or(|user| operation.user == *user)
            && path.is_none_or(|part| operation.path.contains(part.as_str()))
            && (self.outcome).is_none_or(|outcome| (outcome == Outcome::Failed) == failed)
    }
}

/// What is known of a request before it is answered.
pub(crate) struct Asked {
    /// Who says to be asking.
    pub(crate) user: String,
    /// Whether that has to be shown first.
    pub(crate) logs_in: bool,
    /// Whether it is known, from a session.
    pub(crate) by_session: bool,
    pub(crate) address: IpAddr,
    pub(crate) method: String,
    pub(crate) path: String,
}

impl Asked {
    /// As it ended.
    pub(crate) fn answered(self, now: Timestamp, user: Option<String>, status: u16) -> Operation {
        Operation {
            at: now.0,
            user: user.unwrap_or(self.user),
            address: self.address,
            method: self.method,
            path: self.path,
            status,
        }
    }
}

/// `GET /api/landfall/operations`
pub(crate) async fn list(
    State(api): State<Api>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let Query(wanted) = wanted.map_err(|error| Failure::BadRequest(error.body_text()))?;
    let operations: Arc<dyn Operations> = api.node().operations().ok_or(Failure::NotFound)?;
    let unwritten = operations.unwritten();
    // Files are read beside those that are asking for something else.
    let reading = tokio::task::spawn_blocking(move || operations.read(&wanted));
    let read = reading
        .await
        .map_err(io::Error::other)
        .and_then(|read| read);
    let found = read.map_err(|error| Failure::Unreadable(error.to_string()))?;
    let told = found.iter().map(|operation| {
        let mut told = json!(operation);
        told["time"] = json!(moments::written(Timestamp(operation.at)));
        told
    });
    Ok(Json(json!({
        "node": api.node_name(),
        "operations": told.collect::<Vec<_>>(),
        "unwritten": unwritten,
    })))
}
