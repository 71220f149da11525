//! Opening a lane, its older part: the live messages before the last checkpoint.
//!
//! The snapshot names the stretches that there were. What has landed since is looked through for copies that have taken the
//! place of some of them ([`crate::copying`]): those with heads have, and the stretches that they stand for count no more,
//! wherever their tables are. Of each stretch that counts the heads are read; of one without, its pages.

use crate::database::Database;
use crate::error::DatabaseError;
use crate::frame;
use crate::heads;
use crate::lane::{Taken, damaged};
use crate::places::{Places, Stretch};
use crate::scan::{Found, Front, Fronts, Scan, place, read_whole};
use crate::snapshot::Snapshot;
use bytes::Bytes;
use model::record::MessageHead;
use model::{Position, Record, Run, Runs};
use std::collections::{BTreeMap, BTreeSet};
use store::chunk;
use store::summary::Messages;
use store::{Born, ChunkError, Density, LandedChunk, LiveSet, Told};

/// The older part of a lane.
pub(crate) struct Old<'a> {
    database: &'a Database,
    taken: &'a Taken,
    snapshot: &'a Snapshot,
    tell: &'a mut dyn FnMut(Told),
    /// The messages that the snapshot names and that are there.
    pub(crate) found: Runs,
    /// By number.
    stretches: BTreeMap<u64, (Stretch, LiveSet)>,
    /// How many messages were told.
    pub(crate) told: u64,
}

impl<'a> Old<'a> {
    pub(crate) fn new(
        database: &'a Database,
        taken: &'a Taken,
        snapshot: &'a Snapshot,
        tell: &'a mut dyn FnMut(Told),
    ) -> Self {
        Self {
            database,
            taken,
            snapshot,
            tell,
            found: Runs::new(),
            stretches: BTreeMap::new(),
            told: 0,
        }
    }

    /// Tells the messages; returns where they stand.
    pub(crate) fn read(&mut self) -> Result<(Places, LiveSet), DatabaseError> {
        let copies = self.copies_since()?;
        let replaced = |stretch: &Stretch| {
            let mut of = copies.iter().map(|(of, _)| of);
            of.any(|of| of.from <= stretch.from && stretch.last <= of.last)
        };
        let named = self.snapshot.stretches.iter();
        let mut counting: Vec<&Stretch> = named.filter(|named| !replaced(named)).collect();
        counting.extend(copies.iter().map(|(_, stretch)| stretch));
        for stretch in counting {
            // One whose table is not held any more was dead.
            if self.taken.held.contains(&stretch.table) {
                self.stretch(stretch)?;
            }
        }
        let parts = std::mem::take(&mut self.stretches).into_values();
        let (stretches, sets): (Vec<_>, Vec<_>) = parts.unzip();
        Ok((Places::of(stretches), LiveSet::join(sets)))
    }

    /// The copies that have taken the place of others since the snapshot.
    fn copies_since(&mut self) -> Result<Vec<(heads::Of, Stretch)>, DatabaseError> {
        let (database, taken) = (self.database, self.taken);
        let mut fronts = Fronts::new(database, taken, self.snapshot.page)?;
        let mut unfinished: BTreeMap<u64, Stretch> = BTreeMap::new();
        let mut finished: Vec<(heads::Of, Stretch)> = Vec::new();
        while let Some(front) = fronts.next_front()? {
            if !self.may_be_of_copies(&front)? {
                continue;
            }
            let found = read_whole(database, taken, front.table, front.page)?;
            let wrong = |error: ChunkError| damaged(taken.shard, found.place(), &error);
            if let Some(of) = heads::of(&found.bytes).map_err(wrong)? {
                if let Some(mut copies) = unfinished.remove(&of.stretch) {
                    (copies.from, copies.last) = (of.from, of.last);
                    copies.heads = of.is_whole.then_some(found.page);
                    // They may be copies of copies.
                    finished.retain(|(before, _)| before.from < of.from || of.last < before.last);
                    finished.push((of, copies));
                }
            } else {
                let chunk = LandedChunk::parse(found.bytes.clone()).map_err(wrong)?;
                let number = chunk.segment();
                let copies = unfinished.entry(number).or_insert_with(|| {
                    let first = chunk.span().0;
                    Stretch::new(number, found.table, Density::Sparse, first)
                });
                copies.append(&chunk, found.page, found.end);
            }
        }
        Ok(finished)
    }

    /// Whether copies that the snapshot does not name may begin or end here.
    fn may_be_of_copies(&self, front: &Front) -> Result<bool, DatabaseError> {
        if !frame::is_chunk(&front.bytes) {
            return Ok(heads::begin_with(&front.bytes));
        }
        let header = chunk::header(&front.bytes)
            .map_err(|error| damaged(self.taken.shard, place(front.table, front.page), &error))?;
        let mut named = self.snapshot.stretches.iter();
        let is_named = named.any(|named| named.number == header.segment);
        Ok(header.first == Position::NONE && !is_named)
    }

    fn stretch(&mut self, stretch: &Stretch) -> Result<(), DatabaseError> {
        let mut live = LiveSet::new();
        live.begin(stretch.number, stretch.from, stretch.density);
        let mapped = Stretch {
            mapped: true,
            ..stretch.clone()
        };
        self.stretches.insert(stretch.number, (mapped, live));
        if let Some(page) = stretch.heads {
            match self.sound_heads(stretch, page) {
                Ok(heads) => return self.heads(stretch, page, &heads),
                // Nothing is lost by it, but the database is not what it was: somebody should look.
                Err(error @ DatabaseError::Damaged { .. }) => {
                    tracing::error!(%error, "heads are damaged: the pages of their stretch are read");
                }
                Err(error) => return Err(error),
            }
        }
        self.pages(stretch)
    }

    fn sound_heads(&self, stretch: &Stretch, page: i64) -> Result<Bytes, DatabaseError> {
        let (shard, table) = (self.taken.shard, stretch.table);
        let bytes = read_whole(self.database, self.taken, table, page)?.bytes;
        match heads::of(&bytes) {
            Ok(Some(of)) if of.stretch == stretch.number => Ok(bytes),
            Ok(_) => Err(damaged(shard, place(table, page), &"no heads stand here")),
            Err(error) => Err(damaged(shard, place(table, page), &error)),
        }
    }

    fn heads(&mut self, stretch: &Stretch, page: i64, heads: &Bytes) -> Result<(), DatabaseError> {
        let read = heads::read(heads, stretch.number, &mut |messages| {
            let live = &self.snapshot.map.live;
            for run in live.within(messages.run.first, messages.run.end()) {
                self.messages(stretch.number, &messages.part(run));
            }
        });
        let shard = self.taken.shard;
        read.map_err(|error| damaged(shard, place(stretch.table, page), &error))
    }

    fn pages(&mut self, stretch: &Stretch) -> Result<(), DatabaseError> {
        let Some((_, from)) = stretch.index.first() else {
            return Ok(());
        };
        let (database, taken) = (self.database, self.taken);
        let table = BTreeSet::from([stretch.table]);
        let mut scan = Scan::new(database, taken, &table, *from, stretch.end)?;
        while let Some(found) = scan.next_found()? {
            if frame::is_chunk(&found.bytes) {
                let told = self.chunk(stretch.number, &found);
                told.map_err(|error| damaged(taken.shard, found.place(), &error))?;
            }
        }
        Ok(())
    }

    /// Tells the messages of a chunk, if it is one of the stretch.
    fn chunk(&mut self, stretch: u64, found: &Found) -> Result<(), ChunkError> {
        if chunk::header(&found.bytes)?.segment != stretch {
            return Ok(());
        }
        let chunk = LandedChunk::parse(found.bytes.clone())?;
        let mut messages = Vec::new();
        for entry in chunk.records() {
            let entry = entry?;
            if let Record::Message(message) = &entry.record
                && self.snapshot.map.live.contains(entry.position.0)
            {
                let run = Run {
                    first: entry.position.0,
                    count: 1,
                };
                let (bytes, head) = (entry.bytes, MessageHead::of(message));
                messages.push(Messages { run, bytes, head });
            }
        }
        for messages in join_alike(messages) {
            self.messages(stretch, &messages);
        }
        Ok(())
    }

    /// Messages that are alike, all of which the snapshot names.
    fn messages(&mut self, stretch: u64, messages: &Messages) {
        let run = messages.run;
        let map = &self.snapshot.map;
        if messages.head.queues.len() == 1 || map.in_part.is_empty() {
            return self.told(stretch, messages.clone(), false);
        }
        for first in run.first..run.end() {
            let mut one = messages.part(Run { first, count: 1 });
            let left = map.queues_in_part(Position(first));
            let in_part = left.is_some();
            if let Some(left) = left {
                // A copy that was made since may name fewer.
                one.head.queues.retain(|queue| left.contains(queue));
            }
            self.told(stretch, one, in_part);
        }
    }

    fn told(&mut self, stretch: u64, messages: Messages, in_part: bool) {
        let Messages { run, bytes, head } = messages;
        self.found.insert_run(run);
        self.told += run.count;
        let queues = head.queues.clone();
        let born = Born { run, queues, bytes };
        let (_, live) = self.stretches.get_mut(&stretch).expect("it has a place");
        if in_part {
            live.born_in_part(&born);
        } else {
            live.born(&born);
        }
        (self.tell)(Told::Messages(run, head));
    }
}

/// Neighbours that are alike as one.
fn join_alike(all: Vec<Messages>) -> Vec<Messages> {
    let mut joined: Vec<Messages> = Vec::new();
    for one in all {
        match joined.last_mut() {
            Some(last) if goes_on(last, &one) => last.run.count += 1,
            _ => joined.push(one),
        }
    }
    joined
}

fn goes_on(last: &Messages, one: &Messages) -> bool {
    let next = Run {
        first: last.run.end(),
        count: 1,
    };
    // Whoever follows is told by the first of them, but for a publishing id that is one higher.
    one.run == next && one.bytes == last.bytes && one.head == last.part(next).head
}
