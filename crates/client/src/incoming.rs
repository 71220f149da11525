//! The receiver's half of "delivered until settled": what was handed to the application, and what the server is
//! told about it.
//!
//! A state machine without sockets or clock. Each delivery on the channel is told to [`Incoming::delivered`],
//! which says whether the application gets it; what the application says to it is told to
//! [`Incoming::settled`]; [`Incoming::answers`] turns all that was said since into as few methods as can be.
//!
//! Tags belong to a channel. What the application settles after its channel was lost cannot be answered: the
//! message comes again. With the memory of [`Seen`], what comes again is not handed out again: where it was
//! handled, it is acknowledged at once; where the application still has it in hand, what it says to the copy in
//! hand answers the new delivery.

use crate::seen::{Identity, Seen, SeenWindow};
use model::{DeliveryTag, Method, Runs, method::basic};
use std::collections::HashMap;
use std::time::Duration;

/// Which delivery: a tag, on which of the receiver's channels, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(crate) channel: u64,
    pub(crate) tag: u64,
    /// Known where repeats are suppressed and the message says it.
    pub(crate) identity: Option<Identity>,
}

/// What the application says to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Handled: remove it.
    Ack,
    /// Not handled: deliver it again.
    Requeue,
    /// Never to be handled: dead-letter or drop it.
    Reject,
}

/// What the receiver knows of its deliveries.
#[derive(Debug)]
pub struct Incoming {
    channel: u64,
    /// The tags of this channel that the server was told about.
    told: Runs,
    acks: Runs,
    refusals: Vec<(u64, Verdict)>,
    /// The tags that are to have more time, and how much.
    extensions: Vec<(u64, Duration)>,
    seen: Option<Seen>,
    /// What the application has in hand, where repeats are suppressed.
    in_hand: HashMap<Identity, InHand>,
    suppressed: u64,
}

/// The deliveries that one copy in the application's hand stands for.
#[derive(Debug)]
struct InHand {
    channel: u64,
    tag: u64,
    /// Empty, unless the server delivers one message several times at once.
    more: Vec<u64>,
}

impl Incoming {
    /// No channel yet; with a window, repeats are suppressed.
    pub fn new(suppress: Option<SeenWindow>) -> Self {
        Self {
            channel: 0,
            told: Runs::new(),
            acks: Runs::new(),
            refusals: Vec::new(),
            extensions: Vec::new(),
            seen: suppress.map(Seen::new),
            in_hand: HashMap::new(),
            suppressed: 0,
        }
    }

    /// A channel was opened: its tags count from 1, and those of the one before mean nothing any more.
    pub fn connected(&mut self) {
        self.channel += 1;
        self.told = Runs::new();
        self.acks = Runs::new();
        self.refusals.clear();
        self.extensions.clear();
    }

    /// A delivery came; `from` is what it says of its publisher and publishing id. Returns the ticket to settle
    /// it with if the application is to have it.
    pub fn delivered(&mut self, tag: DeliveryTag, from: Option<(&[u8], u64)>) -> Option<Ticket> {
        let mut ticket = Ticket {
            channel: self.channel,
            tag: tag.0,
            identity: None,
        };
        let (Some(seen), Some((publisher, id))) = (&mut self.seen, from) else {
            return Some(ticket);
        };
        let identity = seen.identify(publisher, id);
        if seen.was_handled(identity) {
            self.suppressed += 1;
            self.answer(tag.0, Verdict::Ack);
            return None;
        }
        if let Some(copy) = self.in_hand.get_mut(&identity) {
            self.suppressed += 1;
            if copy.channel == self.channel {
                copy.more.push(tag.0);
            } else {
                copy.channel = self.channel;
                copy.tag = tag.0;
                copy.more.clear();
            }
            return None;
        }
        self.in_hand.insert(
            identity,
            InHand {
                channel: self.channel,
                tag: tag.0,
                more: Vec::new(),
            },
        );
        ticket.identity = Some(identity);
        Some(ticket)
    }

    /// The application settled a delivery.
    pub fn settled(&mut self, ticket: Ticket, verdict: Verdict) {
        let Some(identity) = ticket.identity else {
            if ticket.channel == self.channel {
                self.answer(ticket.tag, verdict);
            }
            return;
        };
        if let Some(seen) = &mut self.seen
            && verdict == Verdict::Ack
        {
            seen.handled(identity);
        }
        if let Some(copy) = self.in_hand.remove(&identity)
            && copy.channel == self.channel
        {
            for tag in copy.more.into_iter().chain([copy.tag]) {
                self.answer(tag, verdict);
            }
        }
    }

    /// The application needs more time for a delivery. For one of a lost channel there is nothing to ask for, unless
    /// its repeat came on this one.
    pub fn extended(&mut self, ticket: Ticket, time: Duration) {
        let copy = ticket
            .identity
            .and_then(|identity| self.in_hand.get(&identity));
        match copy {
            Some(copy) if copy.channel == self.channel => {
                let tags = copy.more.iter().chain([&copy.tag]);
                self.extensions.extend(tags.map(|&tag| (tag, time)));
            }
            None if ticket.channel == self.channel => self.extensions.push((ticket.tag, time)),
            _ => {}
        }
    }

    /// The tags to ask for more time for. To be asked before the answers: a tag that was answered has none.
    pub fn extensions(&mut self, ask: impl FnMut((u64, Duration))) {
        self.extensions.drain(..).for_each(ask);
    }

    /// A delivery of a lost channel was thrown away before the application had it.
    pub fn discarded(&mut self, ticket: Ticket) {
        if let Some(identity) = ticket.identity {
            self.in_hand.remove(&identity);
        }
    }

    /// How many repeats the application was spared.
    pub fn suppressed(&self) -> u64 {
        self.suppressed
    }

    fn answer(&mut self, tag: u64, verdict: Verdict) {
        match verdict {
            Verdict::Ack => {
                self.acks.insert(tag);
            }
            Verdict::Requeue | Verdict::Reject => self.refusals.push((tag, verdict)),
        }
    }

    /// What the server is to be told, refusals first: then the lowest tags can be acknowledged as one group even
    /// if some among them were refused.
    pub fn answers(&mut self, mut write: impl FnMut(Method)) {
        for (tag, verdict) in self.refusals.drain(..) {
            self.told.insert(tag);
            write(Method::BasicReject(basic::Reject {
                delivery_tag: DeliveryTag(tag),
                requeue: verdict == Verdict::Requeue,
            }));
        }
        if self.acks.is_empty() {
            return;
        }
        for &run in self.acks.as_slice() {
            self.told.insert_run(run);
        }
        let lowest = self.told.as_slice().first();
        let group_end = lowest
            .filter(|run| run.first == 1)
            .map_or(1, |run| run.end());
        let ack = |tag, multiple| {
            Method::BasicAck(basic::Ack {
                delivery_tag: DeliveryTag(tag),
                multiple,
            })
        };
        let mut group = None;
        for run in self.acks.drain() {
            if run.end() <= group_end {
                group = Some(run.end() - 1);
                continue;
            }
            group
                .take()
                .into_iter()
                .for_each(|tag| write(ack(tag, true)));
            (run.first..run.end()).for_each(|tag| write(ack(tag, false)));
        }
        group.into_iter().for_each(|tag| write(ack(tag, true)));
    }
}

#[cfg(test)]
mod tests;
