//! What messages must look like that are looked for, or that something is to be done with.

use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::fields;
use crate::operator::Content;
use crate::reader::{Mistake, Reader};
use crate::search::QUERY;
use broker::snapshot::MessageStatus;
use memchr::memmem;
use model::{MessageRecord, Value};
use serde_json::Value as Json;

/// What messages must look like.
pub(crate) const FILTER: Described = Described::new(
    "Filter",
    &[
        Key::new("message_id", Kind::Text, "with this message-id"),
        Key::new("correlation_id", Kind::Text, "with this correlation-id"),
        Key::new("text", Kind::Text, "with this text in the body"),
        Key::new("exchange", Kind::Text, "published there"),
        Key::new("routing_key", Kind::Text, "with this key"),
        Key::new("reason", Kind::Text, "parked or died for this reason"),
        Key::new("queue", Kind::Text, "died in this queue"),
        Key::new("headers", Kind::Map, "with these headers"),
        Key::new(
            "accepted_from",
            Kind::Whole,
            "taken in at this time or later, in milliseconds since 1970",
        ),
        Key::new("accepted_before", Kind::Whole, "taken in before this time"),
    ],
);

/// What messages must look like; what is not said may be anything.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    message_id: Option<String>,
    correlation_id: Option<String>,
    exchange: Option<String>,
    routing_key: Option<String>,
    /// Why it died, or is parked.
    reason: Option<String>,
    /// Where it died.
    queue: Option<String>,
    headers: Vec<(String, Wanted)>,
    /// What is in its body.
    text: Option<memmem::Finder<'static>>,
    accepted_from: Option<u64>,
    accepted_before: Option<u64>,
}

/// What a header must be.
#[derive(Debug)]
enum Wanted {
    /// This value.
    Is(Json),
    /// Any that is written so.
    Reads(String),
}

impl Wanted {
    fn fits(&self, found: &Json) -> bool {
        match (self, found) {
            (Self::Is(wanted), found) => wanted == found,
            (Self::Reads(wanted), Json::String(found)) => wanted == found,
            (Self::Reads(wanted), found) => {
                let found = found.to_string();
                *wanted == found
            }
        }
    }
}

impl Filter {
    /// What an object says.
    pub(crate) fn read(json: &Json) -> Result<Self, Mistake> {
        let mut reader = Reader::new("'filter'", json)?.described(&FILTER);
        let mut text = |key| Ok(reader.text(key)?.map(str::to_owned));
        let filter = Self {
            message_id: text("message_id")?,
            correlation_id: text("correlation_id")?,
            exchange: text("exchange")?,
            routing_key: text("routing_key")?,
            reason: text("reason")?,
            queue: text("queue")?,
            text: text("text")?.as_deref().map(finder),
            headers: match reader.get("headers") {
                None => Vec::new(),
                Some(Json::Object(headers)) => (headers.iter())
                    .map(|(name, value)| (name.clone(), Wanted::Is(value.clone())))
                    .collect(),
                Some(_) => return Err(reader.mistake("'headers' must be an object")),
            },
            accepted_from: reader.limit("accepted_from")?,
            accepted_before: reader.limit("accepted_before")?,
        };
        match reader.unknown().next() {
            // A word that nobody knows would mean more messages than were meant.
            Some(unknown) => Err(Mistake::new(unknown)),
            None => Ok(filter),
        }
    }

    /// What the query of a path says, in which a header is `header=name:value`; `None` if it says nothing of messages.
    pub(crate) fn of_query(query: &[(String, String)]) -> Result<Option<Self>, Failure> {
        let mut filter = Self::default();
        let mut said = false;
        for (key, value) in query {
            let text = || Some(value.clone());
            match QUERY.read(key) {
                "message_id" => filter.message_id = text(),
                "correlation_id" => filter.correlation_id = text(),
                "exchange" => filter.exchange = text(),
                "routing_key" => filter.routing_key = text(),
                "reason" => filter.reason = text(),
                "queue" => filter.queue = text(),
                "text" => filter.text = Some(finder(value)),
                "header" => {
                    let (name, value) = value.split_once(':').ok_or_else(|| {
                        Failure::BadRequest(format!("header={value}: name:value is expected"))
                    })?;
                    let wanted = Wanted::Reads(value.to_owned());
                    filter.headers.push((name.to_owned(), wanted));
                }
                "accepted_from" => filter.accepted_from = Some(time(key, value)?),
                "accepted_before" => filter.accepted_before = Some(time(key, value)?),
                _ => continue,
            }
            said = true;
        }
        Ok(said.then_some(filter))
    }

    /// How many bytes of each body must be read to know whether it matches.
    pub(crate) const fn body_needed(&self) -> usize {
        match self.text {
            Some(_) => usize::MAX,
            None => 0,
        }
    }

    /// Whether the message looks like that. As much of its body as is needed was read.
    pub(crate) fn matches(&self, status: &MessageStatus, content: &Content) -> bool {
        let message = &content.message;
        let is = |wanted: &Option<String>, text: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| text == Some(wanted))
        };
        let headers = message.properties.headers();
        let has = |(name, wanted): &(String, Wanted)| {
            let found = headers.as_ref().and_then(|headers| headers.get(name));
            found.is_some_and(|found| wanted.fits(&fields::value_to_json(found)))
        };
        let death = last_death(message);
        let told = |name| death.as_ref().and_then(|death| death.get(name)?.as_str());
        let reason = status.parked_because().or_else(|| told("reason"));
        let accepted = message.accepted.0;
        let says = |finder: &memmem::Finder<'_>| finder.find(&message.body).is_some();
        is(&self.exchange, Some(&message.exchange))
            && is(&self.routing_key, Some(&message.routing_key))
            && is(&self.message_id, message.properties.message_id())
            && is(&self.correlation_id, message.properties.correlation_id())
            && is(&self.reason, reason)
            && is(&self.queue, told("queue"))
            && self.headers.iter().all(has)
            && self.accepted_from.is_none_or(|from| accepted >= from)
            && self.accepted_before.is_none_or(|before| accepted < before)
            && self.text.as_ref().is_none_or(says)
    }
}

/// Bytes are compared: a text as UTF-8.
fn finder(text: &str) -> memmem::Finder<'static> {
    memmem::Finder::new(text.as_bytes()).into_owned()
}

fn time(key: &str, value: &str) -> Result<u64, Failure> {
    let wrong = |_| Failure::BadRequest(format!("{key} must be milliseconds since 1970"));
    value.parse().map_err(wrong)
}

/// What a dead letter tells of its last death.
fn last_death(message: &MessageRecord) -> Option<model::Fields<'_>> {
    match message.properties.headers()?.get("x-death")? {
        Value::Array(mut deaths) => match deaths.next()? {
            Value::Table(death) => Some(death),
            _ => None,
        },
        _ => None,
    }
}
