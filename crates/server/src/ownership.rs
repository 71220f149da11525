//! Owning the shard of a cluster: to take it in the database, to keep its lease, and to know when it is lost.

use crate::clock::Clock;
use crate::lease::Lease;
use crate::shard::ShardFailure;
use broker::{Broker, Recovery};
use cluster::members::{Epochs, EpochsUnknown, View};
use cluster::{Claim, Database, DatabaseError};
use model::Limits;
use std::time::{Duration, Instant};
use store::{Store, Told};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tracing::{debug, info, warn};

/// A shard that was taken, and what recovery found in its lane.
pub(crate) struct Claimed {
    pub(crate) store: Box<dyn Store>,
    pub(crate) broker: Box<Broker>,
}

/// This run of this node takes the shard under an epoch.
pub(crate) fn claim(owner: String, epoch: u64, cache_bytes: usize) -> Claim {
    Claim {
        shard: crate::member::SHARD,
        epoch,
        owner,
        cache_bytes,
    }
}

/// Takes the shard and tells a fresh broker all that landed in it. Waits for the database.
pub(crate) fn take(
    database: &Database,
    claim: Claim,
    limits: &Limits,
    clock: Clock,
) -> Result<Claimed, DatabaseError> {
    let epoch = claim.epoch;
    let mut recovery = Recovery::new(limits);
    let (store, recovered) = database.take(claim, &mut |told| match told {
        Told::Record(position, record) => recovery.apply(position, record),
        Told::Messages(run, head) => recovery.know(run, &head),
    })?;
    info!(
        epoch,
        tables = recovered.tables,
        pages = recovered.pages,
        records = recovered.records,
        clean = recovered.clean,
        took_ms = recovered.took.as_millis(),
        "took the shard"
    );
    Ok(Claimed {
        store: Box::new(store),
        broker: Box::new(recovery.finish(clock.now())),
    })
}

/// Whether somebody else has the shard now: nothing is wrong then but that this node has it no more.
pub(crate) fn is_fenced(failure: &ShardFailure) -> bool {
    let cause = match failure {
        ShardFailure::Store(failure) => cluster::cause(failure),
        // Its successor has dropped what was to be read.
        ShardFailure::Read(error) => cluster::cause_of_read(error),
    };
    matches!(cause, Some(DatabaseError::Fenced { .. }))
}

/// What the controller asks the database.
pub(crate) struct Known(pub(crate) Database);

impl Epochs for Known {
    fn read(&self) -> Result<Vec<u64>, EpochsUnknown> {
        let owners = self.0.owners();
        let owners = owners.map_err(|error| EpochsUnknown(error.to_string()))?;
        Ok(owners.iter().map(|ownership| ownership.epoch).collect())
    }
}

/// So long before the lease runs out the database is asked, if ZooKeeper has not renewed it.
const ASK_BEFORE: Duration = Duration::from_millis(500);
/// The database's word counts for so long: another node may take the shard right behind it.
const WORD_COUNTS: Duration = Duration::from_secs(1);
/// How often the lease is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks after the lease of a shard that is served, until it is dropped.
///
/// ZooKeeper's answers renew it. While ZooKeeper is silent nobody can be given the shard by it; but this node may be the
/// only one that does not hear it. So then the database is asked who owns the shard, again and again: its word is
/// the truth, but counts for a moment only.
pub(crate) struct Holder(JoinHandle<()>);

impl Holder {
    pub(crate) fn begin(
        lease: Lease,
        view: watch::Receiver<View>,
        database: Database,
        epoch: u64,
        clock: Clock,
    ) -> Self {
        let looking = look_after(lease, view, database, epoch, clock);
        Self(tokio::spawn(looking))
    }

    /// Waits until the database has said that another node owns the shard. May be dropped and called again.
    pub(crate) async fn lost(&mut self) {
        // It does not panic; and if it did, the lease would run out.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look_after(
    lease: Lease,
    view: watch::Receiver<View>,
    database: Database,
    epoch: u64,
    clock: Clock,
) {
    loop {
        let renewed = view.borrow().lease.good_until();
        if let Some(until) = renewed {
            lease.extend(clock.at(until));
        }
        if !lease.holds(clock.now() + ASK_BEFORE) {
            let asked = Instant::now();
            match owns(&database, epoch).await {
                Ok(Ok(true)) => lease.extend(clock.at(asked + WORD_COUNTS)),
                Ok(Ok(false)) => {
                    warn!(epoch, "the database says that another node owns the shard");
                    return;
                }
                Ok(Err(error)) => debug!(%error, "the database does not say who owns the shard"),
                Err(_) => return,
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn owns(database: &Database, epoch: u64) -> Result<Result<bool, DatabaseError>, JoinError> {
    let database = database.clone();
    let shard = crate::member::SHARD as usize;
    let asking = tokio::task::spawn_blocking(move || {
        let owners = database.owners()?;
        Ok(owners.get(shard).is_some_and(|it| it.epoch == epoch))
    });
    asking.await
}
