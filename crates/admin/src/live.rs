//! `/api/landfall/live` and `/api/landfall/history`: how things stand, every second, for whoever watches.
//!
//! One task samples, however many watch: it keeps the last ten minutes, and hands each sample to all.

use crate::answer::Failure;
use crate::endpoints::Api;
use crate::histogram::Counted;
use crate::instruments::Instruments;
use crate::rates::{float, rate};
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use broker::Traffic;
use broker::snapshot::Totals;
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior};

/// A sample is taken so often.
const EVERY: Duration = Duration::from_secs(1);
/// What the broker shows is of no longer than this, in milliseconds.
const LONGEST_MS: u64 = 2000;
/// And so many are kept: ten minutes.
const KEPT: usize = 600;
/// So many may watch at a time: more would leave no connection for whoever asks for something else from the same address,
/// which may be a proxy's, or another node's.
const WATCHERS: usize = 32;
/// A stream lasts so long; then the browser asks for the next by itself, and has to show again who it is.
const STREAM_MAX: Duration = Duration::from_secs(600);
/// Samples on their way to somebody who reads slowly.
const AHEAD: usize = 4;

/// The samples, as text.
#[derive(Debug)]
pub(crate) struct Live {
    kept: Mutex<VecDeque<Arc<str>>>,
    /// The last one; `None` while another node knows more.
    last: watch::Sender<Option<Arc<str>>>,
    watchers: Arc<Semaphore>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            last: watch::Sender::new(None),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
        }
    }
}

impl Live {
    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<str>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, sample: Arc<str>) {
        let mut kept = self.kept();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(sample.clone());
        drop(kept);
        self.last.send_replace(Some(sample));
    }
}

/// Takes the samples: a task that whoever serves the API has to run.
pub struct Sampling(pub(crate) Api);

impl Sampling {
    /// Samples for as long as it is polled.
    pub async fn run(self) {
        let mut times = tokio::time::interval(EVERY);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut alarms = Alarms::default();
        let mut before: Option<Reading> = None;
        let mut pace = Pace::default();
        loop {
            times.tick().await;
            let live = self.0.live();
            let Some(instruments) = self.0.operator().instruments() else {
                (before, pace) = (None, Pace::default());
                // What this node saw when it was the owner last is not of the last minutes.
                live.kept().clear();
                live.last.send_replace(None);
                continue;
            };
            let now = Reading::of(&instruments);
            pace.note(&now);
            if let Some(before) = &before {
                let sample = sample(&self.0, before, &now, &pace.rates, &mut alarms);
                live.keep(sample.to_string().into());
            }
            before = Some(now);
        }
    }
}

/// What the instruments showed.
struct Reading {
    at: Instant,
    totals: Totals,
    confirm: Counted,
    sync: Counted,
}

impl Reading {
    fn of(instruments: &Instruments) -> Self {
        Self {
            at: Instant::now(),
            totals: instruments.totals(),
            confirm: instruments.confirm.counted(),
            sync: instruments.sync.counted(),
        }
    }
}

/// How fast everything goes. The broker shows its totals about once a second while something happens, and the sampler looks
/// once a second: a rate is told by the clock of whoever shows, or it would be none in one second and double in the next.
#[derive(Default)]
struct Pace {
    /// What was shown last, and when that was seen first.
    shown: Option<(Totals, Instant)>,
    rates: Value,
}

impl Pace {
    fn note(&mut self, now: &Reading) {
        match &self.shown {
            Some((shown, seen)) if shown.at == now.totals.at => {
                // Nothing has happened since.
                if now.at.saturating_duration_since(*seen) > EVERY * 2 {
                    self.rates = rates(shown, shown, 1);
                }
            }
            shown => {
                let totals = now.totals.clone();
                self.rates = match shown {
                    // After a rest it began no longer ago than it was noticed.
                    Some((before, _)) => {
                        let over = totals.at.0.saturating_sub(before.at.0);
                        rates(before, &totals, over.min(LONGEST_MS))
                    }
                    None => rates(&totals, &totals, 1),
                };
                self.shown = Some((totals, now.at));
            }
        }
    }
}

/// What is wrong, and since when, in milliseconds since 1970.
#[derive(Default)]
struct Alarms {
    memory: Option<u64>,
    disk: Option<u64>,
}

impl Alarms {
    fn look(&mut self, at: u64, memory: bool, disk: bool) -> Vec<Value> {
        let told = [
            (
                &mut self.memory,
                memory,
                "memory is short",
                "Publishers wait until there is more: let consumers take messages, or give the server more (--memory-limit).",
            ),
            (
                &mut self.disk,
                disk,
                "the disk is nearly full",
                "Publishers wait until there is room: let consumers take messages, or make room (--disk-free-limit).",
            ),
        ];
        let told = told.into_iter().filter_map(|(since, is_so, what, advice)| {
            if !is_so {
                *since = None;
                return None;
            }
            let since = *since.get_or_insert(at);
            Some(json!({"what": what, "since": since, "do": advice}))
        });
        told.collect()
    }
}

fn sample(api: &Api, before: &Reading, now: &Reading, rates: &Value, alarms: &mut Alarms) -> Value {
    let at = SystemTime::now().duration_since(UNIX_EPOCH);
    let at = at.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
    let vitals = api.node().vitals();
    let (totals, here) = (&now.totals, &now.totals.messages);
    let (memory, memory_limit) = vitals.memory;
    let disk = vitals.disk;
    json!({
        "at": at,
        "totals": {
            "messages": here.total(),
            "ready": here.ready,
            "unacked": here.unacked,
            "delayed": here.delayed,
            "parked": here.parked,
            "leaving": here.leaving,
        },
        "rates": rates,
        "latency": latency(before, now),
        "memory": memory,
        "memory_limit": memory_limit,
        "disk_free": disk.map(|(free, _)| free),
        "disk_free_limit": disk.map(|(_, limit)| limit),
        "connections": totals.connections,
        "channels": totals.channels,
        "consumers": totals.consumers,
        "queues": totals.queues,
        "due_lag_ms": totals.due_lag,
        "alarms": alarms.look(at, vitals.memory_short, vitals.disk_short),
    })
}

/// How much more there is of everything, by the second.
fn rates(earlier: &Totals, later: &Totals, over: u64) -> Value {
    // After a take-over the counters begin anew.
    let more = |of: fn(&Totals) -> u64| {
        let moved = of(later).saturating_sub(of(earlier));
        rate(float(moved), over).round()
    };
    json!({
        "publish": more(|of| of.traffic.publish),
        "confirm": more(|of| of.traffic.confirm),
        "deliver": more(|of| Traffic::deliver_get(&of.traffic)),
        "ack": more(|of| of.traffic.ack),
        "redeliver": more(|of| of.traffic.redeliver),
        "return": more(|of| of.traffic.return_unroutable),
        "drop": more(|of| of.traffic.drop_unroutable),
        "returned": more(|of| of.in_vain.returned),
        "timed_out": more(|of| of.in_vain.timed_out),
        "lost": more(|of| of.in_vain.lost),
    })
}

/// Milliseconds, of what happened since the last sample; null where nothing did.
fn latency(before: &Reading, now: &Reading) -> Value {
    let (confirm, sync) = (
        now.confirm.since(&before.confirm),
        now.sync.since(&before.sync),
    );
    let ms = |of: &Counted, hundredths| of.percentile(hundredths).map(|us| float(us) / 1000.0);
    json!({
        "confirm_p50_ms": ms(&confirm, 50),
        "confirm_p99_ms": ms(&confirm, 99),
        "sync_p50_ms": ms(&sync, 50),
        "sync_p99_ms": ms(&sync, 99),
    })
}

/// `GET /api/landfall/history?minutes=5`, or `samples=1`
pub(crate) async fn history(
    State(api): State<Api>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Failure> {
    let number = |key: &str| {
        let number = query.get(key).map(|text| {
            let wrong = || Failure::BadRequest(format!("'{text}' is not a number of {key}"));
            text.parse::<usize>().map_err(|_| wrong())
        });
        number.transpose()
    };
    let (minutes, samples) = (number("minutes")?, number("samples")?);
    let minutes = minutes.map_or(KEPT, |minutes| minutes.saturating_mul(60));
    let wanted = minutes.min(samples.unwrap_or(KEPT));
    let kept = api.live().kept();
    let last = kept.iter().skip(kept.len().saturating_sub(wanted));
    let samples: Vec<&str> = last.map(|sample| &**sample).collect();
    let body = format!("{{\"samples\":[{}]}}", samples.join(","));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// `GET /api/landfall/live`: server-sent events.
pub(crate) async fn live(State(api): State<Api>) -> Result<Response, Failure> {
    let live = api.live();
    let Ok(place) = live.watchers.clone().try_acquire_owned() else {
        let why = format!("{WATCHERS} watch already: no more at a time");
        return Err(Failure::Silent(why));
    };
    let samples = live.last.subscribe();
    let (sender, body) = Channel::<Bytes, Infallible>::new(AHEAD);
    tokio::spawn(async move {
        let _ = tokio::time::timeout(STREAM_MAX, tell(samples, sender)).await;
        drop(place);
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::new(body)).into_response())
}

/// Tells every sample, until nobody listens or another node knows more: the browser finds that one when it asks again.
async fn tell(mut samples: watch::Receiver<Option<Arc<str>>>, mut sender: Sender<Bytes>) {
    let begin = Bytes::from_static(b"retry: 2000\n\n");
    let mut told = sender.send_data(begin).await.is_ok();
    if samples.borrow().is_some() {
        samples.mark_changed();
    }
    while told && samples.changed().await.is_ok() {
        let sample = samples.borrow_and_update().clone();
        let Some(sample) = sample else { return };
        let event = Bytes::from(format!("data: {sample}\n\n"));
        told = sender.send_data(event).await.is_ok();
    }
}
