//! `/api/landfall/summary`: how things stand, and what needs attention, in a few kilobytes however many queues there are.

pub(crate) mod told;

use crate::access::Caller;
use crate::answer::Failure;
use crate::connections::Known;
use crate::consumers;
use crate::endpoints::Api;
use axum::extract::State;
use axum::{Extension, Json};
use broker::snapshot::{Look, QueueSummary, Sight, Summary, Worst};
use broker::{Answer, Command};
use model::Timestamp;
use serde_json::{Value, json};

/// So many of each sort are named.
const NAMED: usize = 20;

pub(crate) async fn summary(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, Failure> {
    let all = caller.sees_all();
    let sight = Sight {
        vhosts: caller.visible_vhosts(&api).await?,
        user: (!all).then(|| caller.user.name.clone()),
    };
    let summary = look(&api, sight, NAMED).await?;
    Ok(Json(shape(&api, &summary, &api.clients())))
}

/// The oldest message that is ready, of all queues: for how many milliseconds it has been here.
pub(crate) async fn oldest(api: &Api) -> Result<Option<u64>, Failure> {
    let summary = look(api, Sight::default(), 1).await?;
    let oldest = summary.oldest.worst.first();
    Ok(oldest.and_then(|queue| age(queue, summary.at)))
}

async fn look(api: &Api, sight: Sight, most: usize) -> Result<Summary, Failure> {
    let look = Look::Summary { sight, most };
    match api.paced(Command::Look(look)).await? {
        (Answer::Summary(summary), _) => Ok(*summary),
        _ => Ok(Summary::default()),
    }
}

fn age(queue: &QueueSummary, now: Timestamp) -> Option<u64> {
    let (_, came) = queue.oldest?;
    Some(now.0.saturating_sub(came?.0))
}

fn shape(api: &Api, summary: &Summary, clients: &Known) -> Value {
    let here = &summary.messages;
    let (stuck, some) = &summary.stuck;
    json!({
        "at": summary.at.0,
        "queues": summary.queues,
        "consumers": summary.consumers,
        "messages": {
            "messages": here.total(),
            "ready": here.ready,
            "unacked": here.unacked,
            "delayed": here.delayed,
            "parked": here.parked,
            "leaving": here.leaving,
        },
        "unread": worst(&summary.unread),
        "parked": worst(&summary.parked),
        "paused": worst(&summary.paused),
        "dead": worst(&summary.dead),
        "backlogs": worst(&summary.backlogs),
        "oldest": worst(&summary.oldest),
        "unbalanced": worst(&summary.unbalanced),
        "connections_blocked": summary.blocked,
        "stuck": {
            "consumers": stuck,
            "some": consumers::shapes(api, some.iter(), clients),
        },
    })
}

fn worst(of: &Worst) -> Value {
    json!({
        "queues": of.queues,
        "messages": of.messages,
        "worst": of.worst.iter().map(queue).collect::<Value>(),
    })
}

fn queue(queue: &QueueSummary) -> Value {
    let counts = &queue.counts;
    let oldest = queue.oldest.map(
        |(position, came)| json!({"position": position.0, "accepted": came.map(|came| came.0)}),
    );
    json!({
        "vhost": queue.vhost.as_str(),
        "name": queue.name.as_str(),
        "consumers": queue.consumers,
        "messages": counts.total(),
        "messages_ready": counts.ready,
        "messages_unacknowledged": counts.unacked,
        "messages_delayed": counts.delayed,
        "messages_parked": counts.parked,
        "messages_leaving": counts.leaving,
        "oldest": oldest,
        "surplus": queue.surplus,
    })
}
