//! What a client and the owner of its queues say to each other, as it must be known to go on with another owner.
//!
//! A pure state machine: what the client did comes in as the codec's events, what the owner says as whole arrivals. What is
//! for the owner is appended to [`Session::output`] while there is one; what is for the client goes to its end of the
//! protocol.
//!
//! Another owner is told everything again that makes the channels what they are, and then what was not answered, in the
//! order in which it was asked. Messages go under the numbers that they had, so they land once (promise P5) and in order
//! (promise P6). What had been delivered and not settled comes back, marked, under new tags; acknowledgements for the old
//! ones are dropped, for the message is on its way again.

use super::channel::{Answer, Asked, Channel, Consumer, Out};
use super::numbers::Numbers;
use super::unconfirmed::{Confirm, Confirmed};
use bytes::BytesMut;
use model::method::{basic, channel, confirm, connection, queue};
use model::{
    ChannelError, ChannelNumber, ConnectionError, DeliveryTag, Method, MethodId, Properties,
    Publish, ReplyCode, ShortStr,
};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use wire::{Arrival, Content, Event, ServerConnection};

/// The queue that stands for answers to a client's own requests.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// The owner says what nobody asked for: the way to it cannot be trusted any more.
#[derive(Debug, thiserror::Error)]
#[error("the owner says {0} where nothing asked for it")]
pub(crate) struct OutOfTurn(&'static str);

/// A client's channels.
#[derive(Debug)]
pub(crate) struct Session {
    numbers: Arc<Numbers>,
    vhost: ShortStr,
    channels: BTreeMap<ChannelNumber, Channel>,
    /// The queues that go with the client's connection.
    exclusive: HashSet<ShortStr>,
    /// Counts what channels ask for.
    order: u64,
    /// Where frames for the owner go, while there is one, and how large they may be.
    owner: Option<u32>,
    output: BytesMut,
    blocked: bool,
}

impl Session {
    /// A client without channels.
    pub(crate) fn new(numbers: Arc<Numbers>, vhost: ShortStr) -> Self {
        Self {
            numbers,
            vhost,
            channels: BTreeMap::new(),
            exclusive: HashSet::new(),
            order: 0,
            owner: None,
            output: BytesMut::new(),
            blocked: false,
        }
    }

    /// What is to be written to the owner.
    pub(crate) fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// What is held of messages that are not confirmed, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.channels
            .values()
            .map(|it| it.unconfirmed.bytes())
            .sum()
    }

    /// Whether another owner could not go on where this one ended, and why.
    pub(crate) fn cannot_go_on(&self) -> Option<&'static str> {
        let mut channels = self.channels.values();
        if !self.exclusive.is_empty() {
            return Some("its exclusive queues were there");
        }
        if channels.any(|it| it.transaction == Some(true)) {
            return Some("a transaction was open there");
        }
        let mut consumers = self.channels.values().flat_map(|it| &it.consumers);
        let replies = consumers.any(|it| it.consume.queue == REPLY_TO);
        replies.then_some("it waits for direct replies there")
    }

    /// The owner is there, and takes frames of so many bytes.
    pub(crate) fn resume(&mut self, frame_max: u32) {
        self.owner = Some(frame_max);
        let mut out = Out {
            bytes: &mut self.output,
            frame_max,
        };
        for (number, channel) in &mut self.channels {
            channel.resume(*number, &mut out);
            // It counts on under another name: this owner need not know of what landed nowhere.
            if let Some(counting) = &mut channel.counting {
                *counting = self.numbers.make();
            }
        }
    }

    /// The owner is gone.
    pub(crate) fn lost(&mut self, client: &mut ServerConnection) {
        self.owner = None;
        self.output.clear();
        self.numbers.begin_anew();
        for (number, channel) in &mut self.channels {
            for confirm in channel.lost() {
                client.send(*number, &ack(confirm));
            }
        }
        if std::mem::take(&mut self.blocked) {
            client.send(ChannelNumber(0), &connection::Unblocked.into());
        }
    }

    /// The client has gone, or cannot go on: only what it sent still counts.
    pub(crate) fn keep_only_messages(&mut self) {
        self.exclusive.clear();
        self.channels
            .retain(|_, channel| channel.keep_only_messages());
    }

    /// Passes on what the client did on its channels.
    pub(crate) fn client_did(&mut self, event: Event, client: &mut ServerConnection) {
        let number = match &event {
            Event::ChannelOpened(number)
            | Event::ChannelClosed(number)
            | Event::Method(number, _)
            | Event::Publish(number, _) => *number,
            Event::Login { .. } | Event::Open { .. } | Event::Closed(_) => return,
        };
        if let Some(leaving) = self.channels.get_mut(&number).filter(|it| it.is_leaving()) {
            // Its number is used again before the owner has heard that it is free.
            leaving.late.push(event);
            return;
        }
        match event {
            Event::ChannelOpened(_) => {
                self.channels.insert(number, Channel::default());
                self.ask(number, channel::Open::default().into(), Answer::Client);
            }
            Event::ChannelClosed(_) => {
                let close = channel::Close {
                    reply_code: ReplyCode::ReplySuccess.number(),
                    ..channel::Close::default()
                };
                self.ask(number, close.into(), Answer::Client);
            }
            Event::Method(_, method) => self.method(number, method),
            Event::Publish(_, publish) => {
                if let Some(confirm) = self.publish(number, publish) {
                    client.send(number, &ack(confirm));
                }
            }
            Event::Login { .. } | Event::Open { .. } | Event::Closed(_) => {}
        }
    }

    fn publish(&mut self, number: ChannelNumber, publish: Publish) -> Option<Confirm> {
        let channel = self.channels.get_mut(&number)?;
        if channel.transaction.is_none() {
            let worn = channel.unconfirmed.is_empty()
                && (channel.counting.as_ref()).is_some_and(super::numbers::Counting::is_worn);
            if channel.counting.is_none() || worn {
                channel.counting = Some(self.numbers.take(&self.vhost));
            }
        }
        if channel.needs_confirms() {
            channel.confirms();
            if self.owner.is_some() {
                self.ask(number, confirm::Select::default().into(), Answer::Restored);
            }
        }
        let order = self.next_order();
        let out = self.owner.map(|frame_max| Out {
            bytes: &mut self.output,
            frame_max,
        });
        let channel = self.channels.get_mut(&number)?;
        channel.publish(number, order, publish, out)
    }

    fn method(&mut self, number: ChannelNumber, mut method: Method) {
        let Some(channel) = self.channels.get_mut(&number) else {
            return;
        };
        match &mut method {
            Method::BasicAck(basic::Ack { delivery_tag, .. })
            | Method::BasicNack(basic::Nack { delivery_tag, .. })
            | Method::BasicReject(basic::Reject { delivery_tag, .. }) => {
                if let Some(begun) = &mut channel.transaction {
                    *begun = true;
                }
                let Some(tag) = channel.owner_tag_of(*delivery_tag) else {
                    return;
                };
                *delivery_tag = tag;
                return self.say(number, &method);
            }
            Method::BasicRecoverAsync(_) => return self.say(number, &method),
            // Another owner does not know which queue the channel declared last.
            other if !channel.declares() => name_queue(other, &channel.last_queue),
            _ => {}
        }
        match &method {
            Method::ConfirmSelect(_) if channel.transaction.is_none() => channel.client_confirms(),
            Method::TxSelect(_) => channel.transaction = channel.transaction.or(Some(false)),
            _ => {}
        }
        let answer = if take_no_wait(&mut method) {
            Answer::Nobody
        } else {
            Answer::Client
        };
        self.ask(number, method, answer);
    }

    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// Says what is not answered.
    fn say(&mut self, number: ChannelNumber, method: &Method) {
        if self.owner.is_some() {
            wire::encode_method(&mut self.output, number, method);
        }
    }

    fn ask(&mut self, number: ChannelNumber, method: Method, answer: Answer) {
        let order = self.next_order();
        self.say(number, &method);
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.asked.push_back(Asked {
                order,
                method,
                answer,
            });
        }
    }

    /// Passes on what the owner says on a channel.
    ///
    /// # Errors
    /// If nothing asked for it.
    pub(crate) fn owner_said(
        &mut self,
        number: ChannelNumber,
        arrival: Arrival,
        client: &mut ServerConnection,
    ) -> Result<(), OutOfTurn> {
        let Some(channel) = self.channels.get_mut(&number) else {
            // It was closed by the owner, and said more before it heard of that.
            return Ok(());
        };
        match arrival {
            Arrival::Content(Method::BasicDeliver(deliver), properties, body) => {
                let tag = channel.client_tag_of(deliver.delivery_tag);
                let content = content(&deliver.exchange, &deliver.routing_key, &properties, body);
                client.deliver(
                    number,
                    &deliver.consumer_tag,
                    tag,
                    deliver.redelivered,
                    content,
                );
            }
            Arrival::Content(Method::BasicGetOk(got), properties, body) => {
                let tag = channel.client_tag_of(got.delivery_tag);
                let _asked = channel.asked.pop_front().ok_or(OutOfTurn("basic.get-ok"))?;
                let content = content(&got.exchange, &got.routing_key, &properties, body);
                client.get_ok(number, tag, got.redelivered, got.message_count, content);
            }
            Arrival::Content(Method::BasicReturn(returned), properties, body) => {
                give_back(client, number, returned, properties, body);
            }
            Arrival::Content(method, ..) => return Err(OutOfTurn(method.name())),
            Arrival::Method(Method::BasicAck(basic::Ack {
                delivery_tag,
                multiple,
            })) => {
                let confirmed = channel.unconfirmed.settle(delivery_tag.0, multiple);
                if let Some(confirm) = confirmed.confirm {
                    client.send(number, &ack(confirm));
                }
            }
            Arrival::Method(Method::BasicNack(nack)) => {
                let settled = channel
                    .unconfirmed
                    .settle(nack.delivery_tag.0, nack.multiple);
                refused(channel, number, &settled, client);
            }
            Arrival::Method(Method::BasicCancel(cancel)) => {
                channel
                    .consumers
                    .retain(|it| it.consume.consumer_tag != cancel.consumer_tag);
                client.send(number, &cancel.into());
            }
            Arrival::Method(Method::ChannelClose(close)) => self.closed(number, close, client),
            Arrival::Method(method) => self.answered(number, method, client)?,
        }
        Ok(())
    }

    /// The owner says whether publishers should go on.
    pub(crate) fn blocked(&mut self, method: &Method, client: &mut ServerConnection) {
        self.blocked = matches!(method, Method::ConnectionBlocked(_));
        client.send(ChannelNumber(0), method);
    }

    /// The owner closes a channel for what the client did there.
    fn closed(
        &mut self,
        number: ChannelNumber,
        close: channel::Close,
        client: &mut ServerConnection,
    ) {
        self.say(number, &channel::CloseOk.into());
        self.forget(number);
        client.close_channel(number, &channel_error(close));
    }

    fn forget(&mut self, number: ChannelNumber) {
        let Some(mut channel) = self.channels.remove(&number) else {
            return;
        };
        if let Some(counting) = channel.counting.take_if(|_| channel.unconfirmed.is_empty()) {
            self.numbers.give_back(&self.vhost, counting);
        }
    }

    /// The owner answers the oldest request of a channel: only now it has happened.
    fn answered(
        &mut self,
        number: ChannelNumber,
        answer: Method,
        client: &mut ServerConnection,
    ) -> Result<(), OutOfTurn> {
        let out_of_turn = OutOfTurn(answer.name());
        let Some(channel) = self.channels.get_mut(&number) else {
            return Ok(());
        };
        let Some(asked) = channel.asked.pop_front() else {
            return Err(out_of_turn);
        };
        if asked.answer != Answer::Restored {
            match (asked.method, &answer) {
                (Method::QueueDeclare(declare), Method::QueueDeclareOk(ok)) => {
                    channel.last_queue = ok.queue.clone();
                    if declare.exclusive && !declare.passive {
                        self.exclusive.insert(ok.queue.clone());
                    }
                }
                (Method::QueueDelete(delete), Method::QueueDeleteOk(_)) => {
                    self.exclusive
                        .remove(named(&delete.queue, &channel.last_queue));
                }
                (Method::BasicQos(qos), Method::BasicQosOk(_)) if qos.global => {
                    channel.prefetch_all = Some(qos);
                }
                (Method::BasicQos(qos), Method::BasicQosOk(_)) => channel.prefetch_each = qos,
                (Method::BasicConsume(consume), Method::BasicConsumeOk(ok)) => {
                    let queue = named(&consume.queue, &channel.last_queue).clone();
                    channel.consumers.push(Consumer {
                        consume: basic::Consume {
                            queue,
                            consumer_tag: ok.consumer_tag.clone(),
                            ..consume
                        },
                        prefetch: channel.prefetch_each.clone(),
                    });
                }
                (Method::BasicCancel(cancel), Method::BasicCancelOk(_)) => {
                    channel
                        .consumers
                        .retain(|it| it.consume.consumer_tag != cancel.consumer_tag);
                }
                (_, Method::TxCommitOk(_) | Method::TxRollbackOk(_)) => {
                    channel.transaction = Some(false);
                }
                _ => {}
            }
        }
        if asked.answer == Answer::Client {
            client.send(number, &answer);
        }
        if matches!(answer, Method::ChannelCloseOk(_)) {
            let late = std::mem::take(&mut channel.late);
            self.forget(number);
            for event in late {
                self.client_did(event, client);
            }
        }
        Ok(())
    }
}

/// The name, or what an empty one stands for.
fn named<'a>(name: &'a ShortStr, last: &'a ShortStr) -> &'a ShortStr {
    if name.is_empty() { last } else { name }
}

/// Says the queue that an empty name stands for, if there is one. In a binding it may stand for the routing key, too.
fn name_queue(method: &mut Method, last: &ShortStr) {
    let name = match method {
        Method::QueueBind(queue::Bind {
            queue, routing_key, ..
        })
        | Method::QueueUnbind(queue::Unbind {
            queue, routing_key, ..
        }) => {
            if queue.is_empty() && routing_key.is_empty() {
                *routing_key = last.clone();
            }
            queue
        }
        Method::QueuePurge(it) => &mut it.queue,
        Method::QueueDelete(it) => &mut it.queue,
        Method::BasicConsume(it) => &mut it.queue,
        Method::BasicGet(it) => &mut it.queue,
        _ => return,
    };
    if name.is_empty() {
        *name = last.clone();
    }
}

/// Whether the client does not wait for an answer; the owner is to give one all the same.
fn take_no_wait(method: &mut Method) -> bool {
    let no_wait = match method {
        Method::ExchangeDeclare(it) => &mut it.no_wait,
        Method::ExchangeDelete(it) => &mut it.no_wait,
        Method::ExchangeBind(it) => &mut it.no_wait,
        Method::ExchangeUnbind(it) => &mut it.no_wait,
        Method::QueueDeclare(it) => &mut it.no_wait,
        Method::QueueBind(it) => &mut it.no_wait,
        Method::QueuePurge(it) => &mut it.no_wait,
        Method::QueueDelete(it) => &mut it.no_wait,
        Method::BasicConsume(it) => &mut it.no_wait,
        Method::BasicCancel(it) => &mut it.no_wait,
        Method::ConfirmSelect(it) => &mut it.no_wait,
        _ => return false,
    };
    std::mem::take(no_wait)
}

fn ack(confirm: Confirm) -> Method {
    Method::BasicAck(basic::Ack {
        delivery_tag: DeliveryTag(confirm.tag),
        multiple: confirm.multiple,
    })
}

fn refused(
    channel: &mut Channel,
    number: ChannelNumber,
    settled: &Confirmed,
    client: &mut ServerConnection,
) {
    if let Some(counting) = &mut channel.counting {
        counting.refused += settled.count;
    }
    if let Some(confirm) = settled.confirm {
        let nack = basic::Nack {
            delivery_tag: DeliveryTag(confirm.tag),
            multiple: confirm.multiple,
            ..basic::Nack::default()
        };
        client.send(number, &nack.into());
    }
}

fn content<'a>(
    exchange: &'a ShortStr,
    routing_key: &'a ShortStr,
    properties: &'a Properties,
    body: bytes::Bytes,
) -> Content<'a> {
    Content {
        exchange: exchange.as_bytes(),
        routing_key: routing_key.as_bytes(),
        properties: properties.as_bytes(),
        body,
    }
}

fn give_back(
    client: &mut ServerConnection,
    number: ChannelNumber,
    returned: basic::Return,
    properties: Properties,
    body: bytes::Bytes,
) {
    let message = Publish {
        exchange: returned.exchange,
        routing_key: returned.routing_key,
        properties,
        body,
        ..Publish::default()
    };
    let code = reply_code(returned.reply_code);
    client.give_back(number, code, &returned.reply_text, &message);
}

/// What the owner says of a channel, for the client.
fn channel_error(close: channel::Close) -> ChannelError {
    ChannelError {
        code: reply_code(close.reply_code),
        text: close.reply_text,
        method: MethodId::new(close.class_id, close.method_id),
    }
}

/// What the owner says of the connection, for the client.
pub(crate) fn connection_error(close: connection::Close) -> ConnectionError {
    ConnectionError {
        code: reply_code(close.reply_code),
        text: close.reply_text,
        method: MethodId::new(close.class_id, close.method_id),
    }
}

fn reply_code(number: u16) -> ReplyCode {
    ReplyCode::from_number(number).unwrap_or(ReplyCode::InternalError)
}
