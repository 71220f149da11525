//! The sender's half of "landed before confirmed": what is unconfirmed, and what is done about it.
//!
//! A state machine without sockets or clock. [`Outgoing::accept`] takes a message in and starts its timer. What
//! [`Outgoing::next_transmission`] hands out is written to the channel in that order, so that the machine can
//! count delivery tags. Whatever comes back is told to it, and [`Outgoing::poll_settled`] says what became of
//! each message. A timer that runs out makes the next attempt; when the last has run out the message failed.
//!
//! ```text
//! accept ── attempt 1 ──x── attempt 2 ──2x── attempt 3 ──4x── … attempt N+1 ──── failed
//!               └── confirmed, at any attempt ──> landed
//! ```
//! The timer runs on while there is no connection: that bounds how long a message can stay undecided. A new
//! connection gets everything unconfirmed at once and in order, which is no attempt of its own.

use crate::backoff::doubled;
use crate::message::{Message, SendFailed, Sent, WhyFailed};
use crate::numbered::Numbered;
use crate::tags::Tags;
use model::{DeliveryTag, PublishingId, ReplyCode, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// How long a confirm is waited for, and how often a message is transmitted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmission {
    /// The first attempt's confirm is waited for so long.
    pub first_wait: Duration,
    /// No confirm is waited for longer.
    pub longest_wait: Duration,
    /// How often a message is transmitted again.
    pub times: u32,
}

impl Retransmission {
    /// How long the confirm of an attempt, counted from 0, is waited for.
    fn wait(&self, attempt: u32) -> Duration {
        doubled(self.first_wait, attempt, self.longest_wait)
    }

    /// How many different waits there are.
    fn waits(&self) -> usize {
        let growing = (0..self.times).take_while(|&attempt| self.wait(attempt) < self.longest_wait);
        growing.count() + 1
    }
}

/// What became of a message; `D` is whatever the caller gave to be told by.
#[derive(Debug)]
pub struct Settled<D> {
    /// What the caller gave to be told by.
    pub done: D,
    /// The length of its body.
    pub size: usize,
    /// What became of it.
    pub outcome: Result<Sent, SendFailed>,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages taken in.
    pub sent: u64,
    /// Messages that landed.
    pub confirmed: u64,
    /// Messages that were given up.
    pub failed: u64,
    /// Transmissions beyond each message's first.
    pub retransmitted: u64,
}

/// The unconfirmed messages of one publisher.
#[derive(Debug)]
pub struct Outgoing<D> {
    retransmission: Retransmission,
    /// By publishing id.
    unsettled: Numbered<Unsettled<D>>,
    /// The publishing id of each unanswered transmission on this channel, by delivery tag.
    tags: Tags,
    /// The publishing ids to write next; those that are settled or written meanwhile are skipped.
    to_transmit: VecDeque<u64>,
    /// One list for each length of wait, so that each is in order by itself; the last is for the longest wait.
    deadlines: Vec<VecDeque<Deadline>>,
    /// After the server closed the channel over one of several messages: up to this publishing id only the
    /// lowest is transmitted, so that it is known which one the next close is about.
    careful_up_to: Option<u64>,
    transmitted_up_to: u64,
    /// What is wrong with the connection.
    trouble: Option<String>,
    settled: VecDeque<Settled<D>>,
    counts: Counts,
}

#[derive(Debug)]
struct Unsettled<D> {
    message: Message,
    done: D,
    /// Counted from 0.
    attempt: u32,
    transmitted: bool,
    /// It is to be written; its id is in `to_transmit`.
    queued: bool,
    /// This attempt was answered by basic.nack.
    nacked: bool,
}

impl<D> Unsettled<D> {
    /// The id that it goes by: its own, or the number that it got here.
    fn publishing_id(&self, number: u64) -> PublishingId {
        let own = self.message.own_publishing_id();
        own.unwrap_or(PublishingId(number))
    }
}

/// When an attempt ends. Messages that were taken in at the same time have one for all of them.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Timestamp,
    /// The first of their ids, which follow each other.
    first: u64,
    /// Behind the last of them.
    end: u64,
    /// The attempt that it ends.
    attempt: u32,
}

/// How many outdated deadlines a list may hold beyond four for each unsettled message.
const DEADLINES_SPARE: usize = 1024;

impl<D> Outgoing<D> {
    /// No messages; the first gets the publishing id `first`. Not connected: call [`Self::connected`].
    pub fn new(retransmission: Retransmission, first: PublishingId) -> Self {
        Self {
            retransmission,
            unsettled: Numbered::starting_at(first.0),
            tags: Tags::new(),
            to_transmit: VecDeque::new(),
            deadlines: (0..retransmission.waits())
                .map(|_| VecDeque::new())
                .collect(),
            careful_up_to: None,
            transmitted_up_to: 0,
            trouble: None,
            settled: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Takes a message in, under the next publishing id; `done` comes back with its outcome.
    pub fn accept(&mut self, now: Timestamp, message: Message, done: D) -> PublishingId {
        let id = self.unsettled.push(Unsettled {
            message,
            done,
            attempt: 0,
            transmitted: false,
            queued: true,
            nacked: false,
        });
        self.counts.sent += 1;
        self.to_transmit.push_back(id);
        self.set_deadline(now, 0, id);
        PublishingId(id)
    }

    /// A channel was opened: tags count from 1, and everything unsettled is to be transmitted, in order.
    pub fn connected(&mut self) {
        self.trouble = None;
        self.tags = Tags::new();
        self.to_transmit.clear();
        for (id, message) in self.unsettled.iter_mut() {
            message.queued = true;
            self.to_transmit.push_back(id);
        }
    }

    /// What is wrong, for those whose time runs out meanwhile: no connection, or one that is blocked.
    pub fn troubled(&mut self, trouble: String) {
        self.trouble = Some(trouble);
    }

    /// The trouble is over.
    pub fn untroubled(&mut self) {
        self.trouble = None;
    }

    /// The next message to write to the channel.
    pub fn next_transmission(&mut self) -> Option<(PublishingId, &Message)> {
        let id = if self.is_careful() {
            let lowest = self.unsettled.lowest();
            let message = self.unsettled.get_mut(lowest)?;
            message.queued.then_some(lowest)?
        } else {
            self.next_queued()?
        };
        self.tags.push(id);
        self.transmitted_up_to = self.transmitted_up_to.max(id);
        let message = self.unsettled.get_mut(id)?;
        message.queued = false;
        self.counts.retransmitted += u64::from(message.transmitted);
        message.transmitted = true;
        Some((message.publishing_id(id), &message.message))
    }

    fn is_careful(&mut self) -> bool {
        self.careful_up_to
            .take_if(|limit| self.unsettled.lowest() > *limit);
        self.careful_up_to.is_some()
    }

    fn next_queued(&mut self) -> Option<u64> {
        loop {
            let id = self.to_transmit.pop_front()?;
            let message = self.unsettled.get_mut(id);
            if message.is_some_and(|message| message.queued) {
                return Some(id);
            }
        }
    }

    /// basic.ack from the server.
    pub fn confirmed(&mut self, tag: DeliveryTag, multiple: bool) {
        self.answered(tag, multiple, Self::landed);
        self.drop_outdated_deadlines();
    }

    /// basic.nack from the server: the attempt is lost, the next one comes when its time is over. So a server
    /// that cannot take more is asked again after x, 2x, 4x ….
    pub fn refused(&mut self, tag: DeliveryTag, multiple: bool) {
        self.answered(tag, multiple, |this, id| {
            if let Some(message) = this.unsettled.get_mut(id) {
                message.nacked = true;
            }
        });
    }

    fn answered(&mut self, tag: DeliveryTag, multiple: bool, each: impl Fn(&mut Self, u64)) {
        if !multiple {
            if let Some(id) = self.tags.remove(tag.0) {
                each(self, id);
            }
            return;
        }
        // Tag 0 with `multiple` is "all so far".
        let last = if tag.0 == 0 { u64::MAX } else { tag.0 };
        while let Some(ids) = self.tags.pop_up_to(last) {
            ids.iter().for_each(|id| each(self, id));
        }
    }

    /// basic.return from the server: sending it again would change nothing.
    pub fn returned(&mut self, id: PublishingId, code: u16, text: &str) {
        let text = text.to_owned();
        if let Some(number) = self.number_of(id) {
            self.fail(number, WhyFailed::Unroutable { code, text });
        }
    }

    /// Where the unsettled message of that publishing id stands. Messages with ids of their own have to be looked for.
    fn number_of(&mut self, id: PublishingId) -> Option<u64> {
        let counted = self.unsettled.get_mut(id.0);
        if counted.is_some_and(|message| message.publishing_id(id.0) == id) {
            return Some(id.0);
        }
        let mut all = self.unsettled.iter_mut();
        let found = all.find(|(number, message)| message.publishing_id(*number) == id);
        found.map(|(number, _)| number)
    }

    /// The server closed the channel. An exchange that is missing or forbidden fails all that was in flight to
    /// it; any other error is about one message, which fails as soon as it is the only one that was in flight.
    pub fn channel_closed(&mut self, code: u16, text: &str) {
        let mut in_flight: Vec<u64> = Vec::new();
        let mut to_one_exchange = true;
        for id in self.tags.ids() {
            if let Some(message) = self.unsettled.get_mut(id)
                && !in_flight.contains(&id)
            {
                in_flight.push(id);
                to_one_exchange &= message.message.own_exchange().is_none();
                let about_all = to_one_exchange && about_the_exchange(code);
                if in_flight.len() > 1 && !about_all {
                    self.careful_up_to = Some(self.transmitted_up_to);
                    return;
                }
            }
        }
        for id in in_flight {
            let text = text.to_owned();
            self.fail(id, WhyFailed::Refused { code, text });
        }
    }

    /// Makes the next attempt of every message whose time is over.
    pub fn tick(&mut self, now: Timestamp) {
        for wait in 0..self.deadlines.len() {
            while let Some(over) = self.deadlines[wait].pop_front_if(|deadline| deadline.at <= now)
            {
                for id in over.first..over.end {
                    self.time_is_over(now, id, over.attempt);
                }
            }
        }
    }

    fn time_is_over(&mut self, now: Timestamp, id: u64, attempt: u32) {
        let Some(message) = self.unsettled.get_mut(id) else {
            return;
        };
        if message.attempt != attempt {
            return;
        }
        if attempt == self.retransmission.times {
            let why = if message.nacked && self.trouble.is_none() {
                WhyFailed::Nacked
            } else {
                WhyFailed::NotConfirmed {
                    trouble: self.trouble.clone(),
                }
            };
            return self.fail(id, why);
        }
        message.attempt += 1;
        message.nacked = false;
        // A transmission that still waits for the socket is this attempt's too: one more behind it would only
        // make the wait longer.
        if !message.queued {
            message.queued = true;
            self.to_transmit.push_back(id);
        }
        self.set_deadline(now, attempt + 1, id);
    }

    /// When [`Self::tick`] has something to do.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.deadlines
            .iter()
            .filter_map(|list| list.front())
            .map(|deadline| deadline.at)
            .min()
    }

    /// What became of the next message of which something became.
    pub fn poll_settled(&mut self) -> Option<Settled<D>> {
        self.settled.pop_front()
    }

    /// The end: everything unsettled failed because of `why`.
    pub fn give_up(&mut self, why: &WhyFailed) {
        while let Some((id, message)) = self.unsettled.pop_up_to(u64::MAX) {
            self.settle_failed(id, message, why.clone());
        }
        self.to_transmit.clear();
        self.deadlines.iter_mut().for_each(VecDeque::clear);
    }

    /// Every message before this one is settled.
    pub fn settled_before(&self) -> PublishingId {
        PublishingId(self.unsettled.lowest())
    }

    /// Whether nothing is unsettled.
    pub fn is_empty(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// How often what happened.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn landed(&mut self, id: u64) {
        // It may be settled already: each of its transmissions is confirmed.
        let Some(message) = self.unsettled.remove(id) else {
            return;
        };
        self.counts.confirmed += 1;
        let publishing_id = message.publishing_id(id);
        self.settled.push_back(Settled {
            done: message.done,
            size: message.message.body().len(),
            outcome: Ok(Sent {
                publishing_id,
                attempts: message.attempt + 1,
            }),
        });
    }

    fn fail(&mut self, id: u64, why: WhyFailed) {
        if let Some(message) = self.unsettled.remove(id) {
            self.settle_failed(id, message, why);
        }
    }

    fn settle_failed(&mut self, id: u64, message: Unsettled<D>, why: WhyFailed) {
        self.counts.failed += 1;
        let publishing_id = message.publishing_id(id);
        self.settled.push_back(Settled {
            done: message.done,
            size: message.message.body().len(),
            outcome: Err(SendFailed {
                publishing_id,
                attempts: message.attempt + 1,
                why,
            }),
        });
    }

    fn set_deadline(&mut self, now: Timestamp, attempt: u32, id: u64) {
        let at = now + self.retransmission.wait(attempt);
        let wait = (attempt as usize).min(self.deadlines.len() - 1);
        let list = &mut self.deadlines[wait];
        match list.back_mut() {
            Some(last) if last.at == at && last.end == id && last.attempt == attempt => {
                last.end += 1;
            }
            _ => list.push_back(Deadline {
                at,
                first: id,
                end: id + 1,
                attempt,
            }),
        }
    }

    /// Confirms come mostly in order, so outdated deadlines are at the front; where one at the front is not,
    /// those behind it must not pile up for as long as it waits.
    fn drop_outdated_deadlines(&mut self) {
        let limit = DEADLINES_SPARE + 4 * self.unsettled.len();
        let (unsettled, lowest) = (&self.unsettled, self.unsettled.lowest());
        let is_outdated = |deadline: &Deadline| {
            let mut ids = deadline.first.max(lowest)..deadline.end;
            ids.all(|id| !unsettled.contains(id))
        };
        for list in &mut self.deadlines {
            while list
                .pop_front_if(|deadline| is_outdated(deadline))
                .is_some()
            {}
            if list.len() > limit {
                list.retain(|deadline| !is_outdated(deadline));
            }
        }
    }
}

/// Whether a channel error is about where messages go, so about all of them.
fn about_the_exchange(code: u16) -> bool {
    code == ReplyCode::NotFound.number() || code == ReplyCode::AccessRefused.number()
}

#[cfg(test)]
mod tests;
