//! Spans: what happened, from when to when, and its rendering in OpenTelemetry's words for messaging.

use super::decide::Trace;
use broker::journey::QueueName;
use model::{Position, Properties, ShortStr};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::sync::Arc;
use std::time::SystemTime;

/// What all spans of a message share.
#[derive(Debug)]
pub(super) struct About {
    trace: Trace,
    /// The span of its publish: the parent of those of its deliveries.
    publish: SpanId,
    exchange: ShortStr,
    routing_key: ShortStr,
    message_id: Option<Box<str>>,
    conversation_id: Option<Box<str>>,
    body_bytes: usize,
    /// What it takes in memory, roughly.
    bytes: usize,
}

impl About {
    /// Nothing of it shares the buffers that the message came in.
    pub(super) fn new(
        (trace, publish): (Trace, SpanId),
        exchange: &ShortStr,
        routing_key: &ShortStr,
        properties: &Properties,
        body_bytes: usize,
    ) -> Self {
        let texts = [properties.message_id(), properties.correlation_id()];
        let texts: usize = texts.into_iter().flatten().map(str::len).sum();
        let names = exchange.as_bytes().len() + routing_key.as_bytes().len();
        let bytes = size_of::<Self>() + texts + names + 2 * trace.state.header().len();
        Self {
            trace,
            publish,
            exchange: exchange.detached(),
            routing_key: routing_key.detached(),
            message_id: properties.message_id().map(Into::into),
            conversation_id: properties.correlation_id().map(Into::into),
            body_bytes,
            bytes,
        }
    }

    /// What it takes in memory, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The exchange as people call it.
    fn exchange(&self) -> &str {
        match self.exchange.as_str() {
            "" => "amq.default",
            name => name,
        }
    }

    /// Where a message goes: the exchange, the routing key and the queue, each once, and none that is empty.
    fn destination(&self, queue: Option<&str>) -> String {
        let mut parts: Vec<&str> = [self.exchange.as_str(), self.routing_key.as_str()]
            .into_iter()
            .chain(queue)
            .filter(|part| !part.is_empty())
            .collect();
        parts.dedup();
        if parts.is_empty() {
            return self.exchange().to_owned();
        }
        parts.join(":")
    }
}

/// Something that happened to a traced message.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) about: Arc<About>,
    /// The message's number; `None` where it landed nowhere.
    pub(super) position: Option<Position>,
    pub(super) vhost: Option<ShortStr>,
    pub(super) began: SystemTime,
    pub(super) ended: SystemTime,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Published(Published),
    Delivered(Delivered),
}

/// A message came in.
#[derive(Debug)]
pub(super) struct Published {
    /// It is a copy that the server sent: a dead letter, or one that was redriven or moved.
    pub(super) by_server: bool,
    /// How many queues took it.
    pub(super) queues: usize,
    pub(super) outcome: Taken,
}

/// What came of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It has landed, and its publisher is told so.
    Confirmed,
    /// It has landed; nobody asked to be told.
    Landed,
    /// No queue takes it.
    Dropped,
    /// No queue takes it, and its publisher gets it back.
    Returned,
    /// At least one full queue refuses it.
    Full,
    /// It may not be published so.
    Forbidden(String),
}

impl Taken {
    fn word(&self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Landed => "landed",
            Self::Dropped => "dropped",
            Self::Returned => "returned",
            Self::Full | Self::Forbidden(_) => "refused",
        }
    }

    /// What went wrong, in words.
    fn wrong(&self) -> Option<String> {
        match self {
            Self::Confirmed | Self::Landed | Self::Dropped => None,
            Self::Returned => Some("no queue takes it".to_owned()),
            Self::Full => Some("a queue is full".to_owned()),
            Self::Forbidden(why) => Some(why.clone()),
        }
    }
}

/// A message was handed out.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) id: SpanId,
    pub(super) queue: QueueName,
    /// The consumer's tag; `None` for basic.get.
    pub(super) consumer: Option<ShortStr>,
    pub(super) attempt: u32,
    /// How the attempt ended.
    pub(super) outcome: &'static str,
    /// Whether that is what receivers want.
    pub(super) well: bool,
    /// What became of the message, where that is more than it is settled.
    pub(super) then: Option<&'static str>,
    /// Its copy, where it left as one.
    pub(super) copy: Option<Position>,
}

impl Span {
    /// As OpenTelemetry has it.
    pub(super) fn render(&self, scope: &InstrumentationScope) -> SpanData {
        let trace = &self.about.trace;
        let (id, parent) = match &self.what {
            What::Published(_) => (self.about.publish, trace.caller),
            What::Delivered(delivered) => (delivered.id, Some(self.about.publish)),
        };
        let mut attributes = self.common();
        let (name, span_kind, status) = match &self.what {
            What::Published(published) => self.published(published, &mut attributes),
            What::Delivered(delivered) => self.delivered(delivered, &mut attributes),
        };
        SpanData {
            span_context: SpanContext::new(
                trace.id,
                id,
                TraceFlags::SAMPLED,
                false,
                trace.state.clone(),
            ),
            parent_span_id: parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: trace.caller.is_some()
                && matches!(self.what, What::Published(_)),
            span_kind,
            name: name.into(),
            start_time: self.began,
            // A clock that was set meanwhile makes no span that ends before it begins.
            end_time: self.ended.max(self.began),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: scope.clone(),
        }
    }

    fn common(&self) -> Vec<KeyValue> {
        let about = &self.about;
        let queue = match &self.what {
            What::Published(_) => None,
            What::Delivered(delivered) => Some(delivered.queue.name.as_str()),
        };
        let mut attributes = vec![
            KeyValue::new("messaging.system", "rabbitmq"),
            KeyValue::new("messaging.destination.name", about.destination(queue)),
            KeyValue::new("messaging.message.body.size", whole(about.body_bytes)),
        ];
        let texts = [
            (
                "messaging.rabbitmq.destination.routing_key",
                Some(about.routing_key.as_str()).filter(|key| !key.is_empty()),
            ),
            ("messaging.message.id", about.message_id.as_deref()),
            (
                "messaging.message.conversation_id",
                about.conversation_id.as_deref(),
            ),
            ("landfall.vhost", self.vhost.as_ref().map(ShortStr::as_str)),
        ];
        for (key, text) in texts {
            attributes.extend(text.map(|text| KeyValue::new(key, text.to_owned())));
        }
        let number = self.position.map(number);
        attributes.extend(number.map(|number| KeyValue::new("landfall.message", number)));
        attributes
    }

    fn published(
        &self,
        published: &Published,
        attributes: &mut Vec<KeyValue>,
    ) -> (String, SpanKind, Status) {
        attributes.extend([
            KeyValue::new("messaging.operation.name", "publish"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("landfall.queues", whole(published.queues)),
            KeyValue::new("landfall.outcome", published.outcome.word()),
        ]);
        let kind = if published.by_server {
            SpanKind::Internal
        } else {
            SpanKind::Server
        };
        let status = match published.outcome.wrong() {
            None => Status::Unset,
            Some(wrong) => {
                attributes.push(KeyValue::new("error.type", published.outcome.word()));
                Status::error(wrong)
            }
        };
        (format!("publish {}", self.about.exchange()), kind, status)
    }

    fn delivered(
        &self,
        delivered: &Delivered,
        attributes: &mut Vec<KeyValue>,
    ) -> (String, SpanKind, Status) {
        let queue = delivered.queue.name.as_str();
        attributes.extend([
            KeyValue::new("messaging.operation.name", "deliver"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("landfall.queue", queue.to_owned()),
            KeyValue::new("landfall.attempt", i64::from(delivered.attempt)),
            KeyValue::new("landfall.redelivered", delivered.attempt > 1),
            KeyValue::new("landfall.outcome", delivered.outcome),
        ]);
        let consumer = delivered.consumer.as_ref().map(ToString::to_string);
        attributes.extend(consumer.map(|tag| KeyValue::new("landfall.consumer_tag", tag)));
        attributes.extend(
            delivered
                .then
                .map(|then| KeyValue::new("landfall.then", then)),
        );
        let copy = delivered.copy.map(number);
        attributes.extend(copy.map(|copy| KeyValue::new("landfall.copy", copy)));
        let status = if delivered.well {
            Status::Unset
        } else {
            attributes.push(KeyValue::new("error.type", delivered.outcome));
            Status::error(delivered.outcome)
        };
        (format!("deliver {queue}"), SpanKind::Client, status)
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn number(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}
