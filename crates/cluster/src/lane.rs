//! Opening a lane: its pages are read twice, and told.
//!
//! # What must be there
//! From the first record of the last checkpoint on, the positions are there without a gap, up to the page before the
//! head. Every message that the snapshot names as live is in a chunk or in a copy, unless it was settled since.
//!
//! # What is told
//! First the live messages before the checkpoint, by the snapshot, wherever they stand. A message that is there twice is
//! told once, from where it stood first: while a table with the original is held, its copies may not be all there. Then
//! everything from the checkpoint's first record on, in the order in which it landed.

use crate::database::Database;
use crate::error::DatabaseError;
use crate::pages::Joiner;
use crate::places::{Places, Stretch};
use crate::reader::read_run;
use crate::scan::{Found, Scan, place};
use crate::snapshot::{self, Snapshot};
use model::record::MessageHead;
use model::{Position, QueueId, Record, Run, Runs};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use store::chunk;
use store::summary::Messages;
use store::{Born, ChunkError, Density, Entry, LandedChunk, LiveSet, Told};

/// What an opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// How many segment tables hold something of the shard.
    pub tables: u64,
    /// How many records were told.
    pub records: u64,
    /// Whether the last owner ended with [`model::Record::Stopped`], so that nothing was under way.
    pub clean: bool,
    /// How long it took.
    pub took: Duration,
}

/// What the database says of a shard that has just been taken.
pub(crate) struct Taken {
    pub(crate) shard: u32,
    pub(crate) head: i64,
    /// The page and the table where the snapshot begins, if there is one.
    pub(crate) snapshot: Option<(i64, u32)>,
    pub(crate) held: BTreeSet<u32>,
}

/// What an opening has read: all that the writer goes on with.
pub(crate) struct Lane {
    pub(crate) places: Places,
    pub(crate) live: LiveSet,
    /// No record before this position is needed but live messages.
    pub(crate) begin: Position,
    /// The position of the next record.
    pub(crate) next: Position,
    /// The table of the page before the head.
    pub(crate) last_table: Option<u32>,
    /// Higher than all numbers of stretches that are there.
    pub(crate) next_stretch: u64,
    pub(crate) recovered: Recovered,
}

/// A lane that is being read.
struct Reading<'a> {
    taken: &'a Taken,
    database: &'a Database,
    snapshot: Snapshot,
    /// The messages that the snapshot names and that are there.
    found: Runs,
    /// What was settled since the checkpoint began.
    settled: Runs,
    /// The stretches with something before the checkpoint, by number.
    old: BTreeMap<u64, (Stretch, LiveSet)>,
    lane: Lane,
    tell: &'a mut dyn FnMut(Told),
}

/// Reads a lane and tells what it holds.
pub(crate) fn read(
    database: &Database,
    taken: &Taken,
    tell: &mut dyn FnMut(Told),
) -> Result<Lane, DatabaseError> {
    let snapshot = match taken.snapshot {
        Some((page, table)) => read_snapshot(database, taken, page, table)?,
        None => Snapshot::default(),
    };
    let begin = snapshot.begin;
    let mut reading = Reading {
        taken,
        database,
        found: Runs::new(),
        settled: Runs::new(),
        old: BTreeMap::new(),
        lane: Lane {
            places: Places::default(),
            live: LiveSet::new(),
            begin,
            next: begin.max(Position(1)),
            last_table: None,
            next_stretch: 1,
            recovered: Recovered {
                tables: taken.held.len() as u64,
                ..Recovered::default()
            },
        },
        snapshot,
        tell,
    };
    if taken.snapshot.is_some() {
        reading.read_old()?;
    }
    reading.read_new()?;
    reading.check_found()?;
    Ok(reading.lane)
}

fn read_snapshot(
    database: &Database,
    taken: &Taken,
    page: i64,
    table: u32,
) -> Result<Snapshot, DatabaseError> {
    /// So many pages are read at once; most snapshots have fewer.
    const PAGES: i64 = 64;
    let damaged =
        |page, what: &dyn std::fmt::Display| damaged(taken.shard, place(table, page), what);
    let mut joiner = Joiner::default();
    let mut next = page;
    loop {
        let run = read_run(database, taken.shard, table, (next, taken.head), PAGES)?;
        if run.is_empty() {
            return Err(damaged(next, &"a page of the snapshot is missing"));
        }
        for (page, data) in run {
            next = page + 1;
            let joined = joiner.push(page, data);
            if let Some(joined) = joined.map_err(|misfit| damaged(misfit.page, &misfit.what))? {
                let snapshot = Snapshot::read(&joined.bytes);
                return snapshot.map_err(|error| damaged(joined.page, &error));
            }
        }
    }
}

fn damaged(shard: u32, place: String, what: &dyn std::fmt::Display) -> DatabaseError {
    DatabaseError::Damaged {
        shard,
        place,
        what: what.to_string(),
    }
}

impl Reading<'_> {
    fn damaged(&self, found: &Found, what: &dyn std::fmt::Display) -> DatabaseError {
        damaged(self.taken.shard, found.place(), what)
    }

    /// Tells the live messages before the checkpoint.
    fn read_old(&mut self) -> Result<(), DatabaseError> {
        let (database, taken) = (self.database, self.taken);
        let mut scan = Scan::new(database, taken.shard, &taken.held, 0, taken.head)?;
        while let Some(found) = scan.next_found()? {
            if snapshot::is_one(&found.bytes) {
                continue;
            }
            let header = chunk::header(&found.bytes);
            let header = header.map_err(|error| self.damaged(&found, &error))?;
            self.lane.next_stretch = self.lane.next_stretch.max(header.segment + 1);
            if header.first < self.snapshot.begin {
                let chunk = LandedChunk::parse(found.bytes.clone());
                let chunk = chunk.map_err(|error| self.damaged(&found, &error))?;
                self.old_chunk(&found, &chunk)
                    .map_err(|error| self.damaged(&found, &error))?;
            }
        }
        let (stretches, sets): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.old).into_values().unzip();
        self.lane.places = Places::of(stretches);
        self.lane.live = LiveSet::join(sets);
        Ok(())
    }

    fn old_chunk(&mut self, found: &Found, chunk: &LandedChunk) -> Result<(), ChunkError> {
        let mut wanted = Vec::new();
        for entry in chunk.records() {
            let entry = entry?;
            let position = entry.position;
            if self.snapshot.map.live.contains(position.0) && !self.found.contains(position.0) {
                self.found.insert(position.0);
                wanted.push(entry);
            }
        }
        let density = density(chunk);
        // Of copies some may count, and some not: where the original of a neighbour's is still there.
        let span = match (density, wanted.first(), wanted.last()) {
            (Density::Dense, ..) => chunk.span(),
            (Density::Sparse, Some(first), Some(last)) => (first.position, last.position),
            (Density::Sparse, ..) => return Ok(()),
        };
        let number = chunk.segment();
        let (stretch, _) = self.old.entry(number).or_insert_with(|| {
            let from = span.0;
            let mut live = LiveSet::new();
            live.begin(number, from, density);
            (Stretch::new(number, found.table, density, from), live)
        });
        stretch.append_part(chunk, found.page, found.end, span);
        let mut alike: Option<(Messages, bool)> = None;
        for entry in wanted {
            let Record::Message(mut message) = entry.record else {
                return Err(ChunkError::Damaged {
                    what: "a live message's record is none",
                });
            };
            let left = self.snapshot.map.queues_in_part(entry.position);
            let in_part = left.is_some();
            if let Some(left) = left {
                message.queues.retain(|queue| left.contains(queue));
            }
            let goes_on = |(open, open_in_part): &&mut (Messages, bool)| {
                open.run.end() == entry.position.0
                    && open.bytes == entry.bytes
                    && *open_in_part == in_part
                    && open.head.goes_on_with(open.run.count, &message)
            };
            if let Some((open, _)) = alike.as_mut().filter(goes_on) {
                open.run.count += 1;
                continue;
            }
            let next = Messages {
                run: Run {
                    first: entry.position.0,
                    count: 1,
                },
                bytes: entry.bytes,
                head: MessageHead::of(&message),
            };
            if let Some(before) = alike.replace((next, in_part)) {
                self.old_messages(number, before);
            }
        }
        if let Some(last) = alike {
            self.old_messages(number, last);
        }
        Ok(())
    }

    /// Messages that are alike, and whether their records name more queues than still need them.
    fn old_messages(&mut self, stretch: u64, (messages, in_part): (Messages, bool)) {
        let Messages { run, bytes, head } = messages;
        let queues: SmallVec<[QueueId; 2]> = head.queues.clone();
        let born = Born { run, queues, bytes };
        let (_, live) = self.old.get_mut(&stretch).expect("it has begun");
        if in_part {
            live.born_in_part(&born);
        } else {
            live.born(&born);
        }
        self.lane.recovered.records += run.count;
        (self.tell)(Told::Messages(run, head));
    }

    /// Tells everything from the checkpoint's first record on.
    fn read_new(&mut self) -> Result<(), DatabaseError> {
        let (database, taken) = (self.database, self.taken);
        let from = self.snapshot.page;
        let mut scan = Scan::new(database, taken.shard, &taken.held, from, taken.head)?;
        let mut end = 0;
        while let Some(found) = scan.next_found()? {
            (end, self.lane.last_table) = (found.end, Some(found.table));
            if !snapshot::is_one(&found.bytes) {
                self.new_chunk(&found)?;
            }
        }
        if end == taken.head {
            return Ok(());
        }
        let what = format!("the pages up to {} had landed, and are missing", taken.head);
        Err(damaged(taken.shard, format!("page {end}"), &what))
    }

    fn new_chunk(&mut self, found: &Found) -> Result<(), DatabaseError> {
        let chunk = LandedChunk::parse(found.bytes.clone());
        let chunk = chunk.map_err(|error| self.damaged(found, &error))?;
        self.lane.next_stretch = self.lane.next_stretch.max(chunk.segment() + 1);
        let begin = self.snapshot.begin;
        if density(&chunk) == Density::Sparse || chunk.last() < begin {
            return Ok(());
        }
        let next = self.lane.next;
        let goes_on = chunk.first() == next || next == begin && chunk.first() < begin;
        if !goes_on {
            let what = format!(
                "the records {next} to {} are missing before it",
                chunk.first().0 - 1
            );
            return Err(self.damaged(found, &what));
        }
        if chunk.first() >= begin {
            self.place(found, &chunk);
        }
        for entry in chunk.records() {
            let entry = entry.map_err(|error| self.damaged(found, &error))?;
            if entry.position >= begin {
                self.record(entry);
            }
        }
        self.lane.next = chunk.last().next();
        Ok(())
    }

    fn place(&mut self, found: &Found, chunk: &LandedChunk) {
        let Lane { places, live, .. } = &mut self.lane;
        let number = chunk.segment();
        let goes_on = places.tail().is_some_and(|tail| tail.number == number);
        if !goes_on {
            places.push(Stretch::new(
                number,
                found.table,
                Density::Dense,
                chunk.first(),
            ));
            live.begin(number, chunk.first(), Density::Dense);
        }
        let tail = places.tail().expect("one was pushed");
        tail.append(chunk, found.page, found.end);
    }

    fn record(&mut self, entry: Entry) {
        let lane = &mut self.lane;
        if let Some(born) = entry.born() {
            lane.live.born(&born);
        }
        if let Record::Settled(queue, _, runs) = &entry.record {
            lane.live.settled(*queue, runs);
            self.settled.insert_all(runs);
        }
        lane.recovered.records += 1;
        lane.recovered.clean = entry.record == Record::Stopped;
        (self.tell)(Told::Record(entry.position, entry.record));
    }

    /// Every message that the snapshot names must be somewhere, or have ended since.
    fn check_found(&self) -> Result<(), DatabaseError> {
        let missing = self
            .snapshot
            .map
            .live
            .without(&self.found)
            .without(&self.settled);
        match missing.as_slice().first() {
            None => Ok(()),
            Some(run) => {
                let what = format!(
                    "the messages {} to {} had landed and were not settled, and are missing",
                    run.first,
                    run.end() - 1
                );
                Err(damaged(
                    self.taken.shard,
                    "the tables that it holds".to_owned(),
                    &what,
                ))
            }
        }
    }
}

fn density(chunk: &LandedChunk) -> Density {
    if chunk.first() == Position::NONE {
        Density::Sparse
    } else {
        Density::Dense
    }
}
