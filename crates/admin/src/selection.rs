//! Which messages of a queue are meant: all, some by their positions, or those that look like something.

use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::filter::{FILTER, Filter};
use crate::reader::{Mistake, Reader};
use broker::snapshot::{Cursor, State};
use model::{Position, Timestamp};
use serde_json::Value as Json;

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
    Like(Box<Filter>),
}

impl Selection {
    /// What the whole body of a request says.
    pub(crate) fn read(body: &Json, default: State, allowed: &[State]) -> Result<Self, Failure> {
        let mut reader = Reader::of(&SELECTION, body)?;
        let selection = Self::of(&mut reader, default, allowed)?;
        match reader.unknown().next() {
            Some(unknown) => Err(Failure::BadRequest(unknown)),
            None => Ok(selection),
        }
    }

    /// What a body says among other things. That all messages are meant must be said.
    pub(crate) fn of(
        reader: &mut Reader<'_>,
        default: State,
        allowed: &[State],
    ) -> Result<Self, Failure> {
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
        let these = reader.get("positions").map(|json| positions(reader, json));
        let like = reader
            .get("filter")
            .map(|json| Filter::read(json).map(Box::new));
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
        Ok(Self {
            state,
            which,
            limit,
            resume,
        })
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
