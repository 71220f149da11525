//! Opening a lane: its pages are read, and told.
//!
//! # What must be there
//! From the first record of the last checkpoint on, the positions are there without a gap, up to the page before the
//! head. Every message that the snapshot names as live is in a chunk or in a copy, unless it was settled since.
//!
//! # What is told
//! First the live messages before the checkpoint ([`crate::old`]). Then everything from the checkpoint's first record on,
//! in the order in which it landed.

mod ahead;

use crate::database::Database;
use crate::error::DatabaseError;
use crate::frame;
use crate::heads::{self, Heads};
use crate::old::Old;
use crate::places::{Places, Stretch};
use crate::scan::{Found, Scan, place, read_whole};
use crate::snapshot::Snapshot;
use model::{Position, Record, Runs};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;
use store::{ChunkError, Density, Entry, LandedChunk, LiveSet, Told, summary};

/// What an opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// How many segment tables hold something of the shard.
    pub tables: u64,
    /// How many pages were read.
    pub pages: u64,
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
    /// How many of its pages were read since.
    pub(crate) pages: Cell<u64>,
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
    /// Of the last stretch, if they have not landed.
    pub(crate) heads: Option<Heads>,
    /// Higher than all numbers of stretches that are there.
    pub(crate) next_stretch: u64,
    /// The bytes that have landed since the last checkpoint began.
    pub(crate) tail_bytes: u64,
    pub(crate) recovered: Recovered,
}

/// A lane that is being read, from the last checkpoint on.
struct Reading<'a> {
    taken: &'a Taken,
    /// Where the checkpoint began.
    begin: Position,
    /// What was settled since.
    settled: Runs,
    lane: Lane,
    tell: &'a mut dyn FnMut(Told),
}

pub(crate) use ahead::go_on;

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
    let mut old = Old::new(database, taken, &snapshot, tell);
    let (places, live) = match taken.snapshot {
        Some(_) => old.read()?,
        None => (Places::default(), LiveSet::new()),
    };
    let (found, told) = (std::mem::take(&mut old.found), old.told);
    let begin = snapshot.begin;
    let mut reading = Reading {
        taken,
        begin,
        settled: Runs::new(),
        lane: Lane {
            places,
            live,
            begin,
            next: begin.max(Position(1)),
            last_table: None,
            heads: None,
            next_stretch: snapshot.next_stretch.max(1),
            tail_bytes: 0,
            recovered: Recovered {
                tables: taken.held.len() as u64,
                records: told,
                ..Recovered::default()
            },
        },
        tell,
    };
    reading.read_from(database, snapshot.page)?;
    let missing = snapshot.map.live.without(&found);
    reading.check_settled(&missing)?;
    reading.lane.recovered.pages = taken.pages.get();
    Ok(reading.lane)
}

fn read_snapshot(
    database: &Database,
    taken: &Taken,
    page: i64,
    table: u32,
) -> Result<Snapshot, DatabaseError> {
    let found = read_whole(database, taken, table, page)?;
    let snapshot = Snapshot::read(&found.bytes);
    snapshot.map_err(|error| damaged(taken.shard, place(table, page), &error))
}

/// What had landed is not there, or is not what it was.
pub(crate) fn damaged(shard: u32, place: String, what: &dyn std::fmt::Display) -> DatabaseError {
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

    /// Tells everything from the checkpoint's first record on, which stands at a page or behind it.
    fn read_from(&mut self, database: &Database, page: i64) -> Result<(), DatabaseError> {
        let Taken {
            shard, head, held, ..
        } = self.taken;
        let mut scan = Scan::new(database, self.taken, held, page, *head)?;
        let mut end = 0;
        while let Some(found) = scan.next_found()? {
            (end, self.lane.last_table) = (found.end, Some(found.table));
            self.lane.tail_bytes += found.bytes.len() as u64;
            if frame::is_chunk(&found.bytes) {
                self.new_chunk(&found)?;
            } else {
                self.heads(&found);
            }
        }
        if end == *head {
            return Ok(());
        }
        let what = format!("the pages up to {head} had landed, and are missing");
        Err(damaged(*shard, format!("page {end}"), &what))
    }

    /// If these are heads of a stretch that was read, its pages need not be read again by the next who takes the shard.
    fn heads(&mut self, found: &Found) {
        let of = heads::of(&found.bytes).unwrap_or_else(|error| {
            // Nothing is lost by it, but the database is not what it was: somebody should look.
            tracing::error!(%error, place = found.place(), "heads are damaged");
            None
        });
        let tail = self.lane.places.tail();
        if let Some((tail, of)) = tail.zip(of)
            && tail.number == of.stretch
            && self.lane.heads.take().is_some()
        {
            tail.heads = of.is_whole.then_some(found.page);
        }
    }

    fn new_chunk(&mut self, found: &Found) -> Result<(), DatabaseError> {
        let chunk = LandedChunk::parse(found.bytes.clone());
        let chunk = chunk.map_err(|error| self.damaged(found, &error))?;
        self.lane.next_stretch = self.lane.next_stretch.max(chunk.segment() + 1);
        let begin = self.begin;
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
            let placed = self.place(found, &chunk);
            placed.map_err(|error| self.damaged(found, &error))?;
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

    fn place(&mut self, found: &Found, chunk: &LandedChunk) -> Result<(), ChunkError> {
        let Lane {
            places,
            live,
            heads,
            ..
        } = &mut self.lane;
        let number = chunk.segment();
        match places.tail().filter(|tail| tail.number == number) {
            // The snapshot has told where it stands.
            Some(tail) if found.page < tail.end => return Ok(()),
            Some(_) => {}
            None => {
                let (table, first) = (found.table, chunk.first());
                places.push(Stretch::new(number, table, Density::Dense, first));
                live.begin(number, first, Density::Dense);
                *heads = Some(Heads::default());
            }
        }
        let tail = places.tail().expect("one was pushed");
        tail.append(chunk, found.page, found.end);
        if let Some(heads) = heads {
            heads.add(chunk, Density::Dense, &summary::of(chunk)?);
        }
        Ok(())
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
    fn check_settled(&self, missing: &Runs) -> Result<(), DatabaseError> {
        let missing = missing.without(&self.settled);
        let Some(run) = missing.as_slice().first() else {
            return Ok(());
        };
        let what = format!(
            "the messages {} to {} had landed and were not settled, and are missing",
            run.first,
            run.end() - 1
        );
        let place = "the tables that it holds".to_owned();
        Err(damaged(self.taken.shard, place, &what))
    }
}

fn density(chunk: &LandedChunk) -> Density {
    if chunk.first() == Position::NONE {
        Density::Sparse
    } else {
        Density::Dense
    }
}
