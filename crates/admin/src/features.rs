//! What tools ask a server before they use it: its features, which of them will go, its extensions, how to log in.

use crate::access::Caller;
use crate::answer::Failure;
use crate::endpoints::Api;
use crate::listing::Wanted;
use crate::{cluster, on_behalf};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use broker::{Answer, Deed};
use model::method::queue;
use model::{Publish, ShortStr};
use serde_json::{Value, json};

/// Features by which tools know what RabbitMQ can do; all are always on.
const FLAGS: [(&str, &str); 8] = [
    (
        "classic_queue_type_delivery_support",
        "queues of every type are delivered from in the same way",
    ),
    (
        "implicit_default_bindings",
        "every queue is bound to the default exchange, and that takes no room",
    ),
    ("message_containers", "messages are kept as they came"),
    ("quorum_queue", "queues of the type quorum can be declared"),
    (
        "stream_queue",
        "queues of the type stream can be named in policies; tools take it for a sign of the version",
    ),
    (
        "tracking_records_in_ets",
        "who is connected is kept in memory",
    ),
    ("user_limits", "users can be limited"),
    (
        "virtual_host_metadata",
        "virtual hosts have descriptions and tags",
    ),
];

pub(crate) async fn flags(wanted: Wanted) -> Result<Json<Value>, Failure> {
    wanted.of(FLAGS.map(|(name, does)| {
        json!({
            "name": name,
            "desc": does,
            "doc_url": "",
            "state": "enabled",
            "stability": "stable",
            "provided_by": "landfall",
        })
    }))
}

pub(crate) async fn enable(Path(name): Path<String>) -> Result<StatusCode, Failure> {
    match FLAGS.iter().any(|(known, _)| *known == name) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Failure::BadRequest(format!(
            "there is no feature flag '{name}'"
        ))),
    }
}

/// Where there is nothing of the kind.
pub(crate) async fn none(wanted: Wanted) -> Result<Json<Value>, Failure> {
    wanted.of::<Value>([])
}

pub(crate) async fn none_of_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    crate::vhosts::find(&*api.definitions().await?, &vhost)?;
    wanted.of::<Value>([])
}

pub(crate) async fn auth(State(api): State<Api>) -> Json<Value> {
    let Some(oauth) = &api.about().oauth else {
        return Json(json!({"oauth_enabled": false}));
    };
    let mut shape = json!({"oauth_enabled": true, "oauth_resource_id": oauth.resource_id});
    if let Some(issuer) = &oauth.issuer {
        shape["oauth_provider_url"] = json!(issuer);
    }
    Json(shape)
}

/// The queue of the test, as with RabbitMQ.
const ALIVENESS_TEST: ShortStr = ShortStr::from_static("aliveness-test");

/// Of several tests at a time one may take the other's message: then there is another one.
const ALIVENESS_TRIES: u32 = 5;

/// A message goes through a queue.
pub(crate) async fn aliveness(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(vhost): Path<String>,
) -> Result<Json<Value>, Failure> {
    let ask = |deed| on_behalf::ask(&api, &caller, &vhost, deed);
    ask(Deed::DeclareQueue(queue::Declare {
        queue: ALIVENESS_TEST,
        ..queue::Declare::default()
    }))
    .await?;
    ask(Deed::Publish(Publish {
        routing_key: ALIVENESS_TEST,
        body: "test_message".into(),
        ..Publish::default()
    }))
    .await?;
    for _ in 0..ALIVENESS_TRIES {
        let next = ask(Deed::Peek {
            queue: ALIVENESS_TEST,
            most: 1,
        });
        let positions = match next.await? {
            Answer::Next { messages, .. } => messages.iter().map(|one| one.position).collect(),
            _ => Vec::new(),
        };
        let taken = ask(Deed::Take {
            queue: ALIVENESS_TEST,
            positions,
            reject: false,
        });
        if let Answer::Outcome(outcome) = taken.await?
            && outcome.done == 1
        {
            return Ok(Json(json!({"status": "ok"})));
        }
    }
    let text = "the message of the test did not come out of its queue";
    Err(Failure::Silent(text.to_owned()))
}

/// Queues go with their shards; a server that is alone has nothing to spread.
pub(crate) async fn rebalance(state: State<Api>) -> Result<StatusCode, Failure> {
    if state.node().cluster().is_some() {
        cluster::rebalance(state).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
