//! What operators did: each request that changes something, and each login that was refused, is noted by the node that was
//! asked. Bodies are not: a password may stand there.

pub(crate) mod told;

use crate::answer::Failure;
use crate::endpoints::{Api, answering};
use crate::moments;
use crate::query::{Asked as Asking, Query};
use axum::Json;
use axum::extract::State;
use model::Timestamp;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use told::QUERY;

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
    /// Which of this node's it is: later ones have higher numbers, whatever the clock says. Given by whoever writes it
    /// down; 0 of one that an older version did.
    #[serde(default)]
    pub number: u64,
    /// The virtual host that the path names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    /// What the path names there, or a user, a node: of a binding both ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why it was refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Operation {
    /// Where the list goes on behind it.
    pub fn cursor(&self) -> Before {
        Before {
            at: self.at,
            number: self.number,
        }
    }
}

/// A place in the list of operations: those before it were answered earlier, or in the same millisecond and have lower
/// numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// A time, in milliseconds since 1970.
    pub at: u64,
    /// The number of an operation; 0 for a time alone.
    pub number: u64,
}

impl Before {
    fn has_before(self, operation: &Operation) -> bool {
        // The clock may have been set back between two of them; numbers only rise.
        match (self.number, operation.number) {
            (0, _) | (_, 0) => operation.at < self.at,
            (number, of) => of < number,
        }
    }
}

/// As `next` says it, and `before` takes it.
impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.number)
    }
}

impl FromStr for Before {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (at, number) = text.split_once('.').unwrap_or((text, "0"));
        Ok(Self {
            at: at.parse()?,
            number: number.parse()?,
        })
    }
}

/// Where they are noted.
pub trait Operations: Send + Sync {
    /// Writes one down. Nobody waits for more than that; what cannot be written is counted.
    fn note(&self, operation: &Operation);

    /// Those that are wanted, the newest first; and one more where there are more.
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
    /// From before that place.
    pub before: Option<Before>,
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
            before: { query.text("before").map(str::parse).transpose() }.map_err(|_| {
                let why = "before is neither a time in milliseconds nor what was answered";
                Failure::BadRequest(why.to_owned())
            })?,
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
        self.before
            .is_none_or(|before| before.has_before(operation))
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
    pub(crate) fn answered(
        self,
        now: Timestamp,
        user: Option<String>,
        status: u16,
        error: Option<String>,
    ) -> Operation {
        let named = Named::by(&self.method, &self.path);
        Operation {
            at: now.0,
            user: user.unwrap_or(self.user),
            address: self.address,
            method: self.method,
            path: self.path,
            status,
            number: 0,
            vhost: named.vhost,
            name: named.name,
            error,
        }
    }
}

/// What a path is about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    vhost: Option<String>,
    name: Option<String>,
}

impl Named {
    /// The parts of paths that say what is meant; the others say which of its properties, or are secret.
    const NAMES: [&str; 6] = ["name", "user", "source", "destination", "node", "message"];

    fn by(method: &str, path: &str) -> Self {
        let mut named = Self::default();
        let Some(endpoint) = answering(method, path) else {
            return named;
        };
        let mut names: Vec<String> = Vec::new();
        for (part, said) in endpoint.path.split('/').zip(path.split('/')) {
            let part = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'));
            match part {
                Some("vhost") => named.vhost = Some(decoded(said)),
                Some(part) if Self::NAMES.contains(&part) => names.push(decoded(said)),
                _ => {}
            }
        }
        named.name = Some(names.join(" → ")).filter(|name| !name.is_empty());
        named
    }
}

/// A part of a path as the name that it is.
fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// `GET /api/landfall/operations`
pub(crate) async fn list(State(api): State<Api>, query: Query) -> Result<Json<Value>, Failure> {
    let wanted = Wanted::read(&query.of(&QUERY))?;
    let operations: Arc<dyn Operations> = api.node().operations().ok_or(Failure::NotFound)?;
    let unwritten = operations.unwritten();
    let most = wanted.most();
    // Files are read beside those that are asking for something else.
    let reading = tokio::task::spawn_blocking(move || operations.read(&wanted));
    let read = reading
        .await
        .map_err(io::Error::other)
        .and_then(|read| read);
    let mut found = read.map_err(|error| Failure::Unreadable(error.to_string()))?;
    let is_more = found.len() > most;
    found.truncate(most);
    let next = found.last().filter(|_| is_more).map(Operation::cursor);
    let told = found.iter().map(|operation| {
        let mut told = json!(operation);
        told["time"] = json!(moments::written(Timestamp(operation.at)));
        told
    });
    Ok(Json(json!({
        "node": api.node_name(),
        "operations": told.collect::<Vec<_>>(),
        "unwritten": unwritten,
        "next": next.map(|next| next.to_string()),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_it_is_about() {
        let named = |method: &str, path: &str| {
            let Named { vhost, name } = Named::by(method, path);
            [vhost, name].map(|part| part.unwrap_or_else(|| "-".to_owned()))
        };
        for (method, path, vhost, name) in [
            ("DELETE", "/api/queues/%2F/a%20b%", "/", "a b%"),
            ("DELETE", "/api/queues/%2F/q/contents/", "/", "q"),
            ("PUT", "/api/permissions/shop/ada", "shop", "ada"),
            ("DELETE", "/api/bindings/%2F/e/x/q/q/~", "/", "x → q"),
            ("PUT", "/api/user-limits/ada/max-channels", "-", "ada"),
            ("GET", "/api/auth/hash_password/secret", "-", "-"),
            ("POST", "/api/landfall/session", "-", "-"),
            ("PUT", "/no/such/path", "-", "-"),
        ] {
            assert_eq!(named(method, path), [vhost, name], "{path}");
        }
    }

    #[test]
    fn of_one_millisecond_nothing_is_skipped() {
        let operation = |at, number| Operation {
            at,
            user: String::new(),
            address: [127, 0, 0, 1].into(),
            method: String::new(),
            path: String::new(),
            status: 204,
            number,
            vhost: None,
            name: None,
            error: None,
        };
        let wanted = Wanted {
            before: Some(operation(5, 8).cursor()),
            ..Wanted::default()
        };
        assert!(wanted.includes(&operation(5, 7)), "the same millisecond");
        assert!(!wanted.includes(&operation(5, 8)));
        assert!(wanted.includes(&operation(9, 7)), "the clock was set back");
        assert!(
            wanted.includes(&operation(4, 0)),
            "noted by an older version"
        );
        for text in ["5", "5.8"] {
            let before: Before = text.parse().expect("it is one");
            assert_eq!(before.at, 5);
        }
        assert!("5.".parse::<Before>().is_err());
    }
}
