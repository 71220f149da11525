//! One answer of several.

use super::place::Gather;
use super::{Asking, Spread, Told};
use crate::following::HOME;
use admin::gathered;
use axum::Json;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of a document, what belongs to virtual hosts and is where their queues are.
const OF_VHOSTS: [&str; 4] = ["policies", "queues", "exchanges", "bindings"];
/// And what is so in part.
const PARAMETERS: &str = "parameters";
/// Parameters of other components are said of virtual hosts themselves.
const OPERATOR_POLICY: &str = "operator_policy";
/// What the overview counts; the rest is of the node that answers.
const COUNTS: [&str; 4] = [
    "object_totals",
    "queue_totals",
    "message_stats",
    "churn_rates",
];

impl Spread {
    pub(super) async fn gather(self: &Arc<Self>, how: Gather, asking: Asking) -> Response {
        let uri = asking.head.uri.clone();
        match how {
            Gather::Import => return self.import(asking).await,
            Gather::Found => {
                let told = self.tell_all(asking, None).await;
                let has_it = |told: &Told| told.code != StatusCode::NOT_FOUND;
                return one_of(told, has_it).into_response();
            }
            Gather::Done => {
                let told = self.tell_all(asking, None).await;
                return one_of(told, |told| !told.code.is_success()).into_response();
            }
            _ => {}
        }
        let told = self.tell_all(asking, Some(without_listing(&uri))).await;
        // What one has the others may not have; all else is for whoever asked.
        let is_wrong = |told: &Told| !told.code.is_success() && told.code != StatusCode::NOT_FOUND;
        let nobody = told.iter().all(|told| !told.code.is_success());
        if nobody || told.iter().any(is_wrong) {
            return one_of(told, is_wrong).into_response();
        }
        let each: Vec<(u32, Value)> = (0..).zip(told.iter().map(Told::json)).collect();
        let said = match how {
            Gather::List => gathered::listed(&uri, self.rows(each)),
            Gather::Overview => Json(overview(each)).into_response(),
            Gather::Audit => Json(audit(each)).into_response(),
            Gather::History => Json(history(each)).into_response(),
            _ => Json(self.export(each)).into_response(),
        };
        let first = told.into_iter().find(|told| told.code.is_success());
        first.unwrap_or_else(Told::nothing).saying(said)
    }

    /// What each has; what another has it only knows of.
    fn rows(&self, each: Vec<(u32, Value)>) -> Vec<Value> {
        let mut all = Vec::new();
        for (shard, said) in each {
            let Value::Array(rows) = said else { continue };
            all.extend(rows.into_iter().filter(|row| self.is_of(shard, row)));
        }
        all
    }

    fn is_of(&self, shard: u32, row: &Value) -> bool {
        let vhost = row["vhost"].as_str().filter(|vhost| !vhost.is_empty());
        vhost.is_none_or(|vhost| self.shard_of(vhost) == shard)
    }

    /// The first one's document, with what the virtual hosts of the others have.
    fn export(&self, each: Vec<(u32, Value)>) -> Value {
        let mut each = each.into_iter();
        let (_, mut document) = each.next().unwrap_or_default();
        for (shard, mut other) in each {
            for section in OF_VHOSTS.into_iter().chain([PARAMETERS]) {
                let Value::Array(rows) = other[section].take() else {
                    continue;
                };
                let rows = rows.into_iter().filter(|row| {
                    let everybodys = section == PARAMETERS && row["component"] != OPERATOR_POLICY;
                    !everybodys && self.is_of(shard, row)
                });
                if let Some(all) = document[section].as_array_mut() {
                    all.extend(rows);
                }
            }
        }
        document
    }

    /// First who may what, which the others follow, and then what each has.
    async fn import(self: &Arc<Self>, asking: Asking) -> Response {
        let Asking { head, body } = asking;
        let Ok(Value::Object(document)) = serde_json::from_slice(&body) else {
            // The first one says what is wrong with it.
            return self
                .tell(HOME, &Asking { head, body }, None)
                .await
                .into_response();
        };
        let (directory, shares) = self.divided(document);
        let mut asking = Asking {
            head,
            body: written(&directory),
        };
        let first = self.tell(HOME, &asking, None).await;
        if !first.code.is_success() {
            return first.into_response();
        }
        self.spread().await;
        let mut sum = first.json();
        for (shard, share) in shares {
            asking.body = written(&share);
            let told = self.tell(shard, &asking, None).await;
            if !told.code.is_success() {
                return told.into_response();
            }
            add_imported(&mut sum, &told.json());
        }
        first.saying(Json(sum).into_response())
    }

    /// What the first shard is to know, and what is whose.
    fn divided(
        &self,
        document: Map<String, Value>,
    ) -> (Map<String, Value>, BTreeMap<u32, Map<String, Value>>) {
        let mut shares: BTreeMap<u32, Map<String, Value>> = BTreeMap::new();
        let mut directory = Map::new();
        for (section, said) in document {
            let divides = section == PARAMETERS || OF_VHOSTS.contains(&section.as_str());
            let rows = match said {
                Value::Array(rows) if divides => rows,
                said => {
                    directory.insert(section, said);
                    continue;
                }
            };
            for row in rows {
                let is_said_of_vhost = section == PARAMETERS && row["component"] != OPERATOR_POLICY;
                let vhost = row["vhost"].as_str().filter(|_| !is_said_of_vhost);
                let share = match vhost {
                    Some(vhost) => shares.entry(self.shard_of(vhost)).or_default(),
                    None => &mut directory,
                };
                let rows = share.entry(section.clone()).or_insert_with(|| json!([]));
                rows.as_array_mut().expect("it was made one").push(row);
            }
        }
        (directory, shares)
    }
}

/// The first one of which that is so, else the first.
fn one_of(told: Vec<Told>, is_so: impl Fn(&Told) -> bool) -> Told {
    let at = told.iter().position(is_so).unwrap_or(0);
    told.into_iter().nth(at).unwrap_or_else(Told::nothing)
}

/// The same path, without what a list is asked for: that is done when it is whole.
fn without_listing(uri: &Uri) -> Uri {
    let Some(query) = uri.query() else {
        return uri.clone();
    };
    let kept = query.split('&').filter(|pair| {
        let key = pair.split('=').next().unwrap_or_default();
        !gathered::OF_LISTS.contains(&key)
    });
    let kept: Vec<&str> = kept.collect();
    let path = format!("{}?{}", uri.path(), kept.join("&"));
    path.parse().unwrap_or_else(|_| uri.clone())
}

fn written(document: &Map<String, Value>) -> Bytes {
    serde_json::to_vec(document).unwrap_or_default().into()
}

fn overview(each: Vec<(u32, Value)>) -> Value {
    let mut each = each.into_iter().map(|(_, said)| said);
    let mut sum = each.next().unwrap_or_default();
    for other in each {
        for counts in COUNTS {
            if other[counts].is_object() {
                add(&mut sum[counts], &other[counts]);
            }
        }
    }
    sum
}

fn audit(each: Vec<(u32, Value)>) -> Value {
    let mut sum = json!({"balanced": true, "total": {}, "queues": []});
    for (_, said) in each {
        let balanced = sum["balanced"] == true && said["balanced"] == true;
        sum["balanced"] = balanced.into();
        add(&mut sum["total"], &said["total"]);
        if let (Some(all), Some(more)) = (sum["queues"].as_array_mut(), said["queues"].as_array()) {
            all.extend(more.iter().cloned());
        }
    }
    sum
}

/// The seconds of which the first one tells, with what the others tell of them.
fn history(each: Vec<(u32, Value)>) -> Value {
    let mut seconds: BTreeMap<u64, Value> = BTreeMap::new();
    for (nth, (_, mut said)) in each.into_iter().enumerate() {
        let Value::Array(samples) = said["samples"].take() else {
            continue;
        };
        for one in samples {
            let second = one["at"].as_u64().unwrap_or(0) / 1000;
            match seconds.get_mut(&second) {
                Some(sum) => add_sample(sum, &one),
                None if nth == 0 => {
                    seconds.insert(second, one);
                }
                None => {}
            }
        }
    }
    json!({"samples": seconds.into_values().collect::<Value>()})
}

/// Adds what happened in one shard to what happened in another at the same time. Latencies are those of the slower one; what
/// is of the node that tells stays.
pub(super) fn add_sample(sum: &mut Value, other: &Value) {
    for key in ["totals", "rates"] {
        add(&mut sum[key], &other[key]);
    }
    for key in ["connections", "channels", "consumers", "queues"] {
        add(&mut sum[key], &other[key]);
    }
    if let Some(latency) = other["latency"].as_object() {
        for (key, ms) in latency {
            larger(&mut sum["latency"][key], ms);
        }
    }
    larger(&mut sum["due_lag_ms"], &other["due_lag_ms"]);
    let new = other["alarms"].as_array().into_iter().flatten();
    if let Some(alarms) = sum["alarms"].as_array_mut() {
        for alarm in new {
            if !alarms.iter().any(|known| known["what"] == alarm["what"]) {
                alarms.push(alarm.clone());
            }
        }
    }
}

fn larger(sum: &mut Value, other: &Value) {
    let is_larger = match (sum.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => other > one,
        (None, Some(_)) => true,
        _ => false,
    };
    if is_larger {
        *sum = other.clone();
    }
}

fn add_imported(sum: &mut Value, other: &Value) {
    for counts in ["made", "there_already"] {
        add(&mut sum[counts], &other[counts]);
    }
    let more = other["ignored"].as_array().into_iter().flatten();
    if let Some(ignored) = sum["ignored"].as_array_mut() {
        ignored.extend(more.cloned());
    }
}

/// Adds numbers to those in the same places.
fn add(sum: &mut Value, other: &Value) {
    match (&mut *sum, other) {
        (Value::Object(sum), Value::Object(other)) => {
            for (key, value) in other {
                add(sum.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Number(one), Value::Number(other)) => {
            *sum = match (one.as_i64(), other.as_i64()) {
                (Some(one), Some(other)) => one.saturating_add(other).into(),
                _ => (one.as_f64().unwrap_or(0.0) + other.as_f64().unwrap_or(0.0)).into(),
            };
        }
        (Value::Null, _) => *sum = other.clone(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_added_wherever_they_stand() {
        let mut sum = json!({"a": 1, "b": {"rate": 0.5, "name": "x"}});
        add(
            &mut sum,
            &json!({"a": -3, "b": {"rate": 1, "name": "y"}, "c": 4}),
        );
        assert_eq!(
            sum,
            json!({"a": -2, "b": {"rate": 1.5, "name": "x"}, "c": 4})
        );
    }

    #[test]
    fn what_a_list_is_asked_for_is_done_when_it_is_whole() {
        for (asked, passed) in [
            ("/api/queues", "/api/queues"),
            (
                "/api/queues?page=2&page_size=5&sort=name&columns=name",
                "/api/queues?",
            ),
            (
                "/api/queues?disable_stats=true&name=a",
                "/api/queues?disable_stats=true",
            ),
        ] {
            let uri = without_listing(&asked.parse().expect("a path"));
            assert_eq!(uri.to_string(), passed);
        }
    }

    #[test]
    fn the_seconds_of_two_shards_are_one_history() {
        let of = |at: u64, ready: u64, latency: Value| {
            json!({
                "at": at, "totals": {"ready": ready}, "rates": {"publish": 2},
                "latency": {"sync_p99_ms": latency}, "memory": 7, "queues": 1, "due_lag_ms": 0,
                "alarms": [{"what": "memory is short"}],
            })
        };
        let first = json!({"samples": [of(5_100, 3, json!(null)), of(6_100, 4, json!(0.5))]});
        let second = json!({"samples": [of(4_900, 9, json!(1)), of(6_900, 1, json!(0.25))]});
        let history = history(vec![(0, first), (1, second)]);
        let samples = history["samples"].as_array().expect("a list");
        assert_eq!(samples.len(), 2);
        assert_eq!(samples[0]["totals"]["ready"], 3);
        assert_eq!(samples[1]["totals"]["ready"], 5);
        assert_eq!(samples[1]["rates"]["publish"], 4);
        assert_eq!(samples[1]["latency"]["sync_p99_ms"], 0.5);
        assert_eq!(
            (&samples[1]["memory"], &samples[1]["queues"]),
            (&json!(7), &json!(2))
        );
        assert_eq!(samples[1]["alarms"].as_array().map(Vec::len), Some(1));
    }
}
