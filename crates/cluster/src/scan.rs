//! Reading what landed of a shard in the order in which it landed, from all tables that it holds: a run of pages at a
//! time, the next one on its way while one is worked on, and of few tables at once, so that memory does not grow with the
//! lane. Who only wants to know what stands where reads the fronts of the pages.

use crate::database::Database;
use crate::desk::Coming;
use crate::error::DatabaseError;
use crate::lane::{Taken, damaged};
use crate::pages::{self, Joiner, Misfit};
use crate::reader::{Part, Run, begin_run, read_run};
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

/// So many pages are read at once: about 1 MiB.
const RUN_PAGES: i64 = 128;
/// So many fronts: about as long.
const RUN_FRONTS: i64 = 8192;

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

/// Reads what begins at a page.
pub(crate) fn read_whole(
    database: &Database,
    taken: &Taken,
    table: u32,
    page: i64,
) -> Result<Found, DatabaseError> {
    let wrong = |misfit: Misfit| damaged(taken.shard, place(table, misfit.page), &misfit.what);
    let mut joiner = Joiner::default();
    let mut end = page + 1;
    let mut run = read_run(database, taken.shard, table, (page, end), 1)?;
    if let Some(more) = run.first().and_then(|(_, first)| pages::count(first)) {
        end = page + more;
        run.append(&mut read_run(
            database,
            taken.shard,
            table,
            (page + 1, end),
            more,
        )?);
    }
    taken.pages.set(taken.pages.get() + run.len() as u64);
    for (number, data) in run {
        if let Some(joined) = joiner.push(number, data).map_err(wrong)? {
            let bytes = joined.bytes;
            return Ok(Found {
                table,
                page,
                end,
                bytes,
            });
        }
    }
    joiner.finish().map_err(wrong)?;
    let what = "what had landed here is missing";
    Err(damaged(taken.shard, place(table, page), &what))
}

/// What landed of a shard.
pub(crate) struct Scan<'a>(Pages<'a>);

impl<'a> Scan<'a> {
    /// Begins at page `from` and ends before page `end`.
    pub(crate) fn new(
        database: &'a Database,
        taken: &'a Taken,
        tables: &BTreeSet<u32>,
        from: i64,
        end: i64,
    ) -> Result<Self, DatabaseError> {
        let part = Part::Whole;
        Ok(Self(Pages::new(
            database,
            taken,
            tables,
            (from, end),
            part,
        )?))
    }

    /// The next thing that landed.
    pub(crate) fn next_found(&mut self) -> Result<Option<Found>, DatabaseError> {
        let mut joiner = Joiner::default();
        let taken = self.0.taken;
        while let Some((table, page, data)) = self.0.next()? {
            taken.pages.set(taken.pages.get() + 1);
            let wrong =
                |misfit: Misfit| damaged(taken.shard, place(table, misfit.page), &misfit.what);
            if let Some(joined) = joiner.push(page, data).map_err(wrong)? {
                return Ok(Some(Found {
                    table,
                    page: joined.page,
                    end: page + 1,
                    bytes: joined.bytes,
                }));
            }
        }
        let wrong =
            |misfit: Misfit| damaged(taken.shard, format!("page {}", misfit.page), &misfit.what);
        joiner.finish().map_err(wrong).map(|()| None)
    }
}

/// The front of something that landed as one.
pub(crate) struct Front {
    pub(crate) table: u32,
    pub(crate) page: i64,
    pub(crate) bytes: Bytes,
}

/// The fronts of what landed of a shard.
pub(crate) struct Fronts<'a> {
    pages: Pages<'a>,
    /// The page behind the last one.
    behind: i64,
}

impl<'a> Fronts<'a> {
    /// Begins at page `from`, where something begins, and ends before the head.
    pub(crate) fn new(
        database: &'a Database,
        taken: &'a Taken,
        from: i64,
    ) -> Result<Self, DatabaseError> {
        let range = (from, taken.head);
        Ok(Self {
            pages: Pages::new(database, taken, &taken.held, range, Part::Front)?,
            behind: from,
        })
    }

    /// The next thing that landed, by its front.
    pub(crate) fn next_front(&mut self) -> Result<Option<Front>, DatabaseError> {
        while let Some((table, page, bytes)) = self.pages.next()? {
            // What is in the middle of something may look like anything.
            if page < self.behind {
                continue;
            }
            let Some(count) = pages::count(&bytes) else {
                let shard = self.pages.taken.shard;
                return Err(damaged(shard, place(table, page), &pages::NOTHING_BEGINS));
            };
            self.behind = page + count;
            return Ok(Some(Front { table, page, bytes }));
        }
        Ok(None)
    }
}

/// The pages of a shard, by rising number.
struct Pages<'a> {
    database: &'a Database,
    taken: &'a Taken,
    /// No page from here on counts.
    end: i64,
    part: Part,
    tables: Vec<Ahead>,
    /// The next page of each table that has one, and the table's place in the list.
    next: BinaryHeap<Reverse<(i64, usize)>>,
}

/// What was read of a table ahead of use.
struct Ahead {
    table: u32,
    run: VecDeque<(i64, Bytes)>,
    /// The next run.
    coming: Option<Coming<Run>>,
    /// Whether there is no next run.
    is_last: bool,
}

impl<'a> Pages<'a> {
    fn new(
        database: &'a Database,
        taken: &'a Taken,
        tables: &BTreeSet<u32>,
        (from, end): (i64, i64),
        part: Part,
    ) -> Result<Self, DatabaseError> {
        // One page of each: what is behind it is read when its turn comes.
        let first = |table: &u32| {
            let range = (from, end);
            let first = begin_run(database, taken.shard, *table, range, 1, part);
            (*table, first)
        };
        let firsts: Vec<_> = tables.iter().map(first).collect();
        let mut pages = Self {
            database,
            taken,
            end,
            part,
            tables: Vec::new(),
            next: BinaryHeap::new(),
        };
        for (table, first) in firsts {
            let run = VecDeque::from(first.wait()?);
            if let Some((page, _)) = run.front() {
                pages.next.push(Reverse((*page, pages.tables.len())));
                pages.tables.push(Ahead {
                    table,
                    run,
                    coming: None,
                    is_last: false,
                });
            }
        }
        Ok(pages)
    }

    fn next(&mut self) -> Result<Option<(u32, i64, Bytes)>, DatabaseError> {
        let Some(Reverse((_, at))) = self.next.pop() else {
            return Ok(None);
        };
        let page = self.tables[at].run.pop_front();
        let (page, data) = page.expect("a table whose turn it is has a page");
        if self.tables[at].run.is_empty() && !self.tables[at].is_last {
            self.read_on(at, page)?;
        }
        let ahead = &self.tables[at];
        if let Some((next, _)) = ahead.run.front() {
            self.next.push(Reverse((*next, at)));
        }
        Ok(Some((ahead.table, page, data)))
    }

    /// Takes the next run of a table, of which everything up to a page was read, and has the one behind it read.
    fn read_on(&mut self, at: usize, upto: i64) -> Result<(), DatabaseError> {
        let most = match self.part {
            Part::Whole => RUN_PAGES,
            Part::Front => RUN_FRONTS,
        };
        let (database, shard, end, part) = (self.database, self.taken.shard, self.end, self.part);
        let ahead = &mut self.tables[at];
        let table = ahead.table;
        let begin = |upto: i64| begin_run(database, shard, table, (upto + 1, end), most, part);
        let coming = ahead.coming.take().unwrap_or_else(|| begin(upto));
        ahead.run = coming.wait()?.into();
        match ahead.run.back() {
            Some((last, _)) if ahead.run.len() as i64 == most => ahead.coming = Some(begin(*last)),
            _ => ahead.is_last = true,
        }
        Ok(())
    }
}
