//! Queues, counted.

use super::{Counts, QueueStatus};
use crate::Broker;
use crate::queue::Queue;
use model::{QueueId, ShortStr};

impl Broker {
    /// All queues, or those of one virtual host, by name.
    pub(crate) fn queue_statuses(&self, vhost: Option<&ShortStr>) -> Vec<QueueStatus> {
        let vhosts = self.all_vhosts().map(|(_, vhost)| vhost);
        let wanted = vhosts.filter(|of| vhost.is_none_or(|name| of.name == *name));
        let ids = wanted.flat_map(|vhost| vhost.queues.values());
        let mut all: Vec<QueueStatus> = ids.map(|id| self.queue_status(*id)).collect();
        all.sort_unstable_by(|a, b| (&a.vhost, &a.name).cmp(&(&b.vhost, &b.name)));
        all
    }

    pub(crate) fn queue_status(&self, id: QueueId) -> QueueStatus {
        let queue = &self.queues[&id];
        let definition = &queue.definition;
        let vhost = &self.vhosts[queue.vhost.0].name;
        let policy = self.policies.of_queue(vhost, definition);
        let operators = self.policies.operators_of_queue(vhost, definition);
        let oldest = queue.backlog.oldest(self.landing.landed());
        QueueStatus {
            vhost: vhost.clone(),
            name: definition.name.clone(),
            durable: definition.durable,
            exclusive: definition.exclusive,
            auto_delete: definition.auto_delete,
            arguments: definition.arguments.clone(),
            policy: policy.map(|policy| policy.name.clone()),
            operator_policy: operators.map(|policy| policy.name.clone()),
            effective: self.policies.effective(vhost, definition),
            traffic: queue.counted.traffic,
            recent: self.statistics.recent_of_queue(id),
            moved: queue.counted.moved,
            in_force: self.in_force(queue.vhost, definition),
            consumers: queue.consumers.len() as u64,
            paused: self.is_paused(id),
            counts: self.counts(queue),
            oldest,
            oldest_came: oldest.and_then(|oldest| self.calendar.came(oldest)),
            deduplication: self.deduplication.status(id),
        }
    }

    pub(crate) fn counts(&self, queue: &Queue) -> Counts {
        Counts {
            ready: queue.backlog.ready(self.landing.landed()),
            unacked: queue.unacked - queue.again.settled(),
            delayed: queue.delayed.len(),
            parked: queue.parked.count(),
            leaving: queue.dying.count() + self.copies.count(queue.definition.id),
        }
    }
}
