//! Settling: ack, nack, reject and recover. What is settled leaves its queue; a record tells the store.

use crate::Broker;
use crate::connection::{ChannelId, Refusal, precondition_failed};
use crate::tx::Verdict;
use crate::unacked::Unsettled;
use model::method::basic;
use model::record::{Ending, Reason};
use model::{ConnectionError, DeliveryTag, MethodId, QueueId, Record, ReplyCode};

impl Broker {
    pub(crate) fn ack(&mut self, id: ChannelId, ack: &basic::Ack) -> Result<(), Refusal> {
        let (tag, multiple) = (ack.delivery_tag, ack.multiple);
        self.judge(id, tag, multiple, Verdict::Acked, basic::Ack::ID)
    }

    pub(crate) fn nack(&mut self, id: ChannelId, nack: &basic::Nack) -> Result<(), Refusal> {
        let (tag, multiple) = (nack.delivery_tag, nack.multiple);
        let verdict = Verdict::refused(nack.requeue);
        self.judge(id, tag, multiple, verdict, basic::Nack::ID)
    }

    pub(crate) fn reject(&mut self, id: ChannelId, reject: &basic::Reject) -> Result<(), Refusal> {
        let verdict = Verdict::refused(reject.requeue);
        let tag = reject.delivery_tag;
        self.judge(id, tag, false, verdict, basic::Reject::ID)
    }

    /// The client says what becomes of deliveries: at once, or when its transaction commits.
    fn judge(
        &mut self,
        id: ChannelId,
        tag: DeliveryTag,
        multiple: bool,
        verdict: Verdict,
        method: MethodId,
    ) -> Result<(), Refusal> {
        if self.hold_verdict(id, tag, multiple, verdict, method)? {
            return Ok(());
        }
        let settled = self.take_unacked(id, tag, multiple, method)?;
        for entry in settled {
            self.conclude(&entry, verdict);
        }
        Ok(())
    }

    pub(crate) fn conclude(&mut self, entry: &Unsettled, verdict: Verdict) {
        match verdict {
            Verdict::Acked => self.settle(entry),
            Verdict::Rejected => self.turn_away(entry),
            Verdict::Requeued => self.give_back(entry),
        }
    }

    /// basic.recover: everything unacked on the channel comes again.
    pub(crate) fn recover(
        &mut self,
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
            self.give_back(&entry);
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
            if queue.settled.is_empty() {
                self.settling.push(entry.queue);
            }
            queue.settled.insert(Ending::Acknowledged, entry.position);
            queue.backlog.forget(entry.position);
        }
        self.free_consumer(entry);
    }

    /// A delivery failed: its message returns to its place.
    pub(crate) fn give_back(&mut self, entry: &Unsettled) {
        if let Some(queue) = self.queues.get_mut(&entry.queue) {
            queue.unacked -= 1;
            queue
                .backlog
                .give_back(entry.position, entry.delivered, entry.priority);
            self.activate(entry.queue);
        }
        self.free_consumer(entry);
    }

    /// What was settled in this turn becomes one record for each queue and way of ending.
    pub(crate) fn record_settled(&mut self) {
        for id in std::mem::take(&mut self.settling) {
            self.record_settled_of(id, false);
        }
    }

    /// `awaited` if somebody is answered when it has landed.
    pub(crate) fn record_settled_of(&mut self, id: QueueId, awaited: bool) {
        if let Some(queue) = self.queues.get_mut(&id)
            && !queue.settled.is_empty()
        {
            for (how, settled) in queue.settled.take() {
                self.land(Record::Settled(id, how, settled), awaited);
            }
        }
    }

    /// A message was refused for good.
    fn turn_away(&mut self, entry: &Unsettled) {
        if let Some(queue) = self.queues.get_mut(&entry.queue) {
            queue.unacked -= 1;
            queue.backlog.forget(entry.position);
            let refused = [entry.position.0].into_iter().collect();
            self.discard(entry.queue, &refused, Reason::Rejected);
        }
        self.free_consumer(entry);
    }

    fn take_unacked(
        &mut self,
        id: ChannelId,
        tag: DeliveryTag,
        multiple: bool,
        method: MethodId,
    ) -> Result<Vec<Unsettled>, Refusal> {
        self.wake_if_full(id);
        let unacked = &mut self.open_channel_mut(id).unacked;
        if multiple && (tag == DeliveryTag(0) || unacked.contains(tag)) {
            return Ok(unacked.take_upto(tag));
        }
        match unacked.take(tag) {
            Some(entry) => Ok(vec![entry]),
            None => Err(unknown_tag(tag, method)),
        }
    }

    fn free_consumer(&mut self, entry: &Unsettled) {
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
        let unacked_max = self.capacity.unacked_max;
        let channel = self.open_channel_mut(id);
        let unacked = channel.unacked.awaiting_ack();
        if unacked >= unacked_max || channel.prefetch_all > 0 && unacked >= channel.prefetch_all {
            self.wake_channel(id);
        }
    }
}

pub(crate) fn unknown_tag(tag: DeliveryTag, method: MethodId) -> Refusal {
    precondition_failed(format!("unknown delivery tag {tag}"), method)
}
