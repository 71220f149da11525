//! The suite that every store passes.

use crate::proxy::Proxy;
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
    /// What cuts its connections, and which time it is.
    chaos: Option<(Proxy, u64)>,
}

const SHARD: u32 = 5;

impl OnPostgres {
    pub(crate) fn new() -> Self {
        let name = server::shared().database();
        let address = server::shared().address(&name);
        Self::open(name, address)
    }

    /// Behind a proxy that cuts connections now and then.
    fn in_chaos(seed: u64) -> Self {
        let postgres = server::shared();
        let name = postgres.database();
        let proxy = Proxy::start(postgres.directory());
        let address = proxy.address(&name);
        let mut harness = Self::open(name, address);
        proxy.begin_chaos(seed);
        harness.chaos = Some((proxy, seed));
        harness
    }

    fn open(name: String, address: String) -> Self {
        let postgres = server::shared();
        let options = Options {
            segment_bytes: SEGMENT_BYTES,
            shards: 8,
            ..Options::new(address)
        };
        Self {
            database: Database::open(options).expect("the database can be used"),
            postgres,
            name,
            epoch: 0,
            chaos: None,
        }
    }
}

impl Harness for OnPostgres {
    fn empty(&mut self) {
        *self = match &self.chaos {
            None => Self::new(),
            Some((_, seed)) => Self::in_chaos(seed + 1),
        };
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

#[test]
fn it_passes_the_suite_though_its_connections_are_cut() {
    conformance::run(&mut OnPostgres::in_chaos(1));
}
