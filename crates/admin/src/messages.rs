//! `DELETE /api/landfall/queues/…/messages`, `…/redrive`, `…/fire`: what becomes of messages that wait.

use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::{Api, Body};
use crate::selection::{Resume, Selection, Which};
use crate::{queues, vhosts};
use axum::Json;
use axum::extract::{Path, State as Shared};
use broker::snapshot::{Cursor, Look, MessageStatus, Page, State};
use broker::{Answer, Chosen, Command, Outcome};
use model::Position;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// The most messages of a page.
pub(crate) const PAGE_MAX: usize = 1000;

/// A request works so long; what is left is for the next.
const WORK_MAX: Duration = Duration::from_secs(20);

/// The most messages that are named of those with which nothing was done.
const STAYED_NAMED: usize = 100;

/// What was done with messages.
pub(crate) const DONE: Described = Described::new(
    "Done",
    &[
        Key::new("done", Kind::Whole, "with how many it was done").needed(),
        Key::new("looked_at", Kind::Whole, "how many were looked at").needed(),
        Key::new(
            "stayed",
            Kind::Whole,
            "how many were meant and stayed as they are",
        )
        .needed(),
        Key::new(
            "stayed_because",
            Kind::List(&Kind::Object(&STAYED)),
            "the first hundred of these, and why",
        )
        .needed(),
        Key::new(
            "next",
            Kind::Maybe(&Kind::Text),
            "the work is not done: what to say as `after` in the next request",
        )
        .needed(),
    ],
);

/// A message with which nothing was done.
pub(crate) const STAYED: Described = Described::new(
    "Stayed",
    &[
        Key::new("position", Kind::Whole, "which message").needed(),
        Key::new("why", Kind::Text, "why nothing was done with it").needed(),
    ],
);

/// At most so many messages of a queue that are in a state, behind a place in the list of them.
pub(crate) async fn page(
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
pub(crate) async fn work(
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
            let picked = pick(api, &selection.which, &meant, begun).await?;
            work.looked_at += picked.looked_at;
            let mut positions = picked.positions;
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
            // Where bodies are large, time may be up within a page.
            let behind = match picked.looked_at.checked_sub(1) {
                Some(last) if picked.looked_at < meant.len() => Some(meant[last].cursor()),
                _ => page.next,
            };
            let Some(after) = behind.filter(|next| *next < until && !is_enough) else {
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

pub(crate) fn chosen(
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

/// Those of a page that are meant, of the first so many that were looked at.
struct Picked {
    positions: Vec<Position>,
    looked_at: usize,
}

/// Looks which of a page are meant; at some of them at least, and at no more when time is up.
async fn pick(
    api: &Api,
    which: &Which,
    page: &[&MessageStatus],
    begun: Instant,
) -> Result<Picked, Failure> {
    let Which::Like(filter) = which else {
        return Ok(Picked {
            positions: page.iter().map(|status| status.position).collect(),
            looked_at: page.len(),
        });
    };
    let mut picked = Vec::new();
    let mut rest = page;
    while !rest.is_empty() && (rest.len() == page.len() || begun.elapsed() <= WORK_MAX) {
        let positions = rest.iter().map(|status| status.position).collect();
        let read = api.read(positions, filter.body_needed()).await?;
        let (now, later) = rest.split_at(read.len().clamp(1, rest.len()));
        let both = now.iter().zip(&read);
        picked.extend(both.filter_map(|(status, reading)| {
            let content = reading.content.as_ref()?;
            (filter.matches(status, content)).then_some(status.position)
        }));
        rest = later;
    }
    Ok(Picked {
        positions: picked,
        looked_at: page.len() - rest.len(),
    })
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
