//! `/api/connections`: who is connected, and the end of a connection that somebody does not want.

use crate::access::Caller;
use crate::answer::Failure;
use crate::clients::Client;
use crate::endpoints::Api;
use crate::fields;
use crate::listing::Wanted;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use broker::snapshot::{ConnectionStatus, Look};
use broker::{Answer, Command};
use model::ConnectionId;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// What clients are told whose connection an operator closes without a word, as with RabbitMQ.
const CLOSED: &str = "Closed via management plugin";

/// The reason of an operator who closes a connection.
const REASON: &str = "x-reason";

/// The clients that are there, by connection.
pub(crate) type Known = HashMap<ConnectionId, Arc<Client>>;

pub(crate) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    wanted.of(shown(&api, |status| caller.owns(&status.user)).await?)
}

pub(crate) async fn of_vhost(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let is_shown = |status: &ConnectionStatus| status.vhost == *vhost && caller.owns(&status.user);
    wanted.of(shown(&api, is_shown).await?)
}

pub(crate) async fn of_user(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let is_shown = |status: &ConnectionStatus| status.user == *user && caller.owns(&status.user);
    wanted.of(shown(&api, is_shown).await?)
}

pub(crate) async fn one(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let (status, client) = find(&api, &caller, &name).await?;
    Ok(wanted.one(&shape(&api, &status, &client)))
}

pub(crate) async fn close(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let (status, _) = find(&api, &caller, &name).await?;
    may_close(&caller, &status.user)?;
    api.change(end(status.connection, &headers)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn close_of_user(
    State(api): State<Api>,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let mut theirs = api.connections().await?.to_vec();
    theirs.retain(|status| status.user == *user);
    for status in theirs {
        match api.ask(end(status.connection, &headers)).await {
            // It has left meanwhile.
            Ok(_) | Err(Failure::Missing(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Connections are closed by administrators, and by those whose they are.
fn may_close(caller: &Caller, user: &str) -> Result<(), Failure> {
    if caller.user.is("administrator") || caller.user.name == *user {
        return Ok(());
    }
    Err(Failure::NotAllowed("Not administrator user"))
}

fn end(connection: ConnectionId, headers: &HeaderMap) -> Command {
    let reason = headers.get(REASON).and_then(|reason| reason.to_str().ok());
    let reason = reason.filter(|reason| !reason.is_empty());
    Command::CloseConnection {
        connection,
        reason: reason.unwrap_or(CLOSED).to_owned(),
    }
}

async fn shown(
    api: &Api,
    is_shown: impl Fn(&ConnectionStatus) -> bool,
) -> Result<Vec<Value>, Failure> {
    let connections = api.connections().await?;
    let known = api.clients();
    let shown = connections.iter().filter(|status| is_shown(status));
    // One that the shell does not know any more is about to go here, too.
    let shown = shown.filter_map(|status| Some((status, known.get(&status.connection)?)));
    Ok(shown.map(|(status, of)| shape(api, status, of)).collect())
}

/// The connection of that name, if the caller may see it.
pub(crate) async fn find(
    api: &Api,
    caller: &Caller,
    name: &str,
) -> Result<(ConnectionStatus, Arc<Client>), Failure> {
    let found = api.client_named(name).ok_or(Failure::NotFound)?;
    let (id, client) = found;
    let look = Look::Connections { one: Some(id) };
    let status = match api.ask(Command::Look(look)).await? {
        Answer::Connections(mut connections) => connections.pop(),
        _ => None,
    };
    let status = status.ok_or(Failure::NotFound)?;
    if !caller.owns(&status.user) {
        let reason = "User not authorised to access object";
        return Err(Failure::NotAllowed(reason));
    }
    Ok((status, client))
}

/// A connection.
fn shape(api: &Api, status: &ConnectionStatus, client: &Client) -> Value {
    let (received, sent) = client.octets();
    let (user, vhost) = (status.user.as_str(), status.vhost.as_str());
    let provided = client.properties.get("connection_name");
    json!({
        "name": client.name(),
        "node": api.node_name(),
        "type": "network",
        "protocol": "AMQP 0-9-1",
        "state": if status.blocked { "blocked" } else { "running" },
        "user": user,
        "user_who_performed_action": user,
        "vhost": vhost,
        "host": client.local.ip().to_string(),
        "port": client.local.port(),
        "peer_host": client.peer.ip().to_string(),
        "peer_port": client.peer.port(),
        "connected_at": client.connected_at.0,
        "client_properties": fields::to_json(&client.properties),
        "user_provided_name": provided.and_then(model::Value::as_str),
        "channel_max": client.channel_max,
        "frame_max": client.frame_max,
        "timeout": client.heartbeat,
        "channels": status.channels,
        "recv_oct": received,
        "send_oct": sent,
    })
}

/// How other objects name a connection.
pub(crate) fn details(client: &Client) -> Value {
    json!({
        "name": client.name(),
        "peer_host": client.peer.ip().to_string(),
        "peer_port": client.peer.port(),
    })
}
