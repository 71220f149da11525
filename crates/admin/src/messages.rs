//! `/api/landfall/queues/…/messages`, `…/redrive`: the messages of a queue, to look at and to decide about.

use crate::answer::Failure;
use crate::endpoints::{Api, Body};
use crate::operator::Content;
use crate::selection::{Resume, Selection, Which, cursor_word, parse_cursor, state};
use crate::{message_shapes, queues, vhosts};
use axum::Json;
use axum::extract::{Path, Query, State as Shared};
use broker::snapshot::{Cursor, Look, MessageStatus, Page, State};
use broker::{Answer, Chosen, Command, Outcome};
use model::Position;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// The most messages of a page, and those of one that asks for no number.
const PAGE_MAX: usize = 1000;
const PAGE: usize = 50;

/// The most bytes of a body that are shown.
const BODY_MAX: usize = 1024 * 1024;

/// A request works so long; what is left is for the next.
const WORK_MAX: Duration = Duration::from_secs(20);

/// The most messages that are named of those with which nothing was done.
const STAYED_NAMED: usize = 100;

pub(crate) async fn list(
    Shared(api): Shared<Api>,
    Path(path): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Failure> {
    let text = |key: &str| {
        query
            .get(key)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    };
    let number = |key: &str, default: usize, most: usize| match text(key) {
        None => Ok(default),
        Some(text) => (text.parse().ok())
            .filter(|number| *number <= most)
            .ok_or_else(|| Failure::BadRequest(format!("{key} must be from 0 to {most}"))),
    };
    let state = text("state").map_or(Ok(State::Ready), state)?;
    let after = text("after").map_or(Some(Cursor::default()), parse_cursor);
    let after =
        after.ok_or_else(|| Failure::BadRequest("after is not what was answered".into()))?;
    let most = number("limit", PAGE, PAGE_MAX)?;
    let body_most = number("body", 0, BODY_MAX)?;
    let page = page(&api, &path, state, after, most).await?;
    let positions = page.messages.iter().map(|message| message.position);
    let read = api.read(positions.collect(), body_most).await?;
    let shown = page.messages.iter().zip(&read);
    let messages: Vec<Value> = shown
        .filter_map(|(status, reading)| {
            let content = reading.content.as_ref()?;
            Some(message_shapes::message(status, content, body_most))
        })
        .collect();
    // Where not all could be read at a time the next page begins behind the last that was.
    let next = match page.messages.get(read.len()) {
        Some(_) => read
            .len()
            .checked_sub(1)
            .map(|last| page.messages[last].cursor()),
        None => page.next,
    };
    let next = next.map(cursor_word);
    Ok(Json(json!({"messages": messages, "next": next})))
}

async fn page(
    api: &Api,
    (vhost, queue): &(String, String),
    state: State,
    after: Cursor,
    most: usize,
) -> Result<Page, Failure> {
    let look = Look::Messages {
        vhost: vhosts::name(vhost)?,
        queue: vhosts::name(queue)?,
        state,
        after,
        most,
    };
    match api.ask(Command::Look(look)).await? {
        Answer::Messages(page) => Ok(page),
        _ => Err(Failure::NotFound),
    }
}

pub(crate) async fn cancel(
    Shared(api): Shared<Api>,
    Path(path): Path<(String, String)>,
    Body(body): Body,
) -> Result<Json<Value>, Failure> {
    let waiting = [State::Ready, State::Delayed, State::Parked];
    let selection = Selection::read(&body, State::Ready, &waiting)?;
    work(&api, &path, &selection, Command::Cancel).await
}

pub(crate) async fn fire(
    Shared(api): Shared<Api>,
    Path(path): Path<(String, String)>,
    Body(body): Body,
) -> Result<Json<Value>, Failure> {
    let selection = Selection::read(&body, State::Delayed, &[State::Delayed])?;
    work(&api, &path, &selection, Command::Fire).await
}

pub(crate) async fn redrive(
    Shared(api): Shared<Api>,
    Path(path): Path<(String, String)>,
    Body(body): Body,
) -> Result<Json<Value>, Failure> {
    let selection = Selection::read(&body, State::Parked, &[State::Parked, State::Ready])?;
    work(&api, &path, &selection, Command::Redrive).await
}

/// Does it with everything that was chosen, page by page: each command to the broker is a bounded piece of work.
async fn work(
    api: &Api,
    path: &(String, String),
    selection: &Selection,
    command: impl Fn(Chosen) -> Command,
) -> Result<Json<Value>, Failure> {
    let mut work = Work::default();
    let mut next = None;
    if let Which::These(positions) = &selection.which {
        queues::find(api, &path.0, &path.1).await?;
        for positions in positions.chunks(PAGE_MAX) {
            work.looked_at += positions.len();
            let chosen = chosen(path, selection.state, positions.to_vec())?;
            work.add(api.ask(command(chosen)).await?);
        }
    } else {
        let begun = Instant::now();
        let mut at = selection.resume;
        loop {
            let after = at.map_or(Cursor::default(), |at| at.after);
            let page = page(api, path, selection.state, after, PAGE_MAX).await?;
            let until = at.map_or(page.until, |at| at.until);
            let meant = page.messages.iter().filter(|one| one.cursor() <= until);
            let meant: Vec<&MessageStatus> = meant.collect();
            work.looked_at += meant.len();
            let mut positions = pick(api, &selection.which, &meant).await?;
            let room = selection
                .limit
                .map(|limit| limit.saturating_sub(work.outcome.done));
            let room = room.and_then(|room| usize::try_from(room).ok());
            positions.truncate(room.unwrap_or(usize::MAX));
            if !positions.is_empty() {
                let chosen = chosen(path, selection.state, positions)?;
                work.add(api.ask(command(chosen)).await?);
            }
            let is_enough = selection
                .limit
                .is_some_and(|limit| work.outcome.done >= limit);
            let Some(after) = page.next.filter(|next| *next < until && !is_enough) else {
                break;
            };
            at = Some(Resume { after, until });
            if begun.elapsed() > WORK_MAX {
                next = at;
                break;
            }
        }
    }
    Ok(Json(work.told(next)))
}

fn chosen(
    (vhost, queue): &(String, String),
    state: State,
    positions: Vec<Position>,
) -> Result<Chosen, Failure> {
    Ok(Chosen {
        vhost: vhosts::name(vhost)?,
        queue: vhosts::name(queue)?,
        state,
        positions,
    })
}

/// Those of a page that are meant.
async fn pick(api: &Api, which: &Which, page: &[&MessageStatus]) -> Result<Vec<Position>, Failure> {
    let Which::Like(filter) = which else {
        return Ok(page.iter().map(|status| status.position).collect());
    };
    let mut picked = Vec::new();
    let mut rest = page;
    while !rest.is_empty() {
        let positions = rest.iter().map(|status| status.position).collect();
        let read = api.read(positions, 0).await?;
        let (now, later) = rest.split_at(read.len().clamp(1, rest.len()));
        let both = now.iter().zip(&read);
        let matches = |content: &Content, status| filter.matches(status, &content.message);
        picked.extend(both.filter_map(|(status, reading)| {
            let content = reading.content.as_ref()?;
            matches(content, status).then_some(status.position)
        }));
        rest = later;
    }
    Ok(picked)
}

/// What has been done so far.
#[derive(Default)]
struct Work {
    looked_at: usize,
    outcome: Outcome,
    stayed: usize,
}

impl Work {
    fn add(&mut self, answer: Answer) {
        let Answer::Outcome(outcome) = answer else {
            return;
        };
        self.outcome.done += outcome.done;
        self.stayed += outcome.stayed.len();
        let named = STAYED_NAMED.saturating_sub(self.outcome.stayed.len());
        self.outcome
            .stayed
            .extend(outcome.stayed.into_iter().take(named));
    }

    fn told(&self, next: Option<Resume>) -> Value {
        let stayed = self.outcome.stayed.iter();
        let stayed = stayed.map(|one| json!({"position": one.position.0, "why": one.why}));
        json!({
            "done": self.outcome.done,
            "looked_at": self.looked_at,
            "stayed": self.stayed,
            "stayed_because": stayed.collect::<Value>(),
            "next": next.map(Resume::word),
        })
    }
}
