//! All that a member has of its cluster's shards: of each something, or nothing ([`crate::holding`]).
//!
//! Each shard is taken, served and let go of by itself. What the others are told of this node, they are told of all of its
//! shards at a time.

use crate::holding::{Ground, Happened, Holding, Lost, Told};
use crate::shard::ShardFailure;
use anyhow::{Context, bail};
use cluster::Database;
use cluster::members::{self, MembersHandle, Standing, ZooKeeper};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use tracing::debug;

/// The database has so long to hear that a shard is free; whoever waits for it does so no longer than a few seconds.
const RELEASE_MAX: Duration = Duration::from_secs(2);

/// What a node has of its cluster.
pub(crate) struct Holdings<'a> {
    ground: Ground<'a>,
    members: &'a MembersHandle,
    /// One for each shard, in their order.
    each: Vec<Holding>,
}

impl<'a> Holdings<'a> {
    /// Nothing yet; `told` has one for each shard of the cluster.
    pub(crate) fn new(ground: Ground<'a>, members: &'a MembersHandle, told: Vec<Told>) -> Self {
        let each = (0..).zip(told);
        Self {
            ground,
            members,
            each: each
                .map(|(shard, told)| Holding::new(shard, told))
                .collect(),
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
        let mut view = self.ground.view.clone();
        tokio::select! {
            (at, happened) = first(self.each.iter_mut().enumerate()) => self.take_in(at, happened?).await,
            changed = view.changed() => {
                changed.context("the thread of ZooKeeper ended")
            }
        }
    }

    async fn take_in(&mut self, at: usize, happened: Happened) -> anyhow::Result<()> {
        let holding = &mut self.each[at];
        match happened {
            Happened::Changed => Ok(()),
            Happened::Prepared => {
                // Before the node that serves lets go, those who come here wait.
                holding.tell(&self.ground);
                self.declare();
                Ok(())
            }
            Happened::Taken(taken) => {
                let taken = holding.taken(&self.ground, taken);
                self.declare();
                taken
            }
            Happened::Ended(ended) => self.lost(at, ended).await,
        }
    }

    /// Goes on until other nodes have what this one had, or there is nothing to hand over, or nobody to take it.
    pub(crate) async fn hand_over(&mut self) -> anyhow::Result<()> {
        while !self.each.iter().all(Holding::is_nothing) && self.has_heir() {
            self.step().await?;
        }
        Ok(())
    }

    /// Whether another member could own what this one has.
    fn has_heir(&self) -> bool {
        let view = self.ground.view.borrow();
        let ready = |one: &members::Member| one.about.standing() == Standing::Ready;
        view.members
            .iter()
            .any(|one| one.id != view.me && ready(one))
    }

    /// Does what the assignment says.
    fn follow(&mut self) -> anyhow::Result<()> {
        if let ZooKeeper::Ended(why) = &self.ground.view.borrow_and_update().zookeeper {
            bail!("this node is no member of the cluster any more: {why}");
        }
        for holding in &mut self.each {
            holding.follow(&self.ground);
        }
        self.declare();
        Ok(())
    }

    /// Says to the others what is served here, and what could be taken over.
    fn declare(&self) {
        let all = |epoch: fn(&Holding) -> Option<u64>| {
            let each = self.each.iter();
            each.filter_map(|one| Some((one.shard(), epoch(one)?)))
                .collect()
        };
        self.members.set_serving(all(Holding::serving));
        self.members.set_prepared(all(Holding::prepared));
    }

    async fn lost(&mut self, at: usize, ended: Result<(), ShardFailure>) -> anyhow::Result<()> {
        let holding = &mut self.each[at];
        let shard = holding.shard();
        let Lost { free, ended } = holding.lost(ended);
        self.declare();
        if let Some(epoch) = free {
            release(self.ground.databases.of(shard), shard, epoch).await;
        }
        ended
    }

    /// Ends what there still is, in order, and no later than clients have to leave. Until then the leases are kept: a shard
    /// without one would wait for it.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        for holding in &mut self.each {
            holding.leave();
        }
        self.declare();
        let mut stopped = Ok(());
        while self.each.iter().any(Holding::is_leaving) {
            // What is still being taken is left to whoever takes it next.
            let leaving = self.each.iter_mut().enumerate();
            let leaving = leaving.filter(|(_, one)| one.is_leaving());
            let (at, happened) = first(leaving).await;
            if let Happened::Ended(ended) = happened? {
                // What one shard cannot say must not keep the others from ending in order.
                stopped = stopped.and(self.lost(at, ended).await);
            }
        }
        stopped
    }
}

/// Waits until something happens to one of them, and says to which. May be dropped and called again.
async fn first<'h>(
    each: impl Iterator<Item = (usize, &'h mut Holding)>,
) -> (usize, anyhow::Result<Happened>) {
    let mut waiting: Vec<_> = each
        .map(|(at, one)| (at, Box::pin(one.happens())))
        .collect();
    let first = poll_fn(|context| {
        for (at, one) in &mut waiting {
            if let Poll::Ready(happened) = one.as_mut().poll(context) {
                return Poll::Ready((*at, happened));
            }
        }
        Poll::Pending
    });
    first.await
}

/// Says in the database that nobody has a shard: who is to own it need not wait longer.
async fn release(database: &Database, shard: u32, epoch: u64) {
    let database = database.clone();
    let releasing = tokio::task::spawn_blocking(move || database.release(shard, epoch));
    let untold = match tokio::time::timeout(RELEASE_MAX, releasing).await {
        Ok(Ok(Ok(()))) => return,
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(late) => late.to_string(),
    };
    debug!(shard, error = %untold, "the database is not told that the shard is free");
}
