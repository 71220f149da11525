//! A shard's store: the writing half of its lane.

mod ahead;

use crate::copying::Copying;
use crate::database::Database;
use crate::doubt::fenced;
use crate::error::DatabaseError;
use crate::heads::Heads;
use crate::lane::{self, Lane, Recovered, Taken};
use crate::line::{Append, Command, Value};
use crate::options::Claim;
use crate::pages;
use crate::places::Stretch;
use crate::reader::Shared;
use crate::reclaim::Reclaiming;
use crate::tables::Kind;
use bytes::Bytes;
use model::Position;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use store::{Chunk, Density, Landed, LiveSet, Reader, Room, Store, StoreFailure, Told};
use tokio_postgres::Row;

/// Taking is a commit of its own, and waits for the standbys as every commit does: so everything that the owner before
/// landed is as safe as this, and what is read next cannot be taken back. Asked twice it says the same twice.
const TAKE: &str = "
    update landfall.shard set owner = $2, epoch = $3, backend = pg_backend_pid(), since = now()
     where shard = $1 and (epoch < $3 or epoch = $3 and owner = $2)
    returning head, snap, snap_seg";
const OWNER: &str = "select epoch from landfall.shard where shard = $1";
const HELD: &str = "select seg from landfall.held where shard = $1";

/// Before anything of a shard goes into a table, the table is held for it, or an opening would not look there. No row
/// comes back if the shard has another owner, or the table is gone.
///
/// Nobody is told anything on the strength of this commit, and what depends on it comes behind it in the server's log,
/// where one is never kept without the other. So it waits neither for the disk nor for standbys.
const HOLD: &str = "
    with own as (
        update landfall.shard set since = since
         where shard = $1 and epoch = $2 and set_config('synchronous_commit', 'off', true) = 'off'
        returning shard),
    there as (
        select seg from landfall.segment where seg = $3 for key share)
    insert into landfall.held(seg, shard) select there.seg, own.shard from there, own
    on conflict (shard, seg) do update set live = held.live
    returning seg";

pub(crate) use ahead::Ahead;

/// The store of one shard. Dropping it without [`Store::close`] is a crash: nothing landed is lost.
pub struct ShardStore {
    pub(crate) database: Database,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shard: u32,
    pub(crate) epoch: i64,
    pub(crate) live: LiveSet,
    pub(crate) reclaiming: Reclaiming,
    /// Copies that are being written.
    pub(crate) copying: Option<Copying>,
    /// The tables that may hold something of the shard.
    pub(crate) held: BTreeSet<u32>,
    /// The table of the last page: it stays, so that an opening finds the page before the head.
    pub(crate) last_table: Option<u32>,
    pub(crate) next_stretch: u64,
    tail: Tail,
    /// Of the last stretch.
    heads: Heads,
    /// The number of the next page.
    pub(crate) head: i64,
    /// The position of the next record.
    next: Position,
    /// What failed; nothing lands after it.
    failed: Option<DatabaseError>,
}

/// The last stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// It may go on.
    Open,
    /// It is that of an owner before, who has not landed its heads.
    Left,
    /// It has ended, or there is none.
    Ended,
}

impl ShardStore {
    pub(crate) fn take(
        database: Database,
        claim: Claim,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(Self, Recovered), DatabaseError> {
        let began = Instant::now();
        let epoch = number(claim.epoch)?;
        let taken = take(&database, &claim, epoch)?;
        let lane = lane::read(&database, &taken, tell)?;
        Ok(Self::of(database, &claim, epoch, taken, lane, began))
    }

    /// The store of a lane that has been read.
    fn of(
        database: Database,
        claim: &Claim,
        epoch: i64,
        taken: Taken,
        lane: Lane,
        began: Instant,
    ) -> (Self, Recovered) {
        let recovered = Recovered {
            took: began.elapsed(),
            ..lane.recovered
        };
        let reclaiming = Reclaiming::new(&lane, taken.snapshot.map(|(_, table)| table));
        let (owned, cache_bytes) = ((claim.shard, epoch), claim.cache_bytes);
        let shared = Shared::new(database.clone(), owned, lane.places, cache_bytes);
        let store = Self {
            shared: Arc::new(shared),
            shard: claim.shard,
            epoch,
            reclaiming,
            live: lane.live,
            copying: None,
            held: taken.held,
            last_table: lane.last_table,
            next_stretch: lane.next_stretch,
            tail: lane.heads.as_ref().map_or(Tail::Ended, |_| Tail::Left),
            heads: lane.heads.unwrap_or_default(),
            head: taken.head,
            next: lane.next,
            failed: None,
            database,
        };
        (store, recovered)
    }

    /// The table for something of so many bytes, which is held from now on.
    pub(crate) fn table_for(&mut self, kind: Kind, bytes: usize) -> Result<u32, DatabaseError> {
        let rows = bytes.div_ceil(pages::PAGE_BYTES);
        loop {
            let table = self.database.table_for(kind, bytes, rows)?;
            if self.held.contains(&table) || self.hold(table)? {
                return Ok(table);
            }
            // Another node has dropped it before we held it.
            self.database.tables().gone(table);
        }
    }

    /// Whether the table is there, and now held.
    fn hold(&mut self, table: u32) -> Result<bool, DatabaseError> {
        let rows = self.command(
            "hold a segment table",
            HOLD,
            vec![Value::Int(table.cast_signed())],
        )?;
        if rows.is_empty() {
            self.check_owned()?;
            return Ok(false);
        }
        self.held.insert(table);
        Ok(true)
    }

    /// Has a command run whose first parameters are the shard and the epoch.
    pub(crate) fn command(
        &self,
        what: &'static str,
        sql: &'static str,
        more: Vec<Value>,
    ) -> Result<Vec<Row>, DatabaseError> {
        let mut values = vec![Value::Int(self.shard.cast_signed()), Value::Big(self.epoch)];
        values.extend(more);
        let command = Command { what, sql, values };
        self.database.command(self.shard, command)
    }

    /// An error if the shard has another owner.
    pub(crate) fn check_owned(&self) -> Result<(), DatabaseError> {
        check_owned(&self.database, self.shard, self.epoch)
    }

    /// Appends something to the lane; returns its first page and the one behind it.
    pub(crate) fn append(
        &mut self,
        table: u32,
        bytes: &Bytes,
    ) -> Result<(i64, i64), DatabaseError> {
        let append = Append {
            shard: self.shard,
            epoch: self.epoch,
            head: self.head,
            table,
            pages: pages::cut(bytes),
        };
        let pages = (self.head, append.next());
        self.database.line(self.shard).append(append)?;
        self.head = pages.1;
        self.last_table = Some(table);
        Ok(pages)
    }

    /// The number of a new stretch.
    pub(crate) fn take_stretch(&mut self) -> u64 {
        self.next_stretch += 1;
        self.next_stretch - 1
    }

    /// The stretch that goes on in `table`, begun if need be.
    fn tail_in(&mut self, table: u32) -> Result<u64, DatabaseError> {
        let most = self.database.options().stretch_bytes();
        let goes_on = |tail: &&mut Stretch| {
            self.tail == Tail::Open && tail.table == table && tail.bytes < most
        };
        if let Some(tail) = self.shared.places_mut().tail().filter(goes_on) {
            return Ok(tail.number);
        }
        self.end_tail()?;
        let number = self.take_stretch();
        let stretch = Stretch::new(number, table, Density::Dense, self.next);
        self.shared.places_mut().push(stretch);
        self.live.begin(number, self.next, Density::Dense);
        self.tail = Tail::Open;
        self.reclaiming.look_again();
        Ok(number)
    }

    /// Lands the heads of the last stretch, to which nothing is added any more.
    pub(crate) fn end_tail(&mut self) -> Result<(), DatabaseError> {
        let heads = std::mem::take(&mut self.heads);
        let before = std::mem::replace(&mut self.tail, Tail::Ended);
        let tail = self.shared.places_mut().tail().cloned();
        if let Some(mut tail) = tail.filter(|_| before != Tail::Ended) {
            let last = tail.last;
            self.land_heads(heads, &mut tail, last)?;
            let mut places = self.shared.places_mut();
            places.tail().expect("it was there").heads = tail.heads;
        }
        Ok(())
    }

    /// Lands the heads of a stretch, which stands for positions up to `last`, in its own table: they go with it.
    pub(crate) fn land_heads(
        &mut self,
        heads: Heads,
        stretch: &mut Stretch,
        last: Position,
    ) -> Result<(), DatabaseError> {
        let is_whole = heads.is_whole();
        let bytes = heads.finish(self.epoch, stretch, last);
        self.count(stretch.table, bytes.len());
        let (page, _) = self.append(stretch.table, &bytes)?;
        stretch.heads = is_whole.then_some(page);
        Ok(())
    }

    /// So much more is in a table that was not chosen for it just now.
    pub(crate) fn count(&self, table: u32, bytes: usize) {
        let rows = bytes.div_ceil(pages::PAGE_BYTES);
        self.database.tables().add(table, bytes, rows);
    }

    fn land_chunk(&mut self, mut chunk: Chunk) -> Result<Landed, DatabaseError> {
        let bytes = chunk.bytes_len();
        if !chunk.is_empty() {
            let (last, checkpoint) = (chunk.last(), chunk.checkpoint());
            assert!(
                chunk.first() == self.next,
                "chunks land in the order of their positions"
            );
            let table = self.table_for(Kind::Fresh, bytes)?;
            let number = self.tail_in(table)?;
            self.live.enter_chunk(&chunk);
            let items = chunk.take_summary();
            let chunk = chunk.seal(self.epoch.cast_unsigned(), number);
            let (page, end) = self.append(table, chunk.bytes())?;
            let mut places = self.shared.places_mut();
            let tail = places.tail().expect("the stretch that was landed in");
            tail.append(&chunk, page, end);
            drop(places);
            self.heads.add(&chunk, Density::Dense, &items);
            self.shared.cache().landed(chunk);
            self.next = last.next();
            self.reclaiming.landed(bytes, checkpoint);
        }
        self.reclaim(bytes)?;
        Ok(Landed {
            upto: Position(self.next.0 - 1),
            room: Room::Open,
            checkpoint_wanted: self.wants_checkpoint(bytes == 0),
            busy: self.goes_on(),
        })
    }

    /// Nothing landed is lost by it; that is told once more to who asks for more.
    fn fail(&mut self, error: DatabaseError) -> StoreFailure {
        self.failed = Some(error.clone());
        error.failure(format!("shard {}", self.shard))
    }
}

impl Store for ShardStore {
    fn land(&mut self, chunk: Chunk) -> Result<Landed, StoreFailure> {
        if let Some(error) = &self.failed {
            let what = format!("anything more in shard {} after a failure", self.shard);
            return Err(error.clone().failure(what));
        }
        self.land_chunk(chunk).map_err(|error| self.fail(error))
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.shared.clone()
    }

    fn close(self: Box<Self>) -> Result<(), StoreFailure> {
        match &self.failed {
            None => Ok(()),
            Some(error) => Err(error.clone().failure(format!("close shard {}", self.shard))),
        }
    }
}

impl Drop for ShardStore {
    fn drop(&mut self) {
        self.database.tables().not_ours(self.shard);
    }
}

/// An epoch as the database's numbers are.
fn number(epoch: u64) -> Result<i64, DatabaseError> {
    let number = i64::try_from(epoch);
    number.map_err(|_| DatabaseError::Refused("an epoch is under 2^63".to_owned()))
}

/// Takes the shard; what was read before says nothing any more.
fn take(database: &Database, claim: &Claim, epoch: i64) -> Result<Taken, DatabaseError> {
    let shard = claim.shard;
    if shard >= database.shards() {
        let why = format!(
            "the cluster has {} shards, and none is {shard}",
            database.shards()
        );
        return Err(DatabaseError::Refused(why));
    }
    let command = Command {
        what: "take a shard",
        sql: TAKE,
        values: vec![
            Value::Int(shard.cast_signed()),
            Value::Text(claim.owner.clone()),
            Value::Big(epoch),
        ],
    };
    let rows = database.command(shard, command)?;
    let Some(row) = rows.first() else {
        return Err(fenced(shard, epoch, owner(database, shard)?));
    };
    found(database, shard, row)
}

/// What the database says of a shard, by the head and the snapshot in a row.
fn found(database: &Database, shard: u32, row: &Row) -> Result<Taken, DatabaseError> {
    let (head, snap, snap_seg): (i64, i64, i32) = (row.get(0), row.get(1), row.get(2));
    let number = shard.cast_signed();
    let held = database
        .desk()
        .ask("list the tables of a shard", move |client| async move {
            let rows = client.query(HELD, &[&number]).await?;
            Ok(rows
                .iter()
                .map(|row| row.get::<_, i32>(0).cast_unsigned())
                .collect())
        })?;
    Ok(Taken {
        shard,
        head,
        snapshot: (snap_seg != 0).then_some((snap, snap_seg.cast_unsigned())),
        held,
        pages: Cell::new(0),
    })
}

/// An error if the shard is not owned under this epoch.
pub(crate) fn check_owned(
    database: &Database,
    shard: u32,
    epoch: i64,
) -> Result<(), DatabaseError> {
    let by = owner(database, shard)?;
    if by == epoch {
        return Ok(());
    }
    Err(fenced(shard, epoch, by))
}

/// The epoch under which the shard is owned.
fn owner(database: &Database, shard: u32) -> Result<i64, DatabaseError> {
    let number = shard.cast_signed();
    database
        .desk()
        .ask("ask who has a shard", move |client| async move {
            Ok(client.query_one(OWNER, &[&number]).await?.get(0))
        })
}
