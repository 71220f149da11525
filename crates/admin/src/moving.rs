//! `POST /api/landfall/queues/…/move`: messages that wait go to another place, one alone also edited.

use crate::access::Caller;
use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::{Api, Body};
use crate::filter::FILTER;
use crate::messages::{chosen, work};
use crate::on_behalf::exchange_named;
use crate::properties;
use crate::publish::{message_properties, payload};
use crate::reader::Reader;
use crate::selection::{Selection, Which};
use crate::{queues, vhosts};
use axum::extract::{Path, State as Shared};
use axum::{Extension, Json};
use broker::snapshot::State;
use broker::{Command, Edited, Move};
use model::ShortStr;
use serde_json::Value;

/// Which messages go, and where.
pub(crate) const MOVE: Described = Described::new(
    "Move",
    &[
        Key::new("to", Kind::Object(&TARGET), "where they go").needed(),
        Key::new(
            "state",
            Kind::Words(&["ready", "delayed", "parked"]),
            "of the messages in this state; `ready` where nothing is said",
        ),
        Key::new(
            "all",
            Kind::Flag,
            "all of them; one of `all`, `positions`, `filter` is needed",
        ),
        Key::new(
            "positions",
            Kind::List(&Kind::Whole),
            "those at these positions",
        )
        .such_as("[1]"),
        Key::new("filter", Kind::Object(&FILTER), "those that look like this"),
        Key::new(
            "after",
            Kind::Text,
            "where an earlier request stopped: its `next`",
        ),
        Key::new("limit", Kind::Whole, "at most so many"),
        Key::new("payload", Kind::Text, "of one message alone: another body"),
        Key::new(
            "payload_encoding",
            Kind::Words(&["string", "base64"]),
            "how `payload` stands for bytes; `string` where nothing is said",
        ),
        Key::new(
            "properties",
            Kind::Object(&properties::PROPERTIES),
            "of one message alone: other properties, all of them",
        ),
    ],
);

/// A place that messages go to: an exchange or a queue.
pub(crate) const TARGET: Described = Described::new(
    "MoveTarget",
    &[
        Key::new(
            "exchange",
            Kind::Text,
            "through this exchange; `amq.default` or nothing for the default one",
        ),
        Key::new(
            "routing_key",
            Kind::Text,
            "with this key; each with its own where nothing is said",
        ),
        Key::new("queue", Kind::Text, "to this queue, instead").such_as(r#""orders""#),
    ],
);

/// Where they go.
struct Target {
    exchange: ShortStr,
    /// `None` for each message's own.
    routing_key: Option<ShortStr>,
}

impl Target {
    /// Through an exchange, or to a queue that must be there.
    async fn read(api: &Api, vhost: &str, body: &mut Reader<'_>) -> Result<Self, Failure> {
        let wrong = "'to' must be an object with an 'exchange' or a 'queue'";
        let to = body.get("to").ok_or_else(|| body.mistake(wrong))?;
        let mut to = Reader::new("'to'", to)?.described(&TARGET);
        let exchange = to.text("exchange")?.map(exchange_named);
        let routing_key = match to.get("routing_key") {
            None => None,
            Some(_) => Some(to.name_or_empty("routing_key")?),
        };
        let target = match (exchange, to.text("queue")?) {
            (Some(exchange), None) => Self {
                exchange: vhosts::name(exchange)?,
                routing_key,
            },
            (None, Some(queue)) if routing_key.is_none() => {
                queues::find(api, vhost, queue).await?;
                Self {
                    exchange: ShortStr::empty(),
                    routing_key: Some(vhosts::name(queue)?),
                }
            }
            _ => return Err(body.mistake(wrong).into()),
        };
        match to.unknown().next() {
            Some(unknown) => Err(Failure::BadRequest(unknown)),
            None => Ok(target),
        }
    }
}

/// What of a message is to be otherwise, in the words of a publish.
fn edited(body: &mut Reader<'_>) -> Result<Edited, Failure> {
    Ok(Edited {
        properties: match body.get("properties") {
            None => None,
            Some(_) => Some(message_properties(body)?),
        },
        body: match body.get("payload") {
            None => None,
            Some(_) => Some(payload(body)?),
        },
    })
}

pub(crate) async fn send_on(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<(String, String)>,
    Body(body): Body,
) -> Result<Json<Value>, Failure> {
    let waiting = [State::Ready, State::Delayed, State::Parked];
    let mut body = Reader::of(&MOVE, &body)?;
    let selection = Selection::of(&mut body, State::Ready, &waiting)?;
    let target = Target::read(&api, &path.0, &mut body).await?;
    let edited = edited(&mut body)?;
    if let Some(unknown) = body.unknown().next() {
        return Err(Failure::BadRequest(unknown));
    }
    let is_one = matches!(&selection.which, Which::These(positions) if positions.len() == 1);
    if edited.is_any() && !is_one {
        let text = "'payload' and 'properties' are for one message alone, in 'positions'";
        return Err(body.mistake(text).into());
    }
    let command = |chosen| {
        Command::Move(Box::new(Move {
            user: caller.user.name.clone(),
            bearer: caller.bearer.clone(),
            chosen,
            exchange: target.exchange.clone(),
            routing_key: target.routing_key.clone(),
            edited: edited.clone(),
        }))
    };
    // Whether that is allowed is said before anything is looked for.
    let none = chosen(&path, selection.state, Vec::new())?;
    api.ask(command(none)).await?;
    work(&api, &path, &selection, command).await
}
