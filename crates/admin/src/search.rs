//! `GET /api/landfall/queues/…/messages`: the messages of a queue, those that look like something, page by page.
//!
//! The broker says what is there, a bounded page at a time; bodies are read beside it. A request looks at a bounded
//! number of messages and says where the next goes on, so to search a queue of millions holds nobody up.

use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::Api;
use crate::filter::Filter;
use crate::message_shapes;
use crate::messages::{PAGE_MAX, page};
use crate::operator::Reading;
use crate::selection::{cursor_word, parse_cursor, state};
use axum::Json;
use axum::extract::{Path, Query, State as Shared};
use broker::snapshot::{Cursor, MessageStatus, State};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// The messages of a page that asks for no number.
const PAGE: usize = 50;

/// The most bytes of a body that are shown.
const BODY_MAX: usize = 1024 * 1024;

/// A page ends where it shows so many bytes of bodies.
const SHOWN_BYTES: usize = 8 * 1024 * 1024;

/// One request looks at so many messages, reads so many bytes of bodies, and takes so long; what is left is for the
/// next.
const LOOKED_AT_MAX: usize = 20_000;
const READ_BYTES: usize = 128 * 1024 * 1024;
const SEARCH_MAX: Duration = Duration::from_secs(5);

/// Which messages of a queue are shown; all that are in a state, where nothing of a search is said.
pub(crate) const QUERY: Described = Described::new(
    "MessagesQuery",
    &[
        Key::new(
            "state",
            Kind::Words(&["ready", "unacked", "delayed", "parked", "leaving"]),
            "in which state; `ready` where nothing is said",
        ),
        Key::new("after", Kind::Text, "behind the page before: its `next`"),
        Key::new(
            "limit",
            Kind::Whole,
            "so many: 50 where nothing is said, 1000 at the most",
        ),
        Key::new(
            "body",
            Kind::Whole,
            "so many bytes of each body; none where nothing is said",
        ),
        Key::new("message_id", Kind::Text, "with this message-id"),
        Key::new("correlation_id", Kind::Text, "with this correlation-id"),
        Key::new("exchange", Kind::Text, "published there"),
        Key::new("routing_key", Kind::Text, "with this key"),
        Key::new("reason", Kind::Text, "parked or died for this reason"),
        Key::new("queue", Kind::Text, "died in this queue"),
        Key::new(
            "header",
            Kind::Text,
            "with this header, `name:value`; several times for several",
        ),
        Key::new("text", Kind::Text, "with this text in the body"),
        Key::new(
            "accepted_from",
            Kind::Whole,
            "taken in at this time or later, in milliseconds since 1970",
        ),
        Key::new("accepted_before", Kind::Whole, "taken in before this time"),
    ],
);

/// A page of messages.
pub(crate) const MESSAGES: Described = Described::new(
    "Messages",
    &[
        Key::new(
            "messages",
            Kind::List(&Kind::Object(&message_shapes::MESSAGE)),
            "in their order",
        )
        .needed(),
        Key::new("looked_at", Kind::Whole, "how many were looked at for them").needed(),
        Key::new(
            "next",
            Kind::Maybe(&Kind::Text),
            "what to say as `after` for the next page; null where there is none",
        )
        .needed(),
    ],
);

/// What a request asks for.
struct Wanted {
    state: State,
    filter: Option<Filter>,
    most: usize,
    body_most: usize,
}

impl Wanted {
    fn read(query: &[(String, String)]) -> Result<(Self, Cursor), Failure> {
        let text = |wanted: &'static str| {
            QUERY.note(wanted);
            let said = query.iter().rev().find(|(key, _)| key == wanted);
            said.map(|(_, text)| text.as_str())
                .filter(|text| !text.is_empty())
        };
        let number = |key: &'static str, default: usize, most: usize| match text(key) {
            None => Ok(default),
            Some(text) => (text.parse().ok())
                .filter(|number| *number <= most)
                .ok_or_else(|| Failure::BadRequest(format!("{key} must be from 0 to {most}"))),
        };
        let after = text("after").map_or(Some(Cursor::default()), parse_cursor);
        let after =
            after.ok_or_else(|| Failure::BadRequest("after is not what was answered".into()))?;
        let wanted = Self {
            state: text("state").map_or(Ok(State::Ready), state)?,
            filter: Filter::of_query(query)?,
            most: number("limit", PAGE, PAGE_MAX)?,
            body_most: number("body", 0, BODY_MAX)?,
        };
        Ok((wanted, after))
    }

    /// How many bytes of each body are read.
    fn depth(&self) -> usize {
        let needed = self.filter.as_ref().map_or(0, Filter::body_needed);
        needed.max(self.body_most)
    }
}

/// What has been found so far.
struct Found {
    messages: Vec<Value>,
    /// Bytes of bodies that are shown, and that were read.
    shown: usize,
    read: usize,
    looked_at: usize,
    begun: Instant,
}

impl Found {
    /// Looks at some messages that were read.
    fn look(&mut self, wanted: &Wanted, status: &MessageStatus, reading: Reading) {
        self.looked_at += 1;
        let Some(mut content) = reading.content else {
            return;
        };
        self.read += content.message.body.len();
        let filter = wanted.filter.as_ref();
        if filter.is_none_or(|filter| filter.matches(status, &content)) {
            content.message.body.truncate(wanted.body_most);
            self.shown += content.message.body.len();
            let shape = message_shapes::message(status, &content, wanted.body_most);
            self.messages.push(shape);
        }
    }

    fn is_enough(&self, wanted: &Wanted) -> bool {
        self.messages.len() >= wanted.most
            || self.shown >= SHOWN_BYTES
            || self.looked_at >= LOOKED_AT_MAX
            || self.read >= READ_BYTES
            || self.begun.elapsed() >= SEARCH_MAX
    }
}

pub(crate) async fn list(
    Shared(api): Shared<Api>,
    Path(path): Path<(String, String)>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Failure> {
    let (wanted, after) = Wanted::read(&query)?;
    let mut found = Found {
        messages: Vec::new(),
        shown: 0,
        read: 0,
        looked_at: 0,
        begun: Instant::now(),
    };
    let next = search(&api, &path, &wanted, after, &mut found).await?;
    Ok(Json(json!({
        "messages": found.messages,
        "looked_at": found.looked_at,
        "next": next.map(cursor_word),
    })))
}

/// Looks until it is enough, or at all that is there; where the next request goes on.
async fn search(
    api: &Api,
    path: &(String, String),
    wanted: &Wanted,
    mut after: Cursor,
    found: &mut Found,
) -> Result<Option<Cursor>, Failure> {
    let at_a_time = match wanted.filter {
        Some(_) => PAGE_MAX,
        None => wanted.most,
    };
    loop {
        let page = page(api, path, wanted.state, after, at_a_time).await?;
        let mut rest = &page.messages[..];
        while !rest.is_empty() {
            let positions = rest.iter().map(|status| status.position).collect();
            for reading in api.read(positions, wanted.depth()).await? {
                let Some((status, behind)) = rest.split_first() else {
                    break;
                };
                found.look(wanted, status, reading);
                rest = behind;
                if found.is_enough(wanted) {
                    let here = (!rest.is_empty()).then(|| status.cursor());
                    return Ok(here.or(page.next));
                }
            }
        }
        match page.next.filter(|_| !found.is_enough(wanted)) {
            Some(next) => after = next,
            None => return Ok(page.next),
        }
    }
}
