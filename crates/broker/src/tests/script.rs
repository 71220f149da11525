//! Scripts of inputs in words, and the transcript of effects that they lead to.

use super::show::show;
use crate::{Broker, Effect, Input, Opened, Recovery, Written};
use model::method::{basic, confirm, exchange, queue, tx};
use model::publish::{PUBLISHER_ID_HEADER, PUBLISHING_ID_HEADER};
use model::{
    ArrayBuilder, ChannelNumber, ConnectionId, DeliveryTag, FieldTable, Limits, Method, Position,
    Properties, PropertiesBuilder, Publish, QueueId, Record, ShortStr, TableBuilder, Timestamp,
    Value,
};
use std::fmt::Write;
use std::sync::Arc;

/// A broker with the lane that it asked for; what has landed survives a crash.
pub(super) struct Heart {
    broker: Broker,
    lane: Vec<(Position, Record)>,
    landed: usize,
    limits: Limits,
    now: Timestamp,
    /// Messages that the broker asked for.
    wanted: Vec<(QueueId, Position)>,
}

/// Runs a script and compares the transcript. A line is an input, followed by the end of its turn.
pub(super) fn check(script: &str, expect: expect_test::Expect) {
    check_with(limits(), script, expect);
}

/// The same under other limits.
pub(super) fn check_with(limits: Limits, script: &str, expect: expect_test::Expect) {
    let mut heart = Heart::new(limits);
    let mut transcript = String::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        writeln!(transcript, "{line}").expect("a string takes all");
        for shown in heart.run(line) {
            writeln!(transcript, "    {shown}").expect("a string takes all");
        }
    }
    expect.assert_eq(&transcript);
}

pub(super) fn short(text: &str) -> ShortStr {
    let text = if text == "-" { "" } else { text };
    ShortStr::try_from(text).expect("scripts use short names")
}

fn number(word: &str) -> u64 {
    word.parse()
        .unwrap_or_else(|_| panic!("{word} should be a number"))
}

impl Heart {
    pub(super) fn new(limits: Limits) -> Self {
        let mut broker = Recovery::new(&limits).finish(Timestamp(0));
        let furniture = std::iter::from_fn(|| broker.poll_effect());
        let furniture = furniture.filter_map(|effect| match effect {
            Effect::Land { record, .. } => Some((Position(1), record)),
            _ => None,
        });
        // What every new broker lands counts as one record, so that transcripts begin at #2 whatever it is.
        let lane: Vec<_> = furniture.collect();
        let landed = lane.len();
        let mut heart = Self {
            broker,
            lane,
            landed,
            limits,
            now: Timestamp(1000),
            wanted: Vec::new(),
        };
        heart.come_back();
        heart.effects();
        heart
    }

    pub(super) fn run(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let turn = match words[..] {
            ["connect", id] => Some(opened(number(id), "guest", "/")),
            ["connect", id, user, vhost] => Some(opened(number(id), user, vhost)),
            ["close", id] => Some(Input::ConnectionClosed(ConnectionId(number(id)))),
            ["landed"] => {
                self.land_all();
                None
            }
            ["landed", upto] => {
                self.landed = self
                    .lane
                    .iter()
                    .position(|(at, _)| at.0 == number(upto))
                    .expect("asked for")
                    + 1;
                Some(Input::Landed(Position(number(upto))))
            }
            ["crash"] => {
                self.come_back();
                None
            }
            // The store writes all messages again, behind everything else.
            ["relocated"] => {
                let is_message =
                    |(_, record): &&(Position, Record)| matches!(record, Record::Message(_));
                let messages: Vec<_> = self.lane.iter().filter(is_message).cloned().collect();
                self.lane.extend(messages);
                self.landed = self.lane.len();
                None
            }
            ["fetched"] => {
                self.fetch_all();
                None
            }
            // The time, in milliseconds, from here on.
            ["at", time] => {
                self.now = Timestamp(number(time));
                None
            }
            ["wakes"] => {
                let at = self.broker.wake_at().map(|at| at.0.to_string());
                return vec![at.unwrap_or_else(|| "never".into())];
            }
            // What happens is told from here on, and what was told since.
            ["tell"] => {
                self.broker.tell_journeys();
                None
            }
            ["tell", "refusals"] => {
                self.broker.tell_refusals();
                None
            }
            ["journey"] => return super::journeys::told(&mut self.broker),
            ["farewell"] => Some(Input::Farewell),
            ["stop"] => Some(Input::Stopping),
            ["operator", ref command @ ..] => Some(super::operating::asked(command)),
            ["login", id, user, password, ref place @ ..] => {
                Some(super::operating::login(number(id), user, password, place))
            }
            ["renew", id, user, token] => Some(Input::TokenRenewed(
                ConnectionId(number(id)),
                Arc::new(super::operating::bearer(user, token)),
            )),
            ["checkpoint"] => Some(Input::CheckpointWanted),
            ["waiting"] => {
                let some = if self.broker.waiting_bytes() > 0 {
                    "some"
                } else {
                    "none"
                };
                return vec![some.into()];
            }
            ["room", word] => Some(Input::Room(word == "yes")),
            ["memory", word] => Some(Input::Memory(word == "enough")),
            ["written", id, count] => {
                let deliveries = u32::try_from(number(count)).expect("small");
                Some(Input::Written(
                    ConnectionId(number(id)),
                    Written {
                        deliveries,
                        settled: Vec::new(),
                    },
                ))
            }
            ["written", id, "settled", ref tags @ ..] => {
                let settled = tags
                    .iter()
                    .map(|tag| (ChannelNumber(1), DeliveryTag(number(tag))));
                let written = Written {
                    deliveries: 0,
                    settled: settled.collect(),
                };
                Some(Input::Written(ConnectionId(number(id)), written))
            }
            [place, ref request @ ..] => Some(on_channel(place, request)),
            [] => None,
        };
        if let Some(input) = turn {
            self.broker.handle(self.now, input);
        }
        self.broker.tick(self.now);
        super::statistics::check_sums(&mut self.broker, self.now);
        self.effects()
    }

    fn effects(&mut self) -> Vec<String> {
        let mut shown = Vec::new();
        while let Some(effect) = self.broker.poll_effect() {
            shown.push(show(&effect));
            if let Effect::Fetch { queue, position } = effect {
                self.wanted.push((queue, position));
            }
            if let Effect::Land {
                position, record, ..
            } = effect
            {
                self.lane.push((position, record));
            }
        }
        shown
    }

    /// Reads what the broker asked for.
    fn fetch_all(&mut self) {
        for (queue, wanted) in std::mem::take(&mut self.wanted) {
            let record = self.lane.iter().find(|(position, _)| *position == wanted);
            let message = match record {
                Some((_, Record::Message(message))) => Some(Box::new(message.clone())),
                _ => None,
            };
            self.broker
                .handle(self.now, Input::Fetched(queue, wanted, message));
        }
    }

    fn land_all(&mut self) {
        self.landed = self.lane.len();
        if let Some((position, _)) = self.lane.last() {
            self.broker.handle(self.now, Input::Landed(*position));
        }
    }

    /// What has not landed is gone; the rest is told to a new broker.
    fn come_back(&mut self) {
        self.lane.truncate(self.landed);
        let mut recovery = Recovery::new(&self.limits);
        for (position, record) in &self.lane {
            recovery.apply(*position, record.clone());
        }
        self.broker = recovery.finish(self.now);
        self.wanted.clear();
    }
}

/// Small enough for a script to reach them.
pub(super) fn limits() -> Limits {
    Limits {
        transactions_bytes_max: 1000,
        ..Limits::default()
    }
}

fn opened(id: u64, user: &str, vhost: &str) -> Input {
    Input::ConnectionOpened(Opened {
        connection: ConnectionId(id),
        user: short(user),
        vhost: short(vhost),
        consumer_cancel_notify: true,
        blocked_notify: true,
    })
}

fn on_channel(place: &str, request: &[&str]) -> Input {
    let (connection, channel) = place
        .split_once('.')
        .unwrap_or_else(|| panic!("what is {place}?"));
    let connection = ConnectionId(number(connection));
    let channel = ChannelNumber(u16::try_from(number(channel)).expect("small"));
    match request {
        ["open"] => Input::ChannelOpened(connection, channel),
        ["close"] => Input::ChannelClosed(connection, channel),
        ["undeliverable", tag] => {
            Input::Undeliverable(connection, channel, DeliveryTag(number(tag)))
        }
        ["publish", message @ ..] => Input::Publish(connection, channel, publish(message)),
        _ => Input::Method(connection, channel, method(request)),
    }
}

/// `EXCHANGE KEY BODY` with flags behind it.
pub(super) fn publish(words: &[&str]) -> Publish {
    let [exchange, key, body, flags @ ..] = words else {
        panic!("what is {words:?}?");
    };
    Publish {
        exchange: short(exchange),
        routing_key: short(key),
        mandatory: flags.contains(&"mandatory"),
        immediate: flags.contains(&"immediate"),
        properties: properties(flags),
        body: body.to_string().into(),
    }
}

/// Among the flags of a publish: `id=PUBLISHER:NUMBER`, `user=NAME`, `expiration=TEXT`, `priority=NUMBER`, `reply-to=NAME`,
/// `message-id=TEXT`,
/// `cc=KEY,KEY`, `bcc=KEY,KEY`, `delay=MILLISECONDS`, and any header as `header:NAME=TEXT` or
/// `header:NAME=#NUMBER`.
fn properties(flags: &[&str]) -> Properties {
    let mut builder = PropertiesBuilder::new();
    let mut headers = TableBuilder::new();
    for flag in flags {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        match name {
            "id" => {
                let (publisher, id) = value.split_once(':').expect("PUBLISHER:NUMBER");
                let id = Value::I64(id.parse().expect("a number"));
                headers = headers
                    .text(PUBLISHER_ID_HEADER, publisher)
                    .field(PUBLISHING_ID_HEADER, id);
            }
            "user" => builder = builder.user_id(&short(value)),
            "expiration" => builder = builder.expiration(&short(value)),
            "priority" => builder = builder.priority(value.parse().expect("a small number")),
            "reply-to" => builder = builder.reply_to(&short(value)),
            "message-id" => builder = builder.message_id(&short(value)),
            "delay" => {
                let delay = Value::I64(value.parse().expect("a number"));
                headers = headers.field("x-delay", delay);
            }
            "cc" => headers = headers.field("CC", Value::Array(texts(value).values())),
            "bcc" => headers = headers.field("BCC", Value::Array(texts(value).values())),
            _ => {
                if let Some(name) = name.strip_prefix("header:") {
                    headers = match value.strip_prefix('#') {
                        Some(digits) => {
                            headers.field(name, Value::I64(digits.parse().expect("a number")))
                        }
                        None => headers.text(name, value),
                    };
                }
            }
        }
    }
    let headers = headers.build();
    if !headers.is_empty() {
        builder = builder.headers(&headers);
    }
    builder.build()
}

fn texts(list: &str) -> ArrayBuilder {
    let texts = list.split(',').map(|text| Value::Str(text.as_bytes()));
    texts.fold(ArrayBuilder::new(), ArrayBuilder::value)
}

/// `NAME=NUMBER`, `NAME=true` and `NAME:TEXT` among the flags of a declaration or binding.
pub(super) fn arguments(flags: &[&str]) -> FieldTable {
    let table = flags.iter().fold(TableBuilder::new(), |table, flag| {
        if let Some((name, value)) = flag.split_once('=') {
            let value = match value {
                "true" => Value::Bool(true),
                number => Value::I32(number.parse().expect("a number")),
            };
            table.field(name, value)
        } else if let Some((name, text)) = flag.split_once(':') {
            table.text(name, text)
        } else {
            table
        }
    });
    table.build()
}

pub(super) fn method(request: &[&str]) -> Method {
    let has = |flag: &str| request.contains(&flag);
    let no_wait = has("no-wait");
    match *request {
        ["declare", name, ref flags @ ..] => queue::Declare {
            queue: short(name),
            passive: has("passive"),
            durable: has("durable"),
            exclusive: has("exclusive"),
            auto_delete: has("auto-delete"),
            no_wait,
            arguments: arguments(flags),
            ..Default::default()
        }
        .into(),
        ["delete", name, ..] => {
            let (if_unused, if_empty) = (has("if-unused"), has("if-empty"));
            queue::Delete {
                queue: short(name),
                if_unused,
                if_empty,
                no_wait,
                ticket: 0,
            }
            .into()
        }
        ["purge", name, ..] => queue::Purge {
            queue: short(name),
            no_wait,
            ticket: 0,
        }
        .into(),
        ["exchange", name, kind, ref flags @ ..] => exchange::Declare {
            exchange: short(name),
            kind: short(kind),
            passive: has("passive"),
            durable: has("durable"),
            auto_delete: has("auto-delete"),
            internal: has("internal"),
            no_wait,
            arguments: arguments(flags),
            ..Default::default()
        }
        .into(),
        ["delete-exchange", name, ..] => exchange::Delete {
            exchange: short(name),
            if_unused: has("if-unused"),
            no_wait,
            ticket: 0,
        }
        .into(),
        ["bind", queue, exchange, key, ref flags @ ..] => {
            let (queue, exchange, routing_key) = (short(queue), short(exchange), short(key));
            queue::Bind {
                queue,
                exchange,
                routing_key,
                no_wait,
                arguments: arguments(flags),
                ticket: 0,
            }
            .into()
        }
        ["unbind", queue, exchange, key, ref flags @ ..] => {
            let (queue, exchange, routing_key) = (short(queue), short(exchange), short(key));
            queue::Unbind {
                queue,
                exchange,
                routing_key,
                arguments: arguments(flags),
                ticket: 0,
            }
            .into()
        }
        ["bind-exchange", destination, source, key, ref flags @ ..] => {
            let (destination, source, routing_key) =
                (short(destination), short(source), short(key));
            let arguments = arguments(flags);
            exchange::Bind {
                destination,
                source,
                routing_key,
                no_wait,
                arguments,
                ticket: 0,
            }
            .into()
        }
        ["unbind-exchange", destination, source, key, ref flags @ ..] => {
            let (destination, source, routing_key) =
                (short(destination), short(source), short(key));
            let arguments = arguments(flags);
            exchange::Unbind {
                destination,
                source,
                routing_key,
                no_wait,
                arguments,
                ticket: 0,
            }
            .into()
        }
        _ => on_messages(request),
    }
}

fn on_messages(request: &[&str]) -> Method {
    let has = |flag: &str| request.contains(&flag);
    let (multiple, requeue) = (has("multiple"), has("requeue"));
    let tag = |word: &str| DeliveryTag(number(word));
    match *request {
        ["confirm", ..] => confirm::Select {
            no_wait: has("no-wait"),
        }
        .into(),
        ["tx"] => tx::Select.into(),
        ["commit"] => tx::Commit.into(),
        ["rollback"] => tx::Rollback.into(),
        ["qos", count, ..] => {
            let prefetch_count = u16::try_from(number(count)).expect("small");
            basic::Qos {
                prefetch_size: has("size").into(),
                prefetch_count,
                global: has("global"),
            }
            .into()
        }
        ["consume", queue, tag, ref flags @ ..] => basic::Consume {
            queue: short(queue),
            consumer_tag: short(tag),
            no_ack: has("no-ack"),
            exclusive: has("exclusive"),
            no_wait: has("no-wait"),
            arguments: arguments(flags),
            ..Default::default()
        }
        .into(),
        ["cancel", tag] => basic::Cancel {
            consumer_tag: short(tag),
            no_wait: false,
        }
        .into(),
        ["get", queue, ..] => basic::Get {
            queue: short(queue),
            no_ack: has("no-ack"),
            ticket: 0,
        }
        .into(),
        ["ack", word, ..] => basic::Ack {
            delivery_tag: tag(word),
            multiple,
        }
        .into(),
        ["nack", word, ..] => basic::Nack {
            delivery_tag: tag(word),
            multiple,
            requeue,
        }
        .into(),
        ["reject", word, ..] => basic::Reject {
            delivery_tag: tag(word),
            requeue,
        }
        .into(),
        ["recover", ..] => basic::Recover {
            requeue: !has("no-requeue"),
        }
        .into(),
        ["recover-async", ..] => basic::RecoverAsync {
            requeue: !has("no-requeue"),
        }
        .into(),
        _ => panic!("what is {request:?}?"),
    }
}
