//! Messages as JSON: where they are and what they say, with RabbitMQ's names where it has them.

use crate::fields;
use crate::operator::Content;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::snapshot::{Holder, MessageStatus, Stands};
use model::Properties;
use serde_json::{Map, Value as Json, json};

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
        "properties": properties(&message.properties),
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
fn payload(content: &Content) -> (String, &'static str) {
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

fn properties(properties: &Properties) -> Json {
    let texts = [
        ("content_type", properties.content_type()),
        ("content_encoding", properties.content_encoding()),
        ("correlation_id", properties.correlation_id()),
        ("reply_to", properties.reply_to()),
        ("expiration", properties.expiration()),
        ("message_id", properties.message_id()),
        ("type", properties.kind()),
        ("user_id", properties.user_id()),
        ("app_id", properties.app_id()),
        ("cluster_id", properties.cluster_id()),
    ];
    let numbers = [
        ("delivery_mode", properties.delivery_mode().map(u64::from)),
        ("priority", properties.priority().map(u64::from)),
        ("timestamp", properties.timestamp()),
    ];
    let texts = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), Json::from(text?))));
    let numbers = numbers
        .into_iter()
        .filter_map(|(name, number)| Some((name.to_owned(), Json::from(number?))));
    let mut map: Map<String, Json> = texts.chain(numbers).collect();
    if let Some(headers) = properties.headers() {
        map.insert("headers".to_owned(), fields::object(headers));
    }
    Json::Object(map)
}
