//! What queues that deduplicate remember, as it is told again: no more of it than they are to remember.

use super::Recovery;
use crate::rules::Rules;
use model::record::Fingerprint;
use model::{Position, QueueId};

impl Recovery {
    pub(super) fn remember(&mut self, queue: QueueId, position: Position, message: Fingerprint) {
        self.remembered.learn(queue, position, message);
        if self.remembered.is_too_much() {
            self.remembered.cut(|queue| {
                let (vhost, queue) = self.queues.get(&queue)?;
                let vhost = self.vhosts[vhost.0].as_ref()?;
                let rules = Rules::of(&self.policies.in_force(&vhost.name, queue));
                Some(rules.deduplication.map_or(0, |rule| rule.size))
            });
        }
    }
}
