//! What messages are made of: everything in them follows from their number, so that any changed byte is seen.

use crate::lane::MessageId;
use crate::plan::short;
use crate::random::{Random, mixed};
use bytes::Bytes;
use model::publish::{
    EXTEND_ROUTING_KEY, EXTEND_TAG_HEADER, PUBLISHER_ID_HEADER, PUBLISHING_ID_HEADER,
};
use model::{Properties, PropertiesBuilder, Publish, ShortStr, TableBuilder, Value};

/// The body of a message: its number, and bytes that nobody could guess.
pub(crate) fn body(message: MessageId, length: usize) -> Bytes {
    let mut body = Vec::with_capacity(length + 8);
    body.extend_from_slice(&message.to_le_bytes());
    let mut word = u64::from(message);
    while body.len() < length {
        word = mixed(word.wrapping_add(0x9e37_79b9_7f4a_7c15));
        body.extend_from_slice(&word.to_le_bytes());
    }
    body.truncate(length);
    body.into()
}

/// The length of a body, as its message says it.
pub(crate) fn length(properties: &Properties) -> usize {
    let told = properties.app_id().and_then(|told| told.parse().ok());
    told.unwrap_or(0)
}

/// The properties of a message, before its sender adds what is the sender's own.
pub(crate) fn properties(
    message: MessageId,
    length: usize,
    expires_after: Option<u64>,
    priority: Option<u8>,
) -> PropertiesBuilder {
    let mut builder = PropertiesBuilder::new()
        .message_id(&short(&format!("m{message}")))
        .app_id(&short(&length.to_string()))
        .delivery_mode(2);
    if let Some(time) = expires_after {
        builder = builder.expiration(&short(&time.to_string()));
    }
    if let Some(priority) = priority {
        builder = builder.priority(priority);
    }
    builder
}

/// The properties with the headers by which a retransmission is known, and by which a message asks to be put off.
pub(crate) fn with_headers(
    builder: PropertiesBuilder,
    number: Option<(&str, u64)>,
    delay: Option<u64>,
) -> Properties {
    let value = |number: u64| Value::I64(i64::try_from(number).expect("small"));
    let mut headers = TableBuilder::new();
    if let Some((publisher, id)) = number {
        headers = headers
            .text(PUBLISHER_ID_HEADER, publisher)
            .field(PUBLISHING_ID_HEADER, value(id));
    }
    if let Some(delay) = delay {
        headers = headers.field("x-delay", value(delay));
    }
    let headers = headers.build();
    if headers.is_empty() {
        return builder.build();
    }
    builder.headers(&headers).build()
}

/// What asks for more time for a delivery.
pub(crate) fn extension(tag: u64) -> Publish {
    let tag = Value::I64(i64::try_from(tag).expect("small"));
    let headers = TableBuilder::new().field(EXTEND_TAG_HEADER, tag).build();
    Publish {
        routing_key: short(EXTEND_ROUTING_KEY),
        properties: PropertiesBuilder::new().headers(&headers).build(),
        ..Publish::default()
    }
}

/// The delivery that more time is asked for, if that is what is published.
pub(crate) fn extends(publish: &Publish) -> Option<u64> {
    if *publish.routing_key != *EXTEND_ROUTING_KEY {
        return None;
    }
    let tag = publish.properties.headers()?.get(EXTEND_TAG_HEADER)?;
    u64::try_from(tag.as_integer()?).ok()
}

/// Whose message it is, and its number there.
pub(crate) fn publisher_of(properties: &Properties) -> Option<(&[u8], u64)> {
    let headers = properties.headers()?;
    let Some(Value::Str(publisher)) = headers.get(PUBLISHER_ID_HEADER) else {
        return None;
    };
    let id = headers.get(PUBLISHING_ID_HEADER)?.as_integer()?;
    Some((publisher, u64::try_from(id).ok()?))
}

/// The tag of a receiver's consumer; it names the queue, as a delivery does not.
pub(crate) fn consumer_tag(queue: usize, receiver: usize) -> ShortStr {
    short(&format!("{queue}-{receiver}"))
}

/// The queue that a consumer's tag names.
pub(crate) fn queue_of(tag: &ShortStr) -> usize {
    let queue = tag.split('-').next();
    queue
        .and_then(|queue| queue.parse().ok())
        .expect("tags are made by consumer_tag")
}

/// A length of a body: mostly short.
pub(crate) fn draw_length(most: u64, random: &mut Random) -> usize {
    let most = if random.percent(90) {
        most.min(64)
    } else {
        most
    };
    usize::try_from(random.within(4..most.max(5) + 1)).expect("small")
}
