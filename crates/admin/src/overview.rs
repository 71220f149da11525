//! What the server says about itself, and to the user about the user.

use crate::access::Caller;
use crate::answer::Failure;
use crate::endpoints::Api;
use crate::{rates, shapes};
use axum::extract::State;
use axum::{Extension, Json};
use broker::Recent;
use broker::snapshot::{Counts, Totals};
use serde_json::{Map, Value, json};

/// What the types of exchanges are for.
const EXCHANGE_TYPES: [(&str, &str); 6] = [
    ("direct", "the routing key is the binding's"),
    ("fanout", "every binding"),
    (
        "headers",
        "the headers are those of the binding's arguments",
    ),
    ("topic", "the routing key matches the binding's pattern"),
    (
        "x-consistent-hash",
        "one of the bindings, chosen by a hash of the routing key",
    ),
    (
        "x-delayed-message",
        "as the type that x-delayed-type names, after x-delay milliseconds",
    ),
];

pub(crate) async fn overview(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, Failure> {
    let mut shape = about(&api);
    if caller.sees_all() {
        add_all(&mut shape, &api.totals().await?);
    } else {
        add_own(&mut shape, &api, &caller).await?;
    }
    Ok(Json(shape))
}

fn about(api: &Api) -> Value {
    let (about, status) = (api.about(), api.node().status());
    let types = EXCHANGE_TYPES
        .iter()
        .map(|(name, does)| json!({"name": name, "description": does, "enabled": true}));
    let listeners = status.listeners.iter().map(|listener| {
        json!({
            "node": status.name,
            "protocol": listener.protocol,
            "ip_address": listener.address.ip().to_string(),
            "port": listener.address.port(),
        })
    });
    let of_api = status.listeners.iter();
    let contexts = of_api.filter(|listener| listener.protocol == "http");
    let contexts = contexts.map(|listener| {
        json!({
            "node": status.name,
            "description": "Landfall Management",
            "path": "/",
            "ip": listener.address.ip().to_string(),
            "port": listener.address.port(),
        })
    });
    json!({
        "management_version": about.rabbitmq_version(),
        "rabbitmq_version": about.rabbitmq_version(),
        "product_name": about.product,
        "product_version": about.version,
        "landfall_version": about.version,
        "cluster_name": about.cluster_name,
        "node": status.name,
        "rates_mode": "basic",
        "disable_stats": false,
        "enable_queue_totals": false,
        // Figures are counted where they are shown: none waits to be counted.
        "statistics_db_event_queue": 0,
        "exchange_types": types.collect::<Value>(),
        "listeners": listeners.collect::<Value>(),
        "contexts": contexts.collect::<Value>(),
    })
}

/// What goes on in all.
fn add_all(shape: &mut Value, totals: &Totals) {
    shape["object_totals"] = json!({
        "connections": totals.connections,
        "channels": totals.channels,
        "consumers": totals.consumers,
        "queues": totals.queues,
        "exchanges": totals.exchanges,
    });
    shape["queue_totals"] = queue_totals(&totals.messages, &totals.recent);
    shape["message_stats"] = rates::message_stats(&totals.traffic, &totals.recent);
    shape["churn_rates"] = rates::churn_rates(totals);
}

fn queue_totals(messages: &Counts, recent: &Recent) -> Value {
    let mut shape = Map::new();
    let counts = [messages.total(), messages.ready, messages.unacked];
    rates::messages(&mut shape, counts, recent);
    shape.into()
}

/// What goes on in the queues that somebody sees who does not see all.
async fn add_own(shape: &mut Value, api: &Api, caller: &Caller) -> Result<(), Failure> {
    let visible = caller.visible_vhosts(api).await?.unwrap_or_default();
    let all = api.queues(None).await?;
    let seen = all.iter().filter(|queue| visible.contains(&queue.vhost));
    let (mut queues, mut consumers) = (0_u64, 0);
    let (mut messages, mut recent) = (Counts::default(), Recent::default());
    for queue in seen {
        queues += 1;
        consumers += queue.consumers;
        messages.ready += queue.counts.ready;
        messages.unacked += queue.counts.unacked;
        messages.delayed += queue.counts.delayed;
        messages.parked += queue.counts.parked;
        messages.leaving += queue.counts.leaving;
        recent.over = queue.recent.over;
        recent.ready += queue.recent.ready;
        recent.unacked += queue.recent.unacked;
        recent.messages += queue.recent.messages;
    }
    shape["object_totals"] = json!({"queues": queues, "consumers": consumers});
    shape["queue_totals"] = queue_totals(&messages, &recent);
    Ok(())
}

pub(crate) async fn whoami(Extension(Caller { user, .. }): Extension<Caller>) -> Json<Value> {
    Json(json!({"name": user.name.as_str(), "tags": shapes::names(&user.tags)}))
}

pub(crate) async fn cluster_name(State(api): State<Api>) -> Json<Value> {
    Json(json!({"name": api.about().cluster_name}))
}
