//! `/api/channels`.

use crate::access::Caller;
use crate::answer::Failure;
use crate::clients::Client;
use crate::connections;
use crate::endpoints::Api;
use crate::listing::Wanted;
use crate::rates;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use broker::snapshot::ChannelStatus;
use model::{ChannelNumber, ConnectionId};
use serde_json::{Value, json};

pub(crate) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let is_shown = |status: &ChannelStatus| caller.owns(&status.user);
    wanted.of(shown(&api, None, is_shown).await?)
}

pub(crate) async fn of_vhost(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let is_shown = |status: &ChannelStatus| status.vhost == *vhost && caller.owns(&status.user);
    wanted.of(shown(&api, None, is_shown).await?)
}

pub(crate) async fn of_connection(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let (connection, _) = connections::find(&api, &caller, &name).await?;
    wanted.of(shown(&api, Some(connection.connection), |_| true).await?)
}

pub(crate) async fn one(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let (connection, number) = parts(&name).ok_or(Failure::NotFound)?;
    let (connection, _) = connections::find(&api, &caller, connection).await?;
    let is_it = |status: &ChannelStatus| status.number == number;
    let mut found = shown(&api, Some(connection.connection), is_it).await?;
    Ok(wanted.one(&found.pop().ok_or(Failure::NotFound)?))
}

/// A channel is named after its connection, with its number in brackets.
fn parts(name: &str) -> Option<(&str, ChannelNumber)> {
    let (connection, number) = name.strip_suffix(')')?.rsplit_once(" (")?;
    Some((connection, ChannelNumber(number.parse().ok()?)))
}

async fn shown(
    api: &Api,
    of: Option<ConnectionId>,
    is_shown: impl Fn(&ChannelStatus) -> bool,
) -> Result<Vec<Value>, Failure> {
    let channels = api.channels(of).await?;
    let known = api.clients();
    let shown = channels.iter().filter(|status| is_shown(status));
    let shown = shown.filter_map(|status| Some((status, known.get(&status.connection)?)));
    Ok(shown.map(|(status, of)| shape(api, status, of)).collect())
}

/// How other objects name a channel.
pub(crate) fn name(client: &Client, number: ChannelNumber) -> String {
    format!("{} ({})", client.name(), number.0)
}

fn shape(api: &Api, status: &ChannelStatus, client: &Client) -> Value {
    let (publishes, acks) = status.uncommitted.unwrap_or_default();
    json!({
        "name": name(client, status.number),
        "number": status.number.0,
        "node": api.node_name(),
        "user": status.user.as_str(),
        "user_who_performed_action": status.user.as_str(),
        "vhost": status.vhost.as_str(),
        "connection_details": connections::details(client),
        "state": "running",
        "prefetch_count": status.prefetch_each,
        "global_prefetch_count": status.prefetch_all,
        "consumer_count": status.consumers,
        "confirm": status.unconfirmed.is_some(),
        "transactional": status.uncommitted.is_some(),
        "messages_unacknowledged": status.unacked,
        "messages_unconfirmed": status.unconfirmed.unwrap_or(0),
        "messages_uncommitted": publishes,
        "acks_uncommitted": acks,
        "message_stats": rates::message_stats(&status.traffic, &status.recent),
    })
}
