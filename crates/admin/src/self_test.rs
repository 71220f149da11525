//! `POST /api/landfall/self-test/{vhost}`: a message goes the way of every other, through a queue that is there for it, and each
//! step says how long it took and what is wrong.

use crate::access::Caller;
use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::Api;
use crate::on_behalf;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use broker::{Answer, Deed};
use model::method::queue;
use model::{Position, Publish, ShortStr, TableBuilder, Value};
use serde_json::{Value as Shape, json};
use std::time::{Duration, Instant, SystemTime};

/// The queue goes by itself where the test cannot remove it, in milliseconds.
const QUEUE_EXPIRES: i32 = 60_000;

/// Clocks of one cluster may differ by so much.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(5);

/// What a self-test found.
pub(crate) const SELF_TEST: Described = Described::new(
    "SelfTest",
    &[
        Key::new("ok", Kind::Flag, "whether all is well").needed(),
        Key::new("took_ms", Kind::Number, "how long all of it took").needed(),
        Key::new(
            "checks",
            Kind::List(&Kind::Object(&CHECK)),
            "what was looked at, in order",
        )
        .needed(),
    ],
);

/// One thing that was looked at.
pub(crate) const CHECK: Described = Described::new(
    "SelfTestCheck",
    &[
        Key::new("check", Kind::Text, "what").needed(),
        Key::new("ok", Kind::Flag, "whether it is well").needed(),
        Key::new("took_ms", Kind::Number, "how long it took").needed(),
        Key::new("says", Kind::Text, "what there is to say of it").needed(),
    ],
);

/// What was looked at so far.
#[derive(Default)]
struct Checks(Vec<Shape>);

impl Checks {
    /// Something was looked at: what there is to say of it, or what is wrong.
    fn note(&mut self, name: &str, began: Instant, found: &Result<String, String>) {
        let took = began.elapsed().as_secs_f64() * 1000.0;
        let says = match found {
            Ok(says) | Err(says) => says,
        };
        self.0.push(json!({
            "check": name,
            "ok": found.is_ok(),
            "took_ms": (took * 1000.0).round() / 1000.0,
            "says": says,
        }));
    }
}

/// A message on its way.
struct Way<'a> {
    api: &'a Api,
    caller: &'a Caller,
    vhost: &'a str,
    queue: ShortStr,
    body: String,
}

pub(crate) async fn run(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(vhost): Path<String>,
) -> Result<Json<Shape>, Failure> {
    let mut octets = [0; 8];
    getrandom::fill(&mut octets).expect("every system that we run on has random numbers");
    let number = u64::from_le_bytes(octets);
    let way = Way {
        api: &api,
        caller: &caller,
        vhost: &vhost,
        queue: ShortStr::truncated(&format!("landfall.self-test.{number:016x}")),
        body: format!("self-test {number:016x}"),
    };
    let began = Instant::now();
    let mut checks = Checks::default();
    let synced = api.operator().instruments().map(|all| all.sync.counted());
    let went = way.go(&mut checks).await;
    if let (Some(all), Some(before)) = (api.operator().instruments(), synced) {
        let since = all.sync.counted().since(&before);
        if let (true, Some(longest)) = (went, since.percentile(100)) {
            #[expect(clippy::cast_precision_loss, reason = "microseconds of a few seconds")]
            let longest = longest as f64 / 1000.0;
            let says = format!("{} syncs, of {longest} ms at the most", since.count());
            checks.note("sync", began, &Ok(says));
        }
    }
    room(&api, &mut checks);
    let ok = checks.0.iter().all(|check| check["ok"] == true);
    let took = began.elapsed().as_secs_f64() * 1000.0;
    Ok(Json(json!({
        "ok": ok,
        "took_ms": (took * 1000.0).round() / 1000.0,
        "checks": checks.0,
    })))
}

impl Way<'_> {
    /// Step by step, as far as it goes; whether all of it went well. The queue is removed whatever happened.
    async fn go(&self, checks: &mut Checks) -> bool {
        let began = Instant::now();
        let declared = self.declare().await;
        checks.note("declare", began, &declared);
        if declared.is_err() {
            return false;
        }
        let mut went = true;
        let began = Instant::now();
        let published = self.publish().await;
        checks.note("publish", began, &published);
        if published.is_ok() {
            let began = Instant::now();
            let read = self.read(checks).await;
            let told = read.as_ref().map(|(_, says)| says.clone());
            checks.note("read", began, &told.map_err(Clone::clone));
            match read {
                Ok((position, _)) => {
                    let began = Instant::now();
                    let taken = self.take(position).await;
                    went &= taken.is_ok();
                    checks.note("acknowledge", began, &taken);
                }
                Err(_) => went = false,
            }
        } else {
            went = false;
        }
        let began = Instant::now();
        let removed = self.remove().await;
        checks.note("delete", began, &removed);
        went && removed.is_ok()
    }

    async fn ask(&self, deed: Deed) -> Result<Answer, String> {
        let answer = on_behalf::ask(self.api, self.caller, self.vhost, deed).await;
        answer.map_err(|failure| failure.reason())
    }

    async fn declare(&self) -> Result<String, String> {
        let expires = TableBuilder::new().field("x-expires", Value::I32(QUEUE_EXPIRES));
        self.ask(Deed::DeclareQueue(queue::Declare {
            queue: self.queue.clone(),
            durable: true,
            arguments: expires.build(),
            ..queue::Declare::default()
        }))
        .await?;
        Ok(format!("the queue {} has landed", self.queue))
    }

    async fn publish(&self) -> Result<String, String> {
        let published = self.ask(Deed::Publish(Publish {
            routing_key: self.queue.clone(),
            body: self.body.clone().into(),
            ..Publish::default()
        }));
        match published.await? {
            Answer::Published { routed: true } => {
                Ok("a message was published, has landed and is confirmed".to_owned())
            }
            _ => Err("the message went to no queue".to_owned()),
        }
    }

    /// The message as it landed, and the clock that it was accepted by.
    async fn read(&self, checks: &mut Checks) -> Result<(Position, String), String> {
        let next = self.ask(Deed::Peek {
            queue: self.queue.clone(),
            most: 1,
        });
        let position = match next.await? {
            Answer::Next { messages, .. } => messages.first().map(|message| message.position),
            _ => None,
        };
        let position = position.ok_or("the message is not in its queue")?;
        let read = self.api.read(vec![position], usize::MAX).await;
        let read = read.map_err(|failure| failure.reason())?.pop();
        let content = read.and_then(|read| read.content);
        let content = content.ok_or("the message cannot be read back")?;
        let began = Instant::now();
        checks.note("clock", began, &clock(content.message.accepted.0));
        if content.message.body != self.body {
            return Err("the message was read back otherwise than it was sent".to_owned());
        }
        Ok((
            position,
            "the message was read back as it was sent".to_owned(),
        ))
    }

    async fn take(&self, position: Position) -> Result<String, String> {
        let taken = self.ask(Deed::Take {
            queue: self.queue.clone(),
            positions: vec![position],
            reject: false,
        });
        match taken.await? {
            Answer::Outcome(outcome) if outcome.done == 1 => {
                Ok("the message was delivered and acknowledged, and that has landed".to_owned())
            }
            _ => Err("the message was not delivered".to_owned()),
        }
    }

    async fn remove(&self) -> Result<String, String> {
        self.ask(Deed::DeleteQueue(queue::Delete {
            queue: self.queue.clone(),
            ..queue::Delete::default()
        }))
        .await?;
        Ok("the queue is removed".to_owned())
    }
}

/// Whether the clock that messages are accepted by is that of this node, nearly.
fn clock(accepted: u64) -> Result<String, String> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    let differs = now.abs_diff(Duration::from_millis(accepted));
    let says = format!(
        "messages are accepted by a clock that differs by {} ms from this node's",
        differs.as_millis()
    );
    if differs > CLOCKS_DIFFER_MAX {
        Err(says)
    } else {
        Ok(says)
    }
}

/// Whether there is memory and disk enough.
fn room(api: &Api, checks: &mut Checks) {
    const MIB: u64 = 1024 * 1024;
    let began = Instant::now();
    let vitals = api.node().vitals();
    if let Some((free, limit)) = vitals.disk {
        let says = format!(
            "{} MiB are free; publishers wait below {} MiB",
            free / MIB,
            limit / MIB
        );
        checks.note(
            "disk",
            began,
            &if vitals.disk_short {
                Err(says)
            } else {
                Ok(says)
            },
        );
    }
    let (used, limit) = vitals.memory;
    let says = format!("{} of {} MiB are used", used / MIB, limit / MIB);
    checks.note(
        "memory",
        began,
        &if vitals.memory_short {
            Err(says)
        } else {
            Ok(says)
        },
    );
}
