//! What a member has of a shard: it takes it when it is to own it, serves it, and lets go of it when another is to.
//!
//! A shard that moves is handed over: the node that serves it goes on until the next owner says that it has read what there
//! is ([`crate::taking`]), then tells its clients, lands what is in flight, and says in the database that the shard is free.
//! Who serves at the moment every member says of itself; whom clients are passed on to follows from that.

use crate::attending::Asked;
use crate::bridge::Front;
use crate::clock::Clock;
use crate::config::Config;
use crate::following::{Directory, Following, HOME};
use crate::host::{Host, Peer};
use crate::lease::Lease;
use crate::ownership::{self, Holder};
use crate::passing;
use crate::shard::ShardFailure;
use crate::taking::{Claimed, Taking};
use crate::tenure::{FAREWELL_MAX, Tenure};
use anyhow::Context;
use broker::Share;
use cluster::members::{self, View};
use cluster::{DatabaseError, Databases};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

/// The next owner has so long to read what there is, from when it was made that.
const PREPARED_MAX: Duration = Duration::from_secs(5);

/// Clients of a shard that another node waits for have so long to leave: those that need longer lose no more than
/// acknowledgements that are on their way.
const FAREWELL_SHORT: Duration = Duration::from_millis(50);

/// When clients have had their time, what is in flight has so long to land.
const ENDING_MAX: Duration = Duration::from_secs(1);

/// What clients and operators are told of who serves a shard.
pub(crate) struct Told {
    pub(crate) host: watch::Sender<Host>,
    pub(crate) asked: watch::Sender<Asked>,
}

/// What all that a node holds stands on.
pub(crate) struct Ground<'a> {
    pub(crate) config: &'a Config,
    pub(crate) databases: Databases,
    pub(crate) directory: Arc<Directory>,
    pub(crate) front: Arc<Front>,
    pub(crate) clock: Clock,
    pub(crate) view: watch::Receiver<View>,
}

/// What the node has of one shard.
pub(crate) struct Holding {
    shard: u32,
    told: Told,
    state: State,
    /// While another node is to own what is served here: until when that one is waited for.
    let_go_by: Option<Instant>,
    /// Up to here epochs are over: what an assignment that is not new says of them is not true any more.
    over: u64,
}

enum State {
    Nothing,
    /// It is being taken.
    Taking {
        epoch: u64,
        taking: JoinHandle<Result<Claimed, DatabaseError>>,
        /// Tells when all has been read that can be while another node serves.
        preparing: Option<oneshot::Receiver<()>>,
        /// All has been read that can be, and the node that serves is to let go.
        prepared: bool,
    },
    /// It is served under this epoch.
    Serving {
        epoch: u64,
        tenure: Tenure,
        holder: Holder,
        /// What it knows of users and virtual hosts; the first shard follows nobody.
        following: Option<Following>,
    },
    /// It is not to be served here any more: clients are told, and what is in flight ends.
    Leaving {
        epoch: u64,
        tenure: Tenure,
        /// Until it has left it keeps the lease, if nobody else has the shard.
        holder: Holder,
        until: Instant,
    },
}

/// What a shard waited for.
pub(crate) enum Happened {
    /// What the assignment says is to be looked at again.
    Changed,
    /// This node can take the shard as soon as the one that serves it lets go.
    Prepared,
    Taken(Result<Claimed, DatabaseError>),
    Ended(Result<(), ShardFailure>),
}

/// What is left of a shard whose loop has ended.
pub(crate) struct Lost {
    /// It was let go of in order under this epoch: who is to own it need not wait longer.
    pub(crate) free: Option<u64>,
    /// An error if this node cannot go on.
    pub(crate) ended: anyhow::Result<()>,
}

impl Holding {
    /// Of a shard of which the node has nothing yet.
    pub(crate) fn new(shard: u32, told: Told) -> Self {
        Self {
            shard,
            told,
            state: State::Nothing,
            let_go_by: None,
            over: 0,
        }
    }

    pub(crate) fn shard(&self) -> u32 {
        self.shard
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self.state, State::Nothing)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.state, State::Leaving { .. })
    }

    /// The epoch under which it is served.
    pub(crate) fn serving(&self) -> Option<u64> {
        match self.state {
            State::Serving { epoch, .. } => Some(epoch),
            _ => None,
        }
    }

    /// The epoch with which it is to be taken, when all has been read that can be.
    pub(crate) fn prepared(&self) -> Option<u64> {
        match self.state {
            State::Taking {
                epoch,
                prepared: true,
                ..
            } => Some(epoch),
            _ => None,
        }
    }

    /// Waits for something. May be dropped and called again.
    pub(crate) async fn happens(&mut self) -> anyhow::Result<Happened> {
        Ok(match &mut self.state {
            State::Nothing => std::future::pending().await,
            State::Taking {
                taking,
                preparing,
                prepared,
                ..
            } => tokio::select! {
                told = read_ahead(preparing) => {
                    *preparing = None;
                    *prepared = told;
                    if told { Happened::Prepared } else { Happened::Changed }
                }
                taken = taking => Happened::Taken(taken.context("taking the shard panicked")?),
            },
            State::Serving {
                tenure,
                holder,
                following,
                ..
            } => tokio::select! {
                ended = tenure.ended() => Happened::Ended(ended?),
                () = holder.lost() => {
                    tenure.abandon();
                    Happened::Ended(Ok(()))
                }
                () = sleep_until(self.let_go_by) => Happened::Changed,
                () = begins(following) => Happened::Changed,
            },
            State::Leaving {
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

    /// The epoch with which this node is to own the shard.
    fn is_to_own(&self, view: &View) -> Option<u64> {
        let mine = view.mine().find(|(shard, _)| *shard == self.shard);
        mine.map(|(_, epoch)| epoch)
            .filter(|epoch| *epoch > self.over)
    }

    fn nobody_is_to_own(&self, view: &View) -> bool {
        let owner = { view.assignment.as_ref() }.and_then(|all| all.owner(self.shard));
        owner.is_none()
    }

    /// Does what the assignment says.
    pub(crate) fn follow(&mut self, ground: &Ground<'_>) {
        let view = ground.view.borrow();
        match (&self.state, self.is_to_own(&view)) {
            (State::Nothing, Some(epoch)) => self.take(ground, epoch),
            (State::Serving { epoch: under, .. }, Some(epoch)) if *under == epoch => {
                self.let_go_by = None;
            }
            // A ZooKeeper that has forgotten everything names nobody: what is served goes on until it names another.
            (State::Serving { .. }, None) if self.nobody_is_to_own(&view) => {}
            (State::Serving { .. }, _) => {
                if !self.is_heir_preparing(&view) {
                    self.let_go(FAREWELL_SHORT);
                }
            }
            // What is being taken is let go of when it is there, if it was given to somebody else meanwhile.
            (State::Nothing | State::Taking { .. } | State::Leaving { .. }, _) => {}
        }
        drop(view);
        self.tell(ground);
    }

    /// Whether the next owner is there, and has not read yet what there is. It is not waited for for ever.
    fn is_heir_preparing(&mut self, view: &View) -> bool {
        let heir = view.owner(self.shard).filter(|heir| heir.id != view.me);
        let holding =
            { view.assignment.as_ref() }.and_then(|all| all.shards().get(self.shard as usize));
        let (Some(heir), Some(holding)) = (heir, holding) else {
            return false;
        };
        // One that serves already, because this node did not say that it does, waits for nobody.
        let server = view.server(self.shard);
        let is_serving = server.is_some_and(|server| server.id == heir.id);
        let heirs = (self.shard, holding.epoch);
        if is_serving || heir.about.prepared.contains(&heirs) || !view.database_ok {
            return false;
        }
        let now = Instant::now();
        now < *self.let_go_by.get_or_insert(now + PREPARED_MAX)
    }

    fn take(&mut self, ground: &Ground<'_>, epoch: u64) {
        info!(shard = self.shard, epoch, "taking the shard");
        let cache_bytes = ground.config.memory_limit.cache_bytes();
        let taking = Taking {
            database: ground.databases.of(self.shard).clone(),
            view: ground.view.clone(),
            shard: self.shard,
            share: Share::new(self.shard, ground.databases.shards()),
            epoch,
            // A node may have all of them.
            cache_bytes: cache_bytes / ground.databases.shards() as usize,
            limits: ground.config.limits.clone(),
            clock: ground.clock,
        };
        let (prepared, preparing) = oneshot::channel();
        self.state = State::Taking {
            epoch,
            taking: tokio::task::spawn_blocking(move || taking.run(prepared)),
            preparing: Some(preparing),
            prepared: false,
        };
    }

    /// The shard has been taken, or could not be.
    pub(crate) fn taken(
        &mut self,
        ground: &Ground<'_>,
        taken: Result<Claimed, DatabaseError>,
    ) -> anyhow::Result<()> {
        let taking = std::mem::replace(&mut self.state, State::Nothing);
        let State::Taking { epoch, .. } = taking else {
            return Ok(());
        };
        let shard = self.shard;
        let Claimed { store, broker } = match taken {
            Ok(claimed) => claimed,
            Err(error @ DatabaseError::Fenced { .. }) => {
                warn!(shard, %error, "another node was given the shard meanwhile");
                self.over = self.over.max(epoch);
                return Ok(());
            }
            Err(error) => return Err(error).context("cannot take the shard"),
        };
        let lease = Lease::until(ground.clock.now());
        let holder = Holder::begin(
            lease.clone(),
            ground.view.clone(),
            ground.databases.of(shard).clone(),
            (shard, epoch),
            ground.clock,
        );
        let is_bare = broker.is_bare();
        let config = ground.config.of_shard(shard);
        let tenure = Tenure::begin(&config, store, *broker, ground.clock, lease)?;
        let following = (shard != HOME).then(|| {
            let operator = tenure.operator.clone();
            Following::begin(ground.directory.clone(), shard, operator, is_bare)
        });
        info!(epoch, shard, "serving");
        self.let_go_by = None;
        self.state = State::Serving {
            epoch,
            tenure,
            holder,
            following,
        };
        Ok(())
    }

    /// The shard's loop has ended.
    pub(crate) fn lost(&mut self, ended: Result<(), ShardFailure>) -> Lost {
        let held = std::mem::replace(&mut self.state, State::Nothing);
        if let State::Serving { epoch, .. } | State::Leaving { epoch, .. } = held {
            self.over = self.over.max(epoch);
        }
        let free = match held {
            State::Leaving { epoch, .. } if ended.is_ok() => Some(epoch),
            _ => None,
        };
        let shard = self.shard;
        let ended = match ended {
            Ok(()) => {
                info!(shard, "let go of the shard");
                Ok(())
            }
            Err(failure) if ownership::is_fenced(&failure) => {
                warn!(shard, %failure, "another node owns the shard now: hanging up on its clients");
                Ok(())
            }
            Err(failure) => Err(failure).context("the shard cannot go on"),
        };
        Lost { free, ended }
    }

    /// The node stops: clients have their full time to leave.
    pub(crate) fn leave(&mut self) {
        self.let_go(FAREWELL_MAX);
    }

    /// Another node is to own the shard, or this one stops. Clients are told, and find it elsewhere.
    fn let_go(&mut self, patience: Duration) {
        if !matches!(self.state, State::Serving { .. }) {
            return;
        }
        let state = std::mem::replace(&mut self.state, State::Nothing);
        if let State::Serving {
            epoch,
            tenure,
            holder,
            ..
        } = state
        {
            info!(shard = self.shard, epoch, "letting go of the shard");
            tenure.stop(patience);
            self.state = State::Leaving {
                epoch,
                tenure,
                holder,
                until: Instant::now() + patience + ENDING_MAX,
            };
        }
    }

    /// Tells clients and operators who serves.
    pub(crate) fn tell(&self, ground: &Ground<'_>) {
        let view = ground.view.borrow();
        let (host, asked) = match (&self.state, self.server(&view)) {
            // Nobody could come in.
            (State::Serving { following, .. }, _) if !has_begun(following) => {
                (Host::Nobody, Asked::Nobody)
            }
            (State::Serving { tenure, .. }, _) => (
                Host::Here(tenure.house.clone()),
                Asked::Here(tenure.operator.clone()),
            ),
            (_, Some(server)) => (
                Host::There(Peer {
                    address: server.about.node.as_str().into(),
                    front: ground.front.clone(),
                }),
                Asked::There(passing::there(
                    self.shard,
                    &server.about.admin,
                    &server.about.node,
                )),
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
        if let State::Taking {
            preparing: None, ..
        } = self.state
        {
            return None;
        }
        let server = view
            .server(self.shard)
            .filter(|server| server.id != view.me);
        let owner = view.owner(self.shard).filter(|owner| owner.id != view.me);
        server.or(owner)
    }
}

/// Waits until all has been read that can be; false if there is nothing to wait for.
async fn read_ahead(preparing: &mut Option<oneshot::Receiver<()>>) -> bool {
    match preparing {
        Some(preparing) => preparing.await.is_ok(),
        None => std::future::pending().await,
    }
}

fn has_begun(following: &Option<Following>) -> bool {
    following.as_ref().is_none_or(Following::has_begun)
}

async fn begins(following: &mut Option<Following>) {
    match following {
        Some(following) => following.begins().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
