//! Which messages are meant, as options.

use crate::manage::pairs::pairs;
use crate::units::Span;
use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};
use std::fmt;
use std::time::{Duration, SystemTime};

/// Which messages. Of the words of a filter all must fit.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which messages")]
pub(super) struct Choice {
    /// All of them
    #[arg(long, conflicts_with_all = ["position", "filter"])]
    all: bool,
    /// The message with this position; may be given several times
    #[arg(long, value_name = "N", conflicts_with = "filter")]
    position: Vec<u64>,
    #[command(flatten)]
    filter: Filter,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

#[derive(Debug, clap::Args)]
#[group(id = "filter", multiple = true)]
struct Filter {
    /// Those that died or are parked for this reason: rejected, expired, maxlen, delivery_limit
    #[arg(long, value_name = "WORD")]
    reason: Option<String>,
    /// Those that died in this queue
    #[arg(long, value_name = "QUEUE")]
    died_in: Option<String>,
    /// Those published to this exchange
    #[arg(long, value_name = "NAME")]
    exchange: Option<String>,
    /// Those published with this routing key
    #[arg(long, value_name = "KEY")]
    routing_key: Option<String>,
    /// Those with this header; may be given several times. A value is JSON where it can be, else text
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// Those accepted longer ago than this (24h, 10m)
    #[arg(long, value_name = "TIME")]
    older_than: Option<Span>,
    /// Those accepted since this long ago
    #[arg(long, value_name = "TIME")]
    newer_than: Option<Span>,
}

impl Choice {
    /// The body of a request that means these, of the messages in a state.
    pub(super) fn body(&self, state: &str) -> Result<Map<String, Value>> {
        let filter = self.filter.read()?;
        let mut body = Map::new();
        if self.all {
            body.insert("all".into(), true.into());
        } else if !self.position.is_empty() {
            body.insert("positions".into(), json!(self.position));
        } else {
            ensure!(
                !filter.is_empty(),
                "which messages? Say --all, --position N, or what they look like (--help)"
            );
            body.insert("filter".into(), filter.into());
        }
        if let Some(limit) = self.limit {
            body.insert("limit".into(), limit.into());
        }
        body.insert("state".into(), state.into());
        Ok(body)
    }
}

impl Filter {
    fn read(&self) -> Result<Map<String, Value>> {
        let mut filter = Map::new();
        let texts = [
            ("reason", &self.reason),
            ("queue", &self.died_in),
            ("exchange", &self.exchange),
            ("routing_key", &self.routing_key),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                filter.insert(key.into(), text.as_str().into());
            }
        }
        let times = [
            ("accepted_before", self.older_than),
            ("accepted_from", self.newer_than),
        ];
        for (key, span) in times {
            if let Some(Span(span)) = span {
                filter.insert(key.into(), ago(span).into());
            }
        }
        let headers = pairs("header", &self.header)?;
        if !headers.is_empty() {
            filter.insert("headers".into(), headers.into());
        }
        Ok(filter)
    }
}

/// The time so long ago, in milliseconds since 1970.
fn ago(span: Duration) -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    u64::try_from(now.saturating_sub(span).as_millis()).unwrap_or(u64::MAX)
}

/// As a question names them.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.all, self.position.len()) {
            (true, _) => write!(f, "all messages"),
            (false, 0) => write!(f, "the messages that look like that"),
            (false, 1) => write!(f, "one message"),
            (false, some) => write!(f, "{some} messages"),
        }
    }
}
