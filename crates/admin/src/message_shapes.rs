//! Messages as JSON: where they are and what they say, with RabbitMQ's names where it has them.

use crate::described::{Described, Key, Kind};
use crate::operator::Content;
use crate::properties;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::snapshot::{Holder, MessageStatus, Stands};
use serde_json::{Value as Json, json};

/// A message where it is.
pub(crate) const MESSAGE: Described = Described::new(
    "Message",
    &[
        Key::new("position", Kind::Whole, "its number, for life").needed(),
        Key::new(
            "state",
            Kind::Words(&["ready", "unacked", "delayed", "parked", "leaving"]),
            "where it is",
        )
        .needed(),
        Key::new("priority", Kind::Whole, "its priority in the queue").needed(),
        Key::new(
            "failed",
            Kind::Whole,
            "attempts that ended without an acknowledgement",
        )
        .needed(),
        Key::new(
            "lost",
            Kind::Whole,
            "attempts of which nobody knows how they ended",
        )
        .needed(),
        Key::new(
            "redelivered",
            Kind::Flag,
            "whether it was handed out before",
        )
        .needed(),
        Key::new(
            "accepted",
            Kind::Whole,
            "when it was taken in, in milliseconds since 1970",
        )
        .needed(),
        Key::new("exchange", Kind::Text, "where it was published").needed(),
        Key::new("routing_key", Kind::Text, "with which key").needed(),
        Key::new(
            "properties",
            Kind::Object(&properties::PROPERTIES),
            "its properties",
        )
        .needed(),
        Key::new("payload_bytes", Kind::Whole, "how long the body is").needed(),
        Key::new(
            "holder",
            Kind::Object(&HOLDER),
            "with whom it is, if it is unacked",
        ),
        Key::new(
            "due",
            Kind::Whole,
            "when its time comes, if it is delayed; in milliseconds since 1970",
        ),
        Key::new("why", Kind::Text, "why it is parked, or leaves"),
        Key::new("parked", Kind::Whole, "since when it is parked"),
        Key::new(
            "payload",
            Kind::Text,
            "the beginning of the body, where that was asked for",
        ),
        Key::new(
            "payload_encoding",
            Kind::Words(&["string", "base64"]),
            "how `payload` stands for bytes",
        ),
        Key::new(
            "payload_truncated",
            Kind::Flag,
            "whether there is more of the body",
        ),
        Key::new(
            "vhost",
            Kind::Text,
            "of a message by itself: in which virtual host",
        ),
        Key::new(
            "queue",
            Kind::Text,
            "of a message by itself: in which queue",
        ),
    ],
);

/// Who has a message.
pub(crate) const HOLDER: Described = Described::new(
    "Holder",
    &[
        Key::new("connection", Kind::Whole, "the number of the connection").needed(),
        Key::new("user", Kind::Text, "whose it is").needed(),
        Key::new("channel", Kind::Whole, "the channel").needed(),
        Key::new(
            "consumer_tag",
            Kind::Maybe(&Kind::Text),
            "the consumer; null for basic.get",
        )
        .needed(),
        Key::new(
            "delivery_tag",
            Kind::Whole,
            "under which number it was delivered",
        )
        .needed(),
        Key::new(
            "due",
            Kind::Maybe(&Kind::Whole),
            "until when it may be acknowledged; null for any time",
        )
        .needed(),
    ],
);

/// A message; with the beginning of its body where that is wanted.
pub(crate) fn message(status: &MessageStatus, content: &Content, body_most: usize) -> Json {
    let message = &content.message;
    let mut shape = json!({
        "position": status.position.0,
        "state": status.stands.state().word(),
        "priority": status.priority,
        "failed": status.attempts.failed,
        "lost": status.attempts.lost,
        "redelivered": status.redelivered,
        "accepted": message.accepted.0,
        "exchange": message.exchange.as_str(),
        "routing_key": message.routing_key.as_str(),
        "properties": properties::shape(&message.properties),
        "payload_bytes": content.body_length,
    });
    match &status.stands {
        Stands::Ready => {}
        Stands::Unacked(holder) => shape["holder"] = self::holder(holder),
        Stands::Delayed { due } => shape["due"] = due.0.into(),
        Stands::Parked { why, since } => {
            shape["why"] = (*why).into();
            shape["parked"] = since.0.into();
        }
        Stands::Leaving(why) => shape["why"] = (*why).into(),
    }
    if body_most > 0 {
        let (payload, encoding) = payload(content);
        shape["payload"] = payload.into();
        shape["payload_encoding"] = encoding.into();
        shape["payload_truncated"] = (message.body.len() < content.body_length).into();
    }
    shape
}

fn holder(holder: &Holder) -> Json {
    json!({
        "connection": holder.connection.0,
        "user": holder.user.as_str(),
        "channel": holder.channel.0,
        "consumer_tag": holder.consumer_tag.as_deref(),
        "delivery_tag": holder.tag.0,
        "due": holder.due.map(|due| due.0),
    })
}

/// Text as it is, everything else in base64. A text that was cut may end within a letter.
pub(crate) fn payload(content: &Content) -> (String, &'static str) {
    let body = &content.message.body;
    let text = match std::str::from_utf8(body) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() && body.len() < content.body_length => {
            std::str::from_utf8(&body[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    match text {
        Some(text) => (text.to_owned(), "string"),
        None => (STANDARD.encode(body), "base64"),
    }
}
