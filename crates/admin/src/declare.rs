//! `PUT` and `DELETE` of queues and exchanges, and of what is in a queue.

use crate::access::Caller;
use crate::answer::{Failure, put};
use crate::endpoints::{Api, Body};
use crate::on_behalf::{change, exchange_named};
use crate::reader::Reader;
use crate::vhosts::name;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use broker::Deed;
use model::method::{exchange, queue};
use std::collections::HashMap;

/// A virtual host and the name of what is in it.
type Place = Path<(String, String)>;

/// Conditions of a removal, as `?if-unused=true`.
type Conditions = Query<HashMap<String, String>>;

fn is_set(conditions: &Conditions, key: &str) -> bool {
    conditions.get(key).is_some_and(|value| value == "true")
}

pub(crate) async fn put_queue(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((vhost, queue)): Place,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    let mut body = Reader::new("", &body)?;
    let declare = queue::Declare {
        queue: name(&queue)?,
        durable: body.flag("durable", false)?,
        auto_delete: body.flag("auto_delete", false)?,
        arguments: body.fields("arguments")?,
        ..queue::Declare::default()
    };
    let made = change(&api, &caller, &vhost, Deed::DeclareQueue(declare)).await?;
    Ok(put(made))
}

pub(crate) async fn delete_queue(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((vhost, queue)): Place,
    conditions: Conditions,
) -> Result<StatusCode, Failure> {
    let delete = queue::Delete {
        queue: name(&queue)?,
        if_unused: is_set(&conditions, "if-unused"),
        if_empty: is_set(&conditions, "if-empty"),
        ..queue::Delete::default()
    };
    change(&api, &caller, &vhost, Deed::DeleteQueue(delete)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn purge_queue(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((vhost, queue)): Place,
) -> Result<StatusCode, Failure> {
    let purge = queue::Purge {
        queue: name(&queue)?,
        ..queue::Purge::default()
    };
    change(&api, &caller, &vhost, Deed::PurgeQueue(purge)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn put_exchange(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((vhost, exchange)): Place,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    let mut body = Reader::new("", &body)?;
    let kind = body.text("type")?.unwrap_or("direct");
    let declare = exchange::Declare {
        exchange: name(exchange_named(&exchange))?,
        kind: name(kind)?,
        durable: body.flag("durable", false)?,
        auto_delete: body.flag("auto_delete", false)?,
        internal: body.flag("internal", false)?,
        arguments: body.fields("arguments")?,
        ..exchange::Declare::default()
    };
    let made = change(&api, &caller, &vhost, Deed::DeclareExchange(declare)).await?;
    Ok(put(made))
}

pub(crate) async fn delete_exchange(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((vhost, exchange)): Place,
    conditions: Conditions,
) -> Result<StatusCode, Failure> {
    let delete = exchange::Delete {
        exchange: name(exchange_named(&exchange))?,
        if_unused: is_set(&conditions, "if-unused"),
        ..exchange::Delete::default()
    };
    change(&api, &caller, &vhost, Deed::DeleteExchange(delete)).await?;
    Ok(StatusCode::NO_CONTENT)
}
