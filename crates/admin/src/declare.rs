//! `PUT` and `DELETE` of queues and exchanges, and of what is in a queue.

use crate::access::Caller;
use crate::answer::{Failure, put};
use crate::described::{Described, Key, Kind};
use crate::endpoints::{Api, Body};
use crate::on_behalf::{change, exchange_named};
use crate::query::Query;
use crate::reader::Reader;
use crate::vhosts::name;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use broker::Deed;
use model::method::{exchange, queue};

/// A virtual host and the name of what is in it.
type Place = Path<(String, String)>;

/// What the declaration of a queue says.
pub(crate) const QUEUE: Described = Described::new(
    "QueueDeclaration",
    &[
        Key::new(
            "durable",
            Kind::Flag,
            "whether it is there after a restart; nothing else is said of its messages",
        )
        .such_as("true"),
        Key::new(
            "auto_delete",
            Kind::Flag,
            "whether it goes with its last consumer",
        )
        .such_as("false"),
        Key::new("arguments", Kind::Map, "`x-…`, as in `queue.declare`")
            .such_as(r#"{"x-delivery-limit": 5}"#),
    ],
);

/// What the declaration of an exchange says.
pub(crate) const EXCHANGE: Described = Described::new(
    "ExchangeDeclaration",
    &[
        Key::new("type", Kind::Text, "`direct` where nothing is said").such_as(r#""topic""#),
        Key::new("durable", Kind::Flag, "whether it is there after a restart").such_as("true"),
        Key::new(
            "auto_delete",
            Kind::Flag,
            "whether it goes with its last binding",
        )
        .such_as("false"),
        Key::new(
            "internal",
            Kind::Flag,
            "whether only exchanges publish to it",
        )
        .such_as("false"),
        Key::new("arguments", Kind::Map, "as in `exchange.declare`").such_as("{}"),
    ],
);

/// On which conditions a queue is deleted.
pub(crate) const QUEUE_CONDITIONS: Described = Described::new(
    "QueueConditions",
    &[
        Key::new("if-unused", Kind::Flag, "only if it has no consumers"),
        Key::new("if-empty", Kind::Flag, "only if nothing is in it"),
    ],
);

/// On which conditions an exchange is deleted.
pub(crate) const EXCHANGE_CONDITIONS: Described = Described::new(
    "ExchangeConditions",
    &[Key::new(
        "if-unused",
        Kind::Flag,
        "only if nothing is bound to it",
    )],
);

pub(crate) async fn put_queue(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((vhost, queue)): Place,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    let mut body = Reader::of(&QUEUE, &body)?;
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
    query: Query,
) -> Result<StatusCode, Failure> {
    let query = query.of(&QUEUE_CONDITIONS);
    let delete = queue::Delete {
        queue: name(&queue)?,
        if_unused: query.is_set("if-unused"),
        if_empty: query.is_set("if-empty"),
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
    let mut body = Reader::of(&EXCHANGE, &body)?;
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
    query: Query,
) -> Result<StatusCode, Failure> {
    let query = query.of(&EXCHANGE_CONDITIONS);
    let delete = exchange::Delete {
        exchange: name(exchange_named(&exchange))?,
        if_unused: query.is_set("if-unused"),
        ..exchange::Delete::default()
    };
    change(&api, &caller, &vhost, Deed::DeleteExchange(delete)).await?;
    Ok(StatusCode::NO_CONTENT)
}
