//! `landfall publish`: one message to any exchange, with whatever properties. `landfall send` sends many to a queue.

use super::AdminServer;
use super::api::{Api, part};
use super::exchange::named;
use super::pairs::{pairs, split};
use super::table::say;
use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::io::Read;

/// The options of `landfall publish`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples: landfall publish orders 'hello'\n          landfall publish order.new --exchange events --header tenant=blue < order.json"
)]
pub struct PublishArgs {
    /// The routing key; of the default exchange the queue's name
    key: String,
    /// The body; without it what stands on standard input
    body: Option<String>,
    /// The exchange; without it the default one
    #[arg(long, value_name = "NAME", default_value = "")]
    exchange: String,
    /// A header; may be given several times. A value is JSON where it can be, else text
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// A property, as in content_type=text/plain; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    property: Vec<String>,
    /// The virtual host
    #[arg(long, value_name = "NAME", default_value = "/")]
    vhost: String,
    #[command(flatten)]
    server: AdminServer,
}

/// The properties that are numbers.
const NUMBERS: [&str; 3] = ["delivery_mode", "priority", "timestamp"];

/// Publishes a message, and returns when it has landed.
///
/// # Errors
/// If no queue takes it, the server refuses, or cannot be asked.
pub fn publish(args: PublishArgs) -> Result<()> {
    let properties = properties(&args)?;
    let octets = match args.body {
        Some(text) => text.into_bytes(),
        None => {
            let mut octets = Vec::new();
            let read = std::io::stdin().read_to_end(&mut octets);
            read.context("cannot read the body from standard input")?;
            octets
        }
    };
    let (payload, encoding) = match String::from_utf8(octets) {
        Ok(text) => (text, "string"),
        Err(error) => (STANDARD.encode(error.as_bytes()), "base64"),
    };
    let body = json!({
        "routing_key": args.key,
        "payload": payload,
        "payload_encoding": encoding,
        "properties": properties,
    });
    let (vhost, exchange) = (part(&args.vhost), named(&args.exchange));
    let path = format!("/api/exchanges/{vhost}/{exchange}/publish");
    let told = Api::new(&args.server).act("POST", &path, &body)?;
    if args.server.json {
        say(&format!("{told:#}"))?;
    }
    if told["routed"] != true {
        let (exchange, key) = (&args.exchange, &args.key);
        bail!("no queue takes what comes to exchange '{exchange}' with the key '{key}'");
    }
    if args.server.json {
        return Ok(());
    }
    say("it has landed")
}

fn properties(args: &PublishArgs) -> Result<Map<String, Value>> {
    let mut properties = Map::new();
    for pair in &args.property {
        let (name, text) = split("property", pair)?;
        let value = match NUMBERS.contains(&name) {
            true => serde_json::from_str(text)
                .with_context(|| format!("--property {pair}: expected a number"))?,
            false => text.into(),
        };
        properties.insert(name.to_owned(), value);
    }
    if !args.header.is_empty() {
        let headers = pairs("header", &args.header)?;
        properties.insert("headers".to_owned(), headers.into());
    }
    Ok(properties)
}
