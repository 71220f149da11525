//! Writing all that lives in one lane into another, which is empty.
//!
//! What has gone leaves gaps in the numbers of a lane, and a lane begins without any: so the messages get new numbers, in
//! the order of the old ones. They come first, in chunks of a moderate size; nobody knows their queues yet. The last chunk
//! holds everything else, as a checkpoint tells it, and the stop. It lands as a whole or not at all: so a lane with messages
//! and without definitions is one that a migration left which did not end.

use super::mind::Mind;
use anyhow::{Context, Result, bail, ensure};
use broker::Input;
use broker::snapshot::{Cursor, State};
use model::record::Waiting;
use model::{Definition, MessageRecord, Position, QueueId, Record, Run, Runs, ShortStr};
use std::collections::BTreeMap;
use store::{ChunkBuilder, LandedChunk, Reader, Room, Store};

/// Messages are landed when so many bytes of them have come together.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The new numbers of messages.
pub(super) struct Numbers {
    /// The old ones, and how many come before each run of them.
    runs: Vec<(Run, u64)>,
    count: u64,
}

impl Numbers {
    fn of(old: &Runs) -> Self {
        let mut count = 0;
        let runs = old.as_slice().iter().map(|run| {
            let before = count;
            count += run.count;
            (*run, before)
        });
        Self {
            runs: runs.collect(),
            count,
        }
    }

    /// The new number of a message.
    pub(super) fn new_of(&self, old: Position) -> Option<Position> {
        let behind = self.runs.partition_point(|(run, _)| run.first <= old.0);
        let (run, before) = self.runs.get(behind.checked_sub(1)?)?;
        (old.0 < run.end()).then(|| Position(before + (old.0 - run.first) + 1))
    }
}

/// What is to be written.
struct Plan {
    /// Which messages each queue has, by the queue's number.
    live: BTreeMap<QueueId, Runs>,
    /// Those, and what queues remember that is gone.
    all: Runs,
    /// What a checkpoint tells, without its end.
    definitions: Vec<Record>,
    /// Which messages were handed out before.
    delivered: Vec<Record>,
    next_queue: QueueId,
}

/// Lands everything, and closes the target.
pub(super) fn copy(source: &mut Mind, mut target: Box<dyn Store>) -> Result<Numbers> {
    let plan = plan(source)?;
    let numbers = Numbers::of(&plan.all);
    let mut builder = ChunkBuilder::new();
    let mut pending = 0;
    let mut reading = Reading {
        reader: &*source.reader,
        last: None,
    };
    let old = plan
        .all
        .as_slice()
        .iter()
        .flat_map(|run| run.first..run.end());
    for (new, old) in (1..).map(Position).zip(old.map(Position)) {
        let record = match message(&plan, &mut reading, old)? {
            Some(message) => {
                pending += message.body.len() + message.properties.as_bytes().len();
                Record::Message(message)
            }
            // What is remembered of it needs its number. This is a record that says nothing.
            None => Record::Delivered(QueueId(0), Runs::new()),
        };
        pending += 64;
        builder.push(new, &record);
        if pending >= CHUNK_BYTES {
            land(&mut *target, &mut builder)?;
            pending = 0;
        }
    }
    land(&mut *target, &mut builder)?;
    let begin = Position(numbers.count + 1);
    let mut all: Vec<Record> = { plan.definitions.into_iter() }
        .map(|record| renumbered(record, &numbers))
        .collect::<Result<_>>()?;
    all.push(Record::Checkpoint {
        begin,
        next_queue: plan.next_queue,
    });
    let delivered = plan.delivered.into_iter();
    let delivered = delivered.map(|record| renumbered(record, &numbers));
    all.extend(delivered.collect::<Result<Vec<_>>>()?);
    all.push(Record::Stopped);
    for (position, record) in (begin.0..).map(Position).zip(&all) {
        builder.push(position, record);
    }
    land(&mut *target, &mut builder)?;
    target.close().context("cannot close what was written")?;
    Ok(numbers)
}

fn land(target: &mut dyn Store, builder: &mut ChunkBuilder) -> Result<()> {
    let chunk = builder.take();
    if chunk.is_empty() {
        return Ok(());
    }
    let landed = target.land(chunk).context("cannot write")?;
    ensure!(landed.room == Room::Open, "the disk is nearly full");
    Ok(())
}

/// Asks the broker for everything.
fn plan(source: &mut Mind) -> Result<Plan> {
    // As if it ended now: nobody has anything in hand.
    let mut delivered = source.tell(Input::Stopping);
    delivered.retain(|record| matches!(record, Record::Delivered(..)));
    let mut definitions = source.tell(Input::CheckpointWanted);
    let next_queue = definitions.iter().find_map(|record| match record {
        Record::Checkpoint { next_queue, .. } => Some(*next_queue),
        _ => None,
    });
    let next_queue = next_queue.context("the broker writes no checkpoint")?;
    definitions.retain(|record| {
        matches!(
            record,
            Record::Definition(_) | Record::Waiting(..) | Record::Remembered(..)
        )
    });
    let mut live: BTreeMap<QueueId, Runs> = BTreeMap::new();
    let mut all = Runs::new();
    for record in &definitions {
        match record {
            Record::Definition(Definition::QueueMade { vhost, queue }) => {
                let of_queue = messages_of(source, vhost, &queue.name)?;
                all.insert_all(&of_queue);
                live.insert(queue.id, of_queue);
            }
            Record::Remembered(_, known) => {
                all.insert_all(&known.iter().map(|(position, _)| position.0).collect());
            }
            _ => {}
        }
    }
    Ok(Plan {
        live,
        all,
        definitions,
        delivered,
        next_queue,
    })
}

fn messages_of(source: &mut Mind, vhost: &ShortStr, queue: &ShortStr) -> Result<Runs> {
    let mut found = Runs::new();
    for state in State::ALL {
        let mut after = Some(Cursor::default());
        while let Some(from) = after {
            let (messages, next) = source.messages((vhost, queue), state, from)?;
            found.insert_all(&messages.iter().map(|one| one.position.0).collect());
            after = next;
        }
    }
    Ok(found)
}

/// Reads messages, chunk by chunk.
pub(super) struct Reading<'a> {
    pub(super) reader: &'a dyn Reader,
    pub(super) last: Option<std::sync::Arc<LandedChunk>>,
}

impl Reading<'_> {
    pub(super) fn message(&mut self, position: Position) -> Result<MessageRecord> {
        let known = self.last.take().filter(|chunk| chunk.contains(position));
        let chunk = match known {
            Some(chunk) => chunk,
            None => self
                .reader
                .read(position)
                .context("cannot read a message")?,
        };
        let record = chunk.record(position);
        self.last = Some(chunk);
        match record.with_context(|| format!("cannot read message {position}"))? {
            Record::Message(message) => Ok(message),
            _ => bail!("record {position} is no message"),
        }
    }
}

/// The message at a position, for the queues that have it; `None` if none has.
fn message(
    plan: &Plan,
    reading: &mut Reading<'_>,
    position: Position,
) -> Result<Option<MessageRecord>> {
    let has = |queue: &QueueId| {
        plan.live
            .get(queue)
            .is_some_and(|of| of.contains(position.0))
    };
    if !plan.live.keys().any(has) {
        return Ok(None);
    }
    let mut message = reading.message(position)?;
    message.queues.retain(|queue| has(queue));
    ensure!(
        !message.queues.is_empty(),
        "message {position} is in a queue that its record does not name"
    );
    // The checkpoint tells all that is remembered.
    message.fingerprints.clear();
    Ok(Some(message))
}

/// A record that speaks of messages by their new numbers.
fn renumbered(record: Record, numbers: &Numbers) -> Result<Record> {
    let new_of = |old: Position| {
        let new = numbers.new_of(old);
        new.with_context(|| format!("message {old} is told of and not there"))
    };
    Ok(match record {
        Record::Waiting(queue, all) => {
            let all = all.into_iter().map(|one| {
                let position = new_of(one.position)?;
                anyhow::Ok(Waiting { position, ..one })
            });
            Record::Waiting(queue, all.collect::<Result<_>>()?)
        }
        Record::Remembered(queue, all) => {
            let all = all
                .into_iter()
                .map(|(old, known)| anyhow::Ok((new_of(old)?, known)));
            Record::Remembered(queue, all.collect::<Result<_>>()?)
        }
        Record::Delivered(queue, runs) => {
            // Of those that are gone there is nothing to be said.
            let old = runs.as_slice().iter().flat_map(|run| run.first..run.end());
            let new = old.filter_map(|old| numbers.new_of(Position(old)));
            Record::Delivered(queue, new.map(|new| new.0).collect())
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_numbers_are_in_the_order_of_the_old_and_without_gaps() {
        let old: Runs = [3, 4, 5, 9, 100, 101].into_iter().collect();
        let numbers = Numbers::of(&old);
        let new: Vec<_> = [3, 4, 5, 9, 100, 101]
            .map(|old| numbers.new_of(Position(old)).map(|new| new.0))
            .into_iter()
            .collect();
        assert_eq!(new, [1, 2, 3, 4, 5, 6].map(Some));
        for old in [0, 1, 2, 6, 8, 10, 99, 102] {
            assert_eq!(numbers.new_of(Position(old)), None, "{old}");
        }
    }
}
