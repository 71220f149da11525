//! Which segment tables there are, how full they are, and which of them are worth being emptied.
//!
//! Two tables are written to at a time: what lands goes into one, copies of what is left of old tables into the other.
//! So what was copied once stands together, and is not copied again before it is dead for the most part.

use std::collections::{BTreeMap, BTreeSet};

/// What a row takes in its table and index beside its data, about.
const ROW_BYTES: u64 = 80;
/// What a table takes before it has a row: its index, its map of free space and the like, about. Emptying it gains them
/// too, but they tell nothing of how much in it is dead.
const EMPTY_BYTES: u64 = 56 * 1024;
/// Of the bytes of full tables so many may be dead for each live one: one in so many; fewer once nothing comes.
const LIVE_PER_DEAD: u64 = 3;
const LIVE_PER_DEAD_AT_REST: u64 = 5;
/// And besides so many tables; or so many bytes once nothing comes, but no more than a table.
const SLACK_TABLES: u64 = 1;
const SLACK_AT_REST: u64 = 8 * 1024 * 1024;
/// A table of whose bytes so few are live, one in so many, is worth being emptied always.
const NEXT_TO_NOTHING: u64 = 32;

/// A table with less than one in so many of the bytes that make it full is small.
const SMALL: u64 = 8;
/// So many small tables may stand about; more of them become one.
const SMALL_TABLES: usize = 8;
/// After so many tables of what landed the table for copies is closed, however little is in it: or what died in it would
/// never be dropped.
const COPIES_AGE: u32 = 4;

/// So many bytes must come to life or die, one in so many of a table, before all shards look round for it.
const PART_OF_TABLE: u64 = 16;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What lands.
    Fresh,
    /// What was left of old tables.
    Copies,
}

/// The segment tables, as this node knows them.
#[derive(Debug)]
pub(crate) struct Tables {
    segment_bytes: u64,
    fresh: Option<u32>,
    copies: Option<u32>,
    /// How many tables of what landed have begun since the one for copies did.
    copies_age: u32,
    /// Made ahead of use.
    ready: Option<u32>,
    known: BTreeMap<u32, Table>,
    /// The shards whose live data are told here, and not by the database.
    ours: BTreeSet<u32>,
    /// Counts what may let a shard give something back that it could not before.
    changes: u64,
    /// How many live bytes have come and gone since that was counted last.
    drift: u64,
}

#[derive(Debug, Default)]
struct Table {
    bytes: u64,
    /// Whether `bytes` is what the database says, and not only what we wrote.
    measured: bool,
    /// By shard.
    live: BTreeMap<u32, u64>,
}

impl Table {
    fn live(&self) -> u64 {
        self.live.values().sum::<u64>().min(self.bytes)
    }
}

impl Tables {
    /// No table is known.
    pub(crate) fn new(segment_bytes: u64) -> Self {
        Self {
            segment_bytes,
            fresh: None,
            copies: None,
            copies_age: 0,
            ready: None,
            known: BTreeMap::new(),
            ours: BTreeSet::new(),
            changes: 0,
            drift: 0,
        }
    }

    /// The table that `rows` rows with `bytes` bytes go to; they are counted. `None` if one must be made before.
    pub(crate) fn choose(&mut self, kind: Kind, bytes: usize, rows: usize) -> Option<u32> {
        let open = match kind {
            Kind::Fresh => self.fresh,
            Kind::Copies => self.copies,
        };
        let is_full = |table: &u32| self.known[table].bytes >= self.segment_bytes;
        let chosen = match open.filter(|table| !is_full(table)) {
            Some(table) => table,
            None => self.begin(kind)?,
        };
        self.add(chosen, bytes, rows);
        Some(chosen)
    }

    /// So much more is in a table.
    pub(crate) fn add(&mut self, table: u32, bytes: usize, rows: usize) {
        let known = self.known.entry(table).or_default();
        known.bytes += bytes as u64 + rows as u64 * ROW_BYTES;
    }

    fn begin(&mut self, kind: Kind) -> Option<u32> {
        let next = self.ready.take()?;
        self.known.entry(next).or_default();
        match kind {
            Kind::Fresh => {
                self.fresh = Some(next);
                self.copies_age += 1;
                self.copies.take_if(|_| self.copies_age >= COPIES_AGE);
            }
            Kind::Copies => (self.copies, self.copies_age) = (Some(next), 0),
        }
        self.changes += 1;
        Some(next)
    }

    /// Whether a table should be made ahead of use.
    pub(crate) fn wants_one(&self) -> bool {
        self.ready.is_none()
    }

    /// An empty table is there.
    pub(crate) fn made(&mut self, table: u32) {
        self.ready = Some(table);
    }

    /// A table is there no more.
    pub(crate) fn gone(&mut self, table: u32) {
        self.known.remove(&table);
        for open in [&mut self.fresh, &mut self.copies, &mut self.ready] {
            open.take_if(|open| *open == table);
        }
    }

    /// Whether a table is written to.
    pub(crate) fn is_open(&self, table: u32) -> bool {
        [self.fresh, self.copies, self.ready].contains(&Some(table))
    }

    /// A shard still needs so many bytes of a table; our own word for it counts more than the database's.
    pub(crate) fn set_live(&mut self, shard: u32, table: u32, bytes: u64) {
        self.ours.insert(shard);
        let known = self.known.entry(table).or_default();
        let before = known.live.insert(shard, bytes).unwrap_or(0);
        self.drift += before.abs_diff(bytes);
        if self.drift >= self.segment_bytes / PART_OF_TABLE {
            (self.drift, self.changes) = (0, self.changes + 1);
        }
    }

    /// A shard needs nothing of a table any more.
    pub(crate) fn let_go(&mut self, shard: u32, table: u32) {
        if let Some(known) = self.known.get_mut(&table) {
            known.live.remove(&shard);
        }
        self.changes += 1;
    }

    /// A shard is not ours any more: the database's word for it counts.
    pub(crate) fn not_ours(&mut self, shard: u32) {
        self.ours.remove(&shard);
    }

    /// What the database says of a table that nobody here writes to.
    pub(crate) fn measured(&mut self, table: u32, bytes: u64) {
        if !self.is_open(table) {
            let known = self.known.entry(table).or_default();
            (known.bytes, known.measured) = (bytes.saturating_sub(EMPTY_BYTES), true);
        }
    }

    /// What the database says that the shards of others need: of which table, which shard, how many bytes.
    pub(crate) fn held(&mut self, rows: &[(u32, u32, u64)]) {
        let ours = &self.ours;
        for table in self.known.values_mut() {
            table.live.retain(|shard, _| ours.contains(shard));
        }
        for (table, shard, bytes) in rows.iter().filter(|(_, shard, _)| !ours.contains(shard)) {
            let table = self.known.entry(*table).or_default();
            table.live.insert(*shard, *bytes);
        }
    }

    /// What our shards need, as the database is to be told: table, shard, bytes.
    pub(crate) fn ours(&self) -> Vec<(u32, u32, u64)> {
        let tables = self.known.iter();
        let rows = tables.flat_map(|(table, known)| {
            let ours = known
                .live
                .iter()
                .filter(|(shard, _)| self.ours.contains(shard));
            ours.map(|(shard, bytes)| (*table, *shard, *bytes))
        });
        rows.collect()
    }

    /// The full tables whose size the database was not asked for yet.
    pub(crate) fn unmeasured(&self) -> Vec<u32> {
        let unmeasured =
            |(table, known): &(&u32, &Table)| !known.measured && !self.is_open(**table);
        self.known
            .iter()
            .filter(unmeasured)
            .map(|(table, _)| *table)
            .collect()
    }

    /// So many bytes may be dead beside so many that are live.
    fn bearable(&self, live: u64, is_at_rest: bool) -> u64 {
        if is_at_rest {
            live / LIVE_PER_DEAD_AT_REST + SLACK_AT_REST.min(self.segment_bytes)
        } else {
            live / LIVE_PER_DEAD + SLACK_TABLES * self.segment_bytes
        }
    }

    /// Nothing comes: what lands next goes into another table if more is dead in the one that is written to than is
    /// bearable, for then it can be emptied.
    pub(crate) fn rest(&mut self) {
        let live = self.known.values().map(Table::live).sum();
        let bearable = self.bearable(live, true);
        let known = &self.known;
        let is_bearable = |table: &mut u32| {
            let table = known.get(table);
            table.is_none_or(|table| table.bytes - table.live() <= bearable)
        };
        let closed = self.fresh.take_if(|table| !is_bearable(table));
        self.changes += u64::from(closed.is_some());
    }

    /// A number that rises whenever something changes that [`worth_emptying`](Self::worth_emptying) depends on.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// The full tables that should be emptied: the emptiest first, and no more than must be for what is dead to be little
    /// beside what is live.
    ///
    /// What is live now may soon be dead by itself, so while messages pass by a table's bytes are no matter. Once
    /// nothing comes there is time, and what is left now may stay for long.
    pub(crate) fn worth_emptying(&self, is_at_rest: bool) -> BTreeSet<u32> {
        let full = self
            .known
            .iter()
            .filter(|(table, _)| !self.is_open(**table));
        let mut full: Vec<(u32, u64, u64)> = full
            .map(|(table, known)| (*table, known.bytes, known.live()))
            .collect();
        let bytes: u64 = full.iter().map(|(_, bytes, _)| bytes).sum();
        let live: u64 = full.iter().map(|(.., live)| live).sum();
        let bearable = self.bearable(live, is_at_rest);
        let mut too_many = (bytes - live).saturating_sub(bearable);
        let is_small = |bytes: u64| bytes * SMALL < self.segment_bytes;
        let small = full.iter().filter(|(_, bytes, _)| is_small(*bytes)).count();
        full.sort_by_key(|(_, bytes, live)| u128::from(*live) * 1024 / u128::from((*bytes).max(1)));
        let mut worth = BTreeSet::new();
        for (table, bytes, live) in full {
            let joins_others = is_small(bytes) && (live * 2 <= bytes || small > SMALL_TABLES);
            let is_among_the_emptiest = too_many > 0 && live < bytes;
            if live * NEXT_TO_NOTHING <= bytes || joins_others || is_among_the_emptiest {
                worth.insert(table);
            }
            too_many = too_many.saturating_sub(bytes - live);
        }
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = 1000;

    /// Tables of 1,000 bytes each, of which so many are live.
    fn tables(live: &[u64]) -> Tables {
        let mut tables = Tables::new(FULL);
        for (table, live) in (1..).zip(live) {
            tables.measured(table, EMPTY_BYTES + FULL);
            tables.set_live(1, table, *live);
        }
        tables
    }

    #[test]
    fn what_is_written_goes_on_in_the_next_table_when_one_is_full() {
        let mut tables = Tables::new(FULL);
        assert_eq!(tables.choose(Kind::Fresh, 100, 1), None);
        tables.made(1);
        assert_eq!(tables.choose(Kind::Fresh, 900, 2), Some(1));
        assert_eq!(tables.choose(Kind::Fresh, 100, 1), None);
        tables.made(2);
        assert_eq!(tables.choose(Kind::Copies, 100, 1), Some(2));
        tables.made(3);
        assert_eq!(tables.choose(Kind::Fresh, 100, 1), Some(3));
        assert_eq!(tables.choose(Kind::Copies, 100, 1), Some(2));
        assert!(!tables.is_open(1) && tables.is_open(2) && tables.is_open(3));
        tables.gone(3);
        assert!(tables.wants_one() && tables.choose(Kind::Fresh, 1, 1).is_none());
    }

    #[test]
    fn tables_full_of_what_is_live_are_left_alone() {
        assert_eq!(
            tables(&[1000, 900, 1000, 800]).worth_emptying(false),
            [].into()
        );
    }

    #[test]
    fn the_emptiest_go_first_and_no_more_than_must() {
        // 2,500 dead beside 2,500 live: 833 and one table are bearable.
        let tables = tables(&[300, 900, 100, 700, 500]);
        assert_eq!(tables.worth_emptying(false), [3].into());
    }

    #[test]
    fn at_rest_less_may_be_dead() {
        // 300 dead beside 1,700 live: with a table more they are bearable, and at rest 340 and a table are.
        let mut tables = tables(&[1000, 700]);
        assert_eq!(tables.worth_emptying(true), [].into());
        tables.segment_bytes = 100;
        tables.set_live(1, 2, 600);
        // 400 dead beside 1,600: 533 and 100 are bearable, but 320 and 100 at rest; 500 beside 1,500 are not.
        assert_eq!(tables.worth_emptying(true), [].into());
        tables.set_live(1, 2, 500);
        assert_eq!(tables.worth_emptying(false), [].into());
        assert_eq!(tables.worth_emptying(true), [2].into());
    }

    #[test]
    fn at_rest_the_table_that_is_written_to_is_closed_if_it_is_mostly_dead() {
        let mut tables = Tables::new(FULL);
        tables.made(1);
        assert_eq!(tables.choose(Kind::Fresh, 5 * 1000, 1), Some(1));
        tables.set_live(1, 1, 4000);
        tables.rest();
        assert!(tables.is_open(1));
        tables.set_live(1, 1, 10);
        tables.rest();
        assert!(!tables.is_open(1));
        assert_eq!(tables.worth_emptying(true), [1].into());
    }

    #[test]
    fn next_to_nothing_is_always_worth_it() {
        assert_eq!(
            tables(&[10, 1000, 1000, 1000, 1000, 1000]).worth_emptying(false),
            [1].into()
        );
        assert_eq!(tables(&[0]).worth_emptying(false), [1].into());
    }

    #[test]
    fn small_tables_become_one_when_there_are_many() {
        let mut tables = Tables::new(FULL);
        for table in 1..=9 {
            assert_eq!(tables.worth_emptying(false), [].into());
            tables.measured(table, EMPTY_BYTES + FULL / 10);
            tables.set_live(1, table, FULL / 10);
        }
        assert_eq!(tables.worth_emptying(false), (1..=9).collect());
    }

    #[test]
    fn the_table_for_copies_is_closed_in_time() {
        let mut tables = Tables::new(FULL);
        tables.made(100);
        assert_eq!(tables.choose(Kind::Copies, 20, 1), Some(100));
        for table in 1..=COPIES_AGE {
            assert!(tables.is_open(100));
            tables.made(table);
            assert_eq!(tables.choose(Kind::Fresh, 2000, 1), Some(table));
        }
        tables.set_live(1, 100, 50);
        assert!(!tables.is_open(100) && tables.worth_emptying(false).contains(&100));
    }

    #[test]
    fn what_others_need_counts_too() {
        let mut tables = tables(&[10, 20]);
        tables.held(&[(1, 7, 950), (2, 1, 999), (2, 8, 0)]);
        assert_eq!(tables.worth_emptying(false), [2].into());
        assert_eq!(tables.ours(), [(1, 1, 10), (2, 1, 20)]);
        tables.not_ours(1);
        tables.held(&[(1, 1, 0), (2, 1, 999)]);
        assert_eq!(tables.worth_emptying(false), [1].into());
        tables.set_live(1, 2, 20);
        tables.held(&[]);
        tables.let_go(1, 1);
        assert_eq!(tables.worth_emptying(false), [1, 2].into());
    }
}
