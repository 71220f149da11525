//! What each page asks, and how soon it is answered.

use super::super::report::Table;
use crate::server::Server;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// guest:guest
pub(super) const LOGIN: (&str, &str) = ("Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=");
/// How often each is asked.
const TIMES: usize = 9;

/// The largest queues, as the overview shows them.
pub(super) const LARGEST: &str = "/api/queues?sort=messages_ready&sort_reverse=true&page=1&page_size=50&columns=name,vhost,consumers,messages_ready,messages_unacknowledged,messages_delayed,messages_parked,message_stats.ack_details.rate";
/// What the overview finds dead letters by.
pub(super) const RULES: &str =
    "/api/landfall/queues?columns=name,vhost,rules,messages_ready,messages_parked";
pub(super) const BINDINGS: &str = "/api/bindings?columns=source,vhost,destination,destination_type";
/// The first of the queues' page.
pub(super) const FIRST: &str =
    "/api/queues?page=1&page_size=100&sort=name&sort_reverse=false&name=";
pub(super) const AUDIT: &str = "/api/landfall/audit";
pub(super) const STATES: &str = "/api/connections?columns=name,state";
pub(super) const EACH: &str = "/metrics/per-object";

/// Of each page what it asks that grows with the server.
const ASKED: [(&str, &str); 20] = [
    ("every page", "/api/overview"),
    ("overview", LARGEST),
    ("overview, dead letters", RULES),
    ("overview, dead letters", BINDINGS),
    ("overview", STATES),
    ("overview, audit", AUDIT),
    ("overview", "/api/landfall/history"),
    ("queues", FIRST),
    (
        "queues, sorted by a rate",
        "/api/queues?page=1&page_size=100&sort=message_stats.publish_details.rate&sort_reverse=true&name=",
    ),
    (
        "queues, filtered",
        "/api/queues?page=1&page_size=100&sort=name&sort_reverse=false&name=99",
    ),
    ("queue", "/api/landfall/queues/%2F/parked"),
    ("queue", "/api/consumers/%2F"),
    (
        "queue, dead letters",
        "/api/landfall/queues/%2F/parked/messages?state=parked&limit=50",
    ),
    ("consumers", "/api/consumers"),
    ("connections", "/api/connections"),
    ("channels", "/api/channels"),
    ("exchanges", "/api/exchanges"),
    ("definitions", "/api/definitions"),
    ("Prometheus", "/metrics"),
    ("Prometheus", EACH),
];

/// How soon something was answered.
pub(super) struct Answered {
    page: &'static str,
    path: &'static str,
    half: Duration,
    pub(super) longest: Duration,
    bytes: usize,
}

impl Answered {
    /// What was asked.
    pub(super) fn what(&self) -> &'static str {
        self.path
    }
}

/// Asks an address of the server's.
pub(super) fn ask(port: u16, path: &str) -> Result<Vec<u8>> {
    let url = format!("http://127.0.0.1:{port}{path}");
    let asked = ureq::get(&url).header(LOGIN.0, LOGIN.1).call();
    let mut answer = asked.with_context(|| url.clone())?;
    let body = answer.body_mut().with_config().limit(u64::MAX);
    body.read_to_vec().context(url)
}

/// How many messages of a queue are parked.
pub(super) fn parked(server: &Server, queue: &str) -> Result<u64> {
    let path = format!("/api/landfall/queues/%2F/{queue}");
    let told: serde_json::Value = serde_json::from_slice(&ask(server.admin_port(), &path)?)?;
    let parked = told["messages_parked"].as_u64();
    parked.with_context(|| format!("the HTTP API says {told}"))
}

/// Asks for everything, several times.
pub(super) fn ask_all(server: &Server) -> Result<Vec<Answered>> {
    let all = ASKED.into_iter().map(|(page, path)| {
        let mut took = Vec::new();
        let mut bytes = 0;
        for _ in 0..TIMES {
            let began = Instant::now();
            bytes = ask(server.admin_port(), path)?.len();
            took.push(began.elapsed());
        }
        took.sort_unstable();
        Ok(Answered {
            page,
            path,
            half: took[TIMES / 2],
            longest: took[TIMES - 1],
            bytes,
        })
    });
    all.collect()
}

/// The table for people.
pub(super) fn table(all: &[Answered]) -> Table {
    let mut table = Table::new("page | asks | ms, half of them | longest | KiB");
    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
    for one in all {
        let path = one.path.split('?').next().unwrap_or_default();
        table.row([
            one.page.to_owned(),
            format!("`{path}`"),
            ms(one.half),
            ms(one.longest),
            (one.bytes / 1024).to_string(),
        ]);
    }
    table
}
