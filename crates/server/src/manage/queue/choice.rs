//! Which messages are meant, as options.

use super::super::filter::Filter;
use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};
use std::fmt;

/// Which messages. Of the words of a filter all must fit.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which messages")]
pub(in super::super) struct Choice {
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

impl Choice {
    /// The body of a request that means these, of the messages in a state.
    pub(in super::super) fn body(&self, state: &str) -> Result<Map<String, Value>> {
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
