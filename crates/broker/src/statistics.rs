//! Statistics: what stands beside the counters so that to look at them costs little, however many queues there are.
//!
//! Whoever changes a queue notes it once; sums over all queues are made anew only of those. Every five seconds a sample
//! keeps what moved since the one before: rates are made of it.

use crate::Broker;
use crate::connection::ChannelId;
use crate::landing::Confirms;
use crate::queue::Queue;
use crate::route::VhostIndex;
use crate::snapshot::Counts;
use crate::traffic::{Churn, InVain, Passage, Traffic};
use model::{Publish, QueueId, ShortStr, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::HashMap;

/// A sample is taken so often, in milliseconds: as with RabbitMQ.
const SAMPLE_EVERY: u64 = 5000;

/// The counters of the broker, and which of the others moved.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    pub(crate) traffic: Traffic,
    /// Publishes on channels in confirm mode.
    pub(crate) to_confirm: u64,
    /// Queues that publishes found, together.
    pub(crate) routed: u64,
    pub(crate) churn: Churn,
    pub(crate) in_vain: InVain,
    /// Connections that have published.
    pub(crate) publishers: u64,
    /// Queues whose counts may be other ones than those in `messages`.
    changed: Vec<QueueId>,
    /// The messages of all queues, as they were counted last.
    messages: Counts,
    /// Queues, channels and exchanges in which something happened since the last sample.
    busy_queues: Vec<QueueId>,
    busy_channels: Vec<ChannelId>,
    pub(crate) busy_exchanges: Vec<(VhostIndex, ShortStr)>,
    /// As everything stood at the last sample.
    before: Standing,
    /// What the last sample found; none before the first.
    sample: Option<Sample>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    traffic: Traffic,
    churn: Churn,
    messages: Counts,
}

/// What moved between two samples.
#[derive(Debug, Default)]
struct Sample {
    at: Timestamp,
    /// The milliseconds since the one before.
    over: u64,
    all: Recent,
    churn: Churn,
    queues: FxHashMap<QueueId, Recent>,
    channels: FxHashMap<ChannelId, Recent>,
    exchanges: HashMap<(usize, ShortStr), Passage>,
}

/// What moved between the last two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// In how many milliseconds; 0 where there were no two samples yet.
    pub over: u64,
    /// What went through.
    pub traffic: Traffic,
    /// How many more messages are ready; fewer than 0 if they are fewer.
    pub ready: i64,
    /// How many more are unacked.
    pub unacked: i64,
    /// How many more there are in all.
    pub messages: i64,
}

impl Recent {
    fn between(over: u64, traffic: Traffic, before: &Counts, after: &Counts) -> Self {
        let more = |before: u64, after: u64| after.wrapping_sub(before).cast_signed();
        Self {
            over,
            traffic,
            ready: more(before.ready, after.ready),
            unacked: more(before.unacked, after.unacked),
            messages: more(before.total(), after.total()),
        }
    }
}

/// The counters of a queue or a channel, and how they stood before.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) traffic: Traffic,
    traffic_before: Traffic,
    /// As they stand in the sum over all queues.
    messages: Counts,
    messages_before: Counts,
    /// Listed among those in which something happened.
    busy: bool,
    /// When something happened last, as far as that was looked at.
    pub(crate) moved: Option<Timestamp>,
}

impl Counted {
    fn take_recent(&mut self, over: u64) -> Recent {
        self.busy = false;
        let traffic = self.traffic.since(&self.traffic_before);
        let recent = Recent::between(over, traffic, &self.messages_before, &self.messages);
        self.traffic_before = self.traffic;
        self.messages_before = self.messages;
        recent
    }
}

impl Counts {
    fn replace(&mut self, before: &Self, after: &Self) {
        let replaced =
            |sum: u64, before: u64, after: u64| sum.wrapping_sub(before).wrapping_add(after);
        *self = Self {
            ready: replaced(self.ready, before.ready, after.ready),
            unacked: replaced(self.unacked, before.unacked, after.unacked),
            delayed: replaced(self.delayed, before.delayed, after.delayed),
            parked: replaced(self.parked, before.parked, after.parked),
            leaving: replaced(self.leaving, before.leaving, after.leaving),
        };
    }
}

impl Statistics {
    /// Something happened in a queue.
    pub(crate) fn touch(&mut self, queue: &mut Queue) {
        if !std::mem::replace(&mut queue.changed, true) {
            self.changed.push(queue.definition.id);
        }
    }

    /// Something happened on a channel, which was counted there.
    pub(crate) fn touch_channel(&mut self, id: ChannelId, counted: &mut Counted) {
        if !std::mem::replace(&mut counted.busy, true) {
            self.busy_channels.push(id);
        }
    }

    /// A queue goes with its messages.
    pub(crate) fn queue_goes(&mut self, queue: &Queue) {
        self.churn.queue_deleted += 1;
        (self.messages).replace(&queue.counted.messages, &Counts::default());
    }

    /// The messages of all queues, as they were counted last.
    pub(crate) fn messages(&self) -> Counts {
        self.messages
    }

    pub(crate) fn recent(&self) -> Recent {
        self.sample.as_ref().map_or(Recent::default(), |of| of.all)
    }

    pub(crate) fn recent_churn(&self) -> Churn {
        let sample = self.sample.as_ref();
        sample.map_or(Churn::default(), |of| of.churn)
    }

    pub(crate) fn recent_of_queue(&self, id: QueueId) -> Recent {
        self.found(|sample| sample.queues.get(&id).copied())
    }

    pub(crate) fn recent_of_channel(&self, id: ChannelId) -> Recent {
        self.found(|sample| sample.channels.get(&id).copied())
    }

    /// Where nothing moved the sample has nothing, and that is a rate as well.
    fn found(&self, find: impl FnOnce(&Sample) -> Option<Recent>) -> Recent {
        let Some(sample) = &self.sample else {
            return Recent::default();
        };
        find(sample).unwrap_or(Recent {
            over: sample.over,
            ..Recent::default()
        })
    }

    /// What went through an exchange, and in how many milliseconds.
    pub(crate) fn recent_of_exchange(&self, at: VhostIndex, name: &ShortStr) -> (Passage, u64) {
        let Some(sample) = &self.sample else {
            return (Passage::default(), 0);
        };
        let passed = sample.exchanges.get(&(at.0, name.clone()));
        (passed.copied().unwrap_or_default(), sample.over)
    }
}

impl Broker {
    /// Takes a sample, if it is time.
    pub(crate) fn sample(&mut self, now: Timestamp) {
        let last = self.statistics.sample.as_ref().map(|sample| sample.at);
        match last {
            Some(last) if now.0.saturating_sub(last.0) < SAMPLE_EVERY => {}
            Some(last) => self.take_sample(now, now.0 - last.0),
            None => self.begin_to_sample(now),
        }
    }

    /// What recovery found is no traffic.
    fn begin_to_sample(&mut self, now: Timestamp) {
        for id in self.queue_ids() {
            let queue = &self.queues[&id];
            let (accepted, here) = (queue.audited.tally.accepted, self.counts(queue));
            (self.statistics.messages).replace(&Counts::default(), &here);
            if (accepted > 0 || here.total() > 0)
                && let Some(queue) = self.queues.get_mut(&id)
            {
                let counted = &mut *queue.counted;
                counted.traffic.publish = accepted;
                counted.traffic_before.publish = accepted;
                counted.messages = here;
                counted.messages_before = here;
            }
        }
        self.statistics.before.messages = self.statistics.messages;
        self.statistics.sample = Some(Sample {
            at: now,
            ..Sample::default()
        });
    }

    fn take_sample(&mut self, now: Timestamp, over: u64) {
        self.count_changed(now);
        let mut sample = Sample {
            at: now,
            over,
            ..Sample::default()
        };
        for id in std::mem::take(&mut self.statistics.busy_queues) {
            if let Some(queue) = self.queues.get_mut(&id) {
                sample.queues.insert(id, queue.counted.take_recent(over));
            }
        }
        for id in std::mem::take(&mut self.statistics.busy_channels) {
            // A number may be another channel's by now, and stand here twice.
            if let Some(channel) = self.channel_mut(id)
                && channel.counted.busy
            {
                let confirms = channel.confirms.as_ref();
                channel.counted.traffic.confirm = confirms.map_or(0, Confirms::accepted);
                let recent = channel.counted.take_recent(over);
                sample.channels.insert(id, recent);
            }
        }
        for (at, name) in std::mem::take(&mut self.statistics.busy_exchanges) {
            if let Some(passed) = self.vhosts[at.0].passed_mut(&name)
                && passed.is_busy()
            {
                let recent = passed.take_recent();
                sample.exchanges.insert((at.0, name), recent);
            }
        }
        let statistics = &mut self.statistics;
        let before = std::mem::replace(
            &mut statistics.before,
            Standing {
                traffic: statistics.traffic,
                churn: statistics.churn,
                messages: statistics.messages,
            },
        );
        let traffic = statistics.traffic.since(&before.traffic);
        sample.all = Recent::between(over, traffic, &before.messages, &statistics.messages);
        sample.churn = statistics.churn.since(&before.churn);
        statistics.sample = Some(sample);
    }

    /// Counts anew what may have changed: sums over all queues are right then.
    pub(crate) fn count_changed(&mut self, now: Timestamp) {
        for id in std::mem::take(&mut self.statistics.changed) {
            let Some(queue) = self.queues.get(&id) else {
                continue;
            };
            let here = self.counts(queue);
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            queue.changed = false;
            let counted = &mut *queue.counted;
            counted.traffic.publish = queue.audited.tally.accepted;
            (self.statistics.messages).replace(&counted.messages, &here);
            counted.messages = here;
            counted.moved = Some(now);
            if !std::mem::replace(&mut counted.busy, true) {
                self.statistics.busy_queues.push(id);
            }
        }
    }

    /// A message that no queue wants goes back to its publisher, or nowhere.
    pub(crate) fn note_unroutable(&mut self, id: ChannelId, publish: &Publish) {
        let is_wanted_back = publish.mandatory;
        self.count_on_channel(id, |traffic| {
            traffic.return_unroutable += u64::from(is_wanted_back);
            traffic.drop_unroutable += u64::from(!is_wanted_back);
        });
    }

    /// Counts on a channel, and in all.
    pub(crate) fn count_on_channel(&mut self, id: ChannelId, count: impl Fn(&mut Traffic)) {
        count(&mut self.statistics.traffic);
        let connection = self.connections.get_mut(&id.connection);
        let channel = connection.and_then(|of| of.channels.get_mut(&id.number));
        if let Some(channel) = channel {
            let counted = &mut *channel.counted;
            count(&mut counted.traffic);
            self.statistics.touch_channel(id, counted);
        }
    }
}
