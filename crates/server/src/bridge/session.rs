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

use super::answers::{
    self, ack, channel_error, content, give_back, name_queue, named, take_no_wait,
};
use super::channel::{Answer, Asked, Channel, Consumer, Out};
use super::numbers::Numbers;
use super::unconfirmed::Confirm;
use bytes::BytesMut;
use model::method::{basic, channel, confirm, connection};
use model::{ChannelNumber, Method, Publish, ReplyCode, ShortStr};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use wire::{Arrival, Event, ServerConnection};

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

    /// What is held for the client, in bytes: messages that are not confirmed, and requests that are not answered.
    pub(crate) fn held(&self) -> usize {
        self.channels.values().map(Channel::held).sum()
    }

    /// Whether there are messages that are not confirmed.
    pub(crate) fn has_messages(&self) -> bool {
        let mut channels = self.channels.values();
        channels.any(|channel| !channel.unconfirmed.is_empty())
    }

    /// Whether the client uses a number again that the owner does not know to be free: nothing more is taken from it.
    pub(crate) fn waits_for_number(&self) -> bool {
        let mut channels = self.channels.values();
        channels.any(|channel| !channel.late.is_empty())
    }

    /// Whether another owner could not go on where this one ended, and why.
    pub(crate) fn cannot_go_on(&self) -> Option<&'static str> {
        let mut channels = self.channels.values();
        if !self.exclusive.is_empty() {
            return Some("its exclusive queues were there");
        }
        if channels.any(Channel::has_begun) {
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

    /// The client is done, and all that it sent is confirmed: its publishers are free.
    pub(crate) fn end(&mut self) {
        let numbers: Vec<ChannelNumber> = self.channels.keys().copied().collect();
        for number in numbers {
            self.forget(number);
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
            Event::Login { .. }
            | Event::Open { .. }
            | Event::SecretUpdated(_)
            | Event::Closed(_) => return,
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
            Event::Login { .. }
            | Event::Open { .. }
            | Event::SecretUpdated(_)
            | Event::Closed(_) => {}
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
                if let Some(last) = &mut channel.transaction {
                    self.order += 1;
                    *last = self.order;
                }
                let Some(tag) = channel.owner_tag_of(*delivery_tag) else {
                    return;
                };
                *delivery_tag = tag;
                self.say(number, &method);
                return;
            }
            Method::BasicRecoverAsync(_) => {
                self.say(number, &method);
                return;
            }
            // Another owner does not know which queue the channel declared last.
            other if !channel.declares() => name_queue(other, &channel.last_queue),
            _ => {}
        }
        match &method {
            Method::ConfirmSelect(_) if channel.transaction.is_none() => channel.client_confirms(),
            Method::TxSelect(_) => channel.transaction = channel.transaction.or(Some(0)),
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

    /// Says it, if there is an owner; tells how long it is as a frame.
    fn say(&mut self, number: ChannelNumber, method: &Method) -> usize {
        let before = self.output.len();
        wire::encode_method(&mut self.output, number, method);
        let bytes = self.output.len() - before;
        if self.owner.is_none() {
            self.output.truncate(before);
        }
        bytes
    }

    fn ask(&mut self, number: ChannelNumber, method: Method, answer: Answer) {
        let order = self.next_order();
        let bytes = self.say(number, &method);
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.asked.push_back(Asked {
                order,
                method,
                bytes,
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
                let refused = channel
                    .unconfirmed
                    .settle(nack.delivery_tag.0, nack.multiple);
                if let Some(counting) = &mut channel.counting {
                    counting.refused += refused.count;
                }
                if let Some(confirm) = refused.confirm {
                    client.send(number, &answers::nack(confirm));
                }
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
        client.close_channel(number, &channel_error(close));
        self.gone(number, client);
    }

    /// The channel is over, at the owner too: its number is free.
    fn gone(&mut self, number: ChannelNumber, client: &mut ServerConnection) {
        for event in self.forget(number) {
            self.client_did(event, client);
        }
    }

    /// Returns what the client did under the channel's number since.
    fn forget(&mut self, number: ChannelNumber) -> Vec<Event> {
        let Some(mut channel) = self.channels.remove(&number) else {
            return Vec::new();
        };
        if let Some(counting) = channel.counting.take_if(|_| channel.unconfirmed.is_empty()) {
            self.numbers.give_back(&self.vhost, counting);
        }
        channel.late
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
        // Behind a close nothing else is answered, whatever was asked before it.
        let is_closed = matches!(answer, Method::ChannelCloseOk(_));
        if is_closed && !channel.is_leaving() {
            // The closes of both sides crossed: it answers that of a channel which had the number before this one.
            return Ok(());
        }
        let asked = if is_closed {
            channel.asked.pop_back()
        } else {
            channel.asked.pop_front()
        };
        let Some(asked) = asked else {
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
                    channel.transaction_ended(asked.order);
                }
                _ => {}
            }
        }
        if asked.answer == Answer::Client {
            client.send(number, &answer);
        }
        if is_closed {
            // It is answered when all of the channel's messages have landed; their confirms came too late to be passed on.
            channel.unconfirmed.take();
            self.gone(number, client);
        }
        Ok(())
    }
}
