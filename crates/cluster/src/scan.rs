//! Reading all pages of a shard in the order in which they landed, from all tables that it holds: a run of pages at a
//! time, and of few tables at once, so that memory does not grow with the lane.

use crate::database::Database;
use crate::error::DatabaseError;
use crate::lane::Taken;
use crate::pages::Joiner;
use crate::reader::read_run;
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

/// So many pages are read at once: about 1 MiB.
const RUN_PAGES: i64 = 128;

/// Something that landed as one.
pub(crate) struct Found {
    pub(crate) table: u32,
    pub(crate) page: i64,
    /// The page behind it.
    pub(crate) end: i64,
    pub(crate) bytes: Bytes,
}

impl Found {
    /// Where it stands, for people.
    pub(crate) fn place(&self) -> String {
        place(self.table, self.page)
    }
}

/// A page, for people.
pub(crate) fn place(table: u32, page: i64) -> String {
    format!("page {page} of landfall.seg_{table}")
}

/// The pages of a shard, by rising number.
pub(crate) struct Scan<'a> {
    database: &'a Database,
    taken: &'a Taken,
    /// No page from here on counts.
    end: i64,
    tables: Vec<Ahead>,
    /// The next page of each table that has one, and the table's place in the list.
    next: BinaryHeap<Reverse<(i64, usize)>>,
}

/// What was read of a table ahead of use.
struct Ahead {
    table: u32,
    run: VecDeque<(i64, Bytes)>,
}

impl<'a> Scan<'a> {
    /// Begins at page `from` and ends before page `end`.
    pub(crate) fn new(
        database: &'a Database,
        taken: &'a Taken,
        tables: &BTreeSet<u32>,
        from: i64,
        end: i64,
    ) -> Result<Self, DatabaseError> {
        let mut scan = Self {
            database,
            taken,
            end,
            tables: Vec::new(),
            next: BinaryHeap::new(),
        };
        for &table in tables {
            // One page of each: what is behind it is read when its turn comes.
            let first = read_run(database, taken.shard, table, (from, end), 1)?;
            if let Some((page, _)) = first.first() {
                scan.next.push(Reverse((*page, scan.tables.len())));
                let run = VecDeque::from(first);
                scan.tables.push(Ahead { table, run });
            }
        }
        Ok(scan)
    }

    /// The next thing that landed.
    pub(crate) fn next_found(&mut self) -> Result<Option<Found>, DatabaseError> {
        let mut joiner = Joiner::default();
        while let Some((table, page, data)) = self.next_page()? {
            let joined = joiner.push(page, data);
            let damaged = |page, what: &str| DatabaseError::Damaged {
                shard: self.taken.shard,
                place: place(table, page),
                what: what.to_owned(),
            };
            if let Some(joined) = joined.map_err(|misfit| damaged(misfit.page, misfit.what))? {
                return Ok(Some(Found {
                    table,
                    page: joined.page,
                    end: page + 1,
                    bytes: joined.bytes,
                }));
            }
        }
        joiner.finish().map_or_else(
            |misfit| {
                Err(DatabaseError::Damaged {
                    shard: self.taken.shard,
                    place: format!("page {}", misfit.page),
                    what: misfit.what.to_owned(),
                })
            },
            |()| Ok(None),
        )
    }

    fn next_page(&mut self) -> Result<Option<(u32, i64, Bytes)>, DatabaseError> {
        let Some(Reverse((_, at))) = self.next.pop() else {
            return Ok(None);
        };
        let ahead = &mut self.tables[at];
        let page = ahead.run.pop_front();
        let (page, data) = page.expect("a table whose turn it is has a page");
        let table = ahead.table;
        if ahead.run.is_empty() {
            let range = (page + 1, self.end);
            ahead.run = read_run(self.database, self.taken.shard, table, range, RUN_PAGES)?.into();
        }
        if let Some((next, _)) = ahead.run.front() {
            self.next.push(Reverse((*next, at)));
        }
        self.taken.pages.set(self.taken.pages.get() + 1);
        Ok(Some((table, page, data)))
    }
}
