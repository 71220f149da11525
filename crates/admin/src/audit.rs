//! `/api/landfall/audit`: whether all messages are accounted for (promise P10).

use crate::access::Caller;
use crate::answer::Failure;
use crate::endpoints::Api;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use broker::{Account, Answer, Command};
use model::ShortStr;
use model::record::Ending;
use serde_json::{Value, json};

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
