//! The reading half of a lane: finds a live message's chunk in memory, or reads a run of pages from the database.

use crate::database::Database;
use crate::desk::Coming;
use crate::error::DatabaseError;
use crate::frame;
use crate::pages::Joiner;
use crate::places::{Place, Places};
use crate::shard::check_owned;
use bytes::Bytes;
use model::Position;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use store::{Cache, Density, LandedChunk, ReadError, Reader};
use tokio_postgres::types::Type;

/// What the writer and the readers of a lane share.
pub(crate) struct Shared {
    database: Database,
    shard: u32,
    epoch: i64,
    places: RwLock<Places>,
    cache: Mutex<Cache>,
}

/// Why pages did not give the chunk that was looked for.
enum Failure {
    Unreachable(DatabaseError),
    NotThere(String),
    /// Copies stand for it, and it is not among them.
    NotCopied,
}

/// Some pages of a shard in one table, in their order.
pub(crate) type Run = Vec<(i64, Bytes)>;

/// So much is read of each page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Whole,
    /// Its first bytes: enough to know what begins with it, if something does, and how long that is.
    Front,
}

impl Part {
    fn column(self) -> &'static str {
        match self {
            Self::Whole => "data",
            Self::Front => "substr(data, 1, 64)",
        }
    }
}

/// Reads a shard's pages of a table from `from` on and before `to`, at most `most` of them.
pub(crate) fn read_run(
    database: &Database,
    shard: u32,
    table: u32,
    range: (i64, i64),
    most: i64,
) -> Result<Run, DatabaseError> {
    begin_run(database, shard, table, range, most, Part::Whole).wait()
}

/// The same, of so much of each page, without waiting for it.
pub(crate) fn begin_run(
    database: &Database,
    shard: u32,
    table: u32,
    (from, to): (i64, i64),
    most: i64,
    part: Part,
) -> Coming<Run> {
    let sql = format!(
        "select page, {} from landfall.seg_{table}
          where shard = $1 and page >= $2 and page < $3 order by page limit $4",
        part.column()
    );
    let shard = shard.cast_signed();
    database.desk().begin_asking("read pages", move |client| {
        let sql = sql.clone();
        async move {
            let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
                (&shard, Type::INT4),
                (&from, Type::INT8),
                (&to, Type::INT8),
                (&most, Type::INT8),
            ];
            let rows = client.query_typed(&sql, &values).await?;
            let page = |row: &tokio_postgres::Row| {
                let data: &[u8] = row.get(1);
                (row.get(0), Bytes::copy_from_slice(data))
            };
            Ok(rows.iter().map(page).collect())
        }
    })
}

impl Shared {
    pub(crate) fn new(
        database: Database,
        (shard, epoch): (u32, i64),
        places: Places,
        cache_bytes: usize,
    ) -> Self {
        Self {
            database,
            shard,
            epoch,
            places: RwLock::new(places),
            cache: Mutex::new(Cache::new(cache_bytes)),
        }
    }

    /// Where everything stands.
    pub(crate) fn places(&self) -> RwLockReadGuard<'_, Places> {
        self.places.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to be changed: the writer's right alone.
    pub(crate) fn places_mut(&self) -> RwLockWriteGuard<'_, Places> {
        self.places.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the pages of a place and keeps all chunks of them: whoever reads a backlog wants the next one next.
    fn load(&self, position: Position, place: &Place) -> Result<Arc<LandedChunk>, Failure> {
        let range = (place.from, place.to);
        let pages = read_run(&self.database, self.shard, place.table, range, i64::MAX);
        let pages = pages.map_err(Failure::Unreachable)?;
        let wrong = |page: i64, what: &dyn std::fmt::Display| {
            Failure::NotThere(format!(
                "page {page} of landfall.seg_{}: {what}",
                place.table
            ))
        };
        let mut joiner = Joiner::default();
        let mut found = None;
        for (page, data) in pages {
            let joined = joiner.push(page, data);
            let Some(joined) = joined.map_err(|misfit| wrong(misfit.page, &misfit.what))? else {
                continue;
            };
            if !frame::is_chunk(&joined.bytes) {
                continue;
            }
            let chunk = LandedChunk::parse(joined.bytes);
            let chunk = Arc::new(chunk.map_err(|error| wrong(joined.page, &error))?);
            // Copies and what landed stand between each other.
            if chunk.segment() != place.stretch {
                continue;
            }
            self.cache().read(chunk.clone());
            if chunk.contains(position) {
                found = Some(chunk);
            }
        }
        found.ok_or_else(|| match place.density {
            Density::Sparse => Failure::NotCopied,
            Density::Dense => wrong(place.from, &"the record is in no chunk behind it"),
        })
    }
}

impl Reader for Shared {
    fn cached(&self, position: Position) -> Option<Arc<LandedChunk>> {
        self.cache().get(position)
    }

    fn read(&self, position: Position) -> Result<Arc<LandedChunk>, ReadError> {
        if let Some(chunk) = self.cached(position) {
            return Ok(chunk);
        }
        loop {
            let place = self.places().find(position);
            let place = place.ok_or(ReadError::Gone(position))?;
            let failure = match self.load(position, &place) {
                Ok(chunk) => return Ok(chunk),
                Err(failure) => failure,
            };
            // While we read, the stretch may have been let go and its table dropped: then look where the message is now.
            if !self.places().has(place.stretch) {
                continue;
            }
            // Or another owner has let it go.
            let owned = check_owned(&self.database, self.shard, self.epoch);
            let io = |error: DatabaseError| ReadError::Io {
                position,
                source: io::Error::other(error),
            };
            return Err(match (owned, failure) {
                // A database that does not say whose the message is does not say that it is damaged.
                (Err(error), _) | (_, Failure::Unreachable(error)) => io(error),
                (_, Failure::NotCopied) => ReadError::Gone(position),
                (_, Failure::NotThere(what)) => ReadError::Damaged { position, what },
            });
        }
    }
}
