//! `/api/consumers`: who consumes what; and of a consumer that gets nothing, why.

use crate::access::Caller;
use crate::answer::Failure;
use crate::connections::Known;
use crate::endpoints::Api;
use crate::listing::Wanted;
use crate::{channels, moments, vhosts};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use broker::snapshot::{ConsumerStatus, Look, WaitsFor};
use broker::{Answer, Command};
use model::ShortStr;
use serde_json::{Map, Value, json};

pub(crate) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    wanted.of(shown(&api, &caller, None).await?)
}

pub(crate) async fn of_vhost(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let vhost = vhosts::name(&vhost)?;
    wanted.of(shown(&api, &caller, Some(vhost)).await?)
}

async fn shown(api: &Api, caller: &Caller, vhost: Option<ShortStr>) -> Result<Vec<Value>, Failure> {
    let consumers = api.consumers(vhost).await?;
    let shown = consumers.iter().filter(|one| caller.owns(&one.user));
    Ok(shapes(api, shown, &api.clients()))
}

/// The consumers of one queue.
pub(crate) async fn of_queue(
    api: &Api,
    vhost: ShortStr,
    name: ShortStr,
) -> Result<Vec<Value>, Failure> {
    let look = Look::ConsumersOf { vhost, name };
    let consumers = match api.ask(Command::Look(look)).await? {
        Answer::Consumers(consumers) => consumers,
        _ => Vec::new(),
    };
    Ok(shapes(api, consumers.iter(), &api.clients()))
}

pub(crate) fn shapes<'a>(
    api: &Api,
    consumers: impl Iterator<Item = &'a ConsumerStatus>,
    known: &Known,
) -> Vec<Value> {
    consumers.map(|one| shape(api, one, known)).collect()
}

fn shape(api: &Api, status: &ConsumerStatus, known: &Known) -> Value {
    let client = known.get(&status.connection);
    let channel = client.map(|client| {
        json!({
            "name": channels::name(client, status.channel),
            "number": status.channel.0,
            "connection_name": client.name(),
            "node": api.node_name(),
            "peer_host": client.peer.ip().to_string(),
            "peer_port": client.peer.port(),
            "user": status.user.as_str(),
        })
    });
    let waits = status.waits_for.as_ref();
    json!({
        "consumer_tag": status.tag.as_str(),
        "queue": {"name": status.queue.as_str(), "vhost": status.vhost.as_str()},
        // What is not known is an empty object for RabbitMQ.
        "channel_details": channel.unwrap_or_else(|| json!({})),
        "ack_required": status.acknowledges,
        "exclusive": status.exclusive,
        "prefetch_count": status.prefetch,
        "active": status.active,
        "activity_status": if status.active { "up" } else { "waiting" },
        "arguments": arguments(status),
        "consumer_timeout": status.timeout.unwrap_or(0),
        "messages_unacknowledged": status.unacked,
        "landfall_waiting_for": waits.map(|waits| sentence(waits, status)),
    })
}

/// The arguments of basic.consume that mean something here.
fn arguments(status: &ConsumerStatus) -> Value {
    let mut arguments = Map::new();
    if status.priority != 0 {
        arguments.insert("x-priority".to_owned(), status.priority.into());
    }
    arguments.into()
}

/// Why a consumer gets nothing, for a person.
fn sentence(waits: &WaitsFor, status: &ConsumerStatus) -> String {
    match waits {
        WaitsFor::Resume => {
            "The queue is paused: it hands nothing out until an operator resumes it.".to_owned()
        }
        WaitsFor::SingleActive { tag } => {
            format!("Only one consumer of this queue is active at a time, and that is '{tag}'.")
        }
        WaitsFor::Messages {
            unacked,
            outranked_by,
        } => {
            let first = outranked_by.map_or_else(String::new, |priority| {
                let own = status.priority;
                format!(" What comes goes first to consumers of priority {priority}; this one has {own}.")
            });
            match unacked {
                0 => format!("The queue is empty.{first}"),
                _ => format!(
                    "Nothing is ready in the queue: {unacked} of its messages are with consumers and not acknowledged.{first}"
                ),
            }
        }
        WaitsFor::Time { delayed, due } => {
            let due = due.and_then(moments::written);
            let due = due.map_or_else(String::new, |due| format!(", the first until {due}"));
            format!("All that waits in the queue is delayed: {delayed} messages{due}.")
        }
        WaitsFor::Landing { messages } => {
            format!("{messages} messages have come and are not on the disk yet.")
        }
        WaitsFor::Reading { deliveries } => format!(
            "The client does not read: {deliveries} deliveries are on their way to its connection."
        ),
        WaitsFor::Prefetch { unacked } => format!(
            "Its prefetch count is reached: it has {unacked} messages that it did not acknowledge."
        ),
        WaitsFor::ChannelPrefetch { unacked } => format!(
            "The limit of its channel is reached: {unacked} messages there are not acknowledged."
        ),
        WaitsFor::Memory { unacked } => format!(
            "Memory is short, and its channel has enough to work on: {unacked} messages are not acknowledged."
        ),
    }
}
