//! Messages that wait: made, checked, and received when they come.

use super::super::connection::{Connection, not_a_close};
use crate::server::Server;
use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use model::method::{basic, confirm, exchange, queue};
use model::{ChannelNumber, DeliveryTag, Method, PropertiesBuilder, ShortStr, TableBuilder, Value};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wire::Frame;

/// What waits while something is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waiting {
    Nothing,
    /// Messages that are ready and that nobody takes.
    Ready,
    /// Messages due over the next hour.
    Hour,
    /// Messages due over the next ten years.
    Years,
    /// Messages that were given back once and wait an hour for the next attempt.
    Retries,
}

const QUEUE: &str = "waiting";
const EXCHANGE: &str = "later";
const CHANNEL: ChannelNumber = ChannelNumber(1);
const FRAME_MAX: u32 = 131_072;
const BODY: &[u8] = &[0x5a; 16];
/// So many publishes are sent before their confirms are waited for.
const BATCH: u32 = 5_000;
/// Nothing is due while the rest is still made and measured.
const SOONEST_MS: u64 = 900_000;
const HOUR_MS: u64 = 3_600_000;
const TEN_YEARS_MS: u64 = 10 * 8_766 * HOUR_MS;

impl Waiting {
    pub(super) const ALL: [Self; 5] = [
        Self::Nothing,
        Self::Ready,
        Self::Hour,
        Self::Years,
        Self::Retries,
    ];

    /// Publishes so many, and returns when all of them wait.
    pub(super) fn make(self, server: &Server, messages: u32) -> Result<()> {
        let mut connection = Connection::open(server.port())?;
        declare(&mut connection, self)?;
        let mut random = 1u64;
        match self {
            Self::Nothing => return Ok(()),
            Self::Ready | Self::Retries => publish_all(connection, messages, || None)?,
            Self::Hour | Self::Years => {
                let upto = if self == Self::Hour {
                    HOUR_MS
                } else {
                    TEN_YEARS_MS
                };
                publish_all(connection, messages, || {
                    Some(SOONEST_MS + next_random(&mut random) % upto)
                })?;
            }
        }
        if self == Self::Retries {
            give_all_back(Connection::open(server.port())?, messages)?;
        }
        self.check(server, messages)
    }

    /// None of those that wait for their time is ready, and all of the others are.
    pub(super) fn check(self, server: &Server, messages: u32) -> Result<()> {
        let ready = Connection::open(server.port())?.waiting(&name(QUEUE))?;
        let expected = if self == Self::Ready { messages } else { 0 };
        ensure!(
            ready == expected,
            "{ready} messages are ready, not {expected}"
        );
        Ok(())
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Ready => "ready messages",
            Self::Hour => "delayed, due over an hour",
            Self::Years => "delayed, due over ten years",
            Self::Retries => "retries, due in an hour",
        })
    }
}

fn name(text: &'static str) -> ShortStr {
    ShortStr::from_static(text)
}

fn declare(connection: &mut Connection, waiting: Waiting) -> Result<()> {
    let mut arguments = TableBuilder::new();
    if waiting == Waiting::Retries {
        let wait = Value::I64(HOUR_MS.cast_signed());
        arguments = arguments
            .text("x-delayed-retry-type", "all")
            .field("x-delayed-retry-min", wait)
            .field("x-delayed-retry-max", wait);
    }
    connection.ask(queue::Declare {
        queue: name(QUEUE),
        durable: true,
        arguments: arguments.build(),
        ..Default::default()
    })?;
    connection.ask(exchange::Declare {
        exchange: name(EXCHANGE),
        kind: name("x-delayed-message"),
        durable: true,
        arguments: TableBuilder::new().text("x-delayed-type", "fanout").build(),
        ..Default::default()
    })?;
    connection.bind(&name(QUEUE), &name(EXCHANGE), &name(QUEUE))
}

fn publish_all(
    mut connection: Connection,
    messages: u32,
    mut delay: impl FnMut() -> Option<u64>,
) -> Result<()> {
    connection.ask(confirm::Select::default())?;
    let (exchange, mut sent) = (name(EXCHANGE), 0);
    while sent < messages {
        let batch = BATCH.min(messages - sent);
        for _ in 0..batch {
            put(&mut connection.output, &exchange, delay(), BODY);
        }
        connection.flush()?;
        sent += batch;
        wait_for_confirms(&mut connection, sent.into())?;
    }
    connection.close()
}

fn put(out: &mut BytesMut, exchange: &ShortStr, delay: Option<u64>, body: &[u8]) {
    let publish = basic::Publish {
        exchange: exchange.clone(),
        routing_key: name(QUEUE),
        ..Default::default()
    };
    wire::encode_method(out, CHANNEL, &publish.into());
    let mut properties = PropertiesBuilder::new().delivery_mode(2);
    if let Some(delay) = delay {
        let delay = Value::I64(delay.cast_signed());
        properties = properties.headers(&TableBuilder::new().field("x-delay", delay).build());
    }
    let properties = properties.build();
    let class = basic::Publish::ID.class;
    wire::encode_content(out, CHANNEL, class, properties.as_bytes(), body, FRAME_MAX);
}

/// Landfall confirms in order.
fn wait_for_confirms(connection: &mut Connection, upto: u64) -> Result<()> {
    loop {
        while let Some(frame) = connection.buffered_frame()? {
            let Frame::Method(_, method) = frame else {
                continue;
            };
            match not_a_close(method)? {
                Method::BasicAck(ack) if ack.delivery_tag.0 == upto => return Ok(()),
                Method::BasicAck(_) => {}
                other => bail!("{} instead of a confirm", other.name()),
            }
        }
        connection.fill()?;
    }
}

/// Takes every message once and gives it back.
fn give_all_back(mut connection: Connection, messages: u32) -> Result<()> {
    let batch = BATCH.min(messages);
    connection.qos(u16::try_from(batch).context("prefetch")?)?;
    connection.consume(&name(QUEUE), 0)?;
    let mut received = 0;
    while received < messages {
        let mut last = None;
        while let Some(frame) = connection.buffered_frame()? {
            if let Frame::Method(_, method) = frame
                && let Method::BasicDeliver(deliver) = not_a_close(method)?
            {
                ensure!(!deliver.redelivered, "a message came back at once");
                received += 1;
                last = Some(deliver.delivery_tag);
            }
        }
        if let Some(delivery_tag) = last {
            let nack = basic::Nack {
                delivery_tag,
                multiple: true,
                requeue: true,
            };
            wire::encode_method(&mut connection.output, CHANNEL, &nack.into());
            connection.flush()?;
        }
        if received < messages {
            connection.fill()?;
        }
    }
    connection.close()
}

/// How long after their time messages came, in milliseconds: from when they were to be due, as their sender counts, to
/// when their receiver read them.
pub(super) fn punctuality(server: &Server, control: &mut Connection) -> Result<Vec<f64>> {
    const MESSAGES: usize = 20_000;
    const PAUSE: Duration = Duration::from_millis(5);
    let (queue, exchange) = (name("punctual"), name("punctual"));
    control.declare(&queue, None)?;
    control.ask(exchange::Declare {
        exchange: exchange.clone(),
        kind: name("x-delayed-message"),
        arguments: TableBuilder::new().text("x-delayed-type", "fanout").build(),
        ..Default::default()
    })?;
    control.bind(&queue, &exchange, &queue)?;
    let mut consumer = Connection::open(server.port())?;
    consumer.qos(1_000)?;
    consumer.consume(&queue, 0)?;
    let mut publisher = Connection::open(server.port())?;
    let errors = std::thread::scope(|scope| {
        let received = scope.spawn(|| receive(&mut consumer, MESSAGES));
        let mut random = 1u64;
        for sent in 0..MESSAGES {
            let delay = 1_000 + next_random(&mut random) % 9_000;
            let due = since_1970()? + Duration::from_millis(delay);
            let due = u64::try_from(due.as_micros()).context("time")?;
            put(
                &mut publisher.output,
                &exchange,
                Some(delay),
                &due.to_be_bytes(),
            );
            if sent % 10 == 9 {
                publisher.flush()?;
                std::thread::sleep(PAUSE);
            }
        }
        publisher.flush()?;
        received
            .join()
            .map_err(|_| anyhow::anyhow!("the receiver panicked"))?
    });
    control.delete(&queue)?;
    control.delete_exchange(&exchange)?;
    errors
}

fn receive(connection: &mut Connection, messages: usize) -> Result<Vec<f64>> {
    let mut errors = Vec::new();
    while errors.len() < messages {
        let mut last = None;
        let now = since_1970()?.as_micros() as f64;
        while let Some(frame) = connection.buffered_frame()? {
            match frame {
                Frame::Method(_, method) => {
                    if let Method::BasicDeliver(deliver) = not_a_close(method)? {
                        last = Some(deliver.delivery_tag);
                    }
                }
                Frame::Body(_, body) => {
                    let due = body.first_chunk().copied().map(u64::from_be_bytes);
                    errors.push((now - due.context("a short body")? as f64) / 1_000.0);
                }
                Frame::Header(..) | Frame::Heartbeat => {}
            }
        }
        if let Some(last) = last {
            acknowledge(connection, last)?;
        }
        if errors.len() < messages {
            connection.fill()?;
        }
    }
    Ok(errors)
}

fn acknowledge(connection: &mut Connection, delivery_tag: DeliveryTag) -> Result<()> {
    let ack = basic::Ack {
        delivery_tag,
        multiple: true,
    };
    wire::encode_method(&mut connection.output, CHANNEL, &ack.into());
    connection.flush()
}

fn since_1970() -> Result<Duration> {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is set before 1970")
}

fn next_random(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    *state >> 11
}
