//! `/api/landfall/audit`: whether all messages are accounted for (promise P10).

use crate::access::Caller;
use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::Api;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use broker::{Account, Answer, Command};
use model::ShortStr;
use model::record::Ending;
use serde_json::{Value, json};

/// Whether messages are accounted for.
pub(crate) const ACCOUNTS: Described = Described::new(
    "Accounts",
    &[
        Key::new(
            "balanced",
            Kind::Flag,
            "whether all messages are accounted for",
        )
        .needed(),
        Key::new(
            "total",
            Kind::Object(&TOTAL),
            "all of these queues together",
        )
        .needed(),
        Key::new(
            "queues",
            Kind::List(&Kind::Object(&ACCOUNT)),
            "each of them",
        )
        .needed(),
    ],
);

/// A queue's account.
pub(crate) const ACCOUNT: Described = Described::new(
    "Account",
    &[
        Key::new("vhost", Kind::Text, "the virtual host").needed(),
        Key::new("name", Kind::Text, "the queue").needed(),
        Key::new("in", Kind::Whole, "accepted").needed(),
        Key::new("acknowledged", Kind::Whole, "ended by an acknowledgement").needed(),
        Key::new("expired", Kind::Whole, "whose time was over").needed(),
        Key::new("dead_lettered", Kind::Whole, "that died and went on").needed(),
        Key::new("dropped", Kind::Whole, "given up by a rule").needed(),
        Key::new("redriven", Kind::Whole, "sent back where they died").needed(),
        Key::new("moved", Kind::Whole, "moved by an operator").needed(),
        Key::new("here", Kind::Whole, "that are here").needed(),
        Key::new("landing", Kind::Whole, "of these not on the disk yet").needed(),
        Key::new("ready", Kind::Whole, "that wait to be delivered").needed(),
        Key::new("unacked", Kind::Whole, "with consumers").needed(),
        Key::new("delayed", Kind::Whole, "that wait for their time").needed(),
        Key::new("parked", Kind::Whole, "out of attempts").needed(),
        Key::new("leaving", Kind::Whole, "on their way out").needed(),
        Key::new(
            "ending",
            Kind::Whole,
            "ended, and that is not on the disk yet",
        )
        .needed(),
        Key::new(
            "surplus",
            Kind::Signed,
            "what is here too much, or less than 0: is missing",
        )
        .needed(),
    ],
);

/// Accounts of several queues together; empty where there is none.
pub(crate) const TOTAL: Described = Described::new(
    "AccountTotal",
    &[
        Key::new("in", Kind::Whole, "accepted"),
        Key::new("acknowledged", Kind::Whole, "ended by an acknowledgement"),
        Key::new("expired", Kind::Whole, "whose time was over"),
        Key::new("dead_lettered", Kind::Whole, "that died and went on"),
        Key::new("dropped", Kind::Whole, "given up by a rule"),
        Key::new("redriven", Kind::Whole, "sent back where they died"),
        Key::new("moved", Kind::Whole, "moved by an operator"),
        Key::new("here", Kind::Whole, "that are here"),
        Key::new("landing", Kind::Whole, "of these not on the disk yet"),
        Key::new("ready", Kind::Whole, "that wait to be delivered"),
        Key::new("unacked", Kind::Whole, "with consumers"),
        Key::new("delayed", Kind::Whole, "that wait for their time"),
        Key::new("parked", Kind::Whole, "out of attempts"),
        Key::new("leaving", Kind::Whole, "on their way out"),
        Key::new(
            "ending",
            Kind::Whole,
            "ended, and that is not on the disk yet",
        ),
        Key::new(
            "surplus",
            Kind::Signed,
            "what is here too much, or less than 0: is missing",
        ),
    ],
);

pub(crate) async fn all(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, Failure> {
    let mut accounts = ask(&api, None, None).await?;
    let definitions = api.definitions().await?;
    accounts.retain(|account| caller.sees(&account.queue.vhost, &definitions));
    Ok(Json(shape(&accounts)))
}

pub(crate) async fn of_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(shape(&ask(&api, Some(&vhost), None).await?)))
}

pub(crate) async fn of_queue(
    State(api): State<Api>,
    Path((vhost, name)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let accounts = ask(&api, Some(&vhost), Some(&name)).await?;
    Ok(Json(shape(&accounts)))
}

async fn ask(api: &Api, vhost: Option<&str>, queue: Option<&str>) -> Result<Vec<Account>, Failure> {
    // A name that is too long is no queue's.
    let name = |text: Option<&str>| {
        let name = text.map(ShortStr::try_from).transpose();
        name.map_err(|_| Failure::NotFound)
    };
    let (vhost, queue) = (name(vhost)?, name(queue)?);
    match api.ask(Command::Audit { vhost, queue }).await? {
        Answer::Accounts(accounts) => Ok(accounts),
        _ => Ok(Vec::new()),
    }
}

fn shape(accounts: &[Account]) -> Value {
    let lines: Vec<Value> = accounts.iter().map(line).collect();
    let columns = lines
        .first()
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let numbers = columns.filter(|(_, value)| value.is_i64());
    let total = numbers.map(|(column, _)| {
        let of_queues = lines.iter().filter_map(|line| line[column].as_i64());
        (column.clone(), Value::from(of_queues.sum::<i64>()))
    });
    json!({
        "balanced": accounts.iter().all(|account| account.surplus() == 0),
        "total": Value::Object(total.collect()),
        "queues": lines,
    })
}

fn line(account: &Account) -> Value {
    let (tally, here) = (&account.tally, &account.here);
    json!({
        "vhost": account.queue.vhost.as_str(),
        "name": account.queue.name.as_str(),
        "in": tally.accepted,
        "acknowledged": tally.ended(Ending::Acknowledged),
        "expired": tally.ended(Ending::Expired),
        "dead_lettered": tally.ended(Ending::DeadLettered),
        "dropped": tally.ended(Ending::Dropped),
        "redriven": tally.ended(Ending::Redriven),
        "moved": tally.ended(Ending::Moved),
        "here": account.all_here(),
        "landing": account.landing,
        "ready": here.ready,
        "unacked": here.unacked,
        "delayed": here.delayed,
        "parked": here.parked,
        "leaving": here.leaving,
        "ending": account.ending,
        "surplus": account.surplus(),
    })
}
