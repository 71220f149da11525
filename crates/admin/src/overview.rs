//! What the server says about itself, and to the user about the user.

use crate::access::Caller;
use crate::answer::Failure;
use crate::endpoints::Api;
use crate::shapes;
use axum::extract::State;
use axum::{Extension, Json};
use serde_json::{Value, json};

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

pub(crate) async fn overview(State(api): State<Api>) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let about = api.about();
    let predeclared =
        (definitions.vhosts.iter()).flat_map(|vhost| shapes::predeclared(&vhost.name));
    let exchanges = definitions.exchanges.len() + predeclared.count();
    let types = EXCHANGE_TYPES
        .iter()
        .map(|(name, does)| json!({"name": name, "description": does, "enabled": true}));
    Ok(Json(json!({
        "management_version": about.rabbitmq_version(),
        "rabbitmq_version": about.rabbitmq_version(),
        "product_name": about.product,
        "product_version": about.version,
        "landfall_version": about.version,
        "cluster_name": about.cluster_name,
        "node": api.node().status().name,
        "rates_mode": "none",
        // Says to tools that no figures of traffic are to be had here.
        "disable_stats": true,
        "exchange_types": types.collect::<Value>(),
        "object_totals": {"queues": definitions.queues.len(), "exchanges": exchanges},
    })))
}

pub(crate) async fn whoami(Extension(Caller(user)): Extension<Caller>) -> Json<Value> {
    Json(json!({"name": user.name.as_str(), "tags": shapes::names(&user.tags)}))
}

pub(crate) async fn cluster_name(State(api): State<Api>) -> Json<Value> {
    Json(json!({"name": api.about().cluster_name}))
}
