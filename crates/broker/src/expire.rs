//! Time passes: messages and queues whose time is over.

use crate::Broker;
use crate::schedule::Deadline;
use model::record::Reason;
use model::{QueueId, Timestamp};

impl Broker {
    /// Takes out what is over its time, and brings in whose time has come; whether the queue itself is gone.
    pub(crate) fn pass_time(&mut self, now: Timestamp, id: QueueId) -> bool {
        let gone = self.expire_queue(now, id);
        if !gone {
            self.expire_messages(now, id);
            // What becomes ready is offered first, however short its time to live.
            self.end_delays(now, id);
        }
        gone
    }

    /// Takes out the queue's messages whose time is over, of those that consumers had their chance at.
    pub(crate) fn expire_messages(&mut self, now: Timestamp, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        if queue
            .backlog
            .next_expiry(queue.rules.time_to_live)
            .is_none_or(|at| at > now)
        {
            return;
        }
        let (time_to_live, offered) = (queue.rules.time_to_live, queue.offered);
        let expired = queue.backlog.take_expired(now, time_to_live, offered);
        self.discard(id, &expired, Reason::Expired);
    }

    /// Removes the queue if nobody has used it for as long as its owner said; whether it is gone.
    fn expire_queue(&mut self, now: Timestamp, id: QueueId) -> bool {
        let unused_at = self.queues.get(&id).and_then(|queue| queue.unused_at());
        let over = unused_at.is_some_and(|at| at <= now);
        if over {
            self.remove_queue(id);
        }
        over
    }

    /// Drops the oldest messages of a queue that has more than it may.
    pub(crate) fn drop_over_limit(&mut self, id: QueueId) {
        let landed = self.landing.landed();
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        if !queue.rules.is_limited() || queue.rules.refuses_publishes() {
            return;
        }
        let mut dropped = model::Runs::new();
        while queue.is_over(landed) {
            let Some(position) = queue.backlog.pop_least(landed) else {
                break;
            };
            dropped.insert(position.0);
        }
        self.discard(id, &dropped, Reason::MaxLength);
    }

    /// Looks at the queue again when its next message expires, or it does itself.
    pub(crate) fn set_deadline(&mut self, now: Timestamp, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id) {
            let deadline = queue.deadline(now);
            queue.scheduled = deadline.is_some();
            self.schedule.set(Deadline::Queue(id), deadline);
        }
    }
}
