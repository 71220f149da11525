//! Full queues that refuse: the publisher is told, and what was refused may be dead-lettered.

use crate::Broker;
use crate::connection::ChannelId;
use crate::deduplication::Sifted;
use crate::journey::{Origin, Why};
use crate::route::Targets;
use crate::rules::Overflow;
use model::record::Reason;
use model::{Publish, QueueId, Timestamp};

impl Broker {
    /// Whether one of the queues refuses a new message. What is put off takes no room until its time comes.
    pub(crate) fn is_refused(&self, targets: &Targets) -> bool {
        targets.at_once.iter().any(|queue| self.refuses(*queue))
    }

    fn refuses(&self, queue: QueueId) -> bool {
        let queue = &self.queues[&queue];
        queue.rules.refuses_publishes() && queue.is_full()
    }

    /// A publish that at least one queue refuses: the others take it, and the publisher is told that not all
    /// did. One that will be retransmitted under its publishing id lands nowhere yet, because it is to land
    /// once (promise P5).
    pub(crate) fn publish_past_full(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        mut sifted: Sifted,
        comes_again: bool,
        publish: &Publish,
    ) {
        let mut refusing = sifted.targets.at_once.clone();
        refusing.retain(|queue| self.refuses(*queue));
        (sifted.targets.at_once).retain(|queue| !refusing.contains(queue));
        // What was refused comes again, and must not be known then.
        let fingerprints = &mut sifted.fingerprints;
        fingerprints.retain(|(queue, _)| !refusing.contains(queue));
        let mut landed = sifted.repeats;
        if !sifted.targets.is_empty() && !comes_again {
            let origin = Origin::Client(id.connection, id.number);
            landed = self.land_in(now, sifted, (origin, None), None, publish);
            self.open_channel_mut(id).published = landed;
            self.journey
                .turned_away(publish, || Why::Full(Some(landed)));
        } else {
            self.journey.turned_away(publish, || Why::Full(None));
        }
        for queue in refusing {
            let overflow = self.queues[&queue].rules.overflow;
            if overflow == Overflow::RejectPublishDeadLetter {
                // Its publisher is told in any case, so nothing is lost where no queue takes the copy.
                let _ = self.dead_letter(now, queue, Reason::MaxLength, publish.clone());
            }
        }
        self.refuse_when_landed(id, landed);
    }
}
