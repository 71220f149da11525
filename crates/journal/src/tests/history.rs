//! A history of landings on a simulated disk, and the ledger of what must be told after it was interrupted.

use super::image::Image;
use super::sim::{SharedDisk, SimDisk};
use crate::stock::Maker;
use crate::{Journal, OpenError, Options, Recovered};
use bytes::Bytes;
use model::record::{Ending, MessageHead, QueueDefinition};
use model::{
    Definition, FieldTable, MessageRecord, Position, Properties, QueueId, Record, Runs, ShortStr,
    Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use store::conformance::{Known, by_position};
use store::{ChunkBuilder, Landed, Room, Store, StoreFailure};

/// The smallest segments: a short history has many.
pub(crate) const SEGMENT_BYTES: u64 = 4096;

/// A queue that settles soon, one that settles late, and one more that shares messages with both.
const QUICK: u64 = 1;
const SLOW: u64 = 2;
const SHARING: u64 = 3;
/// A queue that settles nothing.
const NOBODY: u64 = 4;

pub(crate) fn options() -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES,
        disk_free_limit: 2 * SEGMENT_BYTES,
        cache_bytes: 16 * 1024,
        ..Options::new(PathBuf::from("/data"))
    }
}

/// What an opening told.
pub(crate) type Told = Vec<(Position, Known)>;

/// What came of an opening.
pub(crate) type Opened = Result<(Journal, Recovered, Told), OpenError>;

/// Opens the journal on a disk.
pub(crate) fn open(disk: &Arc<SimDisk>) -> Opened {
    let mut told = Vec::new();
    let shared = Arc::new(SharedDisk(disk.clone()));
    let opened = Journal::open_on(shared, Maker::Caller, options(), &mut |one| {
        told.extend(by_position(one));
    });
    opened.map(|(journal, recovered)| (journal, recovered, told))
}

/// What the lane must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// Live messages, and the queues that need them.
    pub(crate) live: BTreeMap<u64, BTreeSet<u64>>,
    /// Queues that are defined.
    pub(crate) defined: BTreeSet<u64>,
    /// The last position.
    pub(crate) last: u64,
}

impl Ledger {
    fn apply(&mut self, position: Position, record: &Record) {
        self.last = self.last.max(position.0);
        match record {
            Record::Message(message) => self.message(position, &message.queues),
            Record::Settled(queue, _, runs) => {
                for position in runs.positions() {
                    if let Some(queues) = self.live.get_mut(&position.0) {
                        queues.remove(&queue.0);
                    }
                }
                self.live.retain(|_, queues| !queues.is_empty());
            }
            Record::Definition(Definition::QueueMade { queue, .. }) => {
                self.defined.insert(queue.id.0);
            }
            Record::Definition(Definition::QueueRemoved { queue }) => {
                self.defined.remove(&queue.0);
            }
            _ => {}
        }
    }

    fn message(&mut self, position: Position, queues: &[QueueId]) {
        self.last = self.last.max(position.0);
        let queues = queues.iter().map(|queue| queue.0).collect();
        self.live.insert(position.0, queues);
    }
}

/// A deterministic source of variety.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Who lands, and what was sent.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// The bytes of the blocks that its disk writes around the page cache.
    pub(crate) blocks: usize,
    pub(crate) random: Random,
    /// With everything that was pushed.
    pub(crate) ledger: Ledger,
    /// Every record that was ever pushed, by its position.
    pub(crate) sent: BTreeMap<u64, Record>,
}

impl Script {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            blocks: [1, 64, 512][seed as usize % 3],
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            ledger: Ledger::default(),
            sent: BTreeMap::new(),
        }
    }

    fn push(&mut self, builder: &mut ChunkBuilder, record: Record) {
        let position = Position(self.ledger.last + 1);
        builder.push(position, &record);
        self.ledger.apply(position, &record);
        self.sent.insert(position.0, record);
    }

    fn message(&mut self, builder: &mut ChunkBuilder, body: usize) {
        let queues: &[u64] = match self.random.below(16) {
            0 => &[SLOW],
            1 => &[QUICK, SHARING],
            2 => &[SLOW, QUICK],
            _ => &[QUICK],
        };
        self.message_for(builder, queues, body);
    }

    fn message_for(&mut self, builder: &mut ChunkBuilder, queues: &[u64], body: usize) {
        let fill = self.random.below(256) as u8;
        let record = MessageRecord {
            queues: queues.iter().copied().map(QueueId).collect(),
            publisher: None,
            accepted: Timestamp(7),
            due: None,
            fingerprints: Vec::new(),
            exchange: ShortStr::empty(),
            routing_key: ShortStr::from_static("key"),
            properties: Properties::default(),
            body: Bytes::from(vec![fill; body]),
        };
        self.push(builder, Record::Message(record));
    }

    fn settle(&mut self, builder: &mut ChunkBuilder, queue: u64, keep: usize) {
        let waiting = self
            .ledger
            .live
            .iter()
            .filter(|(_, queues)| queues.contains(&queue));
        let mut positions: Vec<u64> = waiting.map(|(position, _)| *position).collect();
        positions.truncate(positions.len().saturating_sub(keep));
        let runs: Runs = positions.into_iter().collect();
        if !runs.is_empty() {
            self.push(
                builder,
                Record::Settled(QueueId(queue), Ending::Acknowledged, runs),
            );
        }
    }

    fn define(&mut self, builder: &mut ChunkBuilder, id: u64) {
        let queue = QueueDefinition {
            id: QueueId(id),
            name: ShortStr::truncated(&format!("queue {id}")),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::new(),
        };
        let vhost = ShortStr::from_static("/");
        self.push(
            builder,
            Record::Definition(Definition::QueueMade { vhost, queue }),
        );
    }

    fn checkpoint(&mut self, builder: &mut ChunkBuilder) {
        let begin = Position(self.ledger.last + 1);
        for id in self.ledger.defined.clone() {
            self.define(builder, id);
        }
        let next_queue = QueueId(1000);
        self.push(builder, Record::Checkpoint { begin, next_queue });
    }

    /// A message that nobody ever settles.
    pub(crate) fn waiting(&mut self, builder: &mut ChunkBuilder, body: usize) {
        self.message_for(builder, &[NOBODY], body);
    }

    /// What comes while the disk fills up: messages that nobody settles.
    fn flood(&mut self) -> ChunkBuilder {
        let mut builder = ChunkBuilder::new();
        for _ in 0..3 {
            self.message(&mut builder, 500);
        }
        builder
    }

    /// What comes while publishers wait: settlings, and one message that was under way.
    fn drain(&mut self) -> ChunkBuilder {
        let mut builder = ChunkBuilder::new();
        self.message(&mut builder, 100);
        self.settle(&mut builder, QUICK, 0);
        self.settle(&mut builder, SLOW, 2);
        builder
    }

    /// The next chunk: some messages, some settlings, a definition now and then.
    pub(crate) fn chunk(&mut self, step: u64) -> ChunkBuilder {
        let mut builder = ChunkBuilder::new();
        for _ in 0..=self.random.below(3) {
            let body = if step == 11 {
                6000
            } else {
                self.random.below(600)
            };
            self.message(&mut builder, usize::try_from(body).expect("a small body"));
        }
        self.settle(&mut builder, QUICK, 2);
        if step.is_multiple_of(5) {
            self.settle(&mut builder, SHARING, 1);
        }
        if step % 23 == 22 {
            self.settle(&mut builder, SLOW, 3);
        }
        if step % 9 == 1 {
            self.define(&mut builder, 100 + step);
        }
        if step % 18 == 17 {
            let queue = QueueId(*self.ledger.defined.first().expect("one is defined by now"));
            self.push(
                &mut builder,
                Record::Definition(Definition::QueueRemoved { queue }),
            );
        }
        builder
    }

    /// Lands the next chunk.
    pub(crate) fn land(
        &mut self,
        journal: &mut Journal,
        step: u64,
    ) -> Result<Landed, StoreFailure> {
        let chunk = self.chunk(step);
        self.land_this(journal, chunk)
    }

    fn land_this(
        &mut self,
        journal: &mut Journal,
        mut chunk: ChunkBuilder,
    ) -> Result<Landed, StoreFailure> {
        let landed = journal.land(chunk.take())?;
        assert_eq!(landed.upto.0, self.ledger.last);
        Ok(landed)
    }

    pub(crate) fn land_checkpoint(&mut self, journal: &mut Journal) -> Result<(), StoreFailure> {
        let mut builder = ChunkBuilder::new();
        self.checkpoint(&mut builder);
        let landed = journal.land(builder.take())?;
        assert_eq!(landed.upto.0, self.ledger.last);
        Ok(())
    }

    /// Holds what was told against the ledgers that it may be; returns the one that it is.
    pub(crate) fn judge<'l>(
        &self,
        told: &Told,
        may_be: &[&'l Ledger],
    ) -> Result<&'l Ledger, String> {
        let mut ledger = Ledger::default();
        let mut due = told
            .iter()
            .map(|(position, _)| position.0)
            .max()
            .unwrap_or_default();
        for (position, known) in told.iter().rev() {
            let sent = self.sent.get(&position.0);
            let sent = sent.ok_or_else(|| format!("record {position} was never sent"))?;
            if !is_same(known, sent) {
                return Err(format!("record {position} is not what was sent"));
            }
            if position.0 == due {
                due -= 1;
            } else if position.0 > due || !matches!(sent, Record::Message(_)) {
                return Err(format!("record {position} was told where {due} was due"));
            }
        }
        for (position, known) in told {
            match known {
                Known::Record(record) => ledger.apply(*position, record),
                Known::Head(head) => ledger.message(*position, &head.queues),
            }
        }
        let same = may_be.iter().find(|one| **one == &ledger);
        same.copied()
            .ok_or_else(|| format!("told {ledger:#?}, which is none of {may_be:#?}"))
    }
}

/// Whether a record was sent like this; a message that was moved belongs to fewer queues.
fn is_same(told: &Known, sent: &Record) -> bool {
    let (told, sent) = match (told, sent) {
        (Known::Record(told), sent) if !matches!(told, Record::Message(_)) => return told == sent,
        (Known::Record(Record::Message(told)), Record::Message(sent)) => {
            let same_body = told.body == sent.body && told.routing_key == sent.routing_key;
            if !same_body {
                return false;
            }
            (MessageHead::of(told), MessageHead::of(sent))
        }
        (Known::Head(told), Record::Message(sent)) => (told.clone(), MessageHead::of(sent)),
        _ => return false,
    };
    let queues = sent.queues.clone();
    let fewer = told.queues.iter().all(|queue| queues.contains(queue));
    fewer && MessageHead { queues, ..told } == sent
}

/// A moment of a history: from this many changes of the disk on, this has landed.
pub(crate) struct Moment {
    pub(crate) changes: usize,
    pub(crate) ledger: Ledger,
}

/// A history that was recorded.
pub(crate) struct History {
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) script: Script,
    pub(crate) moments: Vec<Moment>,
    /// What came about on the way.
    pub(crate) reserved: u64,
    pub(crate) reopened: u64,
}

/// Records a history of so many landings: rolls, recycled files, checkpoints, messages that are moved, a full disk
/// in its middle, and openings.
pub(crate) fn record(seed: u64, landings: u64) -> History {
    let script = Script::new(seed);
    let disk = SimDisk::with_blocks(Image::default(), script.blocks);
    let mut history = History {
        script,
        moments: Vec::new(),
        reserved: 0,
        reopened: 0,
        disk,
    };
    history.landed();
    let (mut journal, ..) = open(&history.disk).expect("an empty disk opens");
    let mut room = Room::Open;
    for step in 0..landings {
        let filling = (landings / 3..landings / 2).contains(&step);
        if step == landings / 3 {
            // What is left alone stays for what is written beside the lane.
            let limit = options().disk_free_limit;
            history.disk.set_capacity(Some(history.disk.used() + limit));
        } else if step == landings / 2 {
            history.disk.set_capacity(None);
        }
        if step % 17 == 16 {
            drop(journal);
            (journal, ..) = open(&history.disk).expect("the journal opens again");
            history.reopened += 1;
        }
        let chunk = match (room, filling) {
            (Room::Reserved, _) => history.script.drain(),
            (Room::Open, true) => history.script.flood(),
            (Room::Open, false) => history.script.chunk(step),
        };
        let landed = history
            .script
            .land_this(&mut journal, chunk)
            .expect("the disk is good");
        history.landed();
        room = landed.room;
        history.reserved += u64::from(room == Room::Reserved);
        if landed.checkpoint_wanted {
            history
                .script
                .land_checkpoint(&mut journal)
                .expect("the disk is good");
            history.landed();
        }
    }
    history
}

impl History {
    fn landed(&mut self) {
        self.moments.push(Moment {
            changes: self.disk.log_length(),
            ledger: self.script.ledger.clone(),
        });
    }

    /// What may be told if the power goes after so many changes: what had landed, and what was just landing.
    pub(crate) fn may_be(&self, changes: usize) -> Vec<&Ledger> {
        let behind = self
            .moments
            .partition_point(|moment| moment.changes <= changes);
        let first = behind
            .checked_sub(1)
            .expect("the first moment is the beginning");
        let two = self.moments[first..].iter().take(2);
        two.map(|moment| &moment.ledger).collect()
    }
}
