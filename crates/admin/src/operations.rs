//! What operators did: each request that changes something, and each login that was refused, is noted by the node that was
//! asked. Bodies are not: a password may stand there.

use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::Api;
use crate::moments;
use crate::query::{Asked as Asking, Query};
use axum::Json;
use axum::extract::State;
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

/// Which operations are told.
pub(crate) const QUERY: Described = Described::new(
    "OperationsQuery",
    &[
        Key::new("user", Kind::Text, "only those of this user"),
        Key::new("path", Kind::Text, "only those with this in their path"),
        Key::new(
            "outcome",
            Kind::Words(&["done", "failed"]),
            "only those that ended so: `failed` for a code of 400 and above",
        ),
        Key::new(
            "before",
            Kind::Whole,
            "only those from before this time, in milliseconds since 1970",
        ),
        Key::new(
            "limit",
            Kind::Whole,
            "so many: 100 where nothing is said, 1000 at the most",
        ),
    ],
);

/// What operators did.
pub(crate) const OPERATIONS: Described = Described::new(
    "Operations",
    &[
        Key::new("node", Kind::Text, "the node that noted them").needed(),
        Key::new(
            "operations",
            Kind::List(&Kind::Object(&OPERATION)),
            "the newest first",
        )
        .needed(),
        Key::new(
            "unwritten",
            Kind::Whole,
            "how many could not be written down since the start",
        )
        .needed(),
    ],
);

/// A request of an operator, and how it was answered.
pub(crate) const OPERATION: Described = Described::new(
    "Operation",
    &[
        Key::new(
            "at",
            Kind::Whole,
            "when it was answered, in milliseconds since 1970",
        )
        .needed(),
        Key::new(
            "time",
            Kind::Maybe(&Kind::Text),
            "the same, as RFC 3339 writes it",
        )
        .needed(),
        Key::new(
            "user",
            Kind::Text,
            "who asked; empty where that was not found out",
        )
        .needed(),
        Key::new("address", Kind::Text, "from where").needed(),
        Key::new(
            "method",
            Kind::Text,
            "`PUT`, `POST` or `DELETE`; `GET` where a login was refused",
        )
        .needed(),
        Key::new(
            "path",
            Kind::Text,
            "the path, as it was sent; without its query",
        )
        .needed(),
        Key::new("status", Kind::Whole, "HTTP's code of the answer").needed(),
    ],
);

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
#[derive(Clone, Debug, Default)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it was asked for.
    Done,
    /// Otherwise.
    Failed,
}

impl Wanted {
    fn read(query: &Asking) -> Result<Self, Failure> {
        let text = |key| query.text(key).map(str::to_owned);
        let outcome = match query.text("outcome") {
            None => None,
            Some("done") => Some(Outcome::Done),
            Some("failed") => Some(Outcome::Failed),
            Some(_) => {
                let why = "outcome must be done or failed";
                return Err(Failure::BadRequest(why.to_owned()));
            }
        };
        Ok(Self {
            user: text("user"),
            path: text("path"),
            outcome,
            before: query.whole("before")?,
            limit: query.whole("limit")?,
        })
    }

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
pub(crate) async fn list(State(api): State<Api>, query: Query) -> Result<Json<Value>, Failure> {
    let wanted = Wanted::read(&query.of(&QUERY))?;
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
