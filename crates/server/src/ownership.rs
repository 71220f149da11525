//! Owning a shard of a cluster: to keep its lease, and to know when it is lost.

use crate::clock::Clock;
use crate::lease::Lease;
use crate::shard::ShardFailure;
use cluster::members::{Epochs, EpochsUnknown, View};
use cluster::{Database, DatabaseError, Databases};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tracing::{debug, warn};

/// Whether somebody else has the shard now: nothing is wrong then but that this node has it no more.
pub(crate) fn is_fenced(failure: &ShardFailure) -> bool {
    let cause = match failure {
        ShardFailure::Store(failure) => cluster::cause(failure),
        // Its successor has dropped what was to be read.
        ShardFailure::Read(error) => cluster::cause_of_read(error),
    };
    matches!(cause, Some(DatabaseError::Fenced { .. }))
}

/// What the controller asks the databases.
pub(crate) struct Known(pub(crate) Databases);

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
/// ZooKeeper's answers renew it as long as they say that the shard is to be owned so: one that was cut off and hears that
/// it has a successor gets no new lease to leave with. While ZooKeeper is silent nobody can be given the shard by it; but
/// this node may be the only one that does not hear it. So then the database is asked who owns the shard, again and again:
/// its word is the truth, but counts for a moment only.
pub(crate) struct Holder(JoinHandle<()>);

impl Holder {
    pub(crate) fn begin(
        lease: Lease,
        view: watch::Receiver<View>,
        database: Database,
        (shard, epoch): (u32, u64),
        clock: Clock,
    ) -> Self {
        let looking = look_after(lease, view, database, (shard, epoch), clock);
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
    (shard, epoch): (u32, u64),
    clock: Clock,
) {
    loop {
        let renewed = word_of_zookeeper(&view.borrow(), (shard, epoch));
        if let Some(until) = renewed {
            lease.extend(clock.at(until));
        }
        if !lease.holds(clock.now() + ASK_BEFORE) {
            let asked = Instant::now();
            match owns(&database, (shard, epoch)).await {
                Ok(Ok(true)) => lease.extend(clock.at(asked + WORD_COUNTS)),
                Ok(Ok(false)) => {
                    warn!(
                        shard,
                        epoch, "the database says that another node owns the shard"
                    );
                    return;
                }
                Ok(Err(error)) => {
                    debug!(shard, %error, "the database does not say who owns the shard")
                }
                Err(_) => return,
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Until when ZooKeeper's last answer lets this node act as the owner of a shard under an epoch.
fn word_of_zookeeper(view: &View, owned: (u32, u64)) -> Option<Instant> {
    let mut mine = view.mine();
    let ours = mine.any(|mine| mine == owned);
    view.lease.good_until().filter(|_| ours)
}

async fn owns(
    database: &Database,
    (shard, epoch): (u32, u64),
) -> Result<Result<bool, DatabaseError>, JoinError> {
    let database = database.clone();
    let asking = tokio::task::spawn_blocking(move || {
        let owners = database.owners()?;
        Ok(owners
            .get(shard as usize)
            .is_some_and(|it| it.epoch == epoch))
    });
    asking.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::members::{Assignment, Lease, State, ZooKeeper};

    /// A node that comes back after its successor has begun would hand out in its farewell what that one hands out.
    #[test]
    fn an_answer_that_names_a_successor_renews_no_lease() {
        let now = Instant::now();
        let session = Duration::from_secs(6);
        let said = |owner: &str, epoch: u64| {
            let text = format!(
                r#"{{"format":1,"version":1,"owners":["{owner}"],"shards":[[0,9],[0,{epoch}]]}}"#
            );
            View {
                me: "a.1".parse().expect("a good name"),
                state: State::Active,
                database_ok: true,
                members: Vec::new(),
                assignment: Assignment::decode(text.as_bytes()).ok(),
                controller: None,
                requests: Vec::new(),
                serving: Vec::new(),
                prepared: Vec::new(),
                definitions: 0,
                zookeeper: ZooKeeper::Connected,
                lease: Lease::NONE.renewed(now, session),
            }
        };
        let until = Some(now + session * 2 / 3);
        let word = |owner, epoch| word_of_zookeeper(&said(owner, epoch), (1, 5));
        assert_eq!(word("a.1", 5), until);
        assert_eq!(word("b.1", 6), None);
        assert_eq!(word("a.1", 7), None, "not this one");
        let of_another = word_of_zookeeper(&said("a.1", 5), (0, 5));
        assert_eq!(of_another, None, "the epoch of another shard");
    }
}
