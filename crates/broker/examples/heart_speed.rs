//! How long the heart takes for a message: published, landed, confirmed, handed out, acknowledged.
//!
//! `cargo run --release -p landfall-broker --example heart_speed`

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a measurement reads the clock and prints"
)]

use landfall_broker::{Broker, Effect, Input, Opened, Recovery, Written};
use model::method::{basic, confirm, queue};
use model::{
    ChannelNumber, ConnectionId, DeliveryTag, Limits, Method, Position, Publish, ShortStr,
    Timestamp,
};
use std::time::Instant;

const NOW: Timestamp = Timestamp(0);
const CONNECTION: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);

fn main() {
    let name = ShortStr::from_static("q");
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
    let call = |method| Input::Method(CONNECTION, CHANNEL, method);
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
            broker.handle(
                NOW,
                call(
                    basic::Ack {
                        delivery_tag: tag,
                        multiple: true,
                    }
                    .into(),
                ),
            );
        }
        let each = started.elapsed() / (turns * batch);
        println!("{batch:>4} messages a turn: {each:?} each");
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
