//! How long the heart takes for a message: published, landed, confirmed, handed out, acknowledged; and how long
//! it takes to route one, with few and many bindings.
//!
//! `cargo run --release -p landfall-broker --example heart_speed`

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a measurement reads the clock and prints"
)]

use landfall_broker::journey::Journey;
use landfall_broker::{Broker, Effect, Input, Opened, Recovery, Written};
use model::method::{basic, confirm, exchange, queue};
use model::{
    ChannelNumber, ConnectionId, DeliveryTag, Limits, Method, Position, Properties,
    PropertiesBuilder, Publish, ShortStr, Timestamp,
};
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp(0);
const CONNECTION: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);

fn main() {
    for (told, with_id) in [(false, false), (true, false), (false, true), (true, true)] {
        whole_journey(told, with_id);
    }
    for kind in ["direct", "fanout", "topic", "headers", "x-consistent-hash"] {
        for bindings in [1, 10, 100] {
            let mut broker = connected();
            let exchange = bind(&mut broker, kind, bindings, |_| match kind {
                "topic" => "stock.*.#".into(),
                "x-consistent-hash" => "1".into(),
                _ => "stock.usd.nyse".into(),
            });
            let keys = [ShortStr::from_static("stock.usd.nyse")];
            let each = routed(&mut broker, &exchange, &keys, 200_000 / bindings);
            println!("{kind:>17}, {bindings:>4} matching bindings: {each:?} each");
        }
    }
    for kind in ["direct", "topic"] {
        let mut broker = connected();
        let exchange = bind(&mut broker, kind, 1000, |number| format!("queue.{number}"));
        let keys = (0..1000).map(|number| ShortStr::truncated(&format!("queue.{number}")));
        let each = routed(&mut broker, &exchange, &keys.collect::<Vec<_>>(), 200_000);
        println!("{kind:>17}, one of 1000 queues: {each:?} each");
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

/// Publishes and lands, 100 messages a turn: the time for each in the best of the turns, because the others were
/// disturbed.
fn routed(broker: &mut Broker, exchange: &ShortStr, keys: &[ShortStr], count: u32) -> Duration {
    let (mut landed, mut tag, mut delivered) = (Position::NONE, DeliveryTag(0), 0u32);
    let mut keys = keys.iter().cycle();
    let mut best = Duration::MAX;
    for _ in 0..count / 100 {
        let started = Instant::now();
        for _ in 0..100 {
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
        best = best.min(started.elapsed() / 100);
    }
    best
}

/// A message from publish to acknowledgement; whether what happens to it is told, and whether it has a message id.
fn whole_journey(told: bool, with_id: bool) {
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
    for batch in [1, 10, 100] {
        let turns = 1_000_000 / batch;
        let (mut landed, mut tag, mut delivered) = (Position::NONE, DeliveryTag(0), 0u32);
        let started = Instant::now();
        for _ in 0..turns {
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
        }
        let each = started.elapsed() / (turns * batch);
        let told = if told { ", journeys told" } else { "" };
        let with_id = if with_id { ", message ids" } else { "" };
        println!("{batch:>4} messages a turn{with_id}{told}: {each:?} each");
    }
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
