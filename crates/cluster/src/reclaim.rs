//! Letting go of what nobody needs.
//!
//! A shard holds a segment table while it needs something of it: a live message, a record from the last checkpoint on,
//! the snapshot of that checkpoint, or the page before its head. When it needs nothing more of it, it lets go; a table
//! that no shard holds is dropped as a whole, wherever among the others it is. So a table full of a real backlog stays
//! where it is, and pins nothing but itself. Of tables that are mostly dead, what is left is copied
//! ([`crate::copying`]); each shard copies its own.

use crate::copying::Copying;
use crate::error::DatabaseError;
use crate::lane::Lane;
use crate::line::Value;
use crate::places::Stretch;
use crate::shard::ShardStore;
use crate::snapshot::Snapshot;
use crate::tables::Kind;
use model::Position;
use std::collections::{BTreeMap, BTreeSet};
use store::LiveMap;
use store::chunk::Checkpoint;

/// So many bytes land for each byte that the last checkpoint took, before the next is wanted: its small records cost as
/// much work each as a message.
const LANDED_PER_CHECKPOINT: u64 = 64;
/// It looks round when so much has landed, one in so many of a stretch.
const PART_OF_STRETCH: u64 = 8;

/// The snapshot counts from now on; no row comes back if the shard has another owner. Like the other one it waits for
/// nothing: the table is dropped by a commit behind it.
const POINT: &str = "
    update landfall.shard set snap = $3, snap_seg = $4
     where shard = $1 and epoch = $2 and set_config('synchronous_commit', 'off', true) = 'off'
    returning shard";
const LET_GO: &str = "
    with own as (
        update landfall.shard set since = since
         where shard = $1 and epoch = $2 and set_config('synchronous_commit', 'off', true) = 'off'
        returning shard),
    gone as (
        delete from landfall.held using own where held.shard = own.shard and held.seg = any($3))
    select shard from own";

/// How far reclaiming is.
#[derive(Debug)]
pub(crate) struct Reclaiming {
    /// No record before this position is needed but live messages.
    pub(crate) begin: Position,
    snapshot_table: Option<u32>,
    /// The begin of a checkpoint whose records have landed, and whose snapshot has not.
    to_write: Option<Position>,
    /// The bytes that the last checkpoint took, and those that have landed since, copies among them: what the next start
    /// reads whole.
    checkpoint_bytes: u64,
    tail_bytes: u64,
    /// What has landed since it was looked round.
    unseen: u64,
    /// Something may be let go or copied now that could not before.
    due: bool,
    /// The state of the tables when it was looked round.
    changes: u64,
    /// A checkpoint would let something go.
    would_help: bool,
    /// Stretches with live messages that cannot be read; they stay.
    pub(crate) stuck: Vec<u64>,
}

impl Reclaiming {
    pub(crate) fn new(lane: &Lane, snapshot_table: Option<u32>) -> Self {
        Self {
            begin: lane.begin,
            snapshot_table,
            to_write: None,
            checkpoint_bytes: 0,
            tail_bytes: lane.tail_bytes,
            unseen: 0,
            due: true,
            changes: 0,
            would_help: false,
            stuck: Vec::new(),
        }
    }

    /// So many bytes have landed, perhaps with a checkpoint among them.
    pub(crate) fn landed(&mut self, bytes: usize, checkpoint: Option<Checkpoint>) {
        self.tail_bytes += bytes as u64;
        self.unseen += bytes as u64;
        if let Some(checkpoint) = checkpoint {
            self.to_write = Some(checkpoint.begin);
            // What landed beside it costs nothing more.
            self.checkpoint_bytes = checkpoint.bytes.into();
            self.tail_bytes = bytes as u64;
        }
    }

    /// So many bytes of copies have landed.
    pub(crate) fn copied(&mut self, bytes: usize) {
        self.tail_bytes += bytes as u64;
    }

    /// Something may be due.
    pub(crate) fn look_again(&mut self) {
        self.due = true;
    }
}

impl ShardStore {
    /// Whether the broker should write a checkpoint: not too often for what one costs, unless `nothing_came`.
    pub(crate) fn wants_checkpoint(&self, nothing_came: bool) -> bool {
        let Reclaiming {
            tail_bytes,
            checkpoint_bytes,
            ..
        } = self.reclaiming;
        let is_cheap = tail_bytes >= LANDED_PER_CHECKPOINT * checkpoint_bytes;
        (nothing_came || is_cheap) && self.misses_checkpoint()
    }

    /// Whether a checkpoint would let something go, or the next start has too much to read.
    fn misses_checkpoint(&self) -> bool {
        let is_long = self.reclaiming.tail_bytes > self.database.options().tail_bytes();
        self.reclaiming.would_help || is_long
    }

    /// Lets go of what can go, and goes on with what is under way; `landed` bytes have landed just now.
    pub(crate) fn reclaim(&mut self, landed: usize) -> Result<(), DatabaseError> {
        if let Some(begin) = self.reclaiming.to_write.take() {
            self.write_snapshot(begin)?;
        }
        let is_at_rest = landed == 0;
        if self.is_due(is_at_rest) {
            self.tell_live();
            if is_at_rest {
                self.database.tables().rest();
            }
            self.free_dead();
            self.let_go()?;
            let worth = self.database.tables().worth_emptying(is_at_rest);
            self.reclaiming.would_help = self.would_help(&worth);
            if self.copying.is_none() {
                self.copying = self.plan_copies(&worth)?;
            }
        }
        self.copy_some(landed)
    }

    /// Whether something is under way that goes on with the next landing, or may come to be.
    pub(crate) fn goes_on(&self) -> bool {
        let tables = self.database.tables();
        let holds_old = self.held.iter().any(|table| !tables.is_open(*table));
        // Once nothing comes, more is let go of than before.
        let to_see = self.reclaiming.unseen > 0;
        self.copying.is_some() || self.misses_checkpoint() || holds_old || to_see
    }

    fn is_due(&mut self, nothing_came: bool) -> bool {
        let part = self.database.options().stretch_bytes() / PART_OF_STRETCH;
        let changes = self.database.tables().changes();
        let reclaiming = &mut self.reclaiming;
        let much = reclaiming.unseen >= part || nothing_came && reclaiming.unseen > 0;
        let due =
            self.live.take_emptied() | reclaiming.due | much | (reclaiming.changes != changes);
        if due {
            (reclaiming.due, reclaiming.unseen, reclaiming.changes) = (false, 0, changes);
        }
        due
    }

    /// Lands the snapshot of a checkpoint whose records have landed. From then on the settlings before it, and all that
    /// it tells again, may go.
    fn write_snapshot(&mut self, begin: Position) -> Result<(), DatabaseError> {
        // With heads the next start need not read what stands before the checkpoint.
        self.end_tail()?;
        let places = self.shared.places();
        let place = places.find(begin);
        let place = place.expect("a checkpoint that has just landed has a place");
        let copies = self.copying.as_ref().and_then(Copying::first_page);
        let old = places.all().iter().filter(|stretch| stretch.from < begin);
        let stretches = old.cloned().collect();
        drop(places);
        let map = LiveMap {
            live: self.live.live_before(begin),
            in_part: self.live.settled_in_part(begin),
        };
        let snapshot = Snapshot {
            begin,
            page: copies.map_or(place.from, |first| first.min(place.from)),
            next_stretch: self.next_stretch,
            stretches,
            map,
        };
        let bytes = snapshot.write(self.epoch);
        let table = self.table_for(Kind::Fresh, bytes.len())?;
        let (page, _) = self.append(table, &bytes)?;
        let values = vec![Value::Big(page), Value::Int(table.cast_signed())];
        if self
            .command("point to a snapshot", POINT, values)?
            .is_empty()
        {
            self.check_owned()?;
        }
        let named = |stretch: &Stretch| {
            stretch.from < begin && self.live.usage(stretch.number).messages > 0
        };
        self.shared.places_mut().set_mapped(named);
        self.reclaiming.begin = begin;
        self.reclaiming.snapshot_table = Some(table);
        self.reclaiming.checkpoint_bytes += bytes.len() as u64;
        self.reclaiming.due = true;
        Ok(())
    }

    /// Tells all shards of the node how much of each table this one still needs.
    fn tell_live(&self) {
        let mut needed: BTreeMap<u32, u64> = self.held.iter().map(|table| (*table, 0)).collect();
        let places = self.shared.places();
        let mut usages = self.live.usages();
        for stretch in places.all() {
            let usage = usages.find(|(number, _)| *number == stretch.number);
            let live = usage.map_or(0, |(_, usage)| usage.bytes.min(stretch.bytes));
            *needed.entry(stretch.table).or_default() += live;
        }
        let mut tables = self.database.tables();
        for (table, bytes) in needed {
            tables.set_live(self.shard, table, bytes);
        }
    }

    /// Forgets the stretches that hold nothing that is needed, and of which an opening would tell nothing. The tail stays,
    /// and with it the position that the next record gets.
    fn free_dead(&mut self) {
        let begin = self.reclaiming.begin;
        let dead: Vec<u64> = {
            let places = self.shared.places();
            let closed = places.all().len().saturating_sub(1);
            let old = places.all()[..closed]
                .iter()
                .filter(|stretch| stretch.last < begin && !stretch.mapped);
            let is_dead = |number: &u64| self.live.usage(*number).messages == 0;
            let copied = self
                .copying
                .as_ref()
                .map_or(&[][..], |copying| copying.replaced());
            let numbers = old.map(|stretch| stretch.number);
            numbers
                .filter(is_dead)
                .filter(|number| !copied.contains(number))
                .collect()
        };
        for number in dead {
            self.shared.places_mut().remove(number);
            self.shared.cache().forget(number);
            self.live.forget(number);
        }
    }

    /// The tables of which something is needed.
    fn needed(&self) -> BTreeSet<u32> {
        let places = self.shared.places();
        let stretches = places.all().iter().map(|stretch| stretch.table);
        stretches
            .chain(self.reclaiming.snapshot_table)
            .chain(self.last_table)
            .chain(self.copying.as_ref().map(Copying::table))
            .collect()
    }

    fn let_go(&mut self) -> Result<(), DatabaseError> {
        let needed = self.needed();
        let gone: Vec<u32> = {
            let tables = self.database.tables();
            let not_needed = self.held.difference(&needed).copied();
            not_needed.filter(|table| !tables.is_open(*table)).collect()
        };
        if gone.is_empty() {
            return Ok(());
        }
        let numbers = gone.iter().map(|table| table.cast_signed()).collect();
        if self
            .command("let go of tables", LET_GO, vec![Value::Ints(numbers)])?
            .is_empty()
        {
            self.check_owned()?;
        }
        for table in gone {
            self.held.remove(&table);
            self.database.tables().let_go(self.shard, table);
        }
        self.database.nudge();
        Ok(())
    }

    /// Whether a checkpoint would let something go, or let it be copied.
    fn would_help(&self, worth: &BTreeSet<u32>) -> bool {
        let begin = self.reclaiming.begin;
        let places = self.shared.places();
        let mut after = places.all().iter().filter(|stretch| stretch.last >= begin);
        let tables = self.database.tables();
        let is_dead = |number: u64| self.live.usage(number).messages == 0;
        let all_dead = |table: u32| {
            let mut ours = places.all().iter().filter(|stretch| stretch.table == table);
            ours.all(|stretch| is_dead(stretch.number))
        };
        let waits =
            |table: u32| !tables.is_open(table) && (worth.contains(&table) || all_dead(table));
        let mut mapped = places.all().iter().filter(|stretch| stretch.mapped);
        after.any(|stretch| waits(stretch.table))
            || mapped.any(|stretch| is_dead(stretch.number) && waits(stretch.table))
            || self.reclaiming.snapshot_table.is_some_and(waits)
    }
}
