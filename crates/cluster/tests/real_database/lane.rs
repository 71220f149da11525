//! Lanes of messages for the tests: what is landed in them, and what an opening tells.

use bytes::Bytes;
use landfall_cluster::{Claim, Database, DatabaseError, Options, ShardStore, cause};
use model::record::Ending;
use model::{MessageRecord, Position, Properties, QueueId, Record, ShortStr, Timestamp};
use store::conformance::by_position;
use store::{Chunk, ChunkBuilder, Landed, Store, StoreFailure};

/// Options for a database of few shards and small tables.
pub(crate) fn options(address: String) -> Options {
    Options {
        segment_bytes: 256 * 1024,
        shards: 8,
        ..Options::new(address)
    }
}

/// A lane that is open.
pub(crate) struct Lane {
    pub(crate) store: ShardStore,
    pub(crate) next: u64,
    /// How many pages its opening has read.
    pub(crate) read: u64,
    /// How many pages it has landed.
    pub(crate) pages: u64,
    /// The positions that were told.
    pub(crate) told: Vec<u64>,
}

pub(crate) fn take(database: &Database, shard: u32, epoch: u64) -> Result<Lane, DatabaseError> {
    let claim = Claim {
        shard,
        epoch,
        owner: format!("opening {epoch}"),
        cache_bytes: 64 * 1024,
    };
    let mut told = Vec::new();
    let (store, recovered) = database.take(claim, &mut |one| {
        let positions = by_position(one).into_iter().map(|(position, _)| position.0);
        told.extend(positions);
    })?;
    Ok(Lane {
        store,
        pages: 0,
        read: recovered.pages,
        next: told.iter().max().map_or(1, |last| last + 1),
        told,
    })
}

impl Lane {
    /// Lands messages of one queue, as one chunk; returns their positions.
    pub(crate) fn land(&mut self, bodies: &[&[u8]]) -> Result<Vec<u64>, StoreFailure> {
        let mut builder = ChunkBuilder::new();
        let first = self.next;
        for (position, body) in (first..).zip(bodies) {
            builder.push(Position(position), &message(1, body));
        }
        let landed = self.land_chunk(builder.take())?;
        Ok((first..=landed.upto.0).collect())
    }

    /// Lands messages of a queue that settles them at once.
    pub(crate) fn land_passing(&mut self, bodies: &[&[u8]]) -> Result<Landed, StoreFailure> {
        let mut builder = ChunkBuilder::new();
        let first = self.next;
        let end = first + bodies.len() as u64;
        for (position, body) in (first..).zip(bodies) {
            builder.push(Position(position), &message(2, body));
        }
        let settled = Record::Settled(QueueId(2), Ending::Acknowledged, (first..end).collect());
        builder.push(Position(end), &settled);
        self.land_chunk(builder.take())
    }

    /// The queue of [`land`](Self::land) settles messages.
    pub(crate) fn settle(&mut self, messages: &[u64]) -> Result<Landed, StoreFailure> {
        let mut builder = ChunkBuilder::new();
        let runs = messages.iter().copied().collect();
        let settled = Record::Settled(QueueId(1), Ending::Acknowledged, runs);
        builder.push(Position(self.next), &settled);
        self.land_chunk(builder.take())
    }

    /// Asks how things stand.
    pub(crate) fn ask(&mut self) -> Landed {
        let asked = self.store.land(Chunk::default());
        asked.expect("the database is there")
    }

    /// Lands a checkpoint of nothing.
    pub(crate) fn checkpoint(&mut self) -> Result<Landed, StoreFailure> {
        let mut builder = ChunkBuilder::new();
        let begin = Position(self.next);
        let next_queue = QueueId(9);
        builder.push(begin, &Record::Checkpoint { begin, next_queue });
        self.land_chunk(builder.take())
    }

    fn land_chunk(&mut self, chunk: Chunk) -> Result<Landed, StoreFailure> {
        let last = chunk.last();
        self.pages += chunk.bytes_len().div_ceil(8000) as u64;
        let landed = self.store.land(chunk)?;
        assert_eq!(landed.upto, last);
        self.next = last.0 + 1;
        Ok(landed)
    }

    /// The body of the message at a position, from the database or from memory.
    pub(crate) fn body(&self, position: u64) -> Bytes {
        let chunk = self.store.reader().read(Position(position));
        let chunk = chunk.expect("a live message is readable");
        let view = chunk.message(Position(position));
        view.expect("it is a message").body
    }
}

/// Why a landing failed, by what is to be done about it.
pub(crate) fn why(failure: &StoreFailure) -> &DatabaseError {
    cause(failure).expect("the database's failures say what they are")
}

fn message(queue: u64, body: &[u8]) -> Record {
    Record::Message(MessageRecord {
        queues: [QueueId(queue)].into_iter().collect(),
        publisher: None,
        due: None,
        fingerprints: Vec::new(),
        accepted: Timestamp(1_700_000_000_000),
        exchange: ShortStr::from_static(""),
        routing_key: ShortStr::from_static("queue"),
        properties: Properties::default(),
        body: Bytes::copy_from_slice(body),
    })
}
