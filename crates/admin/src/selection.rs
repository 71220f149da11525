//! Which messages of a queue are meant: all, some by their positions, or those that look like something.

use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::fields;
use crate::reader::{Mistake, Reader};
use broker::snapshot::{Cursor, MessageStatus, State};
use model::{MessageRecord, Position, Timestamp, Value};
use serde_json::{Map, Value as Json};

/// Which messages of a queue are meant.
pub(crate) const SELECTION: Described = Described::new(
    "Selection",
    &[
        Key::new(
            "state",
            Kind::Words(&["ready", "delayed", "parked"]),
            "of the messages in this state",
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
    ],
);

/// What messages must look like.
pub(crate) const FILTER: Described = Described::new(
    "Filter",
    &[
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

/// What the body of a request chooses.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) state: State,
    pub(crate) which: Which,
    /// At most so many.
    pub(crate) limit: Option<u64>,
    /// Where an earlier request stopped.
    pub(crate) resume: Option<Resume>,
}

#[derive(Debug)]
pub(crate) enum Which {
    All,
    These(Vec<Position>),
    Like(Filter),
}

/// What messages must look like; what is not said may be anything.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    exchange: Option<String>,
    routing_key: Option<String>,
    /// Why it died, or is parked.
    reason: Option<String>,
    /// Where it died.
    queue: Option<String>,
    headers: Map<String, Json>,
    accepted_from: Option<u64>,
    accepted_before: Option<u64>,
}

impl Selection {
    /// Reads it. That all messages are meant must be said.
    pub(crate) fn read(body: &Json, default: State, allowed: &[State]) -> Result<Self, Failure> {
        let mut reader = Reader::of(&SELECTION, body)?;
        let state = match reader.text("state")? {
            None => default,
            Some(word) => state(word)?,
        };
        if !allowed.contains(&state) {
            let words: Vec<&str> = allowed.iter().map(|state| state.word()).collect();
            let words = words.join(", ");
            return Err(reader
                .mistake(format_args!("'state' must be one of {words}"))
                .into());
        }
        let all = reader.flag("all", false)?;
        let these = reader.get("positions").map(|json| positions(&reader, json));
        let like = reader.get("filter").map(Filter::read);
        let which = match (all, these.transpose()?, like.transpose()?) {
            (true, None, None) => Which::All,
            (false, Some(these), None) => Which::These(these),
            (false, None, Some(like)) => Which::Like(like),
            _ => {
                let text = "one of 'positions', 'filter' and 'all' is needed";
                return Err(reader.mistake(text).into());
            }
        };
        let resume = reader.text("after")?.map(Resume::parse).transpose()?;
        let limit = reader.limit("limit")?;
        match reader.unknown().next() {
            Some(unknown) => Err(Failure::BadRequest(unknown)),
            None => Ok(Self {
                state,
                which,
                limit,
                resume,
            }),
        }
    }
}

fn positions(reader: &Reader<'_>, json: &Json) -> Result<Vec<Position>, Mistake> {
    let list = json.as_array();
    let list = list.and_then(|list| list.iter().map(|at| at.as_u64().map(Position)).collect());
    list.ok_or_else(|| reader.mistake("'positions' must be a list of positions"))
}

/// A state by its word.
pub(crate) fn state(word: &str) -> Result<State, Failure> {
    let mut states = State::ALL.into_iter();
    states.find(|state| state.word() == word).ok_or_else(|| {
        let words: Vec<&str> = State::ALL.iter().map(|state| state.word()).collect();
        Failure::BadRequest(format!("state must be one of {}", words.join(", ")))
    })
}

impl Filter {
    fn read(json: &Json) -> Result<Self, Mistake> {
        let mut reader = Reader::new("'filter'", json)?.described(&FILTER);
        let mut text = |key| Ok(reader.text(key)?.map(str::to_owned));
        let filter = Self {
            exchange: text("exchange")?,
            routing_key: text("routing_key")?,
            reason: text("reason")?,
            queue: text("queue")?,
            headers: match reader.get("headers") {
                None => Map::new(),
                Some(Json::Object(headers)) => headers.clone(),
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

    /// Whether the message looks like that.
    pub(crate) fn matches(&self, status: &MessageStatus, message: &MessageRecord) -> bool {
        let is = |wanted: &Option<String>, text: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| text == Some(wanted))
        };
        let headers = message.properties.headers();
        let has = |(name, wanted): (&String, &Json)| {
            let found = headers.as_ref().and_then(|headers| headers.get(name));
            found.is_some_and(|found| fields::value_to_json(found) == *wanted)
        };
        let death = last_death(message);
        let told = |name| death.as_ref().and_then(|death| death.get(name)?.as_str());
        let reason = status.parked_because().or_else(|| told("reason"));
        let accepted = message.accepted.0;
        is(&self.exchange, Some(&message.exchange))
            && is(&self.routing_key, Some(&message.routing_key))
            && is(&self.reason, reason)
            && is(&self.queue, told("queue"))
            && self.headers.iter().all(has)
            && self.accepted_from.is_none_or(|from| accepted >= from)
            && self.accepted_before.is_none_or(|before| accepted < before)
    }
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

/// Where a request stopped whose work is not done, as a word that the next request brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    /// Behind this message.
    pub(crate) after: Cursor,
    /// Up to here: what came later was not meant.
    pub(crate) until: Cursor,
}

impl Resume {
    fn parse(text: &str) -> Result<Self, Failure> {
        let parsed = || {
            let (after, until) = text.split_once('/')?;
            Some(Self {
                after: parse_cursor(after)?,
                until: parse_cursor(until)?,
            })
        };
        parsed().ok_or_else(|| Failure::BadRequest("'after' is not what was answered".into()))
    }

    /// The word.
    pub(crate) fn word(self) -> String {
        let (after, until) = (cursor_word(self.after), cursor_word(self.until));
        format!("{after}/{until}")
    }
}

/// A place in a list of messages as a word: a position, or a time and a position.
pub(crate) fn cursor_word(cursor: Cursor) -> String {
    match cursor.due.0 {
        0 => cursor.position.to_string(),
        due => format!("{due}.{}", cursor.position),
    }
}

/// The place that the word stands for.
pub(crate) fn parse_cursor(word: &str) -> Option<Cursor> {
    let (due, position) = word.split_once('.').unwrap_or(("0", word));
    Some(Cursor {
        due: Timestamp(due.parse().ok()?),
        position: Position(position.parse().ok()?),
    })
}
