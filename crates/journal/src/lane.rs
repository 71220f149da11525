//! Reading a lane: what stands in its segments is told as the checkpoint and the summaries allow.
//!
//! # What must be there
//! The positions from the checkpoint's first record on are there without a gap, and every message that the checkpoint
//! names as live is in a segment, or lies where copies stand for all that was live. Anything else before the checkpoint
//! may have been given back.
//!
//! # What is read
//! The checkpoint; the summary of each segment, or the segment itself if it has none; the last segment, which never has
//! one. Of what stands before the checkpoint live messages are told, of the rest everything.

use crate::checkpoint::Checkpoint;
use crate::directory::Directory;
use crate::disk::{Access, DiskFile};
use crate::error::{OpenError, failed};
use crate::identity::Key;
use crate::opened::Opened;
use crate::places::{Places, Segment};
use crate::recover::{Listing, Recovered};
use crate::scan::{Ending, Scan};
use crate::summary::{Summary, SummaryBuilder};
use model::record::MessageHead;
use model::{Position, Record, Run, Runs};
use std::path::Path;
use std::sync::Arc;
use store::chunk;
use store::summary::{self, Item, Messages, Wanted};
use store::{Born, Density, Entry, LandedChunk, LiveSet, Told};

/// What an opening has read: all that the writer goes on with.
pub(crate) struct Lane {
    pub(crate) places: Places,
    pub(crate) live: LiveSet,
    /// Of the last segment.
    pub(crate) summary: SummaryBuilder,
    /// Of others that had none, to be written.
    pub(crate) summaries: Vec<(u64, Vec<u8>)>,
    /// The position of the next record.
    pub(crate) next: Position,
    /// No record before this position is needed but live messages.
    pub(crate) begin: Position,
    /// The number of the last opening that wrote anything.
    pub(crate) opening: u32,
    pub(crate) recovered: Recovered,
    checkpoint: Checkpoint,
    /// The messages that the checkpoint names and that are there, or for which copies stand.
    found: Runs,
}

impl Lane {
    /// Reads all segments and tells what they hold.
    pub(crate) fn read(
        directory: &Directory,
        key: Key,
        listing: &Listing,
        tell: &mut dyn FnMut(Told),
    ) -> Result<Self, OpenError> {
        let checkpoint = Checkpoint::read(&*directory.disk, &directory.layout, key)?;
        let mut lane = Self {
            places: Places::default(),
            live: LiveSet::new(),
            summary: SummaryBuilder::new(Density::Dense, checkpoint.begin),
            summaries: Vec::new(),
            next: checkpoint.begin,
            begin: checkpoint.begin,
            opening: 0,
            recovered: Recovered::default(),
            checkpoint,
            found: Runs::new(),
        };
        let (disk, layout) = (&*directory.disk, &directory.layout);
        let (segments, replaced) = Opened::all(disk, layout, key, listing, Access::Write)?;
        for Opened { path, .. } in &replaced {
            directory.remove(path).map_err(failed("remove", path))?;
        }
        for number in &listing.next_summaries {
            let next = layout.next_summary(*number);
            let is_its = |one: &Opened| one.number == *number && one.summary_is_next;
            let named = match segments.iter().any(is_its) {
                true => directory.rename(&next, &layout.summary(*number)),
                false => directory.remove(&next),
            };
            named.map_err(failed("rename or remove", &next))?;
        }
        let count = segments.len();
        for (index, segment) in segments.into_iter().enumerate() {
            lane.segment(key, segment, index + 1 == count, tell)?;
        }
        lane.recovered.segments = count as u64;
        lane.check_found(directory)?;
        Ok(lane)
    }

    /// Begins a segment that holds nothing.
    pub(crate) fn begin(&mut self, number: u64, file: Arc<dyn DiskFile>, length: u64) {
        let before = Position(self.next.0 - 1);
        self.places.push(Segment::new(number, file, length, before));
        self.live.begin(number, self.next, Density::Dense);
    }

    /// Takes out the segments that nobody needs: where the disk is full, the start itself needs their room.
    pub(crate) fn take_dead(&mut self) -> Vec<Segment> {
        let dead = |segment: &&Segment| {
            let usage = self.live.usage(segment.number);
            !segment.mapped && segment.last < self.begin && usage.messages == 0
        };
        let dead: Vec<u64> = self
            .places
            .closed()
            .filter(dead)
            .map(|one| one.number)
            .collect();
        dead.into_iter()
            .map(|number| {
                self.live.forget(number);
                self.places.remove(number)
            })
            .collect()
    }

    fn segment(
        &mut self,
        key: Key,
        segment: Opened,
        is_last: bool,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(), OpenError> {
        let from = segment.from.unwrap_or(self.next);
        self.check_from(&segment, from)?;
        self.live.begin(segment.number, from, segment.density);
        let before = self.found.count();
        let place = match &segment.summary {
            Some(summary) => self.summarised(key, &segment, summary, tell)?,
            None => self.scanned(key, &segment, from, is_last, tell)?,
        };
        if segment.density == Density::Sparse {
            self.stand_for(from, place.last);
        }
        let mapped = self.found.count() > before;
        if place.last >= self.begin {
            self.next = place.last.next();
        }
        self.places.push(Segment { mapped, ..place });
        Ok(())
    }

    /// Where it must, a segment goes on where the one before it ended.
    fn check_from(&self, segment: &Opened, from: Position) -> Result<(), OpenError> {
        // Copies stand before the checkpoint: without it, what was settled beside them is not known.
        let without_checkpoint = segment.density == Density::Sparse && from >= self.begin;
        if goes_on(self.begin, self.next, from) && !without_checkpoint {
            return Ok(());
        }
        Err(OpenError::MissingRecords {
            path: segment.path.clone(),
            from: self.next.0,
            to: from.0 - 1,
        })
    }

    /// Copies stand for all that was live among these positions when they were made.
    fn stand_for(&mut self, from: Position, last: Position) {
        let first = from.0.max(1);
        if last.0 >= first {
            let count = last.0 - first + 1;
            self.found.insert_run(Run { first, count });
        }
    }

    /// Tells a segment by its summary.
    fn summarised(
        &mut self,
        key: Key,
        segment: &Opened,
        summary: &Summary,
        tell: &mut dyn FnMut(Told),
    ) -> Result<Segment, OpenError> {
        let last = Position(summary.end.0 - 1);
        let mut place = segment.place(last);
        place.used = summary.used;
        let opening = key.opening(summary.epoch);
        self.opening = self.opening.max(opening.unwrap_or_default());
        let wanted = if last < self.begin {
            Wanted::Messages
        } else {
            Wanted::All
        };
        for section in summary.sections() {
            place.index.push((section.first, section.offset));
            let each = &mut |item| match item {
                Item::Messages(messages) => self.messages(&messages, tell),
                Item::Record(position, record) => self.record(position, record, tell),
            };
            summary::read(&section.items, section.first, wanted, each)
                .map_err(|error| damaged(&segment.path, section.offset.into(), &error))?;
        }
        Ok(place)
    }

    /// Tells a segment chunk by chunk.
    fn scanned(
        &mut self,
        key: Key,
        segment: &Opened,
        from: Position,
        is_last: bool,
        tell: &mut dyn FnMut(Told),
    ) -> Result<Segment, OpenError> {
        let path = &segment.path;
        let next = (segment.density == Density::Dense).then_some(from);
        let mut scan =
            Scan::new(&*segment.file, key, segment.number, next).map_err(failed("read", path))?;
        let mut place = segment.place(Position(from.0 - 1));
        let mut builder = SummaryBuilder::new(segment.density, from);
        while let Some((offset, chunk)) = scan.next_chunk().map_err(failed("read", path))? {
            self.opening = self.opening.max(scan.opening_of(&chunk));
            if segment.density == Density::Dense {
                let items = summary::of(&chunk);
                let items = items.map_err(|error| damaged(path, offset, &error))?;
                builder.add(&chunk, offset, &items);
            }
            self.chunk(&chunk, tell)
                .map_err(|error| damaged(path, offset, &error))?;
            place.append(&chunk);
        }
        let ending = scan.ending().map_err(failed("read", path))?;
        self.judge(&ending, scan.offset(), path, is_last)?;
        if is_last {
            self.summary = builder;
        } else if segment.density == Density::Dense {
            let file = builder.finish(segment.number, place.used, place.last.next());
            self.summaries.push((segment.number, file));
        }
        Ok(place)
    }

    fn chunk(
        &mut self,
        chunk: &LandedChunk,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(), chunk::ChunkError> {
        for entry in chunk.records() {
            let entry = entry?;
            match (&entry.record, entry.position < self.begin) {
                (Record::Message(message), true) => {
                    let messages = Messages {
                        run: Run {
                            first: entry.position.0,
                            count: 1,
                        },
                        bytes: entry.bytes,
                        head: MessageHead::of(message),
                    };
                    self.messages(&messages, tell);
                }
                (Record::Message(_), false) => self.whole_message(entry, tell),
                _ => self.record(entry.position, entry.record, tell),
            }
        }
        Ok(())
    }

    fn whole_message(&mut self, entry: Entry, tell: &mut dyn FnMut(Told)) {
        self.live
            .born(&entry.born().expect("what is a message is born"));
        self.recovered.records += 1;
        self.recovered.clean = false;
        tell(Told::Record(entry.position, entry.record));
    }

    /// Anything but a message; before the checkpoint it is not needed.
    fn record(&mut self, position: Position, record: Record, tell: &mut dyn FnMut(Told)) {
        if position < self.begin {
            return;
        }
        if let Record::Settled(queue, _, runs) = &record {
            self.live.settled(*queue, runs);
        }
        self.recovered.records += 1;
        self.recovered.clean = record == Record::Stopped;
        tell(Told::Record(position, record));
    }

    /// Messages without their bodies. Before the checkpoint those count that it names.
    fn messages(&mut self, messages: &Messages, tell: &mut dyn FnMut(Told)) {
        let run = messages.run;
        let old = run.end().min(self.begin.0);
        if run.first < old {
            for part in self.checkpoint.map.live.within(run.first, old) {
                self.found.insert_run(part);
                self.old_messages(&messages.part(part), tell);
            }
        }
        let first = run.first.max(self.begin.0);
        if first < run.end() {
            let count = run.end() - first;
            self.told(messages.part(Run { first, count }), false, tell);
        }
    }

    /// Live messages before the checkpoint, some of them perhaps settled in part.
    fn old_messages(&mut self, messages: &Messages, tell: &mut dyn FnMut(Told)) {
        let run = messages.run;
        if messages.head.queues.len() == 1 || self.checkpoint.map.in_part.is_empty() {
            return self.told(messages.clone(), false, tell);
        }
        for first in run.first..run.end() {
            let mut one = messages.part(Run { first, count: 1 });
            let left = self.checkpoint.map.queues_in_part(Position(first));
            let in_part = left.is_some();
            if let Some(left) = left {
                one.head.queues = left.clone();
            }
            self.told(one, in_part, tell);
        }
    }

    fn told(&mut self, messages: Messages, in_part: bool, tell: &mut dyn FnMut(Told)) {
        let Messages { run, bytes, head } = messages;
        let queues = head.queues.clone();
        let born = Born { run, queues, bytes };
        if in_part {
            self.live.born_in_part(&born);
        } else {
            self.live.born(&born);
        }
        self.recovered.records += run.count;
        self.recovered.clean = false;
        tell(Told::Messages(run, head));
    }

    /// The last two columns of the table in `scan.rs`.
    fn judge(
        &mut self,
        ending: &Ending,
        offset: u64,
        path: &Path,
        is_last: bool,
    ) -> Result<(), OpenError> {
        match ending {
            Ending::Newer(found) => Err(OpenError::NewerVersion {
                path: path.to_owned(),
                found: *found,
                known: chunk::VERSION,
            }),
            Ending::Stranger => Err(OpenError::OtherDirectory {
                path: path.to_owned(),
            }),
            Ending::Damaged { what, next } => {
                let what = format!("{what}, but what was written later stands at byte {next}");
                Err(damaged(path, offset, &what))
            }
            Ending::Closed => Ok(()),
            Ending::Unwritten | Ending::Leftover | Ending::Torn { .. } if !is_last => {
                let what = "the segment ends before its end mark, but there are later segments";
                Err(damaged(path, offset, &what))
            }
            Ending::Unwritten | Ending::Leftover => Ok(()),
            Ending::Torn { bytes } => {
                tracing::warn!(
                    segment = %path.display(), offset, bytes,
                    "cutting a chunk that was being written when the last run ended; nothing in it was confirmed"
                );
                self.recovered.cut_bytes = *bytes;
                self.recovered.clean = false;
                Ok(())
            }
        }
    }

    /// Every message that the checkpoint names must be somewhere.
    fn check_found(&self, directory: &Directory) -> Result<(), OpenError> {
        let missing = self.checkpoint.map.live.without(&self.found);
        match missing.as_slice().first() {
            None => Ok(()),
            Some(run) => Err(OpenError::MissingRecords {
                path: directory.layout.segments().to_owned(),
                from: run.first,
                to: run.end() - 1,
            }),
        }
    }
}

/// Whether a segment may begin at `from` where records up to `next` are there; before the checkpoint some may be gone.
pub(crate) fn goes_on(begin: Position, next: Position, from: Position) -> bool {
    from <= begin && from <= next || from == next
}

fn damaged(path: &Path, offset: u64, what: &dyn std::fmt::Display) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        offset,
        what: what.to_string(),
    }
}
