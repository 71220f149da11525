//! Transactions: what a channel publishes and settles after tx.select is held, and done at tx.commit.
//!
//! What is wrong with a publish is told when it comes, and it is routed then; what it leads to happens at the
//! commit. commit-ok leaves when all of it has landed, the acknowledgements too: that is how a client can know
//! that its acknowledgements will outlive a crash (promise P1).

use crate::Broker;
use crate::connection::{ChannelId, Refusal, precondition_failed};
use crate::envelope::Envelope;
use crate::request::bytes_of;
use crate::route::Targets;
use crate::settle::unknown_tag;
use bytes::Bytes;
use model::method::{basic, tx};
use model::{DeliveryTag, MethodId, Publish, QueueId, Timestamp};

/// What a channel holds until it commits.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    publishes: Vec<(Publish, Targets)>,
    verdicts: Vec<(DeliveryTag, Verdict)>,
    /// A publish was a repeat of one that may not have landed yet.
    pub(crate) repeats: bool,
    /// What all of it takes in memory, roughly.
    bytes: usize,
}

/// What a client says of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Acked,
    Rejected,
    Requeued,
}

impl Transaction {
    /// How many publishes and how many verdicts it holds.
    pub(crate) fn held(&self) -> (u64, u64) {
        (self.publishes.len() as u64, self.verdicts.len() as u64)
    }
}

impl Verdict {
    /// What nack and reject say.
    pub(crate) fn refused(requeue: bool) -> Self {
        if requeue {
            Self::Requeued
        } else {
            Self::Rejected
        }
    }
}

/// The memory that all open transactions share, in bytes: a client that never commits must not take all there
/// is (promise P9).
#[derive(Debug)]
pub(crate) struct TransactionRoom {
    used: usize,
    most: usize,
}

impl TransactionRoom {
    pub(crate) fn new(most: usize) -> Self {
        Self { used: 0, most }
    }

    fn take(&mut self, bytes: usize, method: MethodId) -> Result<(), Refusal> {
        if self.used + bytes > self.most {
            let explanation = format!(
                "transaction too large: all that are open may hold {} bytes",
                self.most
            );
            return Err(precondition_failed(explanation, method));
        }
        self.used += bytes;
        Ok(())
    }

    /// The transaction ended.
    pub(crate) fn leave(&mut self, transaction: &Transaction) {
        self.used -= transaction.bytes;
    }
}

impl Broker {
    pub(crate) fn tx_select(&mut self, id: ChannelId) -> Result<(), Refusal> {
        let channel = self.open_channel_mut(id);
        if channel.confirms.is_some() {
            let explanation = "cannot switch from confirm to tx mode";
            return Err(precondition_failed(explanation, tx::Select::ID));
        }
        channel.transaction.get_or_insert_default();
        self.reply(id, tx::SelectOk);
        Ok(())
    }

    /// Publishes first, then what was settled, each in the order it came.
    pub(crate) fn tx_commit(&mut self, now: Timestamp, id: ChannelId) -> Result<(), Refusal> {
        let transaction = self.end_transaction(id, tx::Commit::ID)?;
        let before = self.landing.last();
        let (mut repeats, mut refused) = (transaction.repeats, false);
        for (publish, mut targets) in transaction.publishes {
            // Those that were deleted meanwhile take nothing.
            targets.retain(|queue| self.queues.contains_key(&queue));
            let envelope = Envelope::of(&publish.properties);
            let publishing = envelope.publishing()?;
            if self.is_repeat(id, publishing) {
                repeats = true;
            } else {
                refused |= !self.take_in(now, id, &publish, targets, publishing);
            }
        }
        let mut settled: Vec<QueueId> = Vec::new();
        self.wake_if_full(id);
        for (tag, verdict) in transaction.verdicts {
            // The message may be gone with its queue.
            let channel = self.open_channel_mut(id);
            if let Some(entry) = channel.unacked.take_held(tag) {
                self.note_verdict(id, verdict);
                settled.push(entry.queue);
                self.conclude(now, &entry, verdict);
            }
        }
        settled.sort_unstable();
        settled.dedup();
        for queue in settled {
            self.record_settled_of(queue, true);
        }
        if refused {
            // commit-ok would say that all of it has landed.
            let explanation = "partial tx completion";
            return Err(precondition_failed(explanation, tx::Commit::ID));
        }
        let last = self.landing.last();
        // What queues knew already may be about to land.
        let landed = self.landing.landed();
        let repeats = repeats || self.open_channel_mut(id).published > landed;
        if last > before || repeats {
            self.reply_when_landed(id, last, tx::CommitOk);
        } else {
            self.reply(id, tx::CommitOk);
        }
        Ok(())
    }

    /// Publishes are forgotten; what was settled waits for the client's word again.
    pub(crate) fn tx_rollback(&mut self, id: ChannelId) -> Result<(), Refusal> {
        self.end_transaction(id, tx::Rollback::ID)?;
        self.open_channel_mut(id).unacked.release_held();
        self.reply(id, tx::RollbackOk);
        Ok(())
    }

    fn end_transaction(&mut self, id: ChannelId, method: MethodId) -> Result<Transaction, Refusal> {
        let Some(transaction) = &mut self.open_channel_mut(id).transaction else {
            let explanation = "channel is not transactional";
            return Err(precondition_failed(explanation, method));
        };
        let transaction = std::mem::take(transaction);
        self.transaction_room.leave(&transaction);
        Ok(transaction)
    }

    /// Holds a routed publish.
    pub(crate) fn hold_publish(
        &mut self,
        id: ChannelId,
        publish: &Publish,
        targets: Targets,
    ) -> Result<(), Refusal> {
        let bytes = bytes_of(publish) + targets.len() * size_of::<QueueId>();
        // A copy: what is held for as long as the client likes must not keep whole read buffers alive.
        let publish = Publish {
            exchange: publish.exchange.detached(),
            routing_key: publish.routing_key.detached(),
            properties: publish.properties.detached(),
            body: Bytes::copy_from_slice(&publish.body),
            ..*publish
        };
        let transaction = self.room_in_transaction(id, bytes, basic::Publish::ID)?;
        transaction.publishes.push((publish, targets));
        Ok(())
    }

    /// Holds what a transactional channel says of deliveries; false if the channel is none.
    pub(crate) fn hold_verdict(
        &mut self,
        id: ChannelId,
        tag: DeliveryTag,
        multiple: bool,
        verdict: Verdict,
        method: MethodId,
    ) -> Result<bool, Refusal> {
        let channel = self.open_channel_mut(id);
        if channel.transaction.is_none() {
            return Ok(false);
        }
        let Some(tags) = channel.unacked.hold(tag, multiple) else {
            return Err(unknown_tag(tag, method));
        };
        let bytes = tags.len() * size_of::<(DeliveryTag, Verdict)>();
        let transaction = self.room_in_transaction(id, bytes, method)?;
        let verdicts = tags.into_iter().map(|tag| (tag, verdict));
        transaction.verdicts.extend(verdicts);
        Ok(true)
    }

    /// The transaction of a channel that is known to have one, with room for so many bytes more.
    fn room_in_transaction(
        &mut self,
        id: ChannelId,
        bytes: usize,
        method: MethodId,
    ) -> Result<&mut Transaction, Refusal> {
        self.transaction_room.take(bytes, method)?;
        let transaction = &mut self.open_channel_mut(id).transaction;
        let transaction = transaction.as_mut().expect("the caller has looked");
        transaction.bytes += bytes;
        Ok(transaction)
    }
}
