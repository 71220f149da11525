//! How long the heart takes for a message: published, landed, confirmed, handed out, acknowledged; and how long
//! it takes to route one, with few and many bindings; and to look at many queues: `cargo bench -p landfall-broker`.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock"
)]

use criterion::{Bencher, Criterion, Throughput};
use landfall_broker::journey::Journey;
use landfall_broker::snapshot::{Look, Sight};
use landfall_broker::{Broker, Command, CommandId, Effect, Input, Opened, Recovery, Written};
use model::method::{basic, confirm, exchange, queue};
use model::{
    ChannelNumber, ConnectionId, DeliveryTag, Limits, Method, Position, Properties,
    PropertiesBuilder, Publish, ShortStr, TableBuilder, Timestamp,
};
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp(0);
const CONNECTION: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);
/// Messages of a turn.
const TURN: u64 = 100;
/// Then its queues hold enough.
const TURNS_OF_A_BROKER: usize = 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    journeys(&mut criterion);
    routes(&mut criterion);
    looks(&mut criterion);
    criterion.final_summary();
}

fn journeys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("from publish to acknowledgement");
    for (told, with_id) in [(false, false), (true, false), (false, true), (true, true)] {
        for batch in [1, 10, 100] {
            let told_name = if told { ", journeys told" } else { "" };
            let id_name = if with_id { ", message ids" } else { "" };
            group.throughput(Throughput::Elements(batch));
            group.bench_function(format!("{batch} a turn{id_name}{told_name}"), |bencher| {
                whole_journey(bencher, batch, told, with_id);
            });
        }
    }
}

fn routes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish and land");
    group.throughput(Throughput::Elements(TURN));
    for kind in ["direct", "fanout", "topic", "headers", "x-consistent-hash"] {
        for bindings in [1, 10, 100] {
            let key = move |_| match kind {
                "topic" => "stock.*.#".into(),
                "x-consistent-hash" => "1".into(),
                _ => "stock.usd.nyse".into(),
            };
            let keys = [ShortStr::from_static("stock.usd.nyse")];
            let name = format!("{kind}, {bindings} matching bindings");
            group.bench_function(name, |bencher| {
                routed(bencher, &keys, |broker| bind(broker, kind, bindings, key));
            });
        }
    }
    for kind in ["direct", "topic"] {
        let key = |number| format!("queue.{number}");
        let keys: Vec<_> = (0..1000)
            .map(|number| ShortStr::truncated(&key(number)))
            .collect();
        group.bench_function(format!("{kind}, one of 1000 queues"), |bencher| {
            routed(bencher, &keys, |broker| bind(broker, kind, 1000, key));
        });
    }
}

/// What operators look at while clients wait: everything about each queue, or the few that need attention.
fn looks(criterion: &mut Criterion) {
    const QUEUES: usize = 10_000;
    let mut group = criterion.benchmark_group(format!("look at {QUEUES} queues"));
    let mut broker = connected();
    let dying = TableBuilder::new().text("x-dead-letter-exchange", "amq.fanout");
    let dying = dying.build();
    for number in 0..QUEUES {
        let name = ShortStr::truncated(&format!("queue.{number}"));
        let declare = queue::Declare {
            queue: name.clone(),
            durable: true,
            no_wait: true,
            arguments: dying.clone(),
            ..Default::default()
        };
        broker.handle(NOW, call(declare));
        let publish = Publish {
            routing_key: name,
            ..Default::default()
        };
        broker.handle(NOW, Input::Publish(CONNECTION, CHANNEL, publish));
    }
    broker.tick(NOW);
    let mut landed = Position::NONE;
    drain(&mut broker, &mut landed, &mut DeliveryTag(0), &mut 0);
    broker.handle(NOW, Input::Landed(landed));
    let summary = Look::Summary {
        sight: Sight::default(),
        most: 20,
    };
    for (name, look) in [("summary", summary), ("list", Look::Queues { vhost: None })] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let command = Command::Look(look.clone());
                broker.handle(NOW, Input::Command(CommandId(1), command));
                while let Some(effect) = broker.poll_effect() {
                    std::hint::black_box(&effect);
                }
            });
        });
    }
}

/// A broker with one connection and one channel.
fn connected() -> Broker {
    let mut broker = Recovery::new(&Limits::default()).finish(NOW);
    broker.handle(
        NOW,
        Input::ConnectionOpened(Opened {
            connection: CONNECTION,
            user: ShortStr::from_static("guest"),
            vhost: ShortStr::from_static("/"),
            consumer_cancel_notify: true,
            blocked_notify: true,
        }),
    );
    broker.handle(NOW, Input::ChannelOpened(CONNECTION, CHANNEL));
    broker
}

fn call(method: impl Into<Method>) -> Input {
    Input::Method(CONNECTION, CHANNEL, method.into())
}

/// Makes an exchange with so many queues bound to it.
fn bind(
    broker: &mut Broker,
    kind: &'static str,
    count: u32,
    key: impl Fn(u32) -> String,
) -> ShortStr {
    let exchange = ShortStr::from_static("measured");
    let declare = exchange::Declare {
        exchange: exchange.clone(),
        kind: ShortStr::from_static(kind),
        no_wait: true,
        ..Default::default()
    };
    broker.handle(NOW, call(declare));
    for number in 0..count {
        let name = ShortStr::truncated(&format!("queue-{number}"));
        let declare = queue::Declare {
            queue: name.clone(),
            no_wait: true,
            ..Default::default()
        };
        let bind = queue::Bind {
            queue: name,
            exchange: exchange.clone(),
            routing_key: ShortStr::truncated(&key(number)),
            no_wait: true,
            ..Default::default()
        };
        broker.handle(NOW, call(declare));
        broker.handle(NOW, call(bind));
    }
    exchange
}

/// Publishes and lands, a turn of messages at a time. The queues grow, so each run of turns has a broker of its own.
fn routed(bencher: &mut Bencher<'_>, keys: &[ShortStr], bind: impl Fn(&mut Broker) -> ShortStr) {
    bencher.iter_custom(|turns| {
        let mut elapsed = Duration::ZERO;
        for left in (0..turns).rev().step_by(TURNS_OF_A_BROKER) {
            let mut broker = connected();
            let exchange = bind(&mut broker);
            let run = (left + 1).min(TURNS_OF_A_BROKER as u64);
            elapsed += publish_and_land(&mut broker, &exchange, keys, run);
        }
        elapsed
    });
}

fn publish_and_land(
    broker: &mut Broker,
    exchange: &ShortStr,
    keys: &[ShortStr],
    turns: u64,
) -> Duration {
    let (mut landed, mut tag, mut delivered) = (Position::NONE, DeliveryTag(0), 0u32);
    let mut keys = keys.iter().cycle();
    let started = Instant::now();
    for _ in 0..turns {
        for _ in 0..TURN {
            let publish = Publish {
                exchange: exchange.clone(),
                routing_key: keys.next().expect("without end").clone(),
                ..Default::default()
            };
            broker.handle(NOW, Input::Publish(CONNECTION, CHANNEL, publish));
        }
        broker.tick(NOW);
        drain(broker, &mut landed, &mut tag, &mut delivered);
        broker.handle(NOW, Input::Landed(landed));
    }
    started.elapsed()
}

/// A message from publish to acknowledgement; whether what happens to it is told, and whether it has a message id.
fn whole_journey(bencher: &mut Bencher<'_>, batch: u64, told: bool, with_id: bool) {
    let name = ShortStr::from_static("q");
    let mut broker = connected();
    let mut journey = Journey::default();
    if told {
        broker.tell_journeys();
    }
    let declare = queue::Declare {
        queue: name.clone(),
        no_wait: true,
        ..Default::default()
    };
    let consume = basic::Consume {
        queue: name.clone(),
        no_wait: true,
        ..Default::default()
    };
    let methods: [Method; 3] = [
        declare.into(),
        consume.into(),
        confirm::Select { no_wait: true }.into(),
    ];
    for method in methods {
        broker.handle(NOW, call(method));
    }

    let publish = Publish {
        routing_key: name,
        body: vec![7; 1024].into(),
        properties: match with_id {
            true => PropertiesBuilder::new()
                .message_id(&ShortStr::from_static(
                    "0b9f6a3e-6f3d-4d0a-9d6c-3f2e1b7a5c88",
                ))
                .build(),
            false => Properties::default(),
        },
        ..Default::default()
    };
    let (mut landed, mut tag, mut delivered) = (Position::NONE, DeliveryTag(0), 0u32);
    bencher.iter(|| {
        for _ in 0..batch {
            broker.handle(NOW, Input::Publish(CONNECTION, CHANNEL, publish.clone()));
        }
        broker.tick(NOW);
        drain(&mut broker, &mut landed, &mut tag, &mut delivered);
        broker.handle(NOW, Input::Landed(landed));
        broker.tick(NOW);
        drain(&mut broker, &mut landed, &mut tag, &mut delivered);
        let written = Written {
            deliveries: std::mem::take(&mut delivered),
            settled: Vec::new(),
        };
        broker.handle(NOW, Input::Written(CONNECTION, written));
        let ack = basic::Ack {
            delivery_tag: tag,
            multiple: true,
        };
        broker.handle(NOW, call(ack));
        broker.take_journey(&mut journey);
        journey.clear();
    });
}

fn drain(broker: &mut Broker, landed: &mut Position, tag: &mut DeliveryTag, delivered: &mut u32) {
    while let Some(effect) = broker.poll_effect() {
        match effect {
            Effect::Land { position, .. } => *landed = position,
            Effect::Deliver { delivery, .. } => {
                *tag = delivery.tag;
                *delivered += 1;
            }
            _ => {}
        }
    }
}
