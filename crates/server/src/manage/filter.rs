//! What messages look like that are looked for, or that something is to be done with, as options.

use super::api::part;
use crate::units::Span;
use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime};

/// What messages look like. All that is said must fit.
#[derive(Debug, clap::Args)]
#[group(id = "filter", multiple = true)]
pub(super) struct Filter {
    /// The message with this message id
    #[arg(long, value_name = "TEXT")]
    id: Option<String>,
    /// Those with this correlation id
    #[arg(long, value_name = "TEXT")]
    correlation_id: Option<String>,
    /// Those with this text in their bodies
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
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

impl Filter {
    /// As the body of a request says it.
    pub(super) fn read(&self) -> Result<Map<String, Value>> {
        let mut filter = Map::new();
        for (key, text) in self.texts() {
            filter.insert(key.into(), text.into());
        }
        for (key, time) in self.times() {
            filter.insert(key.into(), time.into());
        }
        let mut headers = Map::new();
        for header in self.headers() {
            let (name, value) = header?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            headers.insert(name.into(), value);
        }
        if !headers.is_empty() {
            filter.insert("headers".into(), headers.into());
        }
        Ok(filter)
    }

    /// As the query of a path says it, behind other words.
    pub(super) fn query(&self) -> Result<String> {
        let mut query = String::new();
        for (key, text) in self.texts() {
            query += &format!("&{key}={}", part(text));
        }
        for (key, time) in self.times() {
            query += &format!("&{key}={time}");
        }
        for header in self.headers() {
            let (name, value) = header?;
            query += &format!("&header={}", part(&format!("{name}:{value}")));
        }
        Ok(query)
    }

    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("message_id", &self.id),
            ("correlation_id", &self.correlation_id),
            ("text", &self.text),
            ("reason", &self.reason),
            ("queue", &self.died_in),
            ("exchange", &self.exchange),
            ("routing_key", &self.routing_key),
        ];
        all.into_iter()
            .filter_map(|(key, text)| Some((key, text.as_deref()?)))
    }

    fn times(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = [
            ("accepted_before", self.older_than),
            ("accepted_from", self.newer_than),
        ];
        all.into_iter()
            .filter_map(|(key, span)| span.map(|Span(span)| (key, ago(span))))
    }

    fn headers(&self) -> impl Iterator<Item = Result<(&str, &str)>> {
        self.header.iter().map(|header| {
            let wrong = || format!("--header {header}: expected NAME=VALUE");
            header.split_once('=').with_context(wrong)
        })
    }
}

/// The time so long ago, in milliseconds since 1970.
fn ago(span: Duration) -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    u64::try_from(now.saturating_sub(span).as_millis()).unwrap_or(u64::MAX)
}
