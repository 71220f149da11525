//! Making and removing a queue, and what is ready in it.

use super::super::api::{Api, part};
use super::super::pairs::pairs;
use super::super::table::say;
use super::{Named, act};
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// How a queue is to be.
#[derive(Debug, clap::Args)]
pub(super) struct Wanted {
    /// The type: classic, quorum; without it the virtual host's
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// It is gone after a restart
    #[arg(long)]
    transient: bool,
    /// It goes with its last consumer
    #[arg(long)]
    auto_delete: bool,
    /// An argument, as in x-delivery-limit=5; may be given several times. A value is JSON where it can be, else text
    #[arg(long, value_name = "NAME=VALUE")]
    argument: Vec<String>,
}

/// RabbitMQ's path of a queue.
fn path(queue: &Named) -> String {
    format!("/api/queues/{}/{}", part(&queue.vhost), part(&queue.name))
}

pub(super) fn declare(api: &Api, queue: &Named, wanted: &Wanted) -> Result<()> {
    let mut arguments = pairs("argument", &wanted.argument)?;
    if let Some(kind) = &wanted.kind {
        arguments.insert("x-queue-type".to_owned(), kind.as_str().into());
    }
    let body = json!({
        "durable": !wanted.transient,
        "auto_delete": wanted.auto_delete,
        "arguments": arguments,
    });
    let made = api.put(&path(queue), &body)?;
    let done = if made { "made" } else { "there already" };
    say(&format!("queue '{}' is {done}", queue.name))
}

/// Under which conditions a queue is deleted.
#[derive(Debug, clap::Args)]
pub(super) struct Conditions {
    /// Only if nothing is in it
    #[arg(long)]
    if_empty: bool,
    /// Only if it has no consumers
    #[arg(long)]
    if_unused: bool,
}

pub(super) fn delete(api: &Api, queue: &Named, conditions: &Conditions, yes: bool) -> Result<()> {
    let found = find(api, queue)?;
    let (name, messages) = (&queue.name, &found["messages"]);
    if !yes && !conditions.if_empty {
        act::ask(&format!(
            "delete queue '{name}' with its {messages} messages for good?"
        ))?;
    }
    let given = [
        ("if-empty", conditions.if_empty),
        ("if-unused", conditions.if_unused),
    ];
    let given = given.iter().filter(|(_, given)| *given);
    let query: Vec<String> = given.map(|(name, _)| format!("{name}=true")).collect();
    api.delete(&format!("{}?{}", path(queue), query.join("&")))?;
    say(&format!("queue '{name}' is deleted"))
}

pub(super) fn purge(api: &Api, queue: &Named, yes: bool) -> Result<()> {
    let found = find(api, queue)?;
    let (name, ready) = (&queue.name, &found["messages_ready"]);
    if !yes {
        act::ask(&format!(
            "remove the {ready} messages that are ready in queue '{name}' for good?"
        ))?;
    }
    api.delete(&format!("{}/contents", path(queue)))?;
    say(&format!("what was ready in queue '{name}' is removed"))
}

fn find(api: &Api, queue: &Named) -> Result<Value> {
    let found = api.find(&path(queue))?;
    found.with_context(|| {
        let Named { name, vhost } = queue;
        format!("there is no queue '{name}' in vhost '{vhost}'")
    })
}
