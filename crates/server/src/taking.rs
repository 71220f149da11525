//! Taking a shard of a cluster in the database, with all that landed in it.
//!
//! Where its owner is still there it hands the shard over. All that there is is read while it serves; then it is told, as
//! all members are, that this one is prepared ([`cluster::members::About::prepared`]): it tells its clients, lands what is
//! in flight, and lets go. What it landed meanwhile is read when the shard is taken. An owner that does not let go is not
//! waited for: the database refuses it from then on (promise P8).

use crate::clock::Clock;
use broker::{Broker, Recovery, Share};
use cluster::members::View;
use cluster::{Ahead, Claim, Database, DatabaseError, Recovered, ShardStore};
use model::{Limits, QueueId, Record};
use std::time::{Duration, Instant};
use store::{Store, Told};
use tokio::sync::{oneshot, watch};
use tracing::{debug, info};

/// An owner has so long to let go, from when this node is prepared: longer than it takes by itself.
const LET_GO_MAX: Duration = Duration::from_secs(6);
/// How often the database is asked whether it has.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// A shard that was taken, and what recovery found in its lane.
pub(crate) struct Claimed {
    pub(crate) store: Box<dyn Store>,
    pub(crate) broker: Box<Broker>,
}

/// All that is needed to take the shard.
pub(crate) struct Taking {
    pub(crate) database: Database,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) shard: u32,
    pub(crate) share: Share,
    pub(crate) epoch: u64,
    pub(crate) cache_bytes: usize,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
}

impl Taking {
    /// Takes the shard and tells a fresh broker all that landed in it. Waits for the database, and for an owner that hands
    /// the shard over, to which `prepared` has to be told.
    pub(crate) fn run(self, prepared: oneshot::Sender<()>) -> Result<Claimed, DatabaseError> {
        let ahead = if self.is_handed_over()? {
            let ahead = self.read_ahead();
            // Whoever listened has gone: then nobody waits for the shard.
            let _ = prepared.send(());
            self.wait_until_free()?;
            ahead
        } else {
            None
        };
        let began = Instant::now();
        let (store, recovered, hearing) = match ahead {
            Some((ahead, hearing)) => self.take_on(ahead, hearing)?,
            None => self.take()?,
        };
        hearing.unfinished.check()?;
        let broker = Box::new(hearing.recovery.finish(self.clock.now()));
        info!(
            shard = self.shard,
            epoch = self.epoch,
            tables = recovered.tables,
            pages = recovered.pages,
            records = recovered.records,
            clean = recovered.clean,
            took_ms = began.elapsed().as_millis(),
            "took the shard"
        );
        let store = Box::new(store);
        Ok(Claimed { store, broker })
    }

    fn claim(&self) -> Claim {
        Claim {
            shard: self.shard,
            epoch: self.epoch,
            owner: self.view.borrow().me.to_string(),
            cache_bytes: self.cache_bytes,
        }
    }

    /// Whether another member has the shard, and reaches the database.
    fn is_handed_over(&self) -> Result<bool, DatabaseError> {
        let owners = self.database.owners()?;
        let Some(taken) = owners.get(self.shard as usize) else {
            return Ok(false);
        };
        let view = self.view.borrow();
        let mut others = view.members.iter().filter(|one| one.id != view.me);
        Ok(others.any(|one| one.about.database_ok && one.id.to_string() == taken.owner))
    }

    fn read_ahead(&self) -> Option<(Ahead, Hearing)> {
        let began = Instant::now();
        let mut hearing = Hearing::new(&self.limits, self.share);
        let read = self
            .database
            .read_ahead(self.shard, &mut |told| tell(&mut hearing, told));
        match read {
            Ok(ahead) => {
                info!(
                    shard = self.shard,
                    took_ms = began.elapsed().as_millis(),
                    "read the shard ahead"
                );
                Some((ahead, hearing))
            }
            Err(error) => {
                debug!(shard = self.shard, %error, "the shard cannot be read ahead: it is read when it is taken");
                None
            }
        }
    }

    fn wait_until_free(&self) -> Result<(), DatabaseError> {
        let began = Instant::now();
        while began.elapsed() < LET_GO_MAX && self.is_handed_over()? {
            std::thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    fn take(&self) -> Result<(ShardStore, Recovered, Hearing), DatabaseError> {
        let mut hearing = Hearing::new(&self.limits, self.share);
        let taken = self
            .database
            .take(self.claim(), &mut |told| tell(&mut hearing, told));
        taken.map(|(store, recovered)| (store, recovered, hearing))
    }

    fn take_on(
        &self,
        ahead: Ahead,
        mut hearing: Hearing,
    ) -> Result<(ShardStore, Recovered, Hearing), DatabaseError> {
        let claim = self.claim();
        let taken = self
            .database
            .take_on(&claim, ahead, &mut |told| tell(&mut hearing, told))?;
        match taken {
            Some((store, recovered)) => Ok((store, recovered, hearing)),
            None => {
                info!(
                    shard = self.shard,
                    "what was read ahead counts no more: reading the shard"
                );
                // A large backlog should be in memory once.
                drop(hearing);
                self.take()
            }
        }
    }
}

/// Whether a lane is one that a migration left which did not end ([`crate::migrate`]): with messages, and nothing else.
#[derive(Default)]
pub(crate) struct Unfinished {
    messages: bool,
    others: bool,
}

impl Unfinished {
    pub(crate) fn hear(&mut self, told: &Told) {
        match told {
            // A record of no queue stands for what is remembered of a message that is gone: only migrations write it.
            Told::Messages(..)
            | Told::Record(_, Record::Message(_) | Record::Delivered(QueueId(0), _)) => {
                self.messages = true;
            }
            Told::Record(..) => self.others = true,
        }
    }

    /// # Errors
    /// If it is.
    pub(crate) fn check(&self) -> Result<(), DatabaseError> {
        if !self.messages || self.others {
            return Ok(());
        }
        let why = "a migration into this database did not end: what it left is no cluster. \
             Drop the schema landfall, or take another database, and migrate again";
        Err(DatabaseError::Refused(why.to_owned()))
    }
}

/// What is being heard of a lane.
struct Hearing {
    recovery: Recovery,
    unfinished: Unfinished,
}

impl Hearing {
    fn new(limits: &Limits, share: Share) -> Self {
        Self {
            recovery: Recovery::new(limits).of_share(share),
            unfinished: Unfinished::default(),
        }
    }
}

fn tell(hearing: &mut Hearing, told: Told) {
    hearing.unfinished.hear(&told);
    let recovery = &mut hearing.recovery;
    match told {
        Told::Record(position, record) => recovery.apply(position, record),
        Told::Messages(run, head) => recovery.know(run, &head),
    }
}
