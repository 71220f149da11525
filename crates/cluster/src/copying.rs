//! Copies of what is left of old tables: of neighbouring stretches that stand in tables which are mostly dead, the live
//! messages are written again, at the end of the lane, under the positions that they have always had. The copies are a
//! stretch of their own, in a table for copies.
//!
//! The order makes it safe: the copies land, then their heads; only then may the originals' tables be let go. An opening
//! that finds copies without heads takes the originals, which are all there; one that finds the heads takes the copies,
//! whatever of the originals is still there. Some copies land with each chunk, so that landing waits for little, and they
//! keep pace with what comes.

use crate::error::DatabaseError;
use crate::heads::Heads;
use crate::places::Stretch;
use crate::shard::ShardStore;
use crate::tables::Kind;
use model::{Position, QueueId, Record, Runs};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use store::summary::SummaryWriter;
use store::{ChunkBuilder, Density, ReadError, Reader, chunk};

/// So much is copied beside a chunk at least, or one in so many of a table if that is less.
const PORTION: usize = 256 * 1024;
/// And so much when nothing lands.
const PORTION_AT_REST: usize = 1024 * 1024;
const PART_OF_TABLE: u64 = 16;
/// Copies that stand together are one in so many of what a stretch may hold.
const PART_OF_STRETCH: u64 = 4;

/// Copies that are being written.
pub(crate) struct Copying {
    /// Neighbours, by their numbers.
    replaced: Vec<u64>,
    /// Where they end.
    last: Position,
    /// The copies.
    stretch: Stretch,
    /// The messages that are to be copied; some of them may have been settled meanwhile.
    messages: Runs,
    /// Those before this position were.
    next: Position,
    /// Of those the ones whose records name more queues than still need them.
    in_part: FxHashMap<Position, SmallVec<[QueueId; 2]>>,
    /// Those that were copied, and the bytes of their records.
    copied: Vec<(Position, u32)>,
    /// What the chunk that grows holds without the bodies, and the same of those that have landed.
    items: SummaryWriter,
    heads: Heads,
}

impl Copying {
    /// The page before which no copies of it stand; `None` if there are none.
    pub(crate) fn first_page(&self) -> Option<i64> {
        self.stretch.index.first().map(|(_, page)| *page)
    }

    pub(crate) fn table(&self) -> u32 {
        self.stretch.table
    }

    pub(crate) fn replaced(&self) -> &[u64] {
        &self.replaced
    }
}

impl ShardStore {
    /// The next neighbours that should become one, if there are any.
    pub(crate) fn plan_copies(
        &mut self,
        worth: &BTreeSet<u32>,
    ) -> Result<Option<Copying>, DatabaseError> {
        let Some((replaced, from, last)) = self.choose(worth) else {
            return Ok(None);
        };
        let messages = self.live.live_before(last.next());
        let messages = messages.without(&self.live.live_before(from));
        let in_part = self.live.settled_in_part(last.next()).into_iter();
        let in_part = in_part.filter(|(position, _)| *position >= from).collect();
        // What it takes in the table is counted as it lands.
        let table = self.table_for(Kind::Copies, 0)?;
        let number = self.take_stretch();
        Ok(Some(Copying {
            replaced,
            last,
            stretch: Stretch::new(number, table, Density::Sparse, from),
            messages,
            next: from,
            in_part,
            copied: Vec::new(),
            items: SummaryWriter::default(),
            heads: Heads::default(),
        }))
    }

    /// The first neighbours in tables that are worth emptying, no more than a part of what a stretch may hold: who takes the
    /// shard before the next checkpoint reads all copies that have landed.
    fn choose(&self, worth: &BTreeSet<u32>) -> Option<(Vec<u64>, Position, Position)> {
        let begin = self.reclaiming.begin;
        let most = self.database.options().stretch_bytes() / PART_OF_STRETCH;
        let places = self.shared.places();
        let closed = places.all().len().saturating_sub(1);
        let is_chosen = |stretch: &&Stretch| {
            stretch.last < begin
                && worth.contains(&stretch.table)
                && !self.reclaiming.stuck.contains(&stretch.number)
        };
        let old = places.all()[..closed].iter();
        let mut old = old
            .skip_while(|stretch| !is_chosen(stretch))
            .take_while(is_chosen);
        let first = old.next()?;
        let (mut replaced, mut last) = (vec![first.number], first.last);
        let mut live = self.live.usage(first.number).bytes;
        for next in old {
            live += self.live.usage(next.number).bytes;
            if live > most {
                break;
            }
            replaced.push(next.number);
            last = next.last;
        }
        Some((replaced, first.from, last))
    }

    /// Copies some messages, about as many bytes as have landed just now.
    pub(crate) fn copy_some(&mut self, landed: usize) -> Result<(), DatabaseError> {
        let Some(mut copying) = self.copying.take() else {
            return Ok(());
        };
        let part_of_table = self.database.options().segment_bytes / PART_OF_TABLE;
        let usual = if landed == 0 {
            PORTION_AT_REST
        } else {
            PORTION
        };
        let portion = usual.min(usize::try_from(part_of_table).unwrap_or(usual));
        let read = copying.read_some(&*self.shared, landed.max(portion));
        let builder = match read {
            Ok(builder) => builder,
            // It can be tried again when the database answers; landing says so if it does not.
            Err(ReadError::Io { position, source }) => {
                tracing::warn!(%position, %source, "copying what is left of old tables waits");
                self.copying = Some(copying);
                return Ok(());
            }
            Err(error) => {
                // Nothing is lost by it yet, but the database is not what it was: somebody should look.
                tracing::error!(shard = self.shard, %error, "a live message cannot be read; its table is kept");
                self.reclaiming.stuck.append(&mut copying.replaced);
                return Ok(());
            }
        };
        self.land_copies(&mut copying, builder)?;
        if copying.next_left().is_none() {
            self.take_in(copying)?;
        } else {
            self.copying = Some(copying);
        }
        Ok(())
    }

    fn land_copies(
        &mut self,
        copying: &mut Copying,
        mut builder: ChunkBuilder,
    ) -> Result<(), DatabaseError> {
        if builder.is_empty() {
            return Ok(());
        }
        let Stretch { number, table, .. } = copying.stretch;
        let chunk = builder.take().seal(self.epoch.cast_unsigned(), number);
        self.count(table, chunk.bytes().len());
        let (page, end) = self.append(table, chunk.bytes())?;
        self.reclaiming.copied(chunk.bytes().len());
        copying.stretch.append(&chunk, page, end);
        let items = std::mem::take(&mut copying.items).finish();
        copying.heads.add(&chunk, Density::Sparse, &items);
        Ok(())
    }

    /// The copies stand where others stood: those may go.
    fn take_in(&mut self, copying: Copying) -> Result<(), DatabaseError> {
        let Copying {
            replaced,
            last,
            mut stretch,
            copied,
            heads,
            ..
        } = copying;
        // Copies of these copies will stand for no less.
        stretch.last = last;
        self.land_heads(heads, &mut stretch, last)?;
        self.live.replace(&replaced, stretch.number, copied);
        let mut places = self.shared.places_mut();
        let mut old = places.all().iter();
        stretch.mapped = old.any(|one| one.mapped && replaced.contains(&one.number));
        places.replace(&replaced, stretch);
        drop(places);
        for number in replaced {
            self.shared.cache().forget(number);
        }
        self.reclaiming.look_again();
        Ok(())
    }
}

impl Copying {
    /// The next message that is to be copied.
    fn next_left(&self) -> Option<Position> {
        let runs = self.messages.as_slice();
        let at = runs.partition_point(|run| run.end() <= self.next.0);
        runs.get(at).map(|run| self.next.max(Position(run.first)))
    }

    /// Reads so many bytes of messages that are to be copied; fewer if one cannot be read, which is then the next.
    fn read_some(&mut self, reader: &dyn Reader, bytes: usize) -> Result<ChunkBuilder, ReadError> {
        let mut builder = ChunkBuilder::new();
        while builder.bytes() < bytes
            && let Some(next) = self.next_left()
        {
            let chunk = match reader.read(next) {
                Ok(chunk) => chunk,
                // What was read counts as copied: it must land.
                Err(_) if !builder.is_empty() => break,
                Err(error) => return Err(error),
            };
            let (_, last) = chunk.span();
            let here = self.messages.within(next.0, last.0 + 1);
            let here = here.iter().flat_map(|run| run.first..run.end());
            for position in here.map(Position) {
                if builder.bytes() >= bytes || !chunk.contains(position) {
                    break;
                }
                self.copy(&mut builder, &chunk, position)?;
                self.next = position.next();
            }
        }
        Ok(builder)
    }

    fn copy(
        &mut self,
        builder: &mut ChunkBuilder,
        chunk: &store::LandedChunk,
        position: Position,
    ) -> Result<(), ReadError> {
        let damaged = |what: &dyn std::fmt::Display| ReadError::Damaged {
            position,
            what: what.to_string(),
        };
        let record = chunk.record(position).map_err(|error| damaged(&error))?;
        let (Some(view), Record::Message(mut message)) = (chunk.message(position), record) else {
            return Err(damaged(&"a live message's record is none"));
        };
        if let Some(queues) = self.in_part.get(&position) {
            message.queues = queues.clone();
        }
        let before = builder.bytes();
        builder.relocate(position, &message.queues, &view);
        let header = if before == 0 { chunk::HEADER_LENGTH } else { 0 };
        let bytes = u32::try_from(builder.bytes() - before - header);
        let bytes = bytes.expect("a chunk is under 4 GiB");
        self.items.message(position, &message, bytes);
        self.copied.push((position, bytes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::{MessageRecord, Properties, Run, ShortStr, Timestamp};
    use std::io;
    use std::sync::Arc;
    use store::LandedChunk;

    /// A chunk for each message; one of them cannot be read.
    struct Failing(Position);

    impl Reader for Failing {
        fn cached(&self, _: Position) -> Option<Arc<LandedChunk>> {
            None
        }

        fn read(&self, position: Position) -> Result<Arc<LandedChunk>, ReadError> {
            if position == self.0 {
                let source = io::Error::other("the database does not answer");
                return Err(ReadError::Io { position, source });
            }
            let mut builder = ChunkBuilder::new();
            let message = MessageRecord {
                queues: [QueueId(1)].into_iter().collect(),
                publisher: None,
                due: None,
                fingerprints: Vec::new(),
                accepted: Timestamp(1_700_000_000_000),
                exchange: ShortStr::empty(),
                routing_key: ShortStr::from_static("queue"),
                properties: Properties::default(),
                body: Bytes::from_static(b"body"),
            };
            builder.push(position, &Record::Message(message));
            Ok(builder.take().seal(1, 1))
        }
    }

    #[test]
    fn what_was_read_before_a_failure_is_copied_and_the_rest_later() {
        let mut copying = Copying {
            replaced: vec![1],
            last: Position(5),
            stretch: Stretch::new(2, 1, Density::Sparse, Position(1)),
            messages: [Run { first: 1, count: 5 }].into_iter().collect(),
            next: Position(1),
            in_part: FxHashMap::default(),
            copied: Vec::new(),
            items: SummaryWriter::default(),
            heads: Heads::default(),
        };
        let mut copy = |reader: Failing| {
            let read = copying.read_some(&reader, PORTION);
            read.map(|mut builder| {
                let chunk = builder.take();
                if chunk.is_empty() {
                    0
                } else {
                    chunk.seal(1, 2).relocated().count()
                }
            })
        };
        assert_eq!(copy(Failing(Position(4))).expect("some can be read"), 3);
        copy(Failing(Position(4))).expect_err("nothing can be read");
        assert_eq!(copy(Failing(Position(9))).expect("all can be read"), 2);
    }
}
