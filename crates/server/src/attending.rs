//! The HTTP API of a member of a cluster: it asks a shard while this node serves it. While another does, requests are
//! passed on to that node (`crate::passing`); who a user is is asked there, too, for what this node answers by itself.

use crate::operator::ShardOperator;
use crate::passing;
use crate::relay::Secret;
use crate::tokens;
use admin::instruments::Instruments;
use admin::journey::{Journey, Wanted};
use admin::{AskError, FromThisMachine, Operator, Reading, Vouched};
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Builder;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::{Answer, Bearer, Command, CommandRefused, Mark};
use model::record::UserDefinition;
use model::{Position, ShortStr};
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What an answer about a user may be long.
const USER_MAX: usize = 64 * 1024;

/// The other node has so long to say who a user is: longer than it makes wrong passwords wait.
const WHO_MAX: Duration = Duration::from_secs(3);

/// Where a node says who a request is from.
const WHO: &str = "/api/whoami";

/// Who can be asked.
#[derive(Clone)]
pub enum Asked {
    /// The shard on this node.
    Here(Arc<ShardOperator>),
    /// Another node.
    There(There),
    /// Nobody.
    Nobody,
}

/// A node that owns a shard.
#[derive(Clone)]
pub struct There {
    /// Which.
    pub shard: u32,
    /// Where its HTTP API is.
    pub admin: Arc<str>,
    /// Where it listens to other nodes.
    pub node: Arc<str>,
}

/// Asks whoever can be asked.
pub struct Attending {
    /// Who that is.
    pub asked: watch::Receiver<Asked>,
    /// What nodes know each other by.
    pub secret: Secret,
}

impl Attending {
    fn here(&self) -> Result<Arc<ShardOperator>, AskError> {
        match &*self.asked.borrow() {
            Asked::Here(operator) => Ok(operator.clone()),
            Asked::There(there) => Err(AskError::Elsewhere(Some(there.admin.to_string()))),
            Asked::Nobody => Err(AskError::Elsewhere(None)),
        }
    }

    fn there(&self) -> Option<There> {
        match &*self.asked.borrow() {
            Asked::There(there) => Some(there.clone()),
            Asked::Here(_) | Asked::Nobody => None,
        }
    }
}

type Answered<'a, T> = Pin<Box<dyn Future<Output = Result<T, AskError>> + Send + 'a>>;

impl Operator for Attending {
    fn instruments(&self) -> Option<Arc<Instruments>> {
        self.here().ok()?.instruments()
    }

    fn ask(&self, command: Command) -> Answered<'_, Answer> {
        Box::pin(async move {
            match (command, self.there()) {
                (
                    Command::Authenticate {
                        user,
                        password,
                        local,
                    },
                    Some(there),
                ) => {
                    let is_token = tokens::is_one(&password);
                    let login = STANDARD.encode(format!("{user}:{}", password.as_str()));
                    let asking = Request::get(WHO).header(AUTHORIZATION, format!("Basic {login}"));
                    let answer = who_is(&there, self.secret, user, asking, local).await?;
                    match answer {
                        Answer::User(user, _) if is_token => Ok(Answer::Bearer(bearer(user))),
                        answer => Ok(answer),
                    }
                }
                (Command::User { user, mark, local }, Some(there)) => {
                    let vouched = Vouched {
                        user: user.clone(),
                        mark,
                    };
                    let asking = Request::get(WHO).extension(vouched);
                    who_is(&there, self.secret, user, asking, local).await
                }
                (command, _) => self.here()?.ask(command).await,
            }
        })
    }

    fn read(&self, positions: Vec<Position>, body_most: usize) -> Answered<'_, Vec<Reading>> {
        let here = self.here();
        Box::pin(async move { here?.read(positions, body_most).await })
    }

    fn journeys(&self, wanted: Wanted) -> Answered<'_, Vec<Journey>> {
        let here = self.here();
        Box::pin(async move { here?.journeys(wanted).await })
    }
}

/// Asks the node that owns the shard whether that is the user, and what the user is.
async fn who_is(
    there: &There,
    secret: Secret,
    user: ShortStr,
    asking: Builder,
    local: bool,
) -> Result<Answer, AskError> {
    let unknown = || AskError::Elsewhere(Some(there.admin.to_string()));
    let request = asking.extension(FromThisMachine(local)).body(Body::empty());
    let request = request.expect("a path and base64 are a request");
    let asked = tokio::time::timeout(WHO_MAX, passing::ask(there, secret, request)).await;
    let answered = asked.map_err(|_| unknown())?;
    let response = answered.map_err(|_| unknown())?;
    let code = response.status();
    let mark = mark(response.headers());
    let body = axum::body::to_bytes(response.into_body(), USER_MAX).await;
    let body = body.map_err(|_| unknown())?;
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    match code {
        StatusCode::OK => {
            let user = UserDefinition {
                // Of a token only the other node knows whose it is.
                name: name(&said).unwrap_or(user),
                tags: tags(&said),
                ..UserDefinition::default()
            };
            Ok(Answer::User(user, mark))
        }
        // One without any of the tags is known, and may nothing.
        StatusCode::UNAUTHORIZED if said["error"] == "not_authorised" => {
            let user = UserDefinition {
                name: user,
                ..UserDefinition::default()
            };
            Ok(Answer::User(user, mark))
        }
        StatusCode::UNAUTHORIZED => {
            let why = "the node that serves does not let this user in";
            Err(CommandRefused::AccessRefused(why.into()).into())
        }
        _ => Err(unknown()),
    }
}

/// The user's mark as the other node tells it; one that nobody has where it tells none.
fn mark(headers: &HeaderMap) -> Mark {
    let text = headers.get(admin::USER_MARK);
    let text = text.and_then(|text| text.to_str().ok());
    let mark = text.and_then(|text| u128::from_str_radix(text, 16).ok());
    Mark(mark.unwrap_or_default())
}

/// Whose token it is, and its tags: here nothing else of it counts.
fn bearer(user: UserDefinition) -> Arc<Bearer> {
    let scopes: Vec<String> = user.tags.iter().map(|tag| format!("tag:{tag}")).collect();
    Arc::new(Bearer::new(user.name, scopes.iter().map(|scope| &**scope)))
}

fn name(said: &Value) -> Option<ShortStr> {
    ShortStr::try_from(said["name"].as_str()?).ok()
}

fn tags(said: &Value) -> Vec<ShortStr> {
    let tags = said["tags"].as_array().into_iter().flatten();
    let tags = tags.filter_map(Value::as_str);
    tags.filter_map(|tag| ShortStr::try_from(tag).ok())
        .collect()
}
