//! `POST /api/queues/{vhost}/{name}/get`: the next messages of a queue, to look at or to take.
//!
//! Who wants them back in the queue only looks: nothing moves, no attempt is counted, nobody gets a message later for it.
//! Who takes them is told of those that were still there, and that are acknowledged or rejected when the answer comes.

use crate::access::Caller;
use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::{Api, Body};
use crate::on_behalf::ask;
use crate::operator::Content;
use crate::reader::Reader;
use crate::vhosts::name;
use crate::{message_shapes, properties};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::snapshot::MessageStatus;
use broker::{Answer, Deed};
use model::publish::{ACQUIRED_COUNT_HEADER, DELIVERY_COUNT_HEADER};
use model::record::Attempts;
use model::{Position, ShortStr};
use serde_json::{Value, json};
use std::collections::HashSet;

/// The most messages of one answer, and about the most bytes of their bodies.
const COUNT_MAX: usize = 1000;
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Consumers may be quicker: so often it is looked again for messages that nobody has.
const TRIES: usize = 5;

/// Which messages of a queue are wanted, and what becomes of them.
pub(crate) const GET: Described = Described::new(
    "MessagesToGet",
    &[
        Key::new(
            "ackmode",
            Kind::Words(&[
                "ack_requeue_true",
                "ack_requeue_false",
                "reject_requeue_true",
                "reject_requeue_false",
            ]),
            "what becomes of them: with `requeue_true` they stay where they are",
        )
        .needed()
        .such_as(r#""ack_requeue_true""#),
        Key::new(
            "requeue",
            Kind::Flag,
            "what `ackmode` was before RabbitMQ 3.7",
        ),
        Key::new(
            "count",
            Kind::Whole,
            "at most so many; 1 where nothing is said, 1000 at the most",
        )
        .such_as("5"),
        Key::new(
            "encoding",
            Kind::Words(&["auto", "base64"]),
            "how bodies are told: as text where they are text, or always in base64",
        )
        .such_as(r#""auto""#),
        Key::new(
            "truncate",
            Kind::Whole,
            "at most so many bytes of each body",
        ),
    ],
);

/// A message that was got.
pub(crate) const GOT: Described = Described::new(
    "MessageGot",
    &[
        Key::new("payload_bytes", Kind::Whole, "how long the body is").needed(),
        Key::new(
            "redelivered",
            Kind::Flag,
            "whether it was handed out before",
        )
        .needed(),
        Key::new("exchange", Kind::Text, "where it was published").needed(),
        Key::new("routing_key", Kind::Text, "with which key").needed(),
        Key::new("message_count", Kind::Whole, "how many are ready behind it").needed(),
        Key::new(
            "properties",
            Kind::Object(&properties::PROPERTIES),
            "its properties",
        )
        .needed(),
        Key::new("payload", Kind::Text, "the body, or its beginning").needed(),
        Key::new(
            "payload_encoding",
            Kind::Words(&["string", "base64"]),
            "how `payload` stands for bytes",
        )
        .needed(),
    ],
);

/// What becomes of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// They stay where they are.
    Stay,
    Acknowledged,
    Rejected,
}

impl Then {
    fn read(body: &mut Reader<'_>) -> Result<Self, Failure> {
        let word = match body.text("ackmode")? {
            Some(word) => word,
            // So it was called before RabbitMQ 3.7.
            None if body.get("requeue").is_some() => match body.flag("requeue", true)? {
                true => "ack_requeue_true",
                false => "ack_requeue_false",
            },
            None => body.required_text("ackmode")?,
        };
        match word {
            "ack_requeue_true" | "reject_requeue_true" => Ok(Self::Stay),
            "ack_requeue_false" => Ok(Self::Acknowledged),
            "reject_requeue_false" => Ok(Self::Rejected),
            _ => {
                let text = "'ackmode' must be one of ack_requeue_true, ack_requeue_false, reject_requeue_true, \
                            reject_requeue_false";
                Err(body.mistake(text).into())
            }
        }
    }
}

/// What the body of the request asks for.
struct Asked {
    then: Then,
    count: usize,
    /// Bodies are told in base64, whatever they are.
    base64: bool,
    /// The most bytes of each body.
    truncate: usize,
}

impl Asked {
    fn read(body: &Value) -> Result<Self, Failure> {
        let mut body = Reader::of(&GET, body)?;
        let mut number = |key| {
            let number = body.integer(key)?;
            let fits = number.map(usize::try_from).transpose();
            fits.map_err(|_| body.mistake(format_args!("'{key}' must not be negative")))
        };
        let count = number("count")?.unwrap_or(1).min(COUNT_MAX);
        let truncate = number("truncate")?.unwrap_or(usize::MAX);
        let base64 = match body.text("encoding")?.unwrap_or("auto") {
            "auto" => false,
            "base64" => true,
            _ => return Err(body.mistake("'encoding' must be auto or base64").into()),
        };
        Ok(Self {
            then: Then::read(&mut body)?,
            count,
            base64,
            truncate,
        })
    }
}

/// A message that was read.
struct Got {
    status: MessageStatus,
    content: Content,
    /// How many more are ready behind it.
    more: u64,
}

pub(crate) async fn get(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((vhost, queue)): Path<(String, String)>,
    Body(body): Body,
) -> Result<Json<Value>, Failure> {
    let asked = Asked::read(&body)?;
    let at = Place {
        api: &api,
        caller: &caller,
        vhost: &vhost,
        queue: name(&queue)?,
    };
    let (mut shown, mut room) = (Vec::new(), BYTES_MAX);
    for _ in 0..TRIES {
        let next = at.next(asked.count - shown.len(), &asked, &mut room);
        let Some(next) = next.await? else {
            break;
        };
        let got = match asked.then {
            Then::Stay => next,
            Then::Acknowledged => at.take(next, false).await?,
            Then::Rejected => at.take(next, true).await?,
        };
        shown.extend(got.iter().map(|got| shape(got, asked.base64)));
        let looked = asked.then == Then::Stay && !shown.is_empty();
        if looked || shown.len() >= asked.count || room == 0 {
            break;
        }
    }
    Ok(Json(Value::Array(shown)))
}

/// Where messages are got, and by whom.
struct Place<'a> {
    api: &'a Api,
    caller: &'a Caller,
    vhost: &'a str,
    queue: ShortStr,
}

impl Place<'_> {
    /// The messages that are next, read as far as there is room for their bodies; of those that somebody else has had
    /// meanwhile nothing is left. `None` where none is ready.
    async fn next(
        &self,
        most: usize,
        asked: &Asked,
        room: &mut usize,
    ) -> Result<Option<Vec<Got>>, Failure> {
        let queue = self.queue.clone();
        let peek = Deed::Peek { queue, most };
        let answer = ask(self.api, self.caller, self.vhost, peek).await?;
        let Answer::Next { ready, messages } = answer else {
            return Err(Failure::NotFound);
        };
        if messages.is_empty() {
            return Ok(None);
        }
        let mut got = Vec::new();
        let positions: Vec<Position> = messages.iter().map(|one| one.position).collect();
        let mut rest = positions.as_slice();
        let mut unread = messages.into_iter().zip((0..ready).rev());
        while !rest.is_empty() && *room > 0 {
            let read = self.api.read(rest.to_vec(), asked.truncate).await?;
            if read.is_empty() {
                break;
            }
            rest = rest.get(read.len()..).unwrap_or_default();
            for (reading, (status, more)) in read.into_iter().zip(&mut unread) {
                // Where there is none somebody else has had it meanwhile.
                let Some(content) = reading.content else {
                    continue;
                };
                *room = room.saturating_sub(content.message.body.len());
                got.push(Got {
                    status,
                    content,
                    more,
                });
            }
        }
        Ok(Some(got))
    }

    /// Takes those that are still there.
    async fn take(&self, mut next: Vec<Got>, reject: bool) -> Result<Vec<Got>, Failure> {
        let take = Deed::Take {
            queue: self.queue.clone(),
            positions: next.iter().map(|got| got.status.position).collect(),
            reject,
        };
        match ask(self.api, self.caller, self.vhost, take).await? {
            Answer::Outcome(outcome) => {
                let stayed = outcome.stayed.iter().map(|one| one.position);
                let stayed: HashSet<Position> = stayed.collect();
                next.retain(|got| !stayed.contains(&got.status.position));
                Ok(next)
            }
            _ => Err(Failure::NotFound),
        }
    }
}

fn shape(got: &Got, base64: bool) -> Value {
    let message = &got.content.message;
    let (payload, encoding) = match base64 {
        true => (STANDARD.encode(&message.body), "base64"),
        false => message_shapes::payload(&got.content),
    };
    let mut properties = properties::shape(&message.properties);
    let attempts = got.status.attempts;
    if attempts != Attempts::NONE {
        // As every receiver is told.
        properties["headers"][DELIVERY_COUNT_HEADER] = attempts.failed.into();
        properties["headers"][ACQUIRED_COUNT_HEADER] = attempts.total().into();
    }
    json!({
        "payload_bytes": got.content.body_length,
        "redelivered": got.status.redelivered,
        "exchange": message.exchange.as_str(),
        "routing_key": message.routing_key.as_str(),
        "message_count": got.more,
        "properties": properties,
        "payload": payload,
        "payload_encoding": encoding,
    })
}
