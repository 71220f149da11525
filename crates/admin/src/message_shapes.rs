//! Messages as JSON: where they are and what they say, with RabbitMQ's names where it has them.

use crate::operator::Content;
use crate::properties;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::snapshot::{Holder, MessageStatus, Stands};
use serde_json::{Value as Json, json};

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
