//! `landfall message move` and `edit`.

use super::super::AdminServer;
use super::super::api::Api;
use super::super::queue::Named;
use super::super::queue::act::{self, MOVE};
use super::super::queue::choice::Choice;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// The options of `landfall message move`.
#[derive(Debug, clap::Args)]
pub(super) struct MoveArgs {
    #[command(flatten)]
    queue: Named,
    /// Those in this state: ready, delayed, parked
    #[arg(long, value_name = "STATE", default_value = "ready")]
    state: String,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    to: Target,
}

/// The options of `landfall message edit`.
#[derive(Debug, clap::Args)]
pub(super) struct EditArgs {
    #[command(flatten)]
    queue: Named,
    /// It is in this state: ready, delayed, parked
    #[arg(long, value_name = "STATE", default_value = "ready")]
    state: String,
    /// The message with this position
    #[arg(long, value_name = "N")]
    position: u64,
    #[command(flatten)]
    edited: Edited,
    #[command(flatten)]
    to: Target,
}

/// Where messages go.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where to")]
struct Target {
    /// To this queue of the same virtual host
    #[arg(long, value_name = "NAME", conflicts_with = "to_exchange")]
    to_queue: Option<String>,
    /// Through this exchange of the same virtual host
    #[arg(long, value_name = "NAME")]
    to_exchange: Option<String>,
    /// With this routing key; without it each message keeps its own
    #[arg(long, value_name = "KEY", requires = "to_exchange")]
    to_routing_key: Option<String>,
}

impl Target {
    fn said(&self) -> Option<Value> {
        match (&self.to_queue, &self.to_exchange) {
            (Some(queue), _) => Some(json!({"queue": queue})),
            (None, Some(exchange)) => {
                Some(json!({"exchange": exchange, "routing_key": self.to_routing_key}))
            }
            (None, None) => None,
        }
    }
}

/// What is otherwise than it was.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Edited {
    /// Its body instead
    #[arg(long, value_name = "TEXT")]
    payload: Option<String>,
    /// Its body instead: what is in this file
    #[arg(long, value_name = "FILE", conflicts_with = "payload")]
    payload_file: Option<PathBuf>,
    /// All its properties instead, with its headers: an object, as `landfall message list --json` prints it
    #[arg(long, value_name = "JSON")]
    properties: Option<String>,
}

impl Edited {
    fn add_to(&self, body: &mut Map<String, Value>) -> Result<()> {
        if let Some(text) = &self.payload {
            body.insert("payload".into(), text.as_str().into());
        }
        if let Some(path) = &self.payload_file {
            let wrong = || format!("cannot read {}", path.display());
            let bytes = std::fs::read(path).with_context(wrong)?;
            body.insert("payload".into(), STANDARD.encode(bytes).into());
            body.insert("payload_encoding".into(), "base64".into());
        }
        if let Some(text) = &self.properties {
            let wrong = "--properties: expected an object in JSON";
            let properties: Map<String, Value> = serde_json::from_str(text).context(wrong)?;
            body.insert("properties".into(), properties.into());
        }
        Ok(())
    }
}

pub(super) fn send_on(server: &AdminServer, api: &Api, args: &MoveArgs) -> Result<()> {
    let mut body = args.choice.body(&args.state)?;
    let to = args.to.said();
    let to = to.context("where to? Say --to-queue or --to-exchange")?;
    body.insert("to".into(), to);
    let path = format!("{}/move", args.queue.path());
    act::work(server, api, MOVE, &path, body)
}

pub(super) fn edit(server: &AdminServer, api: &Api, args: &EditArgs) -> Result<()> {
    let to = args.to.said();
    let to = to.unwrap_or_else(|| json!({"queue": args.queue.name}));
    let mut body = Map::new();
    body.insert("state".into(), args.state.as_str().into());
    body.insert("positions".into(), json!([args.position]));
    body.insert("to".into(), to);
    args.edited.add_to(&mut body)?;
    let path = format!("{}/move", args.queue.path());
    act::work(server, api, MOVE, &path, body)
}
