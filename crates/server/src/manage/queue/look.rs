//! Looking: queues with their counts, and messages where they are.

use super::super::AdminServer;
use super::super::api::{Api, part};
use super::super::table::{print, say};
use super::{Named, Page};
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

/// The states, as columns and as the API counts them.
const COUNTS: [(&str, &str); 5] = [
    ("ready", "messages_ready"),
    ("unacked", "messages_unacknowledged"),
    ("delayed", "messages_delayed"),
    ("parked", "messages_parked"),
    ("leaving", "messages_leaving"),
];

/// The most messages that the API shows at a time.
const PAGE_MAX: usize = 1000;

pub(super) fn list(server: &AdminServer, api: &Api, vhost: Option<&str>) -> Result<()> {
    let path = match vhost {
        Some(vhost) => format!("/api/landfall/queues/{}", part(vhost)),
        None => "/api/landfall/queues".to_owned(),
    };
    let found = api.get(&path)?;
    if server.json {
        return print(server, &found, &[]);
    }
    let rows = found.as_array().into_iter().flatten().map(|queue| {
        let mut row = Map::new();
        for key in ["vhost", "name", "consumers", "policy"] {
            row.insert(key.into(), queue[key].clone());
        }
        for (column, key) in COUNTS {
            row.insert(column.into(), queue[key].clone());
        }
        Value::Object(row)
    });
    let counts = COUNTS.iter().map(|(column, _)| *column);
    let columns: Vec<&str> = (["vhost", "name"].into_iter())
        .chain(counts)
        .chain(["consumers", "policy"])
        .collect();
    print(server, &rows.collect(), &columns)
}

pub(super) fn show(server: &AdminServer, api: &Api, queue: &Named) -> Result<()> {
    let found = api.find(&queue.path())?;
    let found = found.with_context(|| {
        format!(
            "there is no queue '{}' in vhost '{}'",
            queue.name, queue.vhost
        )
    })?;
    if server.json {
        return say(&format!("{found:#}"));
    }
    let mut rows = Vec::new();
    let mut row = |what: &str, value: Value| rows.push(json!({"what": what, "value": value}));
    for key in [
        "name",
        "vhost",
        "durable",
        "exclusive",
        "auto_delete",
        "consumers",
        "policy",
    ] {
        row(key, found[key].clone());
    }
    row("paused", found["landfall_paused"].clone());
    for (column, key) in COUNTS {
        row(column, found[key].clone());
    }
    if let Some(accepted) = found["oldest"]["accepted"].as_u64() {
        let text = format!(
            "position {}, accepted {}",
            found["oldest"]["position"],
            since(accepted)
        );
        row("oldest ready", text.into());
    }
    for (name, value) in found["rules"].as_object().into_iter().flatten() {
        row(name, value.clone());
    }
    print(server, &Value::Array(rows), &["what", "value"])
}

/// Messages in a state; `filter` is said behind the query's other words.
pub(in super::super) fn messages(
    server: &AdminServer,
    api: &Api,
    queue: &Named,
    state: &str,
    page: &Page,
    filter: &str,
) -> Result<()> {
    let body = page.body.unwrap_or(0);
    let mut messages: Vec<Value> = Vec::new();
    let mut after = String::new();
    while messages.len() < page.limit {
        let limit = (page.limit - messages.len()).min(PAGE_MAX);
        let path = format!(
            "{}/messages?state={}&limit={limit}&body={body}&after={after}{filter}",
            queue.path(),
            part(state),
        );
        let mut found = api.get(&path)?;
        if let Value::Array(some) = found["messages"].take() {
            messages.extend(some);
        }
        match found["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    if server.json {
        return say(&format!("{:#}", Value::Array(messages)));
    }
    let mut columns = vec!["position", "failed", "lost", "age"];
    columns.extend(match state {
        "unacked" => &["due", "with"][..],
        "delayed" => &["due"],
        "parked" => &["parked", "why"],
        "leaving" => &["why"],
        _ => &[],
    });
    columns.extend(["exchange", "routing_key", "bytes", "properties"]);
    if body > 0 {
        columns.push("body");
    }
    print(server, &messages.iter().map(row).collect(), &columns)
}

/// A message as a line of a table.
fn row(message: &Value) -> Value {
    let time = |key: &str| message[key].as_u64().map(since);
    let holder = &message["holder"];
    let with = holder["user"].as_str().map(|user| {
        let consumer = holder["consumer_tag"].as_str().unwrap_or("-");
        format!(
            "{user} {}.{} {consumer}",
            holder["connection"], holder["channel"]
        )
    });
    json!({
        "position": message["position"],
        "failed": message["failed"],
        "lost": message["lost"],
        "age": time("accepted"),
        "due": time("due").or_else(|| holder["due"].as_u64().map(since)),
        "parked": time("parked"),
        "with": with,
        "why": message["why"],
        "exchange": message["exchange"],
        "routing_key": message["routing_key"],
        "bytes": message["payload_bytes"],
        "properties": message["properties"],
        "body": message["payload"],
    })
}

/// How long ago a time was, or how far ahead it is, roughly.
fn since(millis: u64) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    if millis > now {
        format!("in {}", roughly((millis - now) / 1000))
    } else {
        format!("{} ago", roughly((now - millis) / 1000))
    }
}

fn roughly(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_roughly() {
        for (seconds, told) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_199, "119m"),
            (172_799, "47h"),
            (172_800, "2d"),
        ] {
            assert_eq!(roughly(seconds), told);
        }
        assert!(since(0).ends_with("d ago"));
        assert!(since(u64::MAX).starts_with("in "));
    }
}
