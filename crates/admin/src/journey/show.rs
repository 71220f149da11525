//! `/api/landfall/messages`: what became of messages.

use super::{Client, Journey, Step, Wanted, What};
use crate::access::Caller;
use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::Api;
use crate::message_shapes;
use crate::operator::Content;
use crate::query::{Asked, Query};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use broker::journey::{Errand, Outcome, QueueName, Then};
use broker::snapshot::{Cursor, Look};
use broker::{Answer, Command, Definitions, snapshot};
use model::record::{Ending, Reason};
use model::{Position, PublishingId, ShortStr, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// So many messages of a queue are told unless more are asked for.
const LIMIT: usize = 10;

/// The most messages of one answer.
const LIMIT_MAX: usize = 100;

/// Of so many messages it is looked up where they are now.
const LOOKED_UP_MAX: usize = 20;

/// Whose journeys are wanted.
pub(crate) const QUERY: Described = Described::new(
    "JourneysQuery",
    &[
        Key::new(
            "message_id",
            Kind::Text,
            "of messages with this message id; this, or a publisher and its number, or a queue is needed",
        ),
        Key::new(
            "publisher",
            Kind::Text,
            "of the message that this publisher",
        ),
        Key::new("publishing_id", Kind::Whole, "gave this number to"),
        Key::new("queue", Kind::Text, "of the last messages of this queue"),
        Key::new(
            "vhost",
            Kind::Text,
            "in this virtual host; `/` where nothing is said",
        ),
        Key::new(
            "limit",
            Kind::Whole,
            "so many: 10 where nothing is said, 100 at the most",
        ),
    ],
);

pub(crate) async fn one(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(position): Path<String>,
) -> Result<Json<Value>, Failure> {
    let position = number("a message's number", &position)?;
    let wanted = Wanted::Message(Position(position));
    let mut journeys = seen(&api, &caller, &wanted).await?;
    if journeys
        .iter()
        .all(|journey| journey.position.0 != position)
    {
        return Err(Failure::Missing(format!(
            "nothing is known of message {position}: there is none, or its journey is not kept any more"
        )));
    }
    journeys.sort_by_key(|journey| (journey.position.0 != position, journey.position));
    show(&api, &journeys).await
}

pub(crate) async fn some(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Json<Value>, Failure> {
    let wanted = wanted(&query.of(&QUERY))?;
    let journeys = seen(&api, &caller, &wanted).await?;
    show(&api, &journeys).await
}

fn number(what: &str, text: &str) -> Result<u64, Failure> {
    let parsed = text.parse();
    parsed.map_err(|_| Failure::BadRequest(format!("'{text}' is not {what}")))
}

fn wanted(query: &Asked) -> Result<Wanted, Failure> {
    let name = |text: &str| {
        let short = ShortStr::try_from(text);
        short.map_err(|_| Failure::BadRequest(format!("'{text}' is longer than 255 bytes")))
    };
    let of = |key| query.even_empty(key);
    if let Some(id) = of("message_id") {
        return Ok(Wanted::MessageId(name(id)?));
    }
    if let (Some(publisher), Some(id)) = (of("publisher"), of("publishing_id")) {
        let id = number("a publishing id", id)?;
        return Ok(Wanted::Numbered(name(publisher)?, PublishingId(id)));
    }
    let Some(queue) = of("queue") else {
        let needed = "message_id, publisher and publishing_id, or queue and vhost must be given";
        return Err(Failure::BadRequest(needed.into()));
    };
    let limit = match of("limit") {
        Some(limit) => usize::try_from(number("a limit", limit)?).unwrap_or(LIMIT_MAX),
        None => LIMIT,
    };
    let queue = QueueName {
        vhost: of("vhost").map_or(Ok(ShortStr::from_static("/")), name)?,
        name: name(queue)?,
    };
    Ok(Wanted::Queue(queue, limit.clamp(1, LIMIT_MAX)))
}

/// The journeys that are wanted, as far as the caller may see them.
async fn seen(api: &Api, caller: &Caller, wanted: &Wanted) -> Result<Vec<Journey>, Failure> {
    let mut journeys = api.journeys(wanted).await?;
    let definitions = api.definitions().await?;
    journeys.retain(|journey| sees(caller, &definitions, journey));
    Ok(journeys)
}

/// A message is in one virtual host, whatever becomes of it.
fn sees(caller: &Caller, definitions: &Definitions, journey: &Journey) -> bool {
    let mut vhosts = queues(journey).into_iter().map(|(vhost, _)| vhost);
    vhosts.all(|vhost| caller.sees(&vhost, definitions))
}

/// The queues that a message was in.
fn queues(journey: &Journey) -> BTreeSet<(ShortStr, ShortStr)> {
    let of_step = |step: &Step| match &step.what {
        What::Published { queues, .. } => queues.clone(),
        _ => step.queue.iter().cloned().collect(),
    };
    let all = journey.steps.iter().flat_map(of_step);
    all.map(|queue| (queue.vhost, queue.name)).collect()
}

async fn show(api: &Api, journeys: &[Journey]) -> Result<Json<Value>, Failure> {
    let mut shown = Vec::new();
    for journey in journeys {
        let now = match journeys.len() <= LOOKED_UP_MAX {
            true => look_up(api, journey).await?,
            false => Value::Null,
        };
        let is_gone = now.as_array().is_some_and(Vec::is_empty);
        let steps = of_message(&journey.steps, is_gone).iter().map(step);
        shown.push(json!({
            "message": journey.position.0,
            "steps": steps.collect::<Vec<_>>(),
            "now": now,
        }));
    }
    Ok(Json(Value::Array(shown)))
}

/// The steps without what happened to the server before the message came, and after it was gone.
fn of_message(steps: &[Step], is_gone: bool) -> &[Step] {
    let of_server = |step: &Step| matches!(step.what, What::Started | What::LeftOut);
    let first = steps.iter().position(|step| !of_server(step)).unwrap_or(0);
    let last = steps.iter().rposition(|step| !of_server(step)).unwrap_or(0);
    let end = if is_gone { last + 1 } else { steps.len() };
    &steps[first..end.max(first)]
}

/// Where a message is now, in each of its queues; nowhere, if it is gone from all of them.
async fn look_up(api: &Api, journey: &Journey) -> Result<Value, Failure> {
    let mut found = Vec::new();
    for (vhost, queue) in queues(journey) {
        for state in snapshot::State::ALL {
            let look = Look::Messages {
                vhost: vhost.clone(),
                queue: queue.clone(),
                state,
                after: before(journey, state),
                most: 1,
            };
            // The queue may be gone.
            let page = match api.ask(Command::Look(look)).await {
                Ok(Answer::Messages(page)) => page.messages,
                Err(Failure::Missing(_)) => break,
                Ok(_) => Vec::new(),
                Err(failure) => return Err(failure),
            };
            let here = page.iter().find(|one| one.position == journey.position);
            if let Some(status) = here
                && let Some(content) = content(api, journey.position).await?
            {
                let mut shown = message_shapes::message(status, &content, 0);
                shown["vhost"] = vhost.as_str().into();
                shown["queue"] = queue.as_str().into();
                found.push(shown);
            }
        }
    }
    Ok(Value::Array(found))
}

/// What a message says, without its body.
async fn content(api: &Api, position: Position) -> Result<Option<Content>, Failure> {
    let reading = api.read(vec![position], 0).await?.pop();
    Ok(reading.and_then(|reading| reading.content))
}

/// Right before the message in a list of messages.
fn before(journey: &Journey, state: snapshot::State) -> Cursor {
    let due = journey.steps.iter().rev().find_map(|step| match step.what {
        What::Delayed(due) => Some(due),
        What::AttemptEnded {
            then: Then::Delayed(due),
            ..
        } => Some(due),
        _ => None,
    });
    Cursor {
        due: due
            .filter(|_| state.word() == "delayed")
            .unwrap_or_default(),
        position: Position(journey.position.0.saturating_sub(1)),
    }
}

fn step(step: &Step) -> Value {
    let mut shown = Map::new();
    shown.insert("at".into(), step.at.0.into());
    shown.insert("time".into(), time(step.at).into());
    if let Some(queue) = &step.queue {
        shown.insert("vhost".into(), queue.vhost.as_str().into());
        shown.insert("queue".into(), queue.name.as_str().into());
    }
    let (event, more) = what(&step.what);
    shown.insert("event".into(), event.into());
    shown.extend(more.as_object().cloned().unwrap_or_default());
    Value::Object(shown)
}

fn what(what: &What) -> (&'static str, Value) {
    match what {
        What::Published {
            client: by,
            exchange,
            routing_key,
            queues,
            publisher,
        } => {
            let mut shown = json!({
                "exchange": exchange.as_str(),
                "routing_key": routing_key.as_str(),
                "queues": queues.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>(),
            });
            if let Some((publisher, id)) = publisher {
                shown["publisher"] = publisher.as_str().into();
                shown["publishing_id"] = id.0.into();
            }
            if let Some(by) = by {
                shown["by"] = client(by);
            }
            ("published", shown)
        }
        What::MessageId(id) => ("message_id", json!({"message_id": id.as_str()})),
        What::CopyOf { original, errand } => (
            "copy_of",
            json!({"message": original.0, "for": errand_word(*errand), "reason": reason_of(*errand)}),
        ),
        What::Copied { copy, errand } => (
            "copied",
            json!({"message": copy.0, "for": errand_word(*errand), "reason": reason_of(*errand)}),
        ),
        What::Delivered {
            attempt,
            client: to,
            consumer_tag,
        } => (
            "delivered",
            json!({
                "attempt": attempt,
                "to": client(to),
                "consumer_tag": consumer_tag.as_ref().map(ShortStr::as_str),
            }),
        ),
        What::AttemptEnded {
            attempt,
            outcome,
            then,
        } => {
            let mut shown = json!({"attempt": attempt, "outcome": outcome_word(*outcome)});
            if let Then::Delayed(due) = then {
                shown["due"] = due.0.into();
                shown["due_time"] = time(*due).into();
            }
            ("attempt_ended", shown)
        }
        What::Delayed(due) => ("delayed", json!({"due": due.0, "due_time": time(*due)})),
        What::Due => ("due", json!({})),
        What::Parked(why) => ("parked", json!({"reason": why.word()})),
        What::Redriven => ("redriven", json!({})),
        What::Ended(ending) => ("ended", json!({"ending": ending_word(*ending)})),
        What::Started => ("server_started", json!({})),
        What::LeftOut => ("left_out", json!({})),
    }
}

fn client(client: &Client) -> Value {
    json!({
        "user": client.user.as_str(),
        "connection": client.connection.0,
        "address": client.address.as_str(),
        "channel": client.channel.0,
    })
}

const fn errand_word(errand: Errand) -> &'static str {
    match errand {
        Errand::DeadLetter(_) => "dead_letter",
        Errand::Redrive => "redrive",
        Errand::Move => "move",
    }
}

fn reason_of(errand: Errand) -> Option<&'static str> {
    match errand {
        Errand::DeadLetter(reason) => Some(Reason::word(reason)),
        Errand::Redrive | Errand::Move => None,
    }
}

const fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Returned => "returned",
        Outcome::Refused => "refused",
        Outcome::TimedOut => "timed_out",
        Outcome::Lost => "lost",
        Outcome::AcknowledgedLate => "acknowledged_late",
    }
}

const fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Acknowledged => "acknowledged",
        Ending::Expired => "expired",
        Ending::DeadLettered => "dead_lettered",
        Ending::Dropped => "dropped",
        Ending::Redriven => "redriven",
        Ending::Moved => "moved",
    }
}

/// A time for people: RFC 3339, in UTC.
fn time(at: Timestamp) -> String {
    let (seconds, millis) = (at.0 / 1000, at.0 % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The date so many days after 1970-01-01. Years begin in March here, so that the leap day is their last.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year + era * 400 + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_calendars_do() {
        for (at, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_767_225_599_007, "2025-12-31T23:59:59.007Z"),
        ] {
            assert_eq!(time(Timestamp(at)), text);
        }
    }
}
