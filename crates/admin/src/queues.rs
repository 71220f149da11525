//! `/api/landfall/queues`: queues with what is in them, by state.

pub(crate) mod told;

use crate::access::Caller;
use crate::answer::Failure;
use crate::endpoints::Api;
use crate::listing::{Entry, Wanted};
use crate::{answer, fields, rates, shapes, vhosts};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use broker::snapshot::{Look, QueueStatus};
use broker::{Answer, Command};
use model::ShortStr;
use serde_json::{Value, json};

/// Whose shape of a queue is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RabbitMQ's.
    Usual,
    /// Our own tools': with its rules in force.
    Own,
}

/// A queue in a list.
struct Listed<'a> {
    queue: &'a QueueStatus,
    node: &'a str,
    kind: Kind,
}

impl Entry for Listed<'_> {
    fn name(&self) -> &str {
        &self.queue.name
    }

    /// What pages sort by, and ask for of all queues.
    fn column(&self, column: &str) -> Option<Value> {
        let Self { queue, kind, .. } = self;
        let counts = &queue.counts;
        Some(match column {
            "name" => queue.name.as_str().into(),
            "vhost" => queue.vhost.as_str().into(),
            "consumers" => queue.consumers.into(),
            "landfall_paused" => queue.paused.into(),
            "messages" => counts.total().into(),
            "messages_ready" => counts.ready.into(),
            "messages_unacknowledged" => counts.unacked.into(),
            "messages_delayed" => counts.delayed.into(),
            "messages_parked" => counts.parked.into(),
            "rules" if *kind == Kind::Own => fields::to_json(&queue.in_force),
            column => {
                let counter = column.strip_prefix("message_stats.")?;
                rates::of_queue(counter, &queue.traffic, &queue.recent)?
            }
        })
    }

    fn shape(self) -> Value {
        match self.kind {
            Kind::Usual => shapes::queue_status(self.queue, self.node),
            Kind::Own => shape(self.queue, self.node),
        }
    }
}

/// A queue as our own tools see it.
fn shape(queue: &QueueStatus, node: &str) -> Value {
    let mut shape = shapes::queue_status(queue, node);
    shape["rules"] = fields::to_json(&queue.in_force);
    if let Some(status) = queue.deduplication {
        let (remembered, duplicates) = (status.remembered, status.duplicates);
        shape["deduplication"] = json!({"remembered": remembered, "duplicates": duplicates});
    }
    shape
}

/// The queues that the caller may see.
pub(crate) async fn seen(
    api: &Api,
    caller: &Caller,
    wanted: &Wanted,
    kind: Kind,
) -> Result<Json<Value>, Failure> {
    let visible = caller.visible_vhosts(api).await?;
    let is_seen = |vhost: &ShortStr| visible.as_ref().is_none_or(|all| all.contains(vhost));
    let queues = api.queues(None).await?;
    let seen = queues.iter().filter(|queue| is_seen(&queue.vhost));
    listed(api, seen, wanted, kind)
}

/// Those of a virtual host.
pub(crate) async fn those_of(
    api: &Api,
    vhost: &str,
    wanted: &Wanted,
    kind: Kind,
) -> Result<Json<Value>, Failure> {
    let queues = api.queues(Some(vhosts::name(vhost)?)).await?;
    listed(api, queues.iter(), wanted, kind)
}

fn listed<'a>(
    api: &'a Api,
    queues: impl Iterator<Item = &'a QueueStatus>,
    wanted: &Wanted,
    kind: Kind,
) -> Result<Json<Value>, Failure> {
    let node = api.node_name();
    wanted.of(queues.map(|queue| Listed { queue, node, kind }))
}

pub(crate) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    seen(&api, &caller, &wanted, Kind::Own).await
}

pub(crate) async fn of_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    those_of(&api, &vhost, &wanted, Kind::Own).await
}

/// One queue, or 404.
pub(crate) async fn find(api: &Api, vhost: &str, name: &str) -> Result<QueueStatus, Failure> {
    let (vhost, name) = (vhosts::name(vhost)?, vhosts::name(name)?);
    match api.ask(Command::Look(Look::Queue { vhost, name })).await? {
        Answer::Queues(mut queues) => queues.pop().ok_or(Failure::NotFound),
        _ => Err(Failure::NotFound),
    }
}

pub(crate) async fn one(
    State(api): State<Api>,
    Path((vhost, name)): Path<(String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let queue = find(&api, &vhost, &name).await?;
    let mut shape = shape(&queue, api.node_name());
    let oldest = queue.oldest.into_iter().collect();
    let oldest = api.read(oldest, 0).await?.pop();
    let oldest = oldest.and_then(|oldest| Some((oldest.position, oldest.content?)));
    shape["oldest"] = oldest.map_or(Value::Null, |(position, content)| {
        json!({"position": position.0, "accepted": content.message.accepted.0})
    });
    Ok(wanted.one(&shape))
}

pub(crate) async fn pause(
    State(api): State<Api>,
    Path((vhost, queue)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let made = set_paused(&api, &vhost, &queue, true).await?;
    Ok(answer::put(made))
}

pub(crate) async fn resume(
    State(api): State<Api>,
    Path((vhost, queue)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    set_paused(&api, &vhost, &queue, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_paused(api: &Api, vhost: &str, queue: &str, paused: bool) -> Result<bool, Failure> {
    let (vhost, queue) = (vhosts::name(vhost)?, vhosts::name(queue)?);
    api.change(Command::Pause {
        vhost,
        queue,
        paused,
    })
    .await
}
