//! `/api/landfall/queues`: queues with what is in them, by state.

use crate::access::Caller;
use crate::answer::Failure;
use crate::endpoints::Api;
use crate::listing::Wanted;
use crate::{fields, shapes, vhosts};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use broker::snapshot::{Look, QueueStatus};
use broker::{Answer, Command};
use model::ShortStr;
use serde_json::{Value, json};

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

/// The queues that the caller may see, shaped.
pub(crate) async fn seen(
    api: &Api,
    caller: &Caller,
    shape: impl Fn(&QueueStatus, &str) -> Value,
) -> Result<Vec<Value>, Failure> {
    let visible = caller.visible_vhosts(api).await?;
    let is_seen = |vhost: &ShortStr| visible.as_ref().is_none_or(|all| all.contains(vhost));
    let queues = api.queues(None).await?;
    let seen = queues.iter().filter(|queue| is_seen(&queue.vhost));
    Ok(seen.map(|queue| shape(queue, api.node_name())).collect())
}

pub(crate) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    wanted.of(seen(&api, &caller, shape).await?)
}

pub(crate) async fn of_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let queues = api.queues(Some(vhosts::name(&vhost)?)).await?;
    wanted.of(queues.iter().map(|queue| shape(queue, api.node_name())))
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
