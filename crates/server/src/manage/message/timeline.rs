//! One message's journey as lines for people.

use serde_json::Value;
use std::fmt::Write;

/// The whole journey: a line for each step, with the time since the first, and where the message is now.
pub(super) fn of(journey: &Value) -> String {
    let steps = journey["steps"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut told = format!("message {}", journey["message"]);
    let id = steps.iter().find(|step| step["event"] == "message_id");
    if let Some(id) = id {
        write!(told, " (message id '{}')", text(&id["message_id"])).expect("strings take all");
    }
    let began = steps.first().map_or(0, at);
    for (index, step) in steps.iter().enumerate() {
        let Some(what) = line(step, &steps[..index]) else {
            continue;
        };
        let since = match index {
            0 => text(&step["time"]).replace('T', " "),
            _ => format!("+ {}", span(at(step).saturating_sub(began))),
        };
        write!(told, "\n  {since:>24}  {what}").expect("strings take all");
    }
    write!(told, "\n  {:>24}  {}", "now", now(&journey["now"])).expect("strings take all");
    told
}

fn now(now: &Value) -> String {
    let Some(places) = now.as_array() else {
        return "not looked up".into();
    };
    if places.is_empty() {
        return "gone".into();
    }
    let places = places.iter().map(|place| {
        let mut told = format!("{} in '{}'", text(&place["state"]), text(&place["queue"]));
        let holder = &place["holder"];
        if let Some(user) = holder["user"].as_str() {
            let tag = consumer(holder);
            write!(told, ", with {tag} of {}", clean(user)).expect("strings take all");
        }
        if let Some(bytes) = place["payload_bytes"].as_u64() {
            write!(told, " ({bytes} bytes)").expect("strings take all");
        }
        told
    });
    places.collect::<Vec<_>>().join("; ")
}

/// What one step says; nothing for what is told elsewhere.
fn line(step: &Value, before: &[Value]) -> Option<String> {
    let queue = text(&step["queue"]);
    let what = match step["event"].as_str()? {
        "message_id" => return None,
        "published" => return Some(published(step)),
        "server_started" => return Some("the server started".into()),
        "left_out" => {
            return Some("something may be missing here: too much happened at a time".into());
        }
        "copy_of" => return Some(copy_of(step)),
        "delivered" => format!(
            "attempt {} delivered to {} of {}",
            step["attempt"],
            consumer(step),
            client(&step["to"])
        ),
        "attempt_ended" => attempt_ended(step, before),
        "delayed" => format!("not to be delivered before {}", text(&step["due_time"])),
        "due" => "its time has come: ready".into(),
        "parked" => format!("parked ({})", text(&step["reason"])),
        "redriven" => "redriven: ready again, attempts begin anew".into(),
        "copied" => copied(step),
        "ended" => ended(step, before),
        other => other.to_owned(),
    };
    Some(format!("{queue}: {what}"))
}

fn published(step: &Value) -> String {
    let exchange = match text(&step["exchange"]).as_str() {
        "" => "the default exchange".to_owned(),
        name => format!("exchange '{name}'"),
    };
    let by = match &step["by"] {
        Value::Null => "the server".to_owned(),
        by => client(by),
    };
    let mut told = format!(
        "published to {exchange} with key '{}' by {by}",
        text(&step["routing_key"])
    );
    if let Some(publisher) = step["publisher"].as_str() {
        let id = &step["publishing_id"];
        write!(told, ", publisher '{}' id {id}", clean(publisher)).expect("strings take all");
    }
    let queues = step["queues"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let queues: Vec<String> = queues.iter().map(text).collect();
    write!(told, "; lands in {}", queues.join(", ")).expect("strings take all");
    told
}

fn copy_of(step: &Value) -> String {
    let message = &step["message"];
    match step["for"].as_str() {
        Some("redrive") => format!("it is message {message}, redriven"),
        Some("move") => format!("it is message {message}, moved"),
        _ => format!(
            "it is message {message}, dead-lettered ({})",
            text(&step["reason"])
        ),
    }
}

fn copied(step: &Value) -> String {
    let message = &step["message"];
    match step["for"].as_str() {
        Some("redrive") => format!("redriven as message {message}"),
        Some("move") => format!("moved as message {message}"),
        _ => format!(
            "dead-lettered ({}) as message {message}",
            text(&step["reason"])
        ),
    }
}

fn attempt_ended(step: &Value, before: &[Value]) -> String {
    let outcome = match text(&step["outcome"]).as_str() {
        "returned" => "given back (nack)".to_owned(),
        "refused" => "refused (nack without requeue)".to_owned(),
        "timed_out" => "timed out".to_owned(),
        "lost" => "lost: the channel or connection ended".to_owned(),
        "acknowledged_late" => "acknowledged late".to_owned(),
        other => other.to_owned(),
    };
    let mut told = format!("attempt {} {outcome}", step["attempt"]);
    let same = |other: &&Value| {
        other["event"] == "delivered"
            && other["queue"] == step["queue"]
            && other["attempt"] == step["attempt"]
    };
    if let Some(delivered) = before.iter().rev().find(same) {
        let after = span(at(step).saturating_sub(at(delivered)));
        write!(told, " after {after}").expect("strings take all");
    }
    if let Some(due) = step["due_time"].as_str() {
        write!(told, "; comes again at {}", clean(due).replace('T', " "))
            .expect("strings take all");
    }
    told
}

fn ended(step: &Value, before: &[Value]) -> String {
    let how = text(&step["ending"]).replace('_', "-");
    if how != "acknowledged" {
        return how;
    }
    let delivered =
        |other: &&Value| other["event"] == "delivered" && other["queue"] == step["queue"];
    match before.iter().rev().find(delivered) {
        Some(delivered) => format!(
            "acknowledged, {} after attempt {}",
            span(at(step).saturating_sub(at(delivered))),
            delivered["attempt"]
        ),
        None => how,
    }
}

fn consumer(step: &Value) -> String {
    match step["consumer_tag"].as_str() {
        Some(tag) => format!("consumer '{}'", clean(tag)),
        None => "basic.get".into(),
    }
}

fn client(client: &Value) -> String {
    let (user, address) = (text(&client["user"]), text(&client["address"]));
    let (connection, channel) = (&client["connection"], &client["channel"]);
    let from = match address.as_str() {
        "" => String::new(),
        address => format!(" from {address}"),
    };
    format!("{user}{from} (connection {connection}, channel {channel})")
}

fn at(step: &Value) -> u64 {
    step["at"].as_u64().unwrap_or(0)
}

/// A stretch of time in the largest unit that says enough.
fn span(millis: u64) -> String {
    let (seconds, rest) = (millis / 1000, millis % 1000);
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{seconds}.{rest:03} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

fn text(value: &Value) -> String {
    clean(value.as_str().unwrap_or_default())
}

/// What stands in a terminal must not command it.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
