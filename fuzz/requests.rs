//! What clients ask for on channels, made from the fuzzer's bytes: few names and numbers, so that they meet.

use bytes::Bytes;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use model::method::{basic, confirm, exchange, queue, tx};
use model::{DeliveryTag, FieldTable, Method, Properties, PropertiesBuilder, ShortStr};
use model::{TableBuilder, Value};

/// A method, any that has a meaning on an open channel.
#[derive(Arbitrary, Debug)]
pub struct Request<'a> {
    which: u8,
    name: u8,
    other: u8,
    key: u8,
    number: u8,
    flags: u8,
    table: Table<'a>,
}

/// The arguments of a method, or a message's headers.
#[derive(Arbitrary, Debug)]
enum Table<'a> {
    Empty,
    /// An argument that means something.
    Known(u8, u8),
    /// Some of them together.
    Several([(u8, u8); 4]),
    /// Bytes, if they are a table.
    Raw(&'a [u8]),
}

/// The properties of a message.
#[derive(Arbitrary, Debug)]
pub enum Envelope<'a> {
    Empty,
    /// Some that the server reads.
    Known(u8, u8),
    Headers(Headers<'a>),
    /// Bytes, if they are properties.
    Raw(&'a [u8]),
}

/// Headers of a message.
#[derive(Arbitrary, Debug)]
pub struct Headers<'a>(Table<'a>);

pub fn name(number: u8) -> ShortStr {
    const NAMES: [&str; 13] = [
        "",
        "a",
        "b",
        "c",
        "amq.direct",
        "amq.topic",
        "amq.fanout",
        "amq.headers",
        "amq.rabbitmq.reply-to",
        "a.b",
        "#",
        "*.b",
        "amq.landfall.extend",
    ];
    ShortStr::from_static(NAMES[usize::from(number) % NAMES.len()])
}

fn kind(number: u8) -> ShortStr {
    const KINDS: [&str; 7] = [
        "direct",
        "fanout",
        "topic",
        "headers",
        "x-consistent-hash",
        "x-delayed-message",
        "x",
    ];
    ShortStr::from_static(KINDS[usize::from(number) % KINDS.len()])
}

impl Table<'_> {
    fn build(&self) -> FieldTable {
        let texts: [(&str, &[&str]); 8] = [
            (
                "x-overflow",
                &["drop-head", "reject-publish", "reject-publish-dlx"],
            ),
            ("x-dead-letter-exchange", &["", "a", "amq.fanout"]),
            ("x-match", &["all", "any", "all-with-x", "none"]),
            ("alternate-exchange", &["a", "b", "amq.fanout"]),
            ("x-dead-letter-routing-key", &["a", "b"]),
            (
                "x-delayed-retry-type",
                &["all", "failed", "returned", "disabled", "x"],
            ),
            ("x-deduplication-header", &["a", "message-id"]),
            ("x-delayed-type", &["direct", "fanout", "x"]),
        ];
        let numbers = [
            "x-message-ttl",
            "x-expires",
            "x-max-length",
            "x-max-length-bytes",
            "x-max-priority",
            "x-priority",
            "x-landfall-publishing-id",
            "x-consumer-timeout",
            "x-delivery-limit",
            "x-delayed-retry-min",
            "x-delayed-retry-max",
            "x-delayed-retry-multiplier",
            "x-delayed-retry-jitter",
            "x-delivery-delay",
            "x-delay",
            "x-delivery-tag",
            "x-extend-ms",
            "x-cache-size",
            "x-cache-ttl",
            "a",
        ];
        let flags = ["x-single-active-consumer", "x-message-deduplication"];
        let known = |table: TableBuilder, which: u8, value: u8| {
            let at = usize::from(which) % (texts.len() + numbers.len() + flags.len());
            if let Some((name, values)) = texts.get(at) {
                let text = values[usize::from(value) % values.len()];
                // A routing key for dead letters is refused without an exchange.
                let table = match *name {
                    "x-dead-letter-routing-key" => table.text("x-dead-letter-exchange", ""),
                    _ => table,
                };
                return table.text(name, text);
            }
            match numbers.get(at - texts.len()) {
                Some(name) => table.field(name, Value::I32(i32::from(value) - 2)),
                None => {
                    let name = flags[at - texts.len() - numbers.len()];
                    table.field(name, Value::Bool(value & 1 == 1))
                }
            }
        };
        match *self {
            Self::Empty => FieldTable::new(),
            Self::Raw(bytes) => {
                FieldTable::from_bytes(Bytes::copy_from_slice(bytes)).unwrap_or_default()
            }
            Self::Known(which, value) => known(TableBuilder::new(), which, value).build(),
            Self::Several(all) => {
                let table = all.into_iter();
                let table = table.fold(TableBuilder::new(), |table, (which, value)| {
                    known(table, which, value)
                });
                table.build()
            }
        }
    }
}

impl Envelope<'_> {
    pub fn build(&self) -> Properties {
        let builder = PropertiesBuilder::new();
        match self {
            Self::Empty => Properties::default(),
            Self::Raw(bytes) => {
                Properties::from_bytes(Bytes::copy_from_slice(bytes)).unwrap_or_default()
            }
            Self::Headers(Headers(table)) => builder.headers(&table.build()).build(),
            Self::Known(which, value) => match which % 5 {
                0 => builder.priority(*value),
                1 => builder.expiration(&ShortStr::truncated(&value.to_string())),
                2 => builder.reply_to(&name(*value)),
                3 => builder.user_id(&name(*value)),
                _ => {
                    let id = Value::I64(i64::from(*value));
                    let headers = TableBuilder::new()
                        .text(model::publish::PUBLISHER_ID_HEADER, "p")
                        .field(model::publish::PUBLISHING_ID_HEADER, id);
                    builder.headers(&headers.build())
                }
            }
            .build(),
        }
    }
}

impl Request<'_> {
    /// Its arguments as the rules of a policy.
    pub fn rules(&self) -> FieldTable {
        let arguments = self.table.build();
        let rules = arguments
            .iter()
            .fold(TableBuilder::new(), |table, (name, value)| {
                table.field(name.trim_start_matches("x-"), value)
            });
        rules.build()
    }

    pub fn method(&self) -> Method {
        let flag = |bit: u8| self.flags & (1 << bit) != 0;
        let arguments = self.table.build();
        let (ticket, no_wait) = (0, flag(0));
        match self.which % 22 {
            0 | 1 => queue::Declare {
                ticket,
                queue: name(self.name),
                passive: flag(1),
                durable: flag(2),
                exclusive: flag(3),
                auto_delete: flag(4),
                no_wait,
                arguments,
            }
            .into(),
            2 => queue::Bind {
                ticket,
                queue: name(self.name),
                exchange: name(self.other),
                routing_key: name(self.key),
                no_wait,
                arguments,
            }
            .into(),
            3 => queue::Unbind {
                ticket,
                queue: name(self.name),
                exchange: name(self.other),
                routing_key: name(self.key),
                arguments,
            }
            .into(),
            4 => queue::Purge {
                ticket,
                queue: name(self.name),
                no_wait,
            }
            .into(),
            5 => queue::Delete {
                ticket,
                queue: name(self.name),
                if_unused: flag(1),
                if_empty: flag(2),
                no_wait,
            }
            .into(),
            6 => exchange::Declare {
                ticket,
                exchange: name(self.name),
                kind: kind(self.other),
                passive: flag(1),
                durable: flag(2),
                auto_delete: flag(3),
                internal: flag(4),
                no_wait,
                arguments,
            }
            .into(),
            7 => exchange::Delete {
                ticket,
                exchange: name(self.name),
                if_unused: flag(1),
                no_wait,
            }
            .into(),
            8 => exchange::Bind {
                ticket,
                destination: name(self.name),
                source: name(self.other),
                routing_key: name(self.key),
                no_wait,
                arguments,
            }
            .into(),
            9 => exchange::Unbind {
                ticket,
                destination: name(self.name),
                source: name(self.other),
                routing_key: name(self.key),
                no_wait,
                arguments,
            }
            .into(),
            _ => self.on_messages(arguments),
        }
    }

    fn on_messages(&self, arguments: FieldTable) -> Method {
        let flag = |bit: u8| self.flags & (1 << bit) != 0;
        let delivery_tag = DeliveryTag(self.number.into());
        match self.which % 22 {
            10 => basic::Qos {
                prefetch_size: 0,
                prefetch_count: self.number.into(),
                global: flag(0),
            }
            .into(),
            11 | 12 => basic::Consume {
                ticket: 0,
                queue: name(self.name),
                consumer_tag: name(self.key),
                no_local: flag(1),
                no_ack: flag(2),
                exclusive: flag(3) && flag(4),
                no_wait: flag(0),
                arguments,
            }
            .into(),
            13 => basic::Cancel {
                consumer_tag: name(self.key),
                no_wait: flag(0),
            }
            .into(),
            14 => basic::Get {
                ticket: 0,
                queue: name(self.name),
                no_ack: flag(0),
            }
            .into(),
            15 => basic::Ack {
                delivery_tag,
                multiple: flag(0),
            }
            .into(),
            16 => basic::Nack {
                delivery_tag,
                multiple: flag(0),
                requeue: flag(1),
            }
            .into(),
            17 => basic::Reject {
                delivery_tag,
                requeue: flag(0),
            }
            .into(),
            18 => basic::Recover { requeue: true }.into(),
            19 => confirm::Select { no_wait: flag(0) }.into(),
            20 => match self.number % 3 {
                0 => tx::Select.into(),
                1 => tx::Commit.into(),
                _ => tx::Rollback.into(),
            },
            _ => basic::RecoverAsync { requeue: true }.into(),
        }
    }
}
