//! The turns of an owner's loop: what came, what has landed, what goes out. Before each turn it looks at its lease.

use super::holding::WORD_COUNTS;
use super::node::{Holding, Serving, Stop};
use super::stir::Stir;
use super::world::World;
use super::{ClusterPlant, SESSION};
use crate::plan::{MS, SECOND};
use crate::shell::{Outcome, Turn};
use broker::Input;
use model::{ConnectionId, Position, QueueId};
use store::{Landed, Room};

/// Clients may take so long to answer that they leave.
const FAREWELL: u64 = 5 * SECOND;

/// For so long after its successor has taken the shard an owner may hand out what it had: two thirds of a session by
/// ZooKeeper's word, or a moment by the database's; and a little, because what it heard was asked before.
const STALE_MAX: u64 = SESSION * 2 / 3 + WORD_COUNTS + SECOND;

impl World {
    pub(super) fn turn_soon(&mut self, n: usize, tenure: u64) {
        let at = self.now + self.random.within(1..200);
        self.turn_by(n, tenure, at);
    }

    fn turn_by(&mut self, n: usize, tenure: u64, at: u64) {
        let at = at.max(self.now);
        if let Some(serving) = self.nodes[n].tenure(tenure)
            && at < serving.turn_at
        {
            serving.turn_at = at;
            self.inside_after(n, at - self.now, Stir::Turn(tenure));
        }
    }

    pub(super) fn turn(&mut self, n: usize, tenure: u64) {
        let (now, plant) = (self.now, self.plant);
        let Some(serving) = self.nodes[n].tenure(tenure) else {
            return;
        };
        if now < serving.turn_at {
            return;
        }
        serving.turn_at = u64::MAX;
        // Neither the beginning nor the end hands anything out.
        let serves = !serving.starting && serving.stop != Stop::Finishing;
        if serves && serving.lease <= now && plant != Some(ClusterPlant::LeaseIgnored) {
            // It goes on when the lease is renewed.
            return;
        }
        let outcome = self.with_shell(n, tenure, |serving, it| {
            if let Some(upto) = serving.landed.take() {
                let landed = Landed {
                    upto,
                    room: Room::Open,
                    checkpoint_wanted: false,
                    busy: false,
                };
                serving.shell.heard(it, landed);
            }
            serving.starting &= serving.shell.is_landing();
            if serving.starting || serving.stop == Stop::Finishing {
                return;
            }
            serving.shell.turn(it);
            match serving.stop {
                Stop::Asked => {
                    serving.shell.bid_farewell(it);
                    serving.stop = Stop::Farewell(now + FAREWELL);
                }
                Stop::Farewell(by) if serving.shell.outlets.is_empty() || by <= now => {
                    serving.stop = Stop::Finishing;
                    serving.shell.finish(it);
                }
                _ => {}
            }
        });
        self.follow_outcome(n, tenure, outcome);
        let Some(serving) = self.nodes[n].tenure(tenure) else {
            return;
        };
        match serving.stop {
            Stop::Finishing if !serving.shell.is_landing() => self.lost(n),
            Stop::Farewell(by) => {
                let at = if serving.shell.outlets.is_empty() {
                    now + MS
                } else {
                    by
                };
                self.turn_by(n, tenure, at);
            }
            _ => {}
        }
    }

    /// Lets an owner do something; whether it is the owner still is not for it to know.
    pub(super) fn with_shell(
        &mut self,
        n: usize,
        tenure: u64,
        what: impl FnOnce(&mut Serving, &mut Turn<'_>),
    ) -> Outcome {
        let owner = self.database.epoch();
        let Some(serving) = self.nodes[n].tenure(tenure) else {
            return Outcome::default();
        };
        let epoch = serving.epoch;
        let stale = epoch != owner;
        let before = self.ledger.stale_deliveries;
        let Self {
            nodes,
            plan,
            ledger,
            trace,
            ..
        } = self;
        let mut it = Turn::new(self.now, plan, ledger, trace).by(stale);
        if let Some(serving) = nodes[n].serving() {
            what(serving, &mut it);
        }
        let outcome = it.outcome;
        if self.ledger.stale_deliveries > before {
            let since = self.superseded(epoch);
            if self.now > since + STALE_MAX {
                let late = (self.now - since) / MS;
                let what = format!(
                    "{} hands out what is not its own any more, {late} ms after its successor took the shard",
                    self.nodes[n].name
                );
                self.ledger.blame("P8", what);
            }
        }
        outcome
    }

    /// Does what a turn has left to do.
    pub(super) fn follow_outcome(&mut self, n: usize, tenure: u64, mut outcome: Outcome) {
        if outcome.landing {
            self.land(n, tenure);
        }
        outcome.touched.sort_unstable();
        outcome.touched.dedup();
        for connection in outcome.touched {
            let number = usize::try_from(connection.0).expect("small");
            self.hand_out(n, tenure, number, false);
        }
        if !outcome.to_read.is_empty() {
            let time = 10 + self.random.around(self.plan.landing);
            self.inside_after(n, time, Stir::Read(tenure, outcome.to_read));
        }
        let now = self.now;
        let Some(serving) = self.nodes[n].tenure(tenure) else {
            return;
        };
        let (at_work, wake_at) = (!serving.shell.inbox.is_empty(), serving.shell.wake_at());
        if at_work {
            self.turn_soon(n, tenure);
        }
        if let Some(at) = wake_at {
            self.turn_by(n, tenure, at.max(now + MS));
        }
    }

    pub(super) fn hand_out(&mut self, n: usize, tenure: u64, number: usize, has_read: bool) {
        let Self { nodes, ledger, .. } = self;
        let Some(serving) = nodes[n].tenure(tenure) else {
            return;
        };
        let id = ConnectionId(number as u64);
        let Some(outlet) = serving.shell.outlets.get_mut(&id) else {
            return;
        };
        if outlet.pumping && !has_read {
            return;
        }
        outlet.pumping = false;
        let (batch, must_read) = serving.shell.hand_out(ledger, id, has_read);
        if must_read && let Some(outlet) = serving.shell.outlets.get_mut(&id) {
            outlet.pumping = true;
        }
        let at_work = !serving.shell.inbox.is_empty();
        if must_read {
            let time = 10 + self.random.around(self.plan.landing);
            self.inside_after(n, time, Stir::HandOut(tenure, number));
        }
        if at_work {
            self.turn_soon(n, tenure);
        }
        if !batch.is_empty() {
            let taken = self.random.around(self.connections[number].latency);
            self.inside_after(n, taken, Stir::Taken(tenure, number));
            self.send_down(number, batch);
        }
    }

    pub(super) fn taken(&mut self, n: usize, tenure: u64, number: usize) {
        if let Some(serving) = self.nodes[n].tenure(tenure) {
            serving.shell.report_written(ConnectionId(number as u64));
            self.turn_soon(n, tenure);
        }
    }

    pub(super) fn read(&mut self, n: usize, tenure: u64, wanted: &[(QueueId, Position)]) {
        let Self { nodes, ledger, .. } = self;
        if let Some(serving) = nodes[n].tenure(tenure) {
            serving.shell.fetch(ledger, wanted);
            self.turn_soon(n, tenure);
        }
    }

    /// Something of a client has come.
    pub(super) fn inputs(&mut self, n: usize, tenure: u64, number: usize, inputs: Vec<Input>) {
        let Some(serving) = self.nodes[n].tenure(tenure) else {
            return;
        };
        let id = ConnectionId(number as u64);
        let mut closed = false;
        for input in inputs {
            match &input {
                Input::ConnectionOpened(_) => {
                    serving.shell.outlets.entry(id).or_default();
                }
                Input::ConnectionClosed(_) => {
                    closed = true;
                    serving.shell.outlets.remove(&id);
                }
                _ => {}
            }
            let outlet = serving.shell.outlets.get_mut(&id);
            match outlet.filter(|outlet| outlet.blocked) {
                Some(outlet) => outlet.unread.push(input),
                None => serving.shell.inbox.push(input),
            }
        }
        self.connections[number].server_gone |= closed;
        self.turn_soon(n, tenure);
    }

    /// The owner whose word counts, if somebody serves under it.
    pub(super) fn owner(&self) -> Option<(usize, u64)> {
        let epoch = self.database.epoch();
        let serves = |node: &super::node::Node| match &node.holding {
            Holding::Serving(serving) if serving.epoch == epoch => Some(serving.tenure),
            _ => None,
        };
        let all = self.nodes.iter().enumerate();
        let mut all = all.filter_map(|(n, node)| Some((n, serves(node)?)));
        all.next()
    }
}
