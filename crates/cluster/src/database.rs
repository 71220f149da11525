//! The database as all shards of a node share it.

use crate::connector::Connector;
use crate::desk::Desk;
use crate::error::DatabaseError;
use crate::lane::Recovered;
use crate::line::{Command, Line};
use crate::options::{Claim, Options};
use crate::schema::Part;
use crate::shard::ShardStore;
use crate::tables::{Kind, Tables};
use crate::tending::{self, Tending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Told;
use tokio_postgres::Row;

/// The database. Clones are the same one; the last of them, and of the shards taken from it, ends its threads.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    connector: Arc<Connector>,
    shards: u32,
    lines: Vec<Line>,
    tending: Arc<Tending>,
    desk: Desk,
}

/// Who has a shard, as the database says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The shard.
    pub shard: u32,
    /// Who took it last; empty if nobody ever did.
    pub owner: String,
    /// The number of that ownership: who takes the shard next needs a higher one.
    pub epoch: u64,
}

/// The tables that all shards of a node know of.
pub(crate) fn lock(tables: &Mutex<Tables>) -> MutexGuard<'_, Tables> {
    tables.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Database {
    /// Connects, looks whether the server can be relied on, and brings the schema up to date.
    ///
    /// # Errors
    /// `Refused` for an address that is none, a server whose settings would let it lose what it has committed, or a
    /// schema of a newer version; `Unreachable`.
    pub fn open(options: Options) -> Result<Self, DatabaseError> {
        Self::open_part(options, Part::WHOLE)
    }

    /// The same, of a cluster that may have others.
    pub(crate) fn open_part(options: Options, part: Part) -> Result<Self, DatabaseError> {
        if options.connections == 0 || options.shards == 0 {
            let why = "at least one connection and one shard are needed";
            return Err(DatabaseError::Refused(why.to_owned()));
        }
        let segment_bytes = options.segment_bytes;
        let connections = options.connections;
        let connector = Arc::new(Connector::new(options)?);
        let no_thread = |error| DatabaseError::unreachable("start a thread", error);
        let desk = Desk::start(connector.clone()).map_err(no_thread)?;
        let tables = Arc::new(Mutex::new(Tables::new(segment_bytes)));
        let tending = Arc::new(Tending::new(connector.clone(), tables));
        let shards = desk.perform(tending::begin(tending.clone(), part))?;
        desk.run(tending::go_on(tending.clone()));
        let line = |number| Line::start(number, connector.clone());
        let lines = (0..connections).map(line);
        Ok(Self(Arc::new(Inner {
            shards,
            lines: lines.collect::<Result<_, _>>().map_err(no_thread)?,
            tending,
            desk,
            connector,
        })))
    }

    /// How many shards the cluster has.
    pub fn shards(&self) -> u32 {
        self.0.shards
    }

    /// Who has which shard, in the order of the shards.
    ///
    /// # Errors
    /// `Unreachable`.
    pub fn owners(&self) -> Result<Vec<Ownership>, DatabaseError> {
        let owners = "select shard, owner, epoch from landfall.shard order by shard";
        self.desk()
            .ask("ask who has which shard", move |client| async move {
                let rows = client.query(owners, &[]).await?;
                let ownership = |row: &Row| Ownership {
                    shard: row.get::<_, i32>(0).cast_unsigned(),
                    owner: row.get(1),
                    epoch: row.get::<_, i64>(2).cast_unsigned(),
                };
                Ok(rows.iter().map(ownership).collect())
            })
    }

    /// Takes a shard, tells what its lane holds, and returns its store. From then on whoever had it can land nothing
    /// more of it.
    ///
    /// # Errors
    /// `Fenced` if the epoch is not higher than all before it; `Damaged`; `Unreachable`; `Refused` for a shard that the
    /// cluster does not have. What was told until then is to be forgotten.
    pub fn take(
        &self,
        claim: Claim,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(ShardStore, Recovered), DatabaseError> {
        ShardStore::take(self.clone(), claim, tell)
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.connector.options
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.0.desk
    }

    /// The line of a shard: always the same, so that what it lands stays in order.
    pub(crate) fn line(&self, shard: u32) -> &Line {
        let lines = &self.0.lines;
        &lines[shard as usize % lines.len()]
    }

    /// Has a command run that only the shard's owner may have run.
    pub(crate) fn command(&self, shard: u32, command: Command) -> Result<Vec<Row>, DatabaseError> {
        self.line(shard).command(command)
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        lock(&self.0.tending.tables)
    }

    /// The table that `rows` rows with `bytes` bytes go to; made on the spot if none is ready.
    pub(crate) fn table_for(
        &self,
        kind: Kind,
        bytes: usize,
        rows: usize,
    ) -> Result<u32, DatabaseError> {
        loop {
            let mut tables = self.tables();
            let chosen = tables.choose(kind, bytes, rows);
            let wants_one = tables.wants_one();
            drop(tables);
            if wants_one {
                self.nudge();
            }
            if let Some(table) = chosen {
                return Ok(table);
            }
            let tending = self.0.tending.clone();
            self.desk().perform(tending::make_table(tending))?;
        }
    }

    /// There may be something to drop.
    pub(crate) fn nudge(&self) {
        self.0.tending.nudge();
    }
}
