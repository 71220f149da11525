//! Delay: a message that an exchange or a queue puts off lands at once, and is not delivered before its time.
//!
//! It is in its queues from the beginning, so it is confirmed like any other, counted, seen and taken out of them;
//! where bindings change while it waits, it stays where it was going.

use crate::Broker;
use crate::backlog::Ready;
use crate::deduplication::Sifted;
use crate::envelope::{DELAY_HEADER, Numbered};
use crate::journey::{Event, Origin};
use crate::route::{Queues, Targets};
use model::record::Publishing;
use model::{
    Position, Properties, PropertiesBuilder, Publish, QueueId, TableBuilder, Timestamp, Value,
};
use std::collections::BTreeMap;

impl Broker {
    /// Lands a message in its queues, in each with the time before which it is not delivered; the position of the
    /// last record. Without a delay that is one record for all of them. The journey is told who sent it.
    pub(crate) fn land_in(
        &mut self,
        now: Timestamp,
        sifted: Sifted,
        (origin, numbered): (Origin, Numbered<'_>),
        mut publisher: Option<Publishing>,
        publish: &Publish,
    ) -> Position {
        let (targets, mut fingerprints) = (sifted.targets, sifted.fingerprints);
        if targets.later.is_empty() && self.delaying_queues == 0 {
            let queues = &targets.at_once;
            let position = self.land_record(now, queues, None, publisher, fingerprints, publish);
            (self.journey).published(position, origin, queues, publish, numbered);
            return position;
        }
        let told = (!targets.later.is_empty()).then(|| Publish {
            properties: told_delay(&publish.properties, targets.delay),
            ..publish.clone()
        });
        let mut last = Position::NONE;
        let groups = self.by_due(now, &targets);
        let mut left = groups.len();
        for ((due, is_put_off), queues) in groups {
            left -= 1;
            // The publishing id stands in the last record: if a crash undoes that, the retransmission lands anew.
            let publisher = if left == 0 { publisher.take() } else { None };
            let publish = told.as_ref().filter(|_| is_put_off).unwrap_or(publish);
            let of_group = fingerprints.extract_if(.., |(queue, _)| queues.contains(queue));
            let of_group = of_group.collect();
            last = self.land_record(now, &queues, due, publisher, of_group, publish);
            (self.journey).published(last, origin, &queues, publish, numbered);
            self.tell_delayed(last, &queues, due);
        }
        last
    }

    /// What waited for its time becomes ready: where it is very much, a part of it in each turn.
    pub(crate) fn end_delays(&mut self, now: Timestamp, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        if queue.delayed.next_due().is_none_or(|due| due > now) {
            return;
        }
        let due = queue.delayed.take_due(now);
        for &Ready { position, .. } in &due {
            let queue = id;
            self.journey.note(|| Event::Due { queue, position });
        }
        queue.end_delays(now, due);
    }

    fn tell_delayed(&mut self, position: Position, queues: &Queues, due: Option<Timestamp>) {
        let Some(due) = due else {
            return;
        };
        for &queue in queues {
            self.journey.note(|| Event::Delayed {
                queue,
                position,
                due,
            });
        }
    }

    /// The queues by when the message is due there, and by whether it was an exchange that put it off.
    fn by_due(
        &self,
        now: Timestamp,
        targets: &Targets,
    ) -> BTreeMap<(Option<Timestamp>, bool), Queues> {
        let after = |delay: u64| Timestamp(now.0.saturating_add(delay));
        let mut groups: BTreeMap<_, Queues> = BTreeMap::new();
        let later = Some(after(targets.delay));
        for (queues, due, is_put_off) in [
            (&targets.at_once, None, false),
            (&targets.later, later, true),
        ] {
            for queue in queues {
                let of_queue = self.queues[queue].rules.delivery_delay.map(after);
                let group = groups.entry((due.max(of_queue), is_put_off)).or_default();
                group.push(*queue);
            }
        }
        groups
    }
}

/// The properties of a message that an exchange put off: the delay is told as a negative number, so that receivers
/// know and no other exchange puts it off again.
fn told_delay(properties: &Properties, delay: u64) -> Properties {
    let told = i64::try_from(delay).map_or(i64::MIN, |delay| -delay);
    let told = i32::try_from(told).map_or(Value::I64(told), Value::I32);
    let headers = properties.headers().into_iter().flatten();
    let headers = headers.fold(TableBuilder::new(), |table, (name, value)| {
        let is_delay = name == DELAY_HEADER;
        table.field(name, if is_delay { told } else { value })
    });
    PropertiesBuilder::from(properties)
        .headers(&headers.build())
        .build()
}
