//! A message's properties as JSON, there and back, with RabbitMQ's names.

use crate::described::{Described, Key, Kind};
use crate::fields;
use crate::reader::{Mistake, Reader};
use model::{Properties, PropertiesBuilder, ShortStr};
use serde_json::{Map, Value as Json};

/// The properties of a message.
pub(crate) const PROPERTIES: Described = Described::new(
    "Properties",
    &[
        Key::new("content_type", Kind::Text, "MIME type of the body"),
        Key::new("content_encoding", Kind::Text, "how the body is coded"),
        Key::new(
            "correlation_id",
            Kind::Text,
            "of which request it is the answer",
        ),
        Key::new("reply_to", Kind::Text, "where answers are to go"),
        Key::new(
            "expiration",
            Kind::Text,
            "milliseconds after which it expires, as a text",
        ),
        Key::new("message_id", Kind::Text, "the sender's name for it"),
        Key::new("type", Kind::Text, "its kind, for applications"),
        Key::new(
            "user_id",
            Kind::Text,
            "the user who sends it, which is checked",
        ),
        Key::new("app_id", Kind::Text, "the application that sends it"),
        Key::new("cluster_id", Kind::Text, "not in use any more"),
        Key::new(
            "delivery_mode",
            Kind::Whole,
            "2 for durable; all messages land whatever it says",
        ),
        Key::new(
            "priority",
            Kind::Whole,
            "from 0 to 255, for queues with priorities",
        ),
        Key::new(
            "timestamp",
            Kind::Whole,
            "when it was sent, in seconds since 1970",
        ),
        Key::new("headers", Kind::Map, "whatever applications agree on"),
    ],
);

/// As tools see them.
pub(crate) fn shape(properties: &Properties) -> Json {
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

type Set = fn(PropertiesBuilder, &ShortStr) -> PropertiesBuilder;

/// As a tool writes them. What nobody knows is a mistake: a property that was misspelt would be missing.
pub(crate) fn read(json: &Json) -> Result<Properties, Mistake> {
    // Old tools write the empty object as `[]`.
    if json.as_array().is_some_and(Vec::is_empty) {
        return Ok(Properties::default());
    }
    let mut reader = Reader::new("'properties'", json)?.described(&PROPERTIES);
    let mut builder = PropertiesBuilder::new();
    let texts: [(&'static str, Set); 10] = [
        ("content_type", PropertiesBuilder::content_type),
        ("content_encoding", PropertiesBuilder::content_encoding),
        ("correlation_id", PropertiesBuilder::correlation_id),
        ("reply_to", PropertiesBuilder::reply_to),
        ("expiration", PropertiesBuilder::expiration),
        ("message_id", PropertiesBuilder::message_id),
        ("type", PropertiesBuilder::kind),
        ("user_id", PropertiesBuilder::user_id),
        ("app_id", PropertiesBuilder::app_id),
        ("cluster_id", PropertiesBuilder::cluster_id),
    ];
    for (key, set) in texts {
        if reader.get(key).is_some() {
            builder = set(builder, &reader.name(key)?);
        }
    }
    if let Some(mode) = small(&mut reader, "delivery_mode")? {
        builder = builder.delivery_mode(mode);
    }
    if let Some(priority) = small(&mut reader, "priority")? {
        builder = builder.priority(priority);
    }
    if let Some(seconds) = whole(&mut reader, "timestamp", u64::MAX)? {
        builder = builder.timestamp(seconds);
    }
    if reader.get("headers").is_some() {
        builder = builder.headers(&reader.fields("headers")?);
    }
    match reader.unknown().next() {
        Some(unknown) => Err(Mistake::new(unknown)),
        None => Ok(builder.build()),
    }
}

fn small(reader: &mut Reader<'_>, key: &'static str) -> Result<Option<u8>, Mistake> {
    let number = whole(reader, key, u64::from(u8::MAX))?;
    Ok(number.and_then(|number| u8::try_from(number).ok()))
}

fn whole(reader: &mut Reader<'_>, key: &'static str, most: u64) -> Result<Option<u64>, Mistake> {
    match reader.get(key) {
        None => Ok(None),
        Some(json) => match json.as_u64().filter(|number| *number <= most) {
            Some(number) => Ok(Some(number)),
            None => {
                let text = format_args!("'{key}' must be a whole number from 0 to {most}");
                Err(reader.mistake(text))
            }
        },
    }
}
