//! `/api/vhost-limits` and `/api/user-limits`.

use crate::access::Caller;
use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::{Api, Body};
use crate::listing::Wanted;
use crate::reader::Reader;
use crate::{shapes, users, vhosts};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use broker::Command;
use model::record::{UserDefinition, VhostDefinition};
use serde_json::{Value, json};

/// A limit.
pub(crate) const LIMIT: Described = Described::new(
    "Limit",
    &[
        Key::new("value", Kind::Signed, "how many; less than 0 is no limit")
            .needed()
            .such_as("100"),
    ],
);

/// A virtual host's limits, if it has any.
fn of_vhost(vhost: &VhostDefinition) -> Option<Value> {
    let limits = shapes::vhost_limits(vhost);
    let any = vhost.max_connections.or(vhost.max_queues);
    any.map(|_| json!({"vhost": vhost.name.as_str(), "value": limits}))
}

/// A user's limits, if it has any.
fn of_user(user: &UserDefinition) -> Option<Value> {
    let limits = shapes::user_limits(user);
    let any = user.max_connections.or(user.max_channels);
    any.map(|_| json!({"user": user.name.as_str(), "value": limits}))
}

pub(crate) async fn list_vhosts(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let seen = (definitions.vhosts.iter()).filter(|vhost| caller.sees(&vhost.name, &definitions));
    wanted.of(seen.filter_map(of_vhost))
}

pub(crate) async fn one_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    wanted.of(of_vhost(vhosts::find(&definitions, &vhost)?))
}

pub(crate) async fn list_users(
    State(api): State<Api>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    wanted.of(definitions.users.iter().filter_map(of_user))
}

pub(crate) async fn one_user(
    State(api): State<Api>,
    Path(user): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    wanted.of(of_user(users::find(&definitions, &user)?))
}

/// The limit in the body; negative is none.
fn value(body: &Value) -> Result<Option<u64>, Failure> {
    let mut body = Reader::of(&LIMIT, body)?;
    if body.get("value").is_none() {
        return Err(body.mistake("the key 'value' is missing").into());
    }
    Ok(body.limit("value")?)
}

pub(crate) async fn set_vhost(
    State(api): State<Api>,
    Path((vhost, limit)): Path<(String, String)>,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    change_vhost(&api, &vhost, &limit, value(&body)?).await
}

pub(crate) async fn lift_vhost(
    State(api): State<Api>,
    Path((vhost, limit)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    change_vhost(&api, &vhost, &limit, None).await
}

async fn change_vhost(
    api: &Api,
    vhost: &str,
    limit: &str,
    value: Option<u64>,
) -> Result<StatusCode, Failure> {
    let there = api.definitions().await?;
    let mut changed = vhosts::find(&there, vhost)?.clone();
    match limit {
        "max-connections" => changed.max_connections = value,
        "max-queues" => changed.max_queues = value,
        _ => return Err(no_limit(limit)),
    }
    api.change(Command::PutVhost(changed)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All limits of a virtual host at once.
pub(crate) async fn replace_vhosts(
    api: &Api,
    vhost: &str,
    max_connections: Option<u64>,
    max_queues: Option<u64>,
) -> Result<StatusCode, Failure> {
    let there = api.definitions().await?;
    let changed = VhostDefinition {
        max_connections,
        max_queues,
        ..vhosts::find(&there, vhost)?.clone()
    };
    api.change(Command::PutVhost(changed)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_limit(limit: &str) -> Failure {
    Failure::BadRequest(format!("there is no limit '{limit}'"))
}

pub(crate) async fn set_user(
    State(api): State<Api>,
    Path((user, limit)): Path<(String, String)>,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    change_user(&api, &user, &limit, value(&body)?).await
}

pub(crate) async fn lift_user(
    State(api): State<Api>,
    Path((user, limit)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    change_user(&api, &user, &limit, None).await
}

async fn change_user(
    api: &Api,
    user: &str,
    limit: &str,
    value: Option<u64>,
) -> Result<StatusCode, Failure> {
    let there = api.definitions().await?;
    let found = users::find(&there, user)
        .map_err(|_| Failure::BadRequest(format!("no such user: '{user}'")));
    let mut changed = found?.clone();
    match limit {
        "max-connections" => changed.max_connections = value,
        "max-channels" => changed.max_channels = value,
        _ => return Err(no_limit(limit)),
    }
    api.change(Command::PutUser(changed)).await?;
    Ok(StatusCode::NO_CONTENT)
}
