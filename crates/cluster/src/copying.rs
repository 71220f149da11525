//! Copies of what is left of old tables: of neighbouring stretches that stand in tables which are mostly dead, the live
//! messages are written again, at the end of the lane, under the positions that they have always had. The copies are a
//! stretch of their own, in a table for copies.
//!
//! The order makes it safe: all copies land; then the originals' tables are let go. An opening in between finds both, and
//! takes the originals, which are all there; after it, the copies, which are all there too. Some copies land with each
//! chunk, so that landing waits for little, and they keep pace with what comes.

use crate::database::Database;
use crate::error::DatabaseError;
use crate::pages::PAGE_BYTES;
use crate::places::Stretch;
use crate::shard::ShardStore;
use crate::tables::Kind;
use model::{Position, QueueId, Runs};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use store::{ChunkBuilder, Density, ReadError, Reader, chunk};

/// So much is copied beside a chunk at least.
const PORTION: usize = 256 * 1024;

/// Copies that are being written.
pub(crate) struct Copying {
    /// Neighbours, by their numbers.
    replaced: Vec<u64>,
    /// The copies.
    stretch: Stretch,
    /// The messages that are still to be copied; some of them may have been settled meanwhile.
    left: Runs,
    /// Of those the ones whose records name more queues than still need them.
    in_part: FxHashMap<Position, SmallVec<[QueueId; 2]>>,
    /// Those that were copied, and the bytes of their records.
    copied: Vec<(Position, u32)>,
}

impl Copying {
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
        let left = self.live.live_before(last.next());
        let left = left.without(&self.live.live_before(from));
        let in_part = self.live.settled_in_part(last.next()).into_iter();
        let in_part = in_part.filter(|(position, _)| *position >= from).collect();
        // What it takes in the table is counted as it lands.
        let table = self.table_for(Kind::Copies, 0)?;
        let number = self.take_stretch();
        Ok(Some(Copying {
            replaced,
            stretch: Stretch::new(number, table, Density::Sparse, from),
            left,
            in_part,
            copied: Vec::new(),
        }))
    }

    /// The first neighbours in tables that are worth emptying, no more than fit one table.
    fn choose(&self, worth: &BTreeSet<u32>) -> Option<(Vec<u64>, Position, Position)> {
        let begin = self.reclaiming.begin;
        let most = self.database.options().segment_bytes;
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
        let read = copying.read_some(&*self.shared, landed.max(PORTION));
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
        if copying.left.is_empty() {
            self.take_in(copying);
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
        let bytes = chunk.bytes().len();
        count(&self.database, table, bytes);
        let (page, end) = self.append(table, chunk.bytes())?;
        copying.stretch.append(&chunk, page, end);
        Ok(())
    }

    /// The copies stand where others stood: those may go.
    fn take_in(&mut self, copying: Copying) {
        let Copying {
            replaced,
            stretch,
            copied,
            ..
        } = copying;
        self.live.replace(&replaced, stretch.number, copied);
        self.shared.places_mut().replace(&replaced, stretch);
        for number in replaced {
            self.shared.cache().forget(number);
        }
        self.reclaiming.look_again();
    }
}

fn count(database: &Database, table: u32, bytes: usize) {
    let rows = bytes.div_ceil(PAGE_BYTES);
    database.tables().add(table, bytes, rows);
}

impl Copying {
    /// Reads so many bytes of messages that are to be copied.
    fn read_some(&mut self, reader: &dyn Reader, bytes: usize) -> Result<ChunkBuilder, ReadError> {
        let mut builder = ChunkBuilder::new();
        while builder.bytes() < bytes
            && let Some(run) = self.left.as_slice().first()
        {
            let chunk = reader.read(Position(run.first))?;
            let (first, last) = chunk.span();
            let mut done = Runs::new();
            for run in self.left.within(first.0, last.0 + 1) {
                for position in (run.first..run.end()).map(Position) {
                    if !chunk.contains(position) || builder.bytes() >= bytes && !done.is_empty() {
                        continue;
                    }
                    self.copy(&mut builder, &chunk, position)?;
                    done.insert(position.0);
                }
            }
            self.left = self.left.without(&done);
        }
        Ok(builder)
    }

    fn copy(
        &mut self,
        builder: &mut ChunkBuilder,
        chunk: &store::LandedChunk,
        position: Position,
    ) -> Result<(), ReadError> {
        let view = chunk.message(position).ok_or_else(|| ReadError::Damaged {
            position,
            what: "a live message's record is none".to_owned(),
        })?;
        let queues = self.in_part.get(&position).cloned();
        let queues = queues.unwrap_or_else(|| view.queues.collect());
        let before = builder.bytes();
        builder.relocate(position, &queues, &view);
        let header = if before == 0 { chunk::HEADER_LENGTH } else { 0 };
        let bytes = u32::try_from(builder.bytes() - before - header);
        self.copied
            .push((position, bytes.expect("a chunk is under 4 GiB")));
        Ok(())
    }
}
