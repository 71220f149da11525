//! The audit (promise P10): of every queue, what was accepted is what has ended, by how it ended, and what is here.
//!
//! What was accepted and what ended is counted where records are asked for, by runs; what is here is asked of the
//! structures that hold it. The two sides know nothing of each other, so a message that gets lost between them, or
//! ends twice, makes a difference that stays: nothing here repairs one.

use crate::command::CommandRefused;
use crate::journey::QueueName;
use crate::queue::Queue;
use crate::snapshot::Counts;
use crate::{Broker, Effect};
use model::record::Tally;
use model::{QueueId, ShortStr, Timestamp};
use rustc_hash::FxHashMap;

/// Queues in which something happened are looked at so often, in milliseconds.
const LOOK_EVERY: u64 = 1000;

/// One queue's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which queue.
    pub queue: QueueName,
    /// What it has accepted, and what ended.
    pub tally: Tally,
    /// What is here and can be seen.
    pub here: Counts,
    /// What has been accepted, and is not on the disk yet.
    pub landing: u64,
    /// What was settled a moment ago.
    pub ending: u64,
}

impl Account {
    /// All messages that are here.
    pub const fn all_here(&self) -> u64 {
        self.here.total() + self.landing + self.ending
    }

    /// How many messages are here that should not be; fewer than 0 if some are missing.
    pub fn surplus(&self) -> i64 {
        let should_be = self.tally.accepted.wrapping_sub(self.tally.ended_in_all());
        self.all_here().wrapping_sub(should_be).cast_signed()
    }
}

/// When the audit looks at what.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// Queues in which something ended since the last look.
    touched: Vec<QueueId>,
    next_look: Timestamp,
    /// The differences that were told last, of the queues that have any: mostly of none.
    told: FxHashMap<QueueId, i64>,
    /// All differences that were told, together.
    pub(crate) imbalance: u64,
}

impl Audit {
    pub(crate) fn touch(&mut self, queue: &mut Queue) {
        if !std::mem::replace(&mut queue.audited.touched, true) {
            self.touched.push(queue.definition.id);
        }
    }
}

/// What the audit knows of a queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Audited {
    pub(crate) tally: Tally,
    /// Something ended since the last look.
    touched: bool,
}

impl Audit {
    /// The difference that was told of a queue last.
    pub(crate) fn surplus_of(&self, queue: QueueId) -> i64 {
        self.told.get(&queue).copied().unwrap_or(0)
    }
}

impl Broker {
    /// Looks, now and then, at the queues in which something happened.
    pub(crate) fn look_around(&mut self, now: Timestamp) {
        if now < self.audit.next_look || self.audit.touched.is_empty() {
            return;
        }
        self.audit.next_look = Timestamp(now.0.saturating_add(LOOK_EVERY));
        for id in std::mem::take(&mut self.audit.touched) {
            self.look_at(id);
        }
    }

    /// Looks at every queue.
    pub(crate) fn look_at_all(&mut self) {
        for id in self.queue_ids() {
            self.look_at(id);
        }
    }

    /// Tells a difference, loudly, once for each size of it.
    fn look_at(&mut self, id: QueueId) {
        let Some(account) = self.account(id) else {
            return;
        };
        let surplus = account.surplus();
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.audited.touched = false;
        }
        let known = match surplus {
            0 => self.audit.told.remove(&id),
            _ => self.audit.told.insert(id, surplus),
        };
        let known = known.unwrap_or(0);
        if known != surplus {
            let all = self.audit.imbalance + surplus.unsigned_abs();
            self.audit.imbalance = all - known.unsigned_abs();
            self.effects
                .push_back(Effect::Unbalanced(Box::new(account)));
        }
    }

    fn account(&self, id: QueueId) -> Option<Account> {
        let queue = self.queues.get(&id)?;
        let here = self.counts(queue);
        let waiting = queue.backlog.waiting();
        Some(Account {
            queue: self.name_of_queue(id)?,
            tally: queue.audited.tally,
            landing: waiting.saturating_sub(here.ready),
            ending: queue.settled.count(),
            here,
        })
    }

    /// What channels hold of each queue.
    fn count_unacked(&self) -> FxHashMap<QueueId, u64> {
        let connections = self.connections.values();
        let channels = connections.flat_map(|connection| connection.channels.values());
        let mut counted = FxHashMap::default();
        for queue in channels.flat_map(|channel| channel.unacked.queues()) {
            *counted.entry(queue).or_default() += 1;
        }
        counted
    }

    /// The accounts of one queue, of a virtual host's, or of all. Those that are asked for are looked at closely:
    /// what is unacked is counted where channels hold it.
    pub(crate) fn accounts(
        &mut self,
        vhost: Option<&ShortStr>,
        name: Option<&ShortStr>,
    ) -> Result<Vec<Account>, CommandRefused> {
        let unacked = self.count_unacked();
        let mut accounts = Vec::new();
        for id in self.queue_ids() {
            self.look_at(id);
            let Some(mut account) = self.account(id) else {
                continue;
            };
            let wanted =
                |wanted: Option<&ShortStr>, is: &ShortStr| wanted.is_none_or(|it| it == is);
            if wanted(vhost, &account.queue.vhost) && wanted(name, &account.queue.name) {
                let unacked = unacked.get(&id).copied().unwrap_or(0);
                account.here.unacked = unacked - self.queues[&id].again.settled();
                accounts.push(account);
            }
        }
        match (vhost, name) {
            (Some(vhost), Some(name)) if accounts.is_empty() => Err(CommandRefused::NotFound(
                format!("no queue '{name}' in vhost '{vhost}'"),
            )),
            _ => Ok(accounts),
        }
    }
}
