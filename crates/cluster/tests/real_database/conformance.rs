//! The suite that every store passes.

use crate::server::{self, Postgres};
use landfall_cluster::{Claim, Database, Options};
use store::Store;
use store::conformance::{self, Harness, Opened};

pub(crate) const SEGMENT_BYTES: u64 = 64 * 1024;

/// A lane of a database of its own.
pub(crate) struct OnPostgres {
    postgres: &'static Postgres,
    pub(crate) name: String,
    pub(crate) database: Database,
    epoch: u64,
}

const SHARD: u32 = 5;

impl OnPostgres {
    pub(crate) fn new() -> Self {
        let postgres = server::shared();
        let name = postgres.database();
        let options = Options {
            segment_bytes: SEGMENT_BYTES,
            shards: 8,
            ..Options::new(postgres.address(&name))
        };
        Self {
            database: Database::open(options).expect("the database can be used"),
            postgres,
            name,
            epoch: 0,
        }
    }
}

impl Harness for OnPostgres {
    fn empty(&mut self) {
        *self = Self::new();
    }

    fn open(&mut self) -> Opened {
        self.epoch += 1;
        let claim = Claim {
            shard: SHARD,
            epoch: self.epoch,
            owner: format!("opening {}", self.epoch),
            cache_bytes: 128 * 1024,
        };
        let mut told = Vec::new();
        let taken = self.database.take(claim, &mut |one| {
            told.extend(conformance::by_position(one));
        });
        let (store, recovered) = taken.expect("the shard can be taken");
        assert_eq!(recovered.records, told.len() as u64);
        Opened {
            store: Box::new(store),
            told,
        }
    }

    fn crash(&mut self, store: Box<dyn Store>) {
        drop(store);
    }

    fn fail_next(&mut self) {
        // Somebody else takes the shard.
        self.epoch += 1;
        let take = format!(
            "update landfall.shard set epoch = {} where shard = {}",
            self.epoch, SHARD
        );
        self.postgres.sql(&self.name, &take);
    }

    fn reclaimed_after(&self) -> usize {
        8 * SEGMENT_BYTES as usize
    }
}

#[test]
fn it_passes_the_suite() {
    conformance::run(&mut OnPostgres::new());
}
