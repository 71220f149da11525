//! Copies of what is left of old segments: neighbouring segments that are mostly dead become one that holds their live
//! messages and nothing else. It takes the name of the last of them, so it stands where they stood.
//!
//! The order of what is written makes it safe: the copies, their summary (which says for which positions they stand),
//! then the name; only then may the others go. After a crash in between a start finds those beside the copies that stand
//! for them, and removes them.

use crate::directory::Directory;
use crate::disk::{self, DiskFile};
use crate::identity::Key;
use crate::keeper::{Done, give_up, keep};
use crate::mark;
use crate::names::Layout;
use crate::places::Segment;
use crate::scan::Scan;
use crate::summary::SummaryBuilder;
use model::{Position, QueueId, Record, Runs};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use store::chunk::summary::SummaryWriter;
use store::{ChunkBuilder, Density, LandedChunk};

/// A chunk of copies is landed when it has so many bytes.
const CHUNK_BYTES: usize = 256 * 1024;
/// So many bytes are synced at a time: what lands meanwhile waits behind them.
const SYNC_BYTES: u64 = 2 * 1024 * 1024;

/// What to copy.
pub(crate) struct Plan {
    pub(crate) key: Key,
    pub(crate) epoch: u64,
    /// Neighbours, by their numbers; the copies take the number of the last.
    pub(crate) replaced: Vec<(u64, Arc<dyn DiskFile>)>,
    /// The positions for which the copies stand.
    pub(crate) from: Position,
    pub(crate) last: Position,
    /// The live messages among them.
    pub(crate) live: Runs,
    /// Of those the ones whose records name more queues than still need them.
    pub(crate) in_part: FxHashMap<Position, SmallVec<[QueueId; 2]>>,
}

/// Copies that have landed.
pub(crate) struct Compacted {
    pub(crate) replaced: Vec<u64>,
    pub(crate) segment: Segment,
    /// The messages that were copied, and the bytes of their records.
    pub(crate) copied: Vec<(Position, u32)>,
}

/// Copies on their way.
struct Copying {
    plan: Plan,
    number: u64,
    unfinished: PathBuf,
    segment: Segment,
    builder: ChunkBuilder,
    /// Of the chunk that grows.
    items: SummaryWriter,
    summary: SummaryBuilder,
    copied: Vec<(Position, u32)>,
    synced: u64,
}

/// Copies, and tells what came of it.
pub(crate) fn perform(directory: &Directory, plan: Plan) -> io::Result<Done> {
    let last = plan.replaced.last();
    let number = last
        .map(|(number, _)| *number)
        .expect("something is replaced");
    let path = directory.layout.segment(number);
    let unfinished = Layout::unfinished(&path);
    let file = match directory.disk.create(&unfinished) {
        Ok(file) => file,
        Err(error) => return give_up(directory, &unfinished, error).map(|()| Done::NoRoom),
    };
    let copying = Copying {
        number,
        segment: Segment {
            density: Density::Sparse,
            ..Segment::new(number, file, 0, plan.last)
        },
        summary: SummaryBuilder::new(Density::Sparse, plan.from),
        plan,
        unfinished,
        builder: ChunkBuilder::new(),
        items: SummaryWriter::default(),
        copied: Vec::new(),
        synced: 0,
    };
    copying.perform(directory)
}

impl Copying {
    fn perform(mut self, directory: &Directory) -> io::Result<Done> {
        for (number, file) in self.plan.replaced.clone() {
            let read = self.copy_segment(number, &*file);
            let outcome = match read {
                Ok(None) => continue,
                Ok(Some(what)) => {
                    directory.disk.remove(&self.unfinished)?;
                    Ok(Done::Unreadable {
                        segment: number,
                        what,
                    })
                }
                Err(error) => give_up(directory, &self.unfinished, error).map(|()| Done::NoRoom),
            };
            return outcome;
        }
        if self.copied.len() as u64 != self.plan.live.count() {
            directory.disk.remove(&self.unfinished)?;
            let what = "not all of its live messages are in it".to_owned();
            let segment = self.number;
            return Ok(Done::Unreadable { segment, what });
        }
        match self.finish() {
            Ok(()) => self.take_the_place(directory),
            Err(error) => give_up(directory, &self.unfinished, error).map(|()| Done::NoRoom),
        }
    }

    /// Copies what is live in one segment; tells what cannot be read.
    fn copy_segment(&mut self, number: u64, file: &dyn DiskFile) -> io::Result<Option<String>> {
        let mut scan = Scan::new(file, self.plan.key, number, None)?;
        while let Some((offset, chunk)) = scan.next_chunk()? {
            if let Err(what) = self.copy_chunk(&chunk)? {
                return Ok(Some(format!("at byte {offset}: {what}")));
            }
        }
        Ok(None)
    }

    fn copy_chunk(&mut self, chunk: &LandedChunk) -> io::Result<Result<(), String>> {
        let (first, last) = chunk.span();
        for run in self.plan.live.within(first.0, last.0 + 1) {
            for position in (run.first..run.end()).map(Position) {
                if !chunk.contains(position) {
                    continue;
                }
                if let Err(error) = self.copy(chunk, position) {
                    return Ok(Err(error.to_string()));
                }
                if self.builder.bytes() >= CHUNK_BYTES {
                    self.land()?;
                }
            }
        }
        Ok(Ok(()))
    }

    fn copy(&mut self, chunk: &LandedChunk, position: Position) -> Result<(), store::ChunkError> {
        let Record::Message(mut message) = chunk.record(position)? else {
            return Err(store::ChunkError::Damaged {
                what: "a live message's record is none",
            });
        };
        if let Some(queues) = self.plan.in_part.get(&position) {
            message.queues = queues.clone();
        }
        let view = chunk.message(position);
        let view = view.expect("what can be decoded can be looked at");
        let before = self.builder.bytes();
        self.builder.relocate(position, &message.queues, &view);
        let header = if before == 0 {
            store::chunk::HEADER_LENGTH
        } else {
            0
        };
        let bytes = u32::try_from(self.builder.bytes() - before - header);
        let bytes = bytes.expect("a chunk is under 4 GiB");
        self.items.message(position, &message, bytes);
        self.copied.push((position, bytes));
        Ok(())
    }

    /// Writes the chunk that has grown.
    fn land(&mut self) -> io::Result<()> {
        if self.builder.is_empty() {
            return Ok(());
        }
        let chunk = self.builder.take().seal(self.plan.epoch, self.number);
        let offset = self.segment.used;
        disk::write_all(&*self.segment.file, offset, chunk.bytes())?;
        let items = std::mem::take(&mut self.items).finish();
        self.summary.add(&chunk, offset, &items);
        self.segment.append(&chunk);
        if self.segment.used - self.synced >= SYNC_BYTES {
            self.segment.file.sync()?;
            self.synced = self.segment.used;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.land()?;
        let mark = mark::write(self.plan.epoch, self.number);
        disk::write_all(&*self.segment.file, self.segment.used, &mark)?;
        self.segment.file.sync()?;
        self.segment.length = self.segment.used + mark::LENGTH as u64;
        Ok(())
    }

    fn take_the_place(self, directory: &Directory) -> io::Result<Done> {
        let end = self.plan.last.next();
        let summary = self.summary.finish(self.number, self.segment.used, end);
        // Which positions copies stand for only their summary says. So those that have the name now keep theirs until
        // these have it, and these have theirs beside it before.
        let next = directory.layout.next_summary(self.number);
        if !keep(directory, &next, &summary)? {
            directory.disk.remove(&self.unfinished)?;
            return Ok(Done::NoRoom);
        }
        let path = directory.layout.segment(self.number);
        directory.rename(&self.unfinished, &path)?;
        directory.rename(&next, &directory.layout.summary(self.number))?;
        let replaced = self.plan.replaced.iter().map(|(number, _)| *number);
        Ok(Done::Compacted(Compacted {
            replaced: replaced.collect(),
            segment: self.segment,
            copied: self.copied,
        }))
    }
}
