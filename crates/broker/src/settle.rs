//! Settling: ack, nack, reject and recover. What is settled leaves its queue; a record tells the store.

use crate::Broker;
use crate::connection::{ChannelId, Refusal, precondition_failed};
use crate::journey::{Outcome, Then};
use crate::retry::Cause;
use crate::tx::Verdict;
use crate::unacked::Unsettled;
use model::method::basic;
use model::record::{Ending, Reason, Waiting};
use model::{ConnectionError, DeliveryTag, MethodId, QueueId, Record, ReplyCode, Timestamp};

/// The most messages of one record of those that wait: a record must fit a chunk.
pub(crate) const WAITING_MAX: usize = 65_536;

impl Broker {
    pub(crate) fn ack(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        ack: &basic::Ack,
    ) -> Result<(), Refusal> {
        let (tag, multiple) = (ack.delivery_tag, ack.multiple);
        self.judge(now, id, tag, multiple, Verdict::Acked, basic::Ack::ID)
    }

    pub(crate) fn nack(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        nack: &basic::Nack,
    ) -> Result<(), Refusal> {
        let (tag, multiple) = (nack.delivery_tag, nack.multiple);
        let verdict = Verdict::refused(nack.requeue);
        self.judge(now, id, tag, multiple, verdict, basic::Nack::ID)
    }

    pub(crate) fn reject(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        reject: &basic::Reject,
    ) -> Result<(), Refusal> {
        let verdict = Verdict::refused(reject.requeue);
        let tag = reject.delivery_tag;
        self.judge(now, id, tag, false, verdict, basic::Reject::ID)
    }

    /// Counts a verdict that a commit makes come true.
    pub(crate) fn note_verdict(&mut self, id: ChannelId, verdict: Verdict) {
        let channel = (self.connections.get_mut(&id.connection))
            .and_then(|connection| connection.channels.get_mut(&id.number))
            .expect("a request is handled only while its channel is open");
        let counted = &mut *channel.counted;
        self.statistics.touch_channel(id, counted);
        counted.traffic.ack += u64::from(verdict == Verdict::Acked);
    }

    /// The client says what becomes of deliveries: at once, or when its transaction commits.
    fn judge(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        tag: DeliveryTag,
        multiple: bool,
        verdict: Verdict,
        method: MethodId,
    ) -> Result<(), Refusal> {
        if self.hold_verdict(id, tag, multiple, verdict, method)? {
            return Ok(());
        }
        self.wake_if_full(id);
        let channel = (self.connections.get_mut(&id.connection))
            .and_then(|connection| connection.channels.get_mut(&id.number))
            .expect("a request is handled only while its channel is open");
        let (unacked, counted) = (&mut channel.unacked, &mut *channel.counted);
        self.statistics.touch_channel(id, counted);
        let acks = u64::from(verdict == Verdict::Acked);
        if multiple && (tag == DeliveryTag(0) || unacked.contains(tag)) {
            let entries = unacked.take_upto(tag);
            counted.traffic.ack += acks * entries.len() as u64;
            for entry in entries {
                self.conclude(now, &entry, verdict);
            }
            return Ok(());
        }
        match unacked.take(tag) {
            Some(entry) => {
                counted.traffic.ack += acks;
                self.conclude(now, &entry, verdict);
            }
            None if unacked.was_forgotten(tag) => {}
            None => return Err(unknown_tag(tag, method)),
        }
        Ok(())
    }

    pub(crate) fn conclude(&mut self, now: Timestamp, entry: &Unsettled, verdict: Verdict) {
        match verdict {
            Verdict::Acked if entry.late => self.settle_late(entry),
            // The message has gone back already.
            Verdict::Rejected | Verdict::Requeued if entry.late => {}
            Verdict::Acked => self.settle(entry),
            Verdict::Rejected => self.turn_away(entry),
            Verdict::Requeued => self.come_back(now, entry, Cause::Returned),
        }
    }

    /// basic.recover: everything unacked on the channel comes again.
    pub(crate) fn recover(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        requeue: bool,
        answered: bool,
    ) -> Result<(), Refusal> {
        if !requeue {
            let error = ConnectionError::new(
                ReplyCode::NotImplemented,
                "requeue=false",
                basic::Recover::ID,
            );
            return Err(error.into());
        }
        self.wake_if_full(id);
        let entries = self.open_channel_mut(id).unacked.take_upto(DeliveryTag(0));
        for entry in entries {
            self.conclude(now, &entry, Verdict::Requeued);
        }
        if answered {
            self.reply(id, basic::RecoverOk);
        }
        Ok(())
    }

    /// A delivery is done with: its message leaves its queue.
    pub(crate) fn settle(&mut self, entry: &Unsettled) {
        // A queue that was deleted has settled all of its messages.
        if let Some(queue) = self.queues.get_mut(&entry.queue) {
            queue.unacked -= 1;
            queue.counted.traffic.ack += u64::from(!entry.no_ack);
            self.statistics.traffic.ack += u64::from(!entry.no_ack);
            if !queue.again.ended(entry.position) {
                if queue.nothing_to_tell() {
                    self.settling.push(entry.queue);
                }
                queue.settled.insert(Ending::Acknowledged, entry.position);
                queue.backlog.forget(entry.position);
            }
        }
        self.free_consumer(entry);
    }

    /// An acknowledgement came after its delivery's time: it settles the message, wherever that is now, unless
    /// something else has.
    fn settle_late(&mut self, entry: &Unsettled) {
        let Some(queue) = self.queues.get_mut(&entry.queue) else {
            return;
        };
        let position = entry.position;
        let is_here = queue.take_back(position) || queue.again.settle(position);
        if is_here {
            if queue.nothing_to_tell() {
                self.settling.push(entry.queue);
            }
            queue.settled.insert(Ending::Acknowledged, position);
            queue.backlog.forget(position);
            queue.counted.traffic.ack += 1;
            self.statistics.traffic.ack += 1;
            self.tell_attempt(entry, Outcome::AcknowledgedLate, Then::Leaves);
        }
    }

    /// What was settled in this turn becomes one record for each queue and way of ending; what waits otherwise than
    /// before another.
    pub(crate) fn record_settled(&mut self) {
        for id in std::mem::take(&mut self.settling) {
            self.record_settled_of(id, false);
        }
    }

    /// `awaited` if somebody is answered when it has landed.
    pub(crate) fn record_settled_of(&mut self, id: QueueId, awaited: bool) {
        if let Some(queue) = self.queues.get_mut(&id) {
            let told = std::mem::take(&mut queue.told);
            let settled = queue.settled.take();
            for part in in_order(told).chunks(WAITING_MAX) {
                self.land(Record::Waiting(id, part.to_vec()), awaited);
            }
            for (how, settled) in settled {
                self.land(Record::Settled(id, how, settled), awaited);
            }
        }
    }

    /// A message was refused for good.
    fn turn_away(&mut self, entry: &Unsettled) {
        if let Some(queue) = self.queues.get_mut(&entry.queue) {
            queue.unacked -= 1;
            if queue.again.ended(entry.position) {
                self.free_consumer(entry);
                return;
            }
            queue.backlog.forget(entry.position);
            queue.dying.remember(entry.position, entry.attempts);
            self.statistics.touch(queue);
            self.tell_attempt(entry, Outcome::Refused, Then::Leaves);
            let refused = [entry.position.0].into_iter().collect();
            self.discard(entry.queue, &refused, Reason::Rejected);
        }
        self.free_consumer(entry);
    }

    /// The delivery's consumer may have room again.
    pub(crate) fn free_consumer(&mut self, entry: &Unsettled) {
        let Some(id) = entry.consumer else { return };
        let Some(consumer) = self.consumers.get_mut(&id) else {
            return;
        };
        consumer.unacked -= u32::from(!entry.no_ack);
        self.wake_consumer(id);
    }

    /// The channel is about to settle something. A limit for the whole channel that was reached kept all of its
    /// consumers waiting: they may have room at the end of the turn.
    pub(crate) fn wake_if_full(&mut self, id: ChannelId) {
        let unacked_max = self.unacked_max();
        let channel = self.open_channel_mut(id);
        let unacked = channel.unacked.awaiting_ack();
        if unacked >= unacked_max || channel.prefetch_all > 0 && unacked >= channel.prefetch_all {
            self.wake_channel(id);
        }
    }
}

/// By rising position, what was told last of each.
pub(crate) fn in_order(mut told: Vec<Waiting>) -> Vec<Waiting> {
    // A stable sort: of those alike the last stays.
    told.sort_by_key(|waiting| waiting.position);
    told.dedup_by(|later, earlier| {
        let same = later.position == earlier.position;
        if same {
            *earlier = *later;
        }
        same
    });
    told
}

pub(crate) fn unknown_tag(tag: DeliveryTag, method: MethodId) -> Refusal {
    precondition_failed(format!("unknown delivery tag {tag}"), method)
}
