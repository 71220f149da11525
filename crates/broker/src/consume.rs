//! Consumers: qos, consume, cancel; and basic.get, which takes one message without being one.

use crate::arguments::{Declaration, Of};
use crate::connection::{ChannelId, Consumer, ConsumerId, Refusal, access_refused};
use crate::journey::Receiver;
use crate::reply_to::REPLY_TO;
use crate::schedule::Deadline;
use crate::unacked::Unsettled;
use crate::{Broker, Delivery, Effect};
use model::method::basic;
use model::{ChannelError, ConnectionError, QueueId, ReplyCode, ShortStr, Timestamp, Value};

impl Broker {
    /// A limit for each consumer counts for those that are there, too (RabbitMQ: only for later ones, which
    /// stalls workers that raise it while they wait: rabbitmq-server#11948).
    pub(crate) fn qos(&mut self, id: ChannelId, qos: &basic::Qos) -> Result<(), Refusal> {
        if qos.prefetch_size != 0 {
            let explanation = format!("prefetch_size!=0 ({})", qos.prefetch_size);
            return Err(ConnectionError::new(
                ReplyCode::NotImplemented,
                explanation,
                basic::Qos::ID,
            )
            .into());
        }
        let channel = self.open_channel_mut(id);
        if qos.global {
            channel.prefetch_all = qos.prefetch_count.into();
        } else {
            channel.prefetch_each = qos.prefetch_count.into();
        }
        self.reply(id, basic::QosOk);
        self.wake_channel(id);
        Ok(())
    }

    pub(crate) fn consume(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        consume: basic::Consume,
    ) -> Result<(), Refusal> {
        let method = basic::Consume::ID;
        let tag = if consume.consumer_tag.is_empty() {
            self.make_name("amq.ctag-", now)
        } else {
            consume.consumer_tag.detached()
        };
        if self.open_channel_mut(id).consumers.contains_key(&tag) {
            let explanation = format!("attempt to reuse consumer tag '{tag}'");
            return Err(ConnectionError::new(ReplyCode::NotAllowed, explanation, method).into());
        }
        let queue = if consume.queue == REPLY_TO {
            self.make_reply_queue(now, id, &consume)?
        } else {
            self.usable_queue(id, &consume.queue, method)?
        };
        let declaration = Declaration {
            of: Of::Consumer,
            what: &format!("consumer '{tag}' of {}", self.queue_text(queue)),
            method,
        };
        declaration.check(&consume.arguments)?;
        let priority = consume.arguments.get("x-priority");
        let priority = priority
            .and_then(Value::as_integer)
            .and_then(|priority| i32::try_from(priority).ok());
        let others = &self.queues[&queue].consumers;
        let taken = others.iter().any(|other| self.consumers[other].exclusive);
        if taken || consume.exclusive && !others.is_empty() {
            return Err(access_refused(
                format!("{} in exclusive use", self.queue_text(queue)),
                method,
            ));
        }
        let (no_ack, exclusive) = (consume.no_ack, consume.exclusive);
        self.add_consumer(Consumer {
            channel: id,
            tag: tag.clone(),
            queue,
            no_ack,
            exclusive,
            priority: priority.unwrap_or(0),
            timeout: consume
                .arguments
                .get("x-consumer-timeout")
                .and_then(Value::as_integer)
                .and_then(|timeout| u64::try_from(timeout).ok()),
            unacked: 0,
            waiting: false,
        });
        if !consume.no_wait {
            self.reply(id, basic::ConsumeOk { consumer_tag: tag });
        }
        Ok(())
    }

    fn add_consumer(&mut self, consumer: Consumer) {
        self.names_made += 1;
        let id = ConsumerId(self.names_made);
        let channel = self.open_channel_mut(consumer.channel);
        channel.consumers.insert(consumer.tag.clone(), id);
        let queue = self
            .queues
            .get_mut(&consumer.queue)
            .expect("looked up by the caller");
        queue.consumers.push(id);
        queue.was_consumed = true;
        if queue.rules.single_active_consumer && queue.single_active.is_none() {
            queue.single_active = Some(id);
        }
        self.consumers.insert(id, consumer);
        self.wake_consumer(id);
    }

    pub(crate) fn cancel(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        cancel: basic::Cancel,
    ) -> Result<(), Refusal> {
        let consumer = self
            .open_channel_mut(id)
            .consumers
            .get(&cancel.consumer_tag)
            .copied();
        if let Some(consumer) = consumer {
            self.remove_consumer(now, consumer);
        }
        if !cancel.no_wait {
            self.reply(
                id,
                basic::CancelOk {
                    consumer_tag: cancel.consumer_tag,
                },
            );
        }
        Ok(())
    }

    /// Ends a consumer. What it was handed stays unacked on its channel. An auto-delete queue goes with its
    /// last consumer, if that went by itself.
    pub(crate) fn remove_consumer(&mut self, now: Timestamp, id: ConsumerId) {
        self.consumer_goes(id);
        let Some(consumer) = self.consumers.remove(&id) else {
            return;
        };
        if let Some(channel) = self.channel_mut(consumer.channel) {
            channel.consumers.remove(&consumer.tag);
        }
        let queue = self
            .queues
            .get_mut(&consumer.queue)
            .expect("a queue outlives its consumers");
        queue.consumers.retain(|other| *other != id);
        queue.willing.remove(id);
        if queue.single_active == Some(id) {
            self.appoint_single_active(consumer.queue);
        }
        self.used(now, consumer.queue);
        let queue = &self.queues[&consumer.queue];
        let is_last = queue.consumers.is_empty() && queue.was_consumed;
        if queue.definition.auto_delete && is_last && !self.says_farewell {
            self.remove_queue(consumer.queue);
        }
    }

    /// The next to get everything: the first that came of those with the highest priority.
    fn appoint_single_active(&mut self, id: QueueId) {
        let queue = self.queues.get_mut(&id).expect("looked up by the caller");
        let by_priority = |other: &&ConsumerId| self.consumers[*other].priority;
        // The last of equals is the greatest, so the list is looked at from its end.
        queue.single_active = queue
            .consumers
            .iter()
            .rev()
            .max_by_key(by_priority)
            .copied();
        if let Some(next) = queue.single_active {
            self.wake_consumer(next);
        }
    }

    /// The server ends a consumer, because its queue goes: clients that understand it are told.
    pub(crate) fn cancel_by_server(&mut self, id: ConsumerId) {
        let consumer = &self.consumers[&id];
        let (to, tag) = (consumer.channel, consumer.tag.clone());
        self.consumer_goes(id);
        self.consumers.remove(&id);
        if let Some(channel) = self.channel_mut(to) {
            channel.consumers.remove(&tag);
            if self.connection_of(to).consumer_cancel_notify {
                self.reply(
                    to,
                    basic::Cancel {
                        consumer_tag: tag,
                        no_wait: true,
                    },
                );
            }
        }
    }

    /// Somebody uses the queue: one that expires when unused starts to count anew.
    pub(crate) fn used(&mut self, now: Timestamp, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id)
            && queue.rules.expires.is_some()
        {
            queue.used = now;
            self.activate(id);
        }
    }

    pub(crate) fn get(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        get: basic::Get,
    ) -> Result<(), Refusal> {
        let queue_id = self.usable_queue(id, &get.queue, basic::Get::ID)?;
        self.refuse_single_active(queue_id)?;
        if !get.no_ack {
            self.check_unacked_limit(id)?;
        }
        self.used(now, queue_id);
        self.expire_messages(now, queue_id);
        let landed = self.landing.landed();
        let paused = self.is_paused(queue_id);
        let queue = self.queues.get_mut(&queue_id).expect("just found");
        self.statistics.touch(queue);
        let next = if paused {
            None
        } else {
            queue.backlog.pop(landed)
        };
        let Some(ready) = next else {
            self.note_get_empty(id, queue_id);
            self.reply(
                id,
                basic::GetEmpty {
                    cluster_id: ShortStr::empty(),
                },
            );
            return Ok(());
        };
        queue.unacked += 1;
        if ready.attempts.failed > 0 {
            queue.again.began(ready.position);
        }
        let timeout = queue.rules.timeout.or(self.capacity.consumer_timeout);
        let timeout = timeout.filter(|_| !get.no_ack);
        let message_count = saturate(queue.backlog.ready(landed));
        (queue.counted.traffic).note_got(get.no_ack, ready.redelivered);
        let connection = self.connection_of(id);
        connection.delivery_room = connection.delivery_room.saturating_sub(1);
        self.count_on_channel(id, |traffic| {
            traffic.note_got(get.no_ack, ready.redelivered);
        });
        let unacked = &mut self.open_channel_mut(id).unacked;
        let tag = unacked.next_tag();
        let entry = Unsettled {
            tag,
            queue: queue_id,
            position: ready.position,
            consumer: None,
            no_ack: get.no_ack,
            priority: ready.priority,
            attempts: ready.attempts,
            began: now,
            due: timeout.map(|timeout| Timestamp(now.0.saturating_add(timeout))),
            late: false,
        };
        if unacked.push(entry, timeout) {
            let next = unacked.next_due();
            self.schedule.set(Deadline::Channel(id), next);
        }
        let to = Receiver::Get(id.connection, id.number);
        let attempt = ready.attempts.total() + 1;
        (self.journey).delivered(queue_id, to, attempt, ready.position);
        let delivery = Delivery {
            position: ready.position,
            tag,
            redelivered: ready.redelivered,
            attempts: ready.attempts,
            no_ack: get.no_ack,
        };
        let (connection, channel) = (id.connection, id.number);
        self.effects.push_back(Effect::GetOk {
            connection,
            channel,
            delivery,
            message_count,
        });
        Ok(())
    }

    fn note_get_empty(&mut self, id: ChannelId, queue: QueueId) {
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.counted.traffic.get_empty += 1;
        }
        self.count_on_channel(id, |traffic| traffic.get_empty += 1);
    }

    /// Where one consumer is to get everything nobody else can take something away.
    pub(crate) fn refuse_single_active(&self, queue: QueueId) -> Result<(), Refusal> {
        if !self.queues[&queue].rules.single_active_consumer {
            return Ok(());
        }
        let explanation = format!(
            "{}. basic.get operations are not supported by queues with single active consumer",
            self.queue_text(queue)
        );
        Err(ChannelError::new(ReplyCode::ResourceLocked, explanation, basic::Get::ID).into())
    }

    /// `queue 'q' in vhost '/'`, as error texts name it.
    pub(crate) fn queue_text(&self, id: QueueId) -> String {
        let queue = &self.queues[&id];
        format!(
            "queue '{}' in vhost '{}'",
            queue.definition.name, self.vhosts[queue.vhost.0].name
        )
    }
}

/// A count as the protocol's 32 bits can tell it.
pub(crate) fn saturate(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
