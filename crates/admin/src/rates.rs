//! Counters with their rates, as RabbitMQ shows them: `publish` beside `publish_details: {rate}`.

use broker::snapshot::Totals;
use broker::{Passage, Recent, Traffic};
use serde_json::{Map, Value as Json, json};

/// So much in so many milliseconds, by the second.
pub(crate) fn rate(count: f64, over: u64) -> f64 {
    if over == 0 {
        return 0.0;
    }
    count * 1000.0 / float(over)
}

/// What a rate is made of: beyond 2 to the power of 53 its last digits do not matter.
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

fn signed(count: i64) -> f64 {
    count as f64
}

fn put(shape: &mut Map<String, Json>, name: &str, count: u64, rate: f64) {
    shape.insert(name.to_owned(), count.into());
    shape.insert(format!("{name}_details"), json!({ "rate": rate }));
}

/// Counters with what they moved lately.
fn counters<const N: usize>(
    all: [(&'static str, u64); N],
    lately: [(&'static str, u64); N],
    over: u64,
) -> Map<String, Json> {
    let mut shape = Map::new();
    for ((name, count), (_, moved)) in all.into_iter().zip(lately) {
        put(&mut shape, name, count, rate(float(moved), over));
    }
    shape
}

/// `message_stats`.
pub(crate) fn message_stats(all: &Traffic, lately: &Recent) -> Json {
    let (over, moved) = (lately.over, &lately.traffic);
    let mut shape = counters(all.each(), moved.each(), over);
    let out = rate(float(moved.deliver_get()), over);
    put(&mut shape, "deliver_get", all.deliver_get(), out);
    shape.into()
}

/// One of the counters of a queue: `publish`, or `publish_details.rate`.
pub(crate) fn of_queue(counter: &str, all: &Traffic, lately: &Recent) -> Option<Json> {
    let of = |traffic: &Traffic, name: &str| match name {
        "publish" => Some(traffic.publish),
        "deliver_get" => Some(traffic.deliver_get()),
        "ack" => Some(traffic.ack),
        _ => None,
    };
    match counter.strip_suffix("_details.rate") {
        None => of(all, counter).map(Json::from),
        Some(name) => {
            let moved = of(&lately.traffic, name)?;
            Some(rate(float(moved), lately.over).into())
        }
    }
}

/// The same of a queue, which confirms nothing and sends nothing back.
pub(crate) fn message_stats_of_queue(all: &Traffic, lately: &Recent) -> Json {
    let mut shape = message_stats(all, lately);
    for name in ["confirm", "return_unroutable", "drop_unroutable"] {
        if let Some(shape) = shape.as_object_mut() {
            shape.remove(name);
            shape.remove(&format!("{name}_details"));
        }
    }
    shape
}

/// The same of an exchange.
pub(crate) fn message_stats_of_exchange(all: &Passage, lately: &Passage, over: u64) -> Json {
    counters(all.each(), lately.each(), over).into()
}

/// `churn_rates`.
pub(crate) fn churn_rates(totals: &Totals) -> Json {
    let (all, lately) = (totals.churn.each(), totals.recent_churn.each());
    counters(all, lately, totals.recent.over).into()
}

/// How many messages there are, and how many more every second.
pub(crate) fn messages(shape: &mut Map<String, Json>, counts: [u64; 3], lately: &Recent) {
    let names = ["messages", "messages_ready", "messages_unacknowledged"];
    let moved = [lately.messages, lately.ready, lately.unacked];
    for ((name, count), moved) in names.into_iter().zip(counts).zip(moved) {
        put(shape, name, count, rate(signed(moved), lately.over));
    }
}
