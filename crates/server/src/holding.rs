//! What a member has of the shard: it takes it when it is to own it, serves it, and lets go of it when another is to.
//!
//! A shard that moves is handed over: the node that serves it goes on until the next owner says that it has read what there
//! is ([`crate::taking`]), then tells its clients, lands what is in flight, and says in the database that the shard is free.
//! Who serves at the moment every member says of itself; whom clients are passed on to follows from that.

use crate::attending::Asked;
use crate::bridge::Front;
use crate::clock::Clock;
use crate::config::Config;
use crate::host::{Host, Peer};
use crate::lease::Lease;
use crate::member::SHARD;
use crate::ownership::{self, Holder};
use crate::passing;
use crate::shard::ShardFailure;
use crate::taking::{Claimed, Taking};
use crate::tenure::{FAREWELL_MAX, Tenure};
use anyhow::{Context, bail};
use cluster::members::{self, MembersHandle, Standing, View, ZooKeeper};
use cluster::{Database, DatabaseError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// The next owner has so long to read what there is, from when it was made that.
const PREPARED_MAX: Duration = Duration::from_secs(5);

/// Clients of a shard that another node waits for have so long to leave: those that need longer lose no more than
/// acknowledgements that are on their way.
const FAREWELL_SHORT: Duration = Duration::from_millis(50);

/// The database has so long to hear that the shard is free; whoever waits for it does so no longer than a few seconds.
const RELEASE_MAX: Duration = Duration::from_secs(2);

/// When clients have had their time, what is in flight has so long to land.
const ENDING_MAX: Duration = Duration::from_secs(1);

/// What clients and operators are told of who serves.
pub(crate) struct Told {
    pub(crate) host: watch::Sender<Host>,
    pub(crate) asked: watch::Sender<Asked>,
}

/// What the node has of the shard.
enum Holding {
    Nothing,
    /// It is being taken.
    Taking {
        epoch: u64,
        taking: JoinHandle<Result<Claimed, DatabaseError>>,
        /// Tells when all has been read that can be while another node serves.
        preparing: Option<oneshot::Receiver<()>>,
    },
    /// It is served under this epoch.
    Serving(u64, Tenure, Holder),
    /// It is not to be served here any more: clients are told, and what is in flight ends.
    Leaving {
        epoch: u64,
        tenure: Tenure,
        /// Until it has left it keeps the lease, if nobody else has the shard.
        holder: Holder,
        until: Instant,
    },
}

pub(crate) struct Node<'a> {
    config: &'a Config,
    database: Database,
    members: &'a MembersHandle,
    front: Arc<Front>,
    clock: Clock,
    view: watch::Receiver<View>,
    told: Told,
    holding: Holding,
    /// While another node is to own what is served here: until when that one is waited for.
    let_go_by: Option<Instant>,
    /// Up to here epochs are over: what an assignment that is not new says of them is not true any more.
    over: u64,
}

/// What a node waited for.
enum Happened {
    Changed,
    /// This node can take the shard as soon as the one that serves it lets go.
    Prepared,
    Taken(Result<Claimed, DatabaseError>),
    Ended(Result<(), ShardFailure>),
}

impl<'a> Node<'a> {
    pub(crate) fn new(
        config: &'a Config,
        database: Database,
        members: &'a MembersHandle,
        view: watch::Receiver<View>,
        front: Arc<Front>,
        clock: Clock,
        told: Told,
    ) -> Self {
        Self {
            config,
            database,
            members,
            front,
            clock,
            view,
            told,
            holding: Holding::Nothing,
            let_go_by: None,
            over: 0,
        }
    }

    /// Owns what it is to own, until this node can be no member any more.
    pub(crate) async fn live(&mut self) -> anyhow::Result<()> {
        loop {
            self.step().await?;
        }
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        self.follow()?;
        match self.happens().await? {
            Happened::Changed => Ok(()),
            Happened::Prepared => {
                self.prepared();
                Ok(())
            }
            Happened::Taken(taken) => self.taken(taken),
            Happened::Ended(ended) => self.lost(ended).await,
        }
    }

    /// Goes on until another node has what this one had, or there is nothing to hand over, or nobody to take it.
    pub(crate) async fn hand_over(&mut self) -> anyhow::Result<()> {
        while !matches!(self.holding, Holding::Nothing) && self.has_heir() {
            self.step().await?;
        }
        Ok(())
    }

    async fn happens(&mut self) -> anyhow::Result<Happened> {
        let changed = self.view.changed();
        Ok(match &mut self.holding {
            Holding::Nothing => {
                changed.await.context("the thread of ZooKeeper ended")?;
                Happened::Changed
            }
            Holding::Taking {
                taking, preparing, ..
            } => tokio::select! {
                told = prepared(preparing) => {
                    *preparing = None;
                    if told { Happened::Prepared } else { Happened::Changed }
                }
                taken = taking => Happened::Taken(taken.context("taking the shard panicked")?),
                changed = changed => {
                    changed.context("the thread of ZooKeeper ended")?;
                    Happened::Changed
                }
            },
            Holding::Serving(_, tenure, holder) => tokio::select! {
                ended = tenure.ended() => Happened::Ended(ended?),
                () = holder.lost() => {
                    tenure.abandon();
                    Happened::Ended(Ok(()))
                }
                () = sleep_until(self.let_go_by) => Happened::Changed,
                changed = changed => {
                    changed.context("the thread of ZooKeeper ended")?;
                    Happened::Changed
                }
            },
            Holding::Leaving {
                tenure,
                holder,
                until,
                ..
            } => tokio::select! {
                ended = tenure.ended() => Happened::Ended(ended?),
                () = holder.lost() => {
                    tenure.abandon();
                    Happened::Ended(Ok(()))
                }
                () = tokio::time::sleep_until(*until) => {
                    tenure.abandon();
                    Happened::Ended(Ok(()))
                }
            },
        })
    }

    /// Whether another member could own the shard.
    fn has_heir(&self) -> bool {
        let view = self.view.borrow();
        let ready = |one: &members::Member| one.about.standing() == Standing::Ready;
        view.members
            .iter()
            .any(|one| one.id != view.me && ready(one))
    }

    /// The epoch with which this node is to own the shard.
    fn is_to_own(&self) -> Option<u64> {
        let view = self.view.borrow();
        let mine = view.mine().find(|(shard, _)| *shard == SHARD);
        mine.map(|(_, epoch)| epoch)
            .filter(|epoch| *epoch > self.over)
    }

    fn nobody_is_to_own(&self) -> bool {
        let view = self.view.borrow();
        let owner = { view.assignment.as_ref() }.and_then(|all| all.owner(SHARD));
        owner.is_none()
    }

    /// Does what the assignment says.
    fn follow(&mut self) -> anyhow::Result<()> {
        if let ZooKeeper::Ended(why) = &self.view.borrow_and_update().zookeeper {
            bail!("this node is no member of the cluster any more: {why}");
        }
        let wanted = self.is_to_own();
        match (&self.holding, wanted) {
            (Holding::Nothing, Some(epoch)) => self.take(epoch),
            (Holding::Serving(under, ..), Some(epoch)) if *under == epoch => {
                self.let_go_by = None;
            }
            // A ZooKeeper that has forgotten everything names nobody: what is served goes on until it names another.
            (Holding::Serving(..), None) if self.nobody_is_to_own() => {}
            (Holding::Serving(..), _) => {
                if !self.is_heir_preparing() {
                    self.let_go(FAREWELL_SHORT);
                }
            }
            // What is being taken is let go of when it is there, if it was given to somebody else meanwhile.
            (Holding::Nothing | Holding::Taking { .. } | Holding::Leaving { .. }, _) => {}
        }
        self.tell();
        Ok(())
    }

    /// Whether the next owner is there, and has not read yet what there is. It is not waited for for ever.
    fn is_heir_preparing(&mut self) -> bool {
        let view = self.view.borrow();
        let heir = view.owner(SHARD).filter(|heir| heir.id != view.me);
        let holding = { view.assignment.as_ref() }.and_then(|all| all.shards().get(SHARD as usize));
        let (Some(heir), Some(holding)) = (heir, holding) else {
            return false;
        };
        // One that serves already, because this node did not say that it does, waits for nobody.
        let is_serving = view
            .server(SHARD)
            .is_some_and(|server| server.id == heir.id);
        if is_serving || heir.about.prepared.contains(&(SHARD, holding.epoch)) || !view.database_ok
        {
            return false;
        }
        let now = Instant::now();
        now < *self.let_go_by.get_or_insert(now + PREPARED_MAX)
    }

    fn take(&mut self, epoch: u64) {
        info!(epoch, "taking the shard");
        let taking = Taking {
            database: self.database.clone(),
            view: self.view.clone(),
            epoch,
            cache_bytes: self.config.memory_limit.cache_bytes(),
            limits: self.config.limits.clone(),
            clock: self.clock,
        };
        let (prepared, preparing) = oneshot::channel();
        self.holding = Holding::Taking {
            epoch,
            taking: tokio::task::spawn_blocking(move || taking.run(prepared)),
            preparing: Some(preparing),
        };
    }

    /// All has been read that can be while another node serves: that one may let go. Before it does, those who come here
    /// wait.
    fn prepared(&mut self) {
        if let Holding::Taking { epoch, .. } = self.holding {
            self.tell();
            self.members.set_prepared(vec![(SHARD, epoch)]);
        }
    }

    fn taken(&mut self, taken: Result<Claimed, DatabaseError>) -> anyhow::Result<()> {
        let taking = std::mem::replace(&mut self.holding, Holding::Nothing);
        let Holding::Taking { epoch, .. } = taking else {
            return Ok(());
        };
        self.members.set_prepared(Vec::new());
        let Claimed {
            store,
            broker,
            took,
        } = match taken {
            Ok(claimed) => claimed,
            Err(error @ DatabaseError::Fenced { .. }) => {
                warn!(%error, "another node was given the shard meanwhile");
                self.over = self.over.max(epoch);
                return Ok(());
            }
            Err(error) => return Err(error).context("cannot take the shard"),
        };
        let lease = Lease::until(self.clock.now());
        let database = self.database.clone();
        let holder = Holder::begin(
            lease.clone(),
            self.view.clone(),
            database,
            epoch,
            self.clock,
        );
        let tenure = Tenure::begin(self.config, store, *broker, self.clock, lease)?;
        tenure.house.instruments.recovered(took);
        info!(epoch, "serving");
        self.members.set_serving(vec![(SHARD, epoch)]);
        self.let_go_by = None;
        self.holding = Holding::Serving(epoch, tenure, holder);
        Ok(())
    }

    /// The shard's loop has ended.
    async fn lost(&mut self, ended: Result<(), ShardFailure>) -> anyhow::Result<()> {
        let held = std::mem::replace(&mut self.holding, Holding::Nothing);
        self.members.set_serving(Vec::new());
        if let Holding::Serving(epoch, ..) | Holding::Leaving { epoch, .. } = held {
            self.over = self.over.max(epoch);
        }
        if let Holding::Leaving { epoch, .. } = held
            && ended.is_ok()
        {
            self.release(epoch).await;
        }
        match ended {
            Ok(()) => {
                info!("let go of the shard");
                Ok(())
            }
            Err(failure) if ownership::is_fenced(&failure) => {
                warn!(%failure, "another node owns the shard now: hanging up on its clients");
                Ok(())
            }
            Err(failure) => Err(failure).context("the shard cannot go on"),
        }
    }

    /// Says in the database that nobody has the shard: who is to own it need not wait longer.
    async fn release(&self, epoch: u64) {
        let database = self.database.clone();
        let releasing = tokio::task::spawn_blocking(move || database.release(SHARD, epoch));
        let untold = match tokio::time::timeout(RELEASE_MAX, releasing).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(late) => late.to_string(),
        };
        debug!(error = %untold, "the database is not told that the shard is free");
    }

    /// Another node is to own the shard, or this one stops. Clients are told, and find it elsewhere.
    fn let_go(&mut self, patience: Duration) {
        if !matches!(self.holding, Holding::Serving(..)) {
            return;
        }
        let holding = std::mem::replace(&mut self.holding, Holding::Nothing);
        if let Holding::Serving(epoch, tenure, holder) = holding {
            info!(epoch, "letting go of the shard");
            tenure.stop(patience);
            self.members.set_serving(Vec::new());
            self.holding = Holding::Leaving {
                epoch,
                tenure,
                holder,
                until: Instant::now() + patience + ENDING_MAX,
            };
        }
    }

    /// Tells clients and operators who serves.
    fn tell(&self) {
        let view = self.view.borrow();
        let (host, asked) = match (&self.holding, self.server(&view)) {
            (Holding::Serving(_, tenure, _), _) => (
                Host::Here(tenure.house.clone()),
                Asked::Here(tenure.operator.clone()),
            ),
            (_, Some(server)) => (
                Host::There(Peer {
                    address: server.about.node.as_str().into(),
                    front: self.front.clone(),
                }),
                Asked::There(passing::there(&server.about.admin, &server.about.node)),
            ),
            _ => (Host::Nobody, Asked::Nobody),
        };
        // Whoever waits for a change is not woken by each answer of ZooKeeper.
        self.told.host.send_if_modified(|before| {
            let changed = !before.is_same(&host);
            *before = host;
            changed
        });
        self.told.asked.send_replace(asked);
    }

    /// The other node that serves, or is about to. While this one waits to take over nobody is, or who comes would be sent
    /// back and forth.
    fn server<'v>(&self, view: &'v View) -> Option<&'v members::Member> {
        if let Holding::Taking {
            preparing: None, ..
        } = self.holding
        {
            return None;
        }
        let server = view.server(SHARD).filter(|server| server.id != view.me);
        let owner = view.owner(SHARD).filter(|owner| owner.id != view.me);
        server.or(owner)
    }

    /// Ends what there still is, in order, and no later than clients have to leave. Until then the lease is kept: a shard
    /// without one would wait for it.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.let_go(FAREWELL_MAX);
        while matches!(self.holding, Holding::Leaving { .. }) {
            if let Happened::Ended(ended) = self.happens().await? {
                self.lost(ended).await?;
            }
        }
        Ok(())
    }
}

/// Waits until all has been read that can be; false if there is nothing to wait for.
async fn prepared(preparing: &mut Option<oneshot::Receiver<()>>) -> bool {
    match preparing {
        Some(preparing) => preparing.await.is_ok(),
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
