//! What a channel is to the owner of its queues: what it asked for and was not answered, and all that another owner must be
//! told so that the channel is there as it was.

use super::numbers::Counting;
use super::unconfirmed::{Confirm, Message, Sent, Unconfirmed};
use bytes::BytesMut;
use model::method::{basic, channel, confirm, tx};
use model::publish::{
    EXTEND_ROUTING_KEY, NUMBERED_ROUTING_KEY, PUBLISHER_ID_HEADER, PUBLISHING_ID_HEADER,
};
use model::{
    ChannelNumber, DeliveryTag, Method, PropertiesBuilder, Publish, ShortStr, TableBuilder, Value,
};
use std::collections::VecDeque;
use wire::{Event, encode_content, encode_method};

/// A request that the owner will answer: it answers those of a channel in order.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) order: u64,
    pub(super) method: Method,
    /// What it takes, as a frame.
    pub(super) bytes: usize,
    pub(super) answer: Answer,
}

/// Who waits for the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The client.
    Client,
    /// Nobody: the client said that it would not wait. We do, for only what is answered has happened.
    Nobody,
    /// Nobody: the client has had its answer, from another owner.
    Restored,
}

/// A consumer, as another owner gets it.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) consume: basic::Consume,
    /// The prefetch count that it was made under.
    pub(super) prefetch: basic::Qos,
}

/// Where frames for the owner go.
pub(super) struct Out<'a> {
    pub(super) bytes: &'a mut BytesMut,
    pub(super) frame_max: u32,
}

impl Out<'_> {
    pub(super) fn method(&mut self, number: ChannelNumber, method: &Method) {
        encode_method(self.bytes, number, method);
    }

    fn publish(&mut self, number: ChannelNumber, publish: &Publish) {
        let method = basic::Publish {
            exchange: publish.exchange.clone(),
            routing_key: publish.routing_key.clone(),
            mandatory: publish.mandatory,
            immediate: publish.immediate,
            ..basic::Publish::default()
        };
        encode_method(self.bytes, number, &method.into());
        encode_content(
            self.bytes,
            number,
            basic::Publish::ID.class,
            publish.properties.as_bytes(),
            &publish.body,
            self.frame_max,
        );
    }
}

/// A channel of a client, on its way to the owner.
#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) asked: VecDeque<Asked>,
    pub(super) unconfirmed: Unconfirmed,
    /// The number of the last publish on the way to the owner, once that is in confirm mode.
    passed_on: Option<u64>,
    /// Whose numbers its messages get.
    pub(super) counting: Option<Counting>,
    /// What the owner takes the next message's number for, where that was told.
    told_next: Option<(ShortStr, u64)>,
    /// The number of the client's last publish, once it is in confirm mode.
    client_tag: Option<u64>,
    /// If it has transactions, the order of what came last into one; 0 if there is nothing in it.
    pub(super) transaction: Option<u64>,
    pub(super) consumers: Vec<Consumer>,
    /// The prefetch count of the next consumer.
    pub(super) prefetch_each: basic::Qos,
    /// The prefetch count of all consumers together.
    pub(super) prefetch_all: Option<basic::Qos>,
    /// The queue that an empty name stands for.
    pub(super) last_queue: ShortStr,
    /// What the client did under its number after it closed it.
    pub(super) late: Vec<Event>,
    /// What is added to an owner's delivery tags: so many were delivered by owners before.
    tags_before: u64,
    /// The highest delivery tag that the client knows.
    tags_known: u64,
}

impl Channel {
    /// Whether the client has closed it, and the owner has not heard of it yet.
    pub(super) fn is_leaving(&self) -> bool {
        let last = self.asked.back();
        last.is_some_and(|last| matches!(last.method, Method::ChannelClose(_)))
    }

    /// Whether the owner is to answer a declaration of a queue.
    pub(super) fn declares(&self) -> bool {
        let mut asked = self.asked.iter();
        asked.any(|asked| matches!(asked.method, Method::QueueDeclare(_)))
    }

    /// What is held for it, in bytes.
    pub(super) fn held(&self) -> usize {
        let asked = self.asked.iter().map(|asked| asked.bytes);
        self.unconfirmed.bytes() + asked.sum::<usize>()
    }

    /// Whether something is in a transaction that has not been committed.
    pub(super) fn has_begun(&self) -> bool {
        self.transaction.is_some_and(|last| last > 0)
    }

    /// A transaction has ended that was asked to at `order`. What came after belongs to the next one.
    pub(super) fn transaction_ended(&mut self, order: u64) {
        self.transaction = self
            .transaction
            .map(|last| if last > order { last } else { 0 });
    }

    /// The client's tag for a delivery of this owner.
    pub(super) fn client_tag_of(&mut self, tag: DeliveryTag) -> DeliveryTag {
        let tag = self.tags_before + tag.0;
        self.tags_known = self.tags_known.max(tag);
        DeliveryTag(tag)
    }

    /// The owner's tag for what the client settles; `None` if it came from an owner before: it comes again.
    pub(super) fn owner_tag_of(&self, tag: DeliveryTag) -> Option<DeliveryTag> {
        // 0 stands for all that was delivered.
        if tag.0 == 0 {
            return Some(tag);
        }
        let tag = tag.0.checked_sub(self.tags_before)?;
        (tag > 0).then_some(DeliveryTag(tag))
    }

    /// The client wants confirms from here on.
    pub(super) fn client_confirms(&mut self) {
        self.client_tag.get_or_insert(0);
        self.passed_on.get_or_insert(0);
    }

    /// Whether the way to the owner must be brought into confirm mode before the next publish.
    pub(super) fn needs_confirms(&self) -> bool {
        self.transaction.is_none() && self.passed_on.is_none()
    }

    /// It is in confirm mode for our own sake.
    pub(super) fn confirms(&mut self) {
        self.passed_on.get_or_insert(0);
    }

    /// A message, on its way. What is no message means something to this owner only: without one it is answered here.
    pub(super) fn publish(
        &mut self,
        number: ChannelNumber,
        order: u64,
        publish: Publish,
        out: Option<Out<'_>>,
    ) -> Option<Confirm> {
        if let Some(last) = &mut self.transaction {
            *last = order;
            if let Some(mut out) = out {
                out.publish(number, &publish);
            }
            return None;
        }
        let client_tag = self.client_tag.as_mut().map(|tag| {
            *tag += 1;
            *tag
        });
        let mut sent = Sent {
            order,
            tag: 0,
            client_tag,
            message: None,
        };
        if is_extension(&publish) {
            let Some(mut out) = out else {
                return client_tag.map(single);
            };
            out.publish(number, &publish);
            sent.tag = self.next_passed_on();
            self.unconfirmed.push(sent);
            return None;
        }
        let message = Message {
            number: self.number(&publish),
            publish,
        };
        if let Some(mut out) = out {
            sent.tag = self.pass_on(number, &message, &mut out);
        }
        sent.message = Some(message);
        self.unconfirmed.push(sent);
        None
    }

    fn number(&mut self, publish: &Publish) -> Option<(ShortStr, u64)> {
        if names_publisher(publish) {
            return None;
        }
        let counting = self.counting.as_mut();
        let counting = counting.expect("it counts before it publishes");
        counting.next += 1;
        Some((counting.publisher.clone(), counting.next - 1))
    }

    /// Sends a message, and tells which number its confirm will name.
    fn pass_on(&mut self, number: ChannelNumber, message: &Message, out: &mut Out<'_>) -> u64 {
        if let Some(counted) = &message.number {
            self.tell_number(number, counted, out);
        }
        out.publish(number, &message.publish);
        self.next_passed_on()
    }

    fn next_passed_on(&mut self) -> u64 {
        let passed_on = self.passed_on.get_or_insert(0);
        *passed_on += 1;
        *passed_on
    }

    /// Tells the owner the message's number, unless it is the one that it expects.
    fn tell_number(&mut self, number: ChannelNumber, counted: &(ShortStr, u64), out: &mut Out<'_>) {
        if self.told_next.as_ref() != Some(counted) {
            out.publish(number, &numbering(counted));
            // It is confirmed too.
            self.next_passed_on();
        }
        let (publisher, told) = counted;
        self.told_next = Some((publisher.clone(), told + 1));
    }

    /// The way to the owner is gone, and what it had delivered comes again under other tags. What was no message is not
    /// sent again: the client hears that it is done.
    pub(super) fn lost(&mut self) -> Vec<Confirm> {
        self.tags_before = self.tags_known;
        self.told_next = None;
        self.asked.retain(|asked| asked.answer != Answer::Restored);
        if let Some(passed_on) = &mut self.passed_on {
            *passed_on = 0;
        }
        let done = self.unconfirmed.drop_what_is_no_message();
        done.into_iter().map(single).collect()
    }

    /// Nobody waits for anything else any more; tells whether there is a message left.
    pub(super) fn keep_only_messages(&mut self) -> bool {
        self.asked.clear();
        self.consumers.clear();
        self.late.clear();
        !self.unconfirmed.is_empty()
    }

    /// Says to another owner all that makes the channel what it is, and then all that the last one has not answered.
    pub(super) fn resume(&mut self, number: ChannelNumber, out: &mut Out<'_>) {
        let is_new = matches!(self.asked.front(), Some(first) if matches!(first.method, Method::ChannelOpen(_)));
        let unanswered = std::mem::take(&mut self.asked);
        if !is_new {
            for method in self.restoring() {
                self.ask_again(number, method, out);
            }
        }
        let mut asked = unanswered.into_iter().peekable();
        for mut sent in self.unconfirmed.take() {
            while let Some(asked) = asked.next_if(|asked| asked.order < sent.order) {
                self.put_back(number, asked, out);
            }
            if let Some(message) = &sent.message {
                sent.tag = self.pass_on(number, message, out);
            }
            self.unconfirmed.push(sent);
        }
        for asked in asked {
            self.put_back(number, asked, out);
        }
    }

    /// What makes a channel what it is.
    fn restoring(&self) -> Vec<Method> {
        let mut methods: Vec<Method> = vec![channel::Open::default().into()];
        if self.transaction.is_some() {
            methods.push(tx::Select.into());
        } else if self.passed_on.is_some() {
            methods.push(confirm::Select::default().into());
        }
        methods.extend(self.prefetch_all.clone().map(Method::from));
        let mut prefetch = basic::Qos::default();
        for consumer in &self.consumers {
            if consumer.prefetch != prefetch {
                prefetch = consumer.prefetch.clone();
                methods.push(prefetch.clone().into());
            }
            methods.push(consumer.consume.clone().into());
        }
        if self.prefetch_each != prefetch {
            methods.push(self.prefetch_each.clone().into());
        }
        methods
    }

    fn ask_again(&mut self, number: ChannelNumber, method: Method, out: &mut Out<'_>) {
        out.method(number, &method);
        self.asked.push_back(Asked {
            order: 0,
            method,
            bytes: 0,
            answer: Answer::Restored,
        });
    }

    fn put_back(&mut self, number: ChannelNumber, asked: Asked, out: &mut Out<'_>) {
        out.method(number, &asked.method);
        self.asked.push_back(asked);
    }
}

fn single(tag: u64) -> Confirm {
    Confirm {
        tag,
        multiple: false,
    }
}

/// Whether a publish is about a delivery and no message: to another owner it would mean nothing.
fn is_extension(publish: &Publish) -> bool {
    publish.exchange.is_empty() && publish.routing_key == EXTEND_ROUTING_KEY
}

/// Whether a message says itself whose it is, and which of those: then owners know it again by that.
fn names_publisher(publish: &Publish) -> bool {
    publish.properties.headers().is_some_and(|headers| {
        let names = |name| headers.get(name).is_some();
        names(PUBLISHER_ID_HEADER) && names(PUBLISHING_ID_HEADER)
    })
}

/// Says to the owner under which number the next message on the channel comes.
fn numbering((publisher, number): &(ShortStr, u64)) -> Publish {
    let number = i64::try_from(*number).expect("nobody sends so many");
    let headers = TableBuilder::new()
        .text(PUBLISHER_ID_HEADER, publisher)
        .field(PUBLISHING_ID_HEADER, Value::I64(number))
        .build();
    Publish {
        routing_key: ShortStr::from_static(NUMBERED_ROUTING_KEY),
        properties: PropertiesBuilder::new().headers(&headers).build(),
        ..Publish::default()
    }
}
