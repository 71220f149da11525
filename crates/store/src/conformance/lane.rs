//! A lane under test, and the ledger of what must be in it.

use super::{Harness, Known, Opened};
use crate::chunk::{ChunkBuilder, LandedChunk};
use crate::contract::{Landed, ReadError, Reader, Store, StoreFailure};
use bytes::Bytes;
use model::record::{Ending, MessageHead, QueueDefinition};
use model::{
    Definition, FieldTable, MessageRecord, Position, Properties, QueueId, Record, ShortStr,
    Timestamp,
};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The bytes of a message that fills a lane.
const FILLING: usize = 1000;
/// The messages of a chunk that fills a lane.
const FILLINGS: usize = 8;

/// What a lane must still hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ledger {
    /// Messages that some queue needs, with the queues that do.
    pub(super) messages: BTreeMap<Position, MessageHead>,
    pub(super) queues: BTreeMap<QueueId, QueueDefinition>,
}

impl Ledger {
    pub(super) fn apply(&mut self, position: Position, record: &Record) {
        match record {
            Record::Message(message) => self.message(position, MessageHead::of(message)),
            Record::Settled(queue, _, runs) => {
                for run in runs.as_slice() {
                    let range = Position(run.first)..Position(run.end());
                    for (_, message) in self.messages.range_mut(range) {
                        message.queues.retain(|other| other != queue);
                    }
                }
                self.messages
                    .retain(|_, message| !message.queues.is_empty());
            }
            Record::Definition(Definition::QueueMade { queue, .. }) => {
                self.queues.insert(queue.id, queue.clone());
            }
            Record::Definition(Definition::QueueRemoved { queue }) => {
                self.queues.remove(queue);
            }
            _ => {}
        }
    }

    fn message(&mut self, position: Position, mut head: MessageHead) {
        head.queues.sort_unstable();
        self.messages.insert(position, head);
    }
}

/// A lane under test.
pub(super) struct Lane<'h> {
    harness: &'h mut dyn Harness,
    /// None only between a close or crash and the opening that follows.
    store: Option<Box<dyn Store>>,
    pub(super) reader: Arc<dyn Reader>,
    builder: ChunkBuilder,
    pub(super) next: Position,
    /// With what was pushed and has not landed yet.
    pub(super) ledger: Ledger,
    /// Every message that was ever pushed and may be live.
    sent: BTreeMap<Position, MessageRecord>,
    /// Whether the store's wish for a checkpoint is granted.
    pub(super) grants_checkpoints: bool,
}

impl<'h> Lane<'h> {
    /// Opens an empty lane.
    pub(super) fn new(harness: &'h mut dyn Harness) -> Self {
        let Opened { store, told } = harness.open();
        assert_eq!(told, [], "an empty lane tells nothing");
        Self {
            reader: store.reader(),
            store: Some(store),
            harness,
            builder: ChunkBuilder::new(),
            next: Position(1),
            ledger: Ledger::default(),
            sent: BTreeMap::new(),
            grants_checkpoints: true,
        }
    }

    pub(super) fn push(&mut self, record: &Record) -> Position {
        let position = self.next;
        self.builder.push(position, record);
        self.ledger.apply(position, record);
        if let Record::Message(message) = record {
            self.sent.insert(position, message.clone());
        }
        self.next = position.next();
        position
    }

    pub(super) fn message(&mut self, queues: &[u64], body: usize) -> Position {
        let record = message(self.next, queues, body);
        self.push(&record)
    }

    pub(super) fn settle(&mut self, queue: u64, messages: &[Position]) {
        let runs = messages.iter().map(|position| position.0).collect();
        self.push(&Record::Settled(QueueId(queue), Ending::Acknowledged, runs));
    }

    pub(super) fn define_queue(&mut self, id: u64) {
        self.push(&Record::Definition(queue_made(id)));
    }

    /// Tells all definitions again.
    pub(super) fn checkpoint(&mut self) {
        let begin = self.next;
        let queues: Vec<u64> = self.ledger.queues.keys().map(|id| id.0).collect();
        for id in queues {
            self.define_queue(id);
        }
        self.push(&Record::Checkpoint {
            begin,
            next_queue: QueueId(1_000_000),
        });
    }

    pub(super) fn try_land(&mut self) -> Result<Landed, StoreFailure> {
        let chunk = self.builder.take();
        self.store
            .as_mut()
            .expect("a lane in use has a store")
            .land(chunk)
    }

    /// Lands what was pushed.
    pub(super) fn land(&mut self) {
        let last = self.builder.last();
        let landed = self.try_land().expect("the store lands a chunk");
        assert_eq!(landed.upto, last, "the whole chunk has landed");
        if landed.checkpoint_wanted && self.grants_checkpoints {
            self.checkpoint();
            let last = self.builder.last();
            let landed = self.try_land().expect("the store lands a checkpoint");
            assert_eq!(landed.upto, last, "the whole checkpoint has landed");
        }
    }

    /// Lands messages that are settled at once, until `enough` or until all that is dead must have been reclaimed.
    pub(super) fn fill_until(&mut self, enough: impl Fn(&Self) -> bool) {
        let mut bytes = 0;
        while bytes < self.harness.reclaimed_after() && !enough(self) {
            let messages: Vec<_> = (0..FILLINGS)
                .map(|_| self.message(&[99], FILLING))
                .collect();
            self.settle(99, &messages);
            bytes += self.builder.bytes();
            self.land();
        }
    }

    /// Lands until all that is dead must have been reclaimed.
    pub(super) fn fill(&mut self) {
        self.fill_until(|_| false);
    }

    /// Lands until the record at `position` is gone, which must happen.
    pub(super) fn fill_until_gone(&mut self, position: Position) {
        let gone = |lane: &Self| matches!(lane.reader.read(position), Err(ReadError::Gone(_)));
        self.fill_until(gone);
        assert!(
            gone(self),
            "record {position} is reclaimed when nothing needs it"
        );
        assert!(
            self.reader.cached(position).is_none(),
            "what is reclaimed is not in memory either"
        );
    }

    /// Ends cleanly and opens again; returns what was told, after holding it against the ledger.
    pub(super) fn reopen(&mut self) -> Vec<(Position, Known)> {
        let store = self.store.take().expect("a lane in use has a store");
        store.close().expect("the store closes");
        let told = self.open();
        self.check(&told);
        told
    }

    /// Loses power and opens again. What was pushed and not landed is not known any more.
    pub(super) fn crash(&mut self) -> Vec<(Position, Known)> {
        let told = self.crash_unchecked();
        self.check(&told);
        told
    }

    /// The same, before the ledger knows what may have landed.
    pub(super) fn crash_unchecked(&mut self) -> Vec<(Position, Known)> {
        let store = self.store.take().expect("a lane in use has a store");
        self.harness.crash(store);
        self.open()
    }

    /// Makes the next landing fail.
    pub(super) fn fail_next(&mut self) {
        self.harness.fail_next();
    }

    fn open(&mut self) -> Vec<(Position, Known)> {
        let Opened { store, told } = self.harness.open();
        self.reader = store.reader();
        self.store = Some(store);
        told
    }

    /// What an opening told is what landed: in order, without gaps, and nothing else. All of it can be read.
    pub(super) fn check(&self, told: &[(Position, Known)]) {
        let mut ledger = Ledger::default();
        let mut expected = Position(self.next.0 - 1);
        for (position, known) in told.iter().rev() {
            if *position == expected {
                expected = Position(expected.0 - 1);
            } else {
                let is_message =
                    matches!(known, Known::Head(_) | Known::Record(Record::Message(_)));
                assert!(
                    *position < expected && is_message,
                    "record {position} was told where {expected} was due: {known:?}"
                );
            }
        }
        for (position, known) in told {
            match known {
                Known::Record(record) => ledger.apply(*position, record),
                Known::Head(head) => ledger.message(*position, head.clone()),
            }
        }
        let positions = |ledger: &Ledger| ledger.messages.keys().copied().collect::<Vec<_>>();
        assert_eq!(
            positions(&ledger),
            positions(&self.ledger),
            "the live messages are told"
        );
        assert!(ledger == self.ledger, "all is told as it was landed");
        self.check_readable();
    }

    /// Every live message can be read.
    pub(super) fn check_readable(&self) {
        for (position, head) in &self.ledger.messages {
            let message = MessageRecord {
                queues: head.queues.clone(),
                ..self.sent[position].clone()
            };
            let chunk = self.reader.read(*position);
            check_message(
                &chunk.expect("a live message is readable"),
                *position,
                &message,
            );
            if let Some(chunk) = self.reader.cached(*position) {
                check_message(&chunk, *position, &message);
            }
        }
    }
}

pub(super) fn check_message(chunk: &LandedChunk, position: Position, message: &MessageRecord) {
    let view = chunk
        .message(position)
        .expect("the chunk holds the message");
    assert!(chunk.contains(position));
    assert_eq!(view.exchange, message.exchange.as_bytes());
    assert_eq!(view.routing_key, message.routing_key.as_bytes());
    assert_eq!(view.properties, message.properties.as_bytes());
    assert_eq!(view.accepted, message.accepted);
    assert!(
        view.body == message.body,
        "the body of message {position} is what was landed"
    );
    let queues: SmallVec<[QueueId; 2]> = view.queues.collect();
    assert!(
        message.queues.iter().all(|queue| queues.contains(queue)),
        "the record of message {position} names the queues that need it"
    );
}

/// A message whose content depends on its position.
pub(super) fn message(position: Position, queues: &[u64], body: usize) -> Record {
    let pattern = position.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    let body: Vec<u8> = pattern.into_iter().cycle().take(body).collect();
    Record::Message(MessageRecord {
        queues: queues.iter().copied().map(QueueId).collect(),
        publisher: None,
        due: None,
        fingerprints: Vec::new(),
        accepted: Timestamp(1_700_000_000_000 + position.0),
        exchange: ShortStr::from_static("exchange"),
        routing_key: ShortStr::truncated(&format!("key {position}")),
        properties: Properties::default(),
        body: Bytes::from(body),
    })
}

pub(super) fn queue_made(id: u64) -> Definition {
    Definition::QueueMade {
        vhost: ShortStr::from_static("/"),
        queue: QueueDefinition {
            id: QueueId(id),
            name: ShortStr::truncated(&format!("queue {id}")),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::new(),
        },
    }
}
