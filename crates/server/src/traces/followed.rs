//! The traced messages that are in queues, and who has them in hands: as much as there is room for, the newest ones.

use super::span::About;
use broker::journey::QueueName;
use model::{Position, QueueId, Run, ShortStr};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

/// A traced message that is still in a queue.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) about: Arc<About>,
    /// How many queues have it.
    queues: usize,
    attempts: SmallVec<[Attempt; 1]>,
}

/// Somebody has a message in hands.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) queue: QueueId,
    pub(super) name: QueueName,
    pub(super) consumer: Option<ShortStr>,
    pub(super) number: u32,
    pub(super) began: SystemTime,
    /// The acknowledgement of an attempt before settled it.
    pub(super) overtaken: bool,
    /// When it ended, and how, if the message is about to leave: how it leaves is told later.
    pub(super) ended: Option<(SystemTime, &'static str)>,
    /// The copy that it leaves as.
    pub(super) copy: Option<Position>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Followed {
    messages: BTreeMap<u64, Message>,
    bytes: usize,
    bytes_max: usize,
}

impl Followed {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            messages: BTreeMap::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// One more, in so many queues; how many had to give way for it.
    pub(super) fn insert(&mut self, position: Position, about: Arc<About>, queues: usize) -> u64 {
        let message = Message {
            about,
            queues,
            attempts: SmallVec::new(),
        };
        self.bytes += message.bytes();
        self.messages.insert(position.0, message);
        self.make_room()
    }

    /// Those of a run, by rising position.
    pub(super) fn positions(&self, run: Run) -> Vec<Position> {
        let of_run = self.messages.range(run.first..run.end());
        of_run.map(|(position, _)| Position(*position)).collect()
    }

    /// Somebody gets one; how many had to give way for that.
    pub(super) fn begin(&mut self, position: Position, attempt: Attempt) -> u64 {
        let Some(message) = self.messages.get_mut(&position.0) else {
            return 0;
        };
        let before = message.bytes();
        message.attempts.push(attempt);
        self.bytes += message.bytes() - before;
        self.make_room()
    }

    /// Who has it in hands, out of a queue.
    pub(super) fn attempt(&mut self, position: Position, queue: QueueId) -> Option<&mut Attempt> {
        let message = self.messages.get_mut(&position.0)?;
        let mut attempts = message.attempts.iter_mut();
        attempts.find(|attempt| attempt.queue == queue)
    }

    /// Nobody has it in hands any more, out of a queue.
    pub(super) fn end(
        &mut self,
        position: Position,
        queue: QueueId,
    ) -> Option<(Arc<About>, Attempt)> {
        let message = self.messages.get_mut(&position.0)?;
        let mut attempts = message.attempts.iter();
        let at = attempts.position(|attempt| attempt.queue == queue)?;
        let before = message.bytes();
        let attempt = message.attempts.swap_remove(at);
        // What it was kept in stays until the message goes.
        let after = message.bytes();
        self.bytes -= before - after;
        Some((message.about.clone(), attempt))
    }

    /// A queue has it no more.
    pub(super) fn leaves(&mut self, position: Position) {
        let Some(message) = self.messages.get_mut(&position.0) else {
            return;
        };
        message.queues = message.queues.saturating_sub(1);
        if message.queues == 0 {
            self.forget(position.0);
        }
    }

    /// What all of them take in memory, roughly.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn forget(&mut self, position: u64) {
        if let Some(message) = self.messages.remove(&position) {
            self.bytes -= message.bytes();
        }
    }

    /// The oldest give way.
    fn make_room(&mut self) -> u64 {
        let mut given_way = 0;
        while self.bytes > self.bytes_max {
            let Some((position, _)) = self.messages.first_key_value() else {
                break;
            };
            self.forget(*position);
            given_way += 1;
        }
        given_way
    }
}

impl Message {
    /// What it takes in memory, roughly.
    fn bytes(&self) -> usize {
        let tag = |attempt: &Attempt| {
            attempt
                .consumer
                .as_ref()
                .map_or(0, |tag| tag.as_bytes().len())
        };
        let attempts = self.attempts.iter();
        let attempts: usize = attempts.map(|one| size_of::<Attempt>() + tag(one)).sum();
        size_of::<Self>() + self.about.bytes() + attempts
    }
}
