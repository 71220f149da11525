//! What a node does with the shard: the rules of the server's `member` and `ownership`, which wait on sockets there.
//!
//! It takes what the assignment gives it, under the epoch that stands there; serves what the database gave it, while its
//! lease holds; lets go of what is to be another's, in order; and is hung up on what another has.

use super::line::{Failed, Job};
use super::membership::micros;
use super::node::{Holding, Host, Lane, SHARD, Serving, Stop};
use super::stir::{Stir, Why};
use super::world::World;
use crate::feature::Feature;
use crate::plan::{MS, SECOND};
use crate::shell::{Opened, Shell, Start};
use cluster::members::State;
use std::sync::Arc;
use store::{LandedChunk, Reader};

/// So long before the lease runs out the database is asked, if ZooKeeper has not renewed it.
const ASK_BEFORE: u64 = 500 * MS;
/// The database's word counts for so long.
pub(super) const WORD_COUNTS: u64 = SECOND;
/// How often the lease is looked after.
const LOOK_EVERY: u64 = 100 * MS;
/// Clients of a shard that goes to another node have so long to leave.
const FAREWELL_MAX: u64 = 6 * SECOND;
/// A node that stops waits so long for others to take over what it has.
pub(super) const HANDED_OVER_MAX: u64 = 10 * SECOND;
/// What was taken is read, or has failed, after so long.
const READ_MAX: u64 = 30 * SECOND;

impl World {
    /// Does what the assignment says.
    pub(super) fn follow(&mut self, n: usize) {
        if !self.nodes[n].up {
            return;
        }
        let wanted = self.nodes[n].is_to_own();
        match (&self.nodes[n].holding, wanted) {
            // One that ends takes nothing.
            (Holding::Nothing, Some(epoch)) if !self.ends(n) => {
                self.nodes[n].holding = Holding::Taking(epoch);
                self.give_work(n, Job::Take(epoch));
            }
            (Holding::Serving(serving), wanted) if wanted != Some(serving.epoch) => self.let_go(n),
            _ => {}
        }
        self.tell(n);
        self.mind_end(n);
    }

    /// Whether it only waits for what it has to end.
    fn ends(&self, n: usize) -> bool {
        self.nodes[n]
            .stopping
            .is_some_and(|until| until <= self.now)
    }

    /// A node that was told to stop goes when others have what it had, or it has waited for long enough.
    fn mind_end(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        let Some(until) = node.stopping else {
            return;
        };
        let hands_over = node.is_to_own().is_some() && node.has_heir() && self.now < until;
        if hands_over {
            return;
        }
        node.stopping = Some(self.now.min(until));
        match node.holding {
            Holding::Serving(_) => self.let_go(n),
            Holding::Leaving(_) => {}
            Holding::Nothing | Holding::Taking(_) => {
                self.leave_zookeeper(n);
                self.exit(n);
            }
        }
    }

    /// The operator stops a node.
    pub(super) fn stop(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        if !node.up || node.stopping.is_some() {
            return;
        }
        node.stopping = Some(self.now + HANDED_OVER_MAX);
        node.view.state = State::Draining;
        if let Some(membership) = &mut node.membership {
            membership.wishes(&node.view);
        }
        self.inside_after(n, HANDED_OVER_MAX, Stir::HandedOver);
        self.settle_membership(n);
        self.follow(n);
    }

    pub(super) fn take_answered(&mut self, n: usize, epoch: u64, taken: Result<usize, Failed>) {
        if !matches!(self.nodes[n].holding, Holding::Taking(under) if under == epoch) {
            return;
        }
        match taken {
            Ok(head) => {
                let after = 100 + self.random.around(self.plan.landing * 4);
                self.inside_after(n, after, Stir::Recover(epoch, head, self.now));
            }
            Err(Failed::Fenced) => {
                let node = &mut self.nodes[n];
                node.holding = Holding::Nothing;
                node.over = node.over.max(epoch);
                self.follow(n);
            }
            Err(Failed::Unreachable) => self.exit(n),
        }
    }

    /// What was taken is read, and served.
    pub(super) fn recover(&mut self, n: usize, epoch: u64, head: usize, since: u64) {
        if !matches!(self.nodes[n].holding, Holding::Taking(under) if under == epoch) {
            return;
        }
        let reaches =
            self.now >= self.database.down_until && self.now >= self.nodes[n].database_cut_until;
        if !reaches {
            if self.now > since + READ_MAX {
                return self.exit(n);
            }
            return self.inside_after(n, 200 * MS, Stir::Recover(epoch, head, since));
        }
        let chunks = self.database.chunks()[..head].to_vec();
        let cold = self.plan.mix.has(Feature::ColdCache);
        let lane = Arc::new(Lane::new(&chunks, cold));
        let start = Start {
            now: self.now,
            clock_set: self.nodes[n].clock_set,
            clean: false,
            plant: self.plant.and_then(super::ClusterPlant::of_shell),
            stale: self.database.epoch() != epoch,
        };
        let seed = self.random.next();
        let reader: Arc<dyn Reader> = lane.clone();
        let open = |tell: &mut dyn FnMut(model::Position, model::Record)| {
            for chunk in &chunks {
                for entry in chunk.records() {
                    let entry = entry.map_err(|error| error.to_string())?;
                    tell(entry.position, entry.record);
                }
            }
            let store = None;
            Ok(Opened { store, reader })
        };
        let (ledger, trace) = (&mut self.ledger, &mut self.trace);
        let Some((shell, outcome)) = Shell::start(start, &self.plan, ledger, trace, seed, open)
        else {
            return;
        };
        self.tenures += 1;
        let tenure = self.tenures;
        self.nodes[n].holding = Holding::Serving(Box::new(Serving {
            epoch,
            tenure,
            starting: shell.is_landing(),
            shell,
            lane,
            head,
            lease: self.now,
            asking: false,
            turn_at: u64::MAX,
            landed: None,
            stop: Stop::No,
        }));
        self.renew_lease(n);
        self.inside_after(n, 1, Stir::Hold(tenure));
        self.follow_outcome(n, tenure, outcome);
        self.follow(n);
    }

    /// The shard's loop has ended: by another's taking it over, or because this one let go of it.
    pub(super) fn lost(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        let held = std::mem::replace(&mut node.holding, Holding::Nothing);
        match held {
            Holding::Serving(serving) => {
                node.over = node.over.max(serving.epoch);
                self.hang_up(n, serving.tenure);
            }
            Holding::Leaving(serving) => self.hang_up(n, serving.tenure),
            Holding::Nothing | Holding::Taking(_) => {}
        }
        self.follow(n);
    }

    /// Another node is to own the shard, or this one stops: clients are told.
    fn let_go(&mut self, n: usize) {
        let held = std::mem::replace(&mut self.nodes[n].holding, Holding::Nothing);
        if let Holding::Serving(mut serving) = held {
            serving.stop = Stop::Asked;
            let tenure = serving.tenure;
            self.nodes[n].holding = Holding::Leaving(serving);
            self.inside_after(n, FAREWELL_MAX, Stir::Late(tenure));
            self.turn_soon(n, tenure);
        }
    }

    /// Clients have had their time.
    pub(super) fn too_late(&mut self, n: usize, tenure: u64) {
        if self.nodes[n].tenure(tenure).is_some() {
            self.lost(n);
        }
    }

    /// Who serves, as this node tells clients: those that it has passed on to another than that are let go of.
    fn tell(&mut self, n: usize) {
        let node = &self.nodes[n];
        let owner = node.view.owner(SHARD).map(|member| &member.id);
        let there = owner
            .filter(|id| **id != node.view.me)
            .and_then(|id| self.nodes.iter().position(|one| one.name == id.node()));
        let host = match (&node.holding, there) {
            (Holding::Serving(serving), _) => Host::Here(serving.tenure),
            (_, Some(there)) => Host::There(there),
            _ => Host::Nobody,
        };
        if host != node.host {
            self.nodes[n].host = host;
            self.end_relays(n);
        }
    }

    // The lease.

    /// ZooKeeper's answers renew it, as long as they say that the shard is to be owned so.
    pub(super) fn renew_lease(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        let epoch = node.serving().map(|serving| serving.epoch);
        let ours = { node.view.mine() }.any(|mine| Some(mine) == epoch.map(|epoch| (SHARD, epoch)))
            || self.plant == Some(super::ClusterPlant::FarewellLease);
        if let Some(until) = node.view.lease.good_until().filter(|_| ours) {
            let until = micros(until.saturating_duration_since(self.base));
            self.extend_lease(n, until);
        }
    }

    fn extend_lease(&mut self, n: usize, until: u64) {
        let now = self.now;
        if let Some(serving) = self.nodes[n].serving()
            && serving.lease < until
        {
            let had_run_out = serving.lease <= now;
            serving.lease = until;
            let tenure = serving.tenure;
            if had_run_out {
                self.turn_soon(n, tenure);
            }
        }
    }

    /// The lease is looked after.
    pub(super) fn hold(&mut self, n: usize, tenure: u64) {
        let now = self.now;
        let Some(serving) = self.nodes[n].tenure(tenure) else {
            return;
        };
        if serving.lease > now + ASK_BEFORE {
            // Until then there is nothing to be done.
            let after = serving.lease - now - ASK_BEFORE + self.random.below(LOOK_EVERY);
            return self.inside_after(n, after, Stir::Hold(tenure));
        }
        if !serving.asking {
            serving.asking = true;
            self.ask_owner(n, Why::Lease(tenure));
        }
    }

    /// The database has said who owns the shard, or nothing.
    pub(super) fn owner_told(&mut self, n: usize, why: Why, asked: u64, epoch: Option<u64>) {
        let tenure = match why {
            Why::Epochs(session, term) => return self.hear_epochs(n, session, term, epoch),
            Why::Lease(tenure) => tenure,
        };
        let Some(serving) = self.nodes[n].tenure(tenure) else {
            return;
        };
        serving.asking = false;
        match epoch {
            Some(epoch) if epoch == serving.epoch => self.extend_lease(n, asked + WORD_COUNTS),
            Some(_) => return self.lost(n),
            None => {}
        }
        self.inside_after(n, LOOK_EVERY, Stir::Hold(tenure));
    }

    // Landing.

    pub(super) fn land(&mut self, n: usize, tenure: u64) {
        let Some(serving) = self.nodes[n].tenure(tenure) else {
            return;
        };
        let chunk = serving.shell.take_landing().seal(serving.epoch, 1);
        let append = cluster::machines::Append {
            shard: SHARD,
            epoch: serving.epoch.cast_signed(),
            head: i64::try_from(serving.head).expect("a run is short"),
            table: 1,
            pages: vec![chunk.bytes().clone()],
        };
        self.give_work(n, Job::Land(tenure, append, chunk));
    }

    pub(super) fn landing_answered(
        &mut self,
        n: usize,
        tenure: u64,
        chunk: &Arc<LandedChunk>,
        landed: Result<(), Failed>,
    ) {
        let Some(serving) = self.nodes[n].tenure(tenure) else {
            return;
        };
        match landed {
            Ok(()) => {
                serving.lane.add(chunk);
                serving.head += 1;
                serving.landed = Some(chunk.last());
                self.turn_soon(n, tenure);
            }
            Err(Failed::Fenced) => self.lost(n),
            Err(Failed::Unreachable) => self.exit(n),
        }
    }

    /// The database has changed: who has the shard, and what cannot be taken back.
    pub(super) fn database_changed(&mut self) {
        let epoch = self.database.epoch();
        let before = self.takes.last().map_or(0, |(epoch, _)| *epoch);
        if epoch < before {
            let what = format!("the shard is owned under epoch {epoch} after {before}");
            self.ledger.blame("P8", what);
        }
        if epoch > before {
            self.takes.push((epoch, self.now));
        }
        if let Some(last) = self.database.chunks().last() {
            self.ledger.landed(last.last());
        }
    }
}
