//! Handing out: while a consumer has room and a message that has landed waits, it gets it (promise P3).

use crate::backlog::Ready;
use crate::connection::{Channel, ChannelId, Connection, Consumer, ConsumerId, DELIVERY_ROOM};
use crate::journey::Receiver;
use crate::schedule::Deadline;
use crate::traffic::Traffic;
use crate::unacked::Unsettled;
use crate::{Broker, Delivery, Effect, Written};
use model::{ConnectionId, QueueId, Timestamp};

impl Broker {
    /// Marks a queue that may have something to hand out at the end of the turn.
    pub(crate) fn activate(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id)
            && queue.activate()
        {
            self.active.push(id);
        }
    }

    /// More has landed: queues that waited for it may hand it out.
    pub(crate) fn wake_queues(&mut self) {
        self.active.append(&mut self.unlanded);
    }

    /// A consumer may have room again.
    pub(crate) fn wake_consumer(&mut self, id: ConsumerId) {
        // Cancelled consumers leave unacked deliveries behind.
        let Some(consumer) = self.consumers.get_mut(&id) else {
            return;
        };
        let of_consumer = consumer.queue;
        let queue = self
            .queues
            .get_mut(&of_consumer)
            .expect("a queue outlives its consumers");
        if queue.single_active.is_some_and(|active| active != id) {
            return;
        }
        if !std::mem::replace(&mut consumer.waiting, true) {
            queue.willing.push_back(id, consumer.priority);
        }
        self.activate(of_consumer);
    }

    pub(crate) fn wake_channel(&mut self, id: ChannelId) {
        let Some(channel) = self.channel_mut(id) else {
            return;
        };
        let mut consumers: Vec<ConsumerId> = channel.consumers.values().copied().collect();
        consumers.sort_unstable();
        for consumer in consumers {
            self.wake_consumer(consumer);
        }
    }

    /// Hands out what it can, queue by queue, to the consumers in turn.
    pub(crate) fn deliver(&mut self, now: Timestamp) {
        let landed = self.landing.landed();
        for id in std::mem::take(&mut self.active) {
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            queue.active = false;
            self.statistics.touch(queue);
            if queue.is_ruled() && self.pass_time(now, id) {
                continue;
            }
            let paused = self.is_paused(id);
            let timeout = self.queues[&id].rules.timeout;
            let timeout = timeout.or(self.capacity.consumer_timeout);
            let mut handed_out = Traffic::default();
            while !paused && let Some(consumer) = self.next_with_room(id) {
                let queue = self.queues.get_mut(&id).expect("looked up before");
                let Some(ready) = queue.backlog.pop(landed) else {
                    break;
                };
                queue.willing.rotate();
                queue.unacked += 1;
                if ready.attempts.failed > 0 {
                    queue.again.began(ready.position);
                }
                let no_ack = self.hand_out(now, id, consumer, ready, timeout);
                handed_out.note_delivered(no_ack, ready.redelivered);
            }
            let queue = self.queues.get_mut(&id).expect("looked up before");
            if handed_out.deliver_get() > 0 {
                queue.counted.traffic.add_delivered(&handed_out);
                self.statistics.traffic.add_delivered(&handed_out);
            }
            self.consumers_behind |=
                !paused && !queue.consumers.is_empty() && queue.backlog.ready(landed) > 0;
            // Consumers had their chance at all that has landed: what may wait for no time goes now.
            queue.offered = landed;
            if queue.is_ruled() {
                self.expire_messages(now, id);
                self.drop_over_limit(id);
                self.set_deadline(now, id);
            }
            let queue = self.queues.get_mut(&id).expect("looked up before");
            if queue.backlog.waits_for_landing(landed) {
                queue.active = true;
                self.unlanded.push(id);
            }
        }
    }

    /// The first in turn of the consumers that can take a message; those before it are not willing any more.
    fn next_with_room(&mut self, id: QueueId) -> Option<ConsumerId> {
        let unacked_max = self.unacked_max();
        let queue = self.queues.get_mut(&id)?;
        while let Some(consumer) = queue.willing.front() {
            let one = self
                .consumers
                .get_mut(&consumer)
                .expect("a consumer that left is not listed");
            let connection = self
                .connections
                .get(&one.channel.connection)
                .expect("consumers go with theirs");
            let channel = connection
                .channels
                .get(&one.channel.number)
                .expect("consumers go with theirs");
            if has_room(connection, channel, one, unacked_max) {
                return Some(consumer);
            }
            one.waiting = false;
            queue.willing.pop_front();
        }
        None
    }

    /// `timeout` counts where the consumer has none of its own. Says whether no acknowledgement will come.
    fn hand_out(
        &mut self,
        now: Timestamp,
        queue: QueueId,
        id: ConsumerId,
        ready: Ready,
        timeout: Option<u64>,
    ) -> bool {
        let consumer = self
            .consumers
            .get_mut(&id)
            .expect("it has room, so it is there");
        let to = consumer.channel;
        let connection = self
            .connections
            .get_mut(&to.connection)
            .expect("consumers go with theirs");
        connection.delivery_room -= 1;
        let channel = connection
            .channels
            .get_mut(&to.number)
            .expect("consumers go with theirs");
        let counted = &mut *channel.counted;
        (counted.traffic).note_delivered(consumer.no_ack, ready.redelivered);
        self.statistics.touch_channel(to, counted);
        let tag = channel.unacked.next_tag();
        consumer.unacked += u32::from(!consumer.no_ack);
        let timeout = consumer.timeout.or(timeout).filter(|_| !consumer.no_ack);
        let entry = Unsettled {
            tag,
            queue,
            position: ready.position,
            consumer: Some(id),
            no_ack: consumer.no_ack,
            priority: ready.priority,
            attempts: ready.attempts,
            began: now,
            due: timeout.map(|timeout| Timestamp(now.0.saturating_add(timeout))),
            late: false,
        };
        if channel.unacked.push(entry, timeout) {
            let next = channel.unacked.next_due();
            self.schedule.set(Deadline::Channel(to), next);
        }
        let attempt = ready.attempts.total() + 1;
        (self.journey).delivered(queue, Receiver::Consumer(id.0), attempt, ready.position);
        self.effects.push_back(Effect::Deliver {
            connection: to.connection,
            channel: to.number,
            consumer_tag: consumer.tag.clone(),
            delivery: Delivery {
                position: ready.position,
                tag,
                redelivered: ready.redelivered,
                attempts: ready.attempts,
                no_ack: consumer.no_ack,
            },
        });
        consumer.no_ack
    }

    /// The shell wrote deliveries to a client: there is room for as many more, and those that need no
    /// acknowledgement are done with.
    pub(crate) fn written(&mut self, id: ConnectionId, written: &Written) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let had_no_room = connection.delivery_room == 0;
        connection.delivery_room =
            (connection.delivery_room + written.deliveries).min(DELIVERY_ROOM);
        for &(number, tag) in &written.settled {
            let channel = ChannelId {
                connection: id,
                number,
            };
            let entry = self
                .channel_mut(channel)
                .and_then(|channel| channel.unacked.take_written(tag));
            if let Some(entry) = entry {
                self.settle(&entry);
            }
        }
        if had_no_room {
            self.wake_connection(id);
        }
    }

    /// There is room again for what goes to a client: its consumers may get more.
    pub(crate) fn wake_connection(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let mut numbers: Vec<_> = connection.channels.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            self.wake_channel(ChannelId {
                connection: id,
                number,
            });
        }
    }

    /// The record of a delivery on its way out is gone: its queue was deleted, or a late acknowledgement settled it.
    pub(crate) fn undeliverable(&mut self, id: ChannelId, tag: model::DeliveryTag) {
        let Some(connection) = self.connections.get_mut(&id.connection) else {
            return;
        };
        let had_no_room = connection.delivery_room == 0;
        connection.delivery_room = (connection.delivery_room + 1).min(DELIVERY_ROOM);
        let entry = self
            .channel_mut(id)
            .and_then(|channel| channel.unacked.take_any(tag));
        // One whose time ran out on its way has gone back already, and may be settled since.
        if let Some(entry) = entry.filter(|entry| !entry.late) {
            assert!(
                self.queues
                    .get(&entry.queue)
                    .is_none_or(|queue| queue.again.is_settled(entry.position)),
                "a record lives as long as a queue holds its message"
            );
            self.settle(&entry);
        }
        // What was written later may find that there was room already, and wake nobody.
        if had_no_room {
            self.wake_connection(id.connection);
        }
    }
}

fn has_room(
    connection: &Connection,
    channel: &Channel,
    consumer: &Consumer,
    unacked_max: u32,
) -> bool {
    let below = |count: u32, limit: u32| limit == 0 || count < limit;
    connection.delivery_room > 0
        && channel.held_replies == 0
        && (consumer.no_ack
            || below(consumer.unacked, channel.prefetch_each)
                && below(channel.unacked.awaiting_ack(), channel.prefetch_all)
                && channel.unacked.awaiting_ack() < unacked_max)
}
