//! A node's end of its connection to ZooKeeper: what is on its way keeps its order, is asked again after a lost connection,
//! and watches are set again; the other end is the `ensemble`.

use super::SESSION;
use super::membership::{Here, Membership, Over};
use super::node::SHARD;
use super::question::{Question, Watch};
use super::stir::{Event, Stir, Why};
use super::world::World;
use super::zookeeper::{Answer, SessionId};
use crate::plan::{MS, SECOND};
use std::time::Duration;

/// Between two attempts to begin a session.
const PAUSE: u64 = 250 * MS;

/// A node's connection to ZooKeeper.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Counts the connections.
    pub(super) number: u64,
    pub(super) connected: bool,
    /// What goes over it arrives no more.
    pub(super) broken: bool,
    /// How far behind the server is that it goes to.
    pub(super) lag: u64,
    pub(super) up_at: u64,
    pub(super) down_at: u64,
    /// When ZooKeeper was last heard.
    pub(super) heard_at: u64,
    /// The last commit that was seen.
    pub(super) view: usize,
    pub(super) watches: Vec<Set>,
}

/// A watch that is set.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) watch: Watch,
    pub(super) path: String,
    pub(super) is_folder: bool,
    /// What was seen when it was set.
    pub(super) seen: usize,
    /// The node is being told.
    pub(super) fired: bool,
}

impl Link {
    /// That of the next process.
    pub(super) fn after(before: &Self) -> Self {
        Self {
            number: before.number + 1,
            ..Self::default()
        }
    }
}

impl World {
    fn reaches_zookeeper(&self, n: usize) -> bool {
        self.now >= self.zookeeper.down_until && self.now >= self.nodes[n].zookeeper_cut_until
    }

    /// A node tries to have a connection, or a session.
    pub(super) fn try_zookeeper(&mut self, n: usize) {
        if self.nodes[n].link.connected {
            return;
        }
        let limit = SESSION * 7 / 5;
        let reaches = self.reaches_zookeeper(n);
        let (now, silent) = (self.now, self.now - self.nodes[n].link.heard_at);
        let Some(membership) = &self.nodes[n].membership else {
            if reaches {
                let session = self.zookeeper.open(now);
                self.expire_later(session);
                self.begin_session(n, session);
            } else {
                let after = PAUSE + self.random.around(200 * MS);
                self.inside_after(n, after, Stir::Try);
            }
            return;
        };
        let session = membership.session;
        if reaches && self.zookeeper.touch(session, now) {
            self.connect_link(n);
            self.settle_membership(n);
        } else if reaches || silent > limit {
            self.end_session(n, Over::Lost);
        } else {
            let after = 50 * MS + self.random.around(200 * MS);
            self.inside_after(n, after, Stir::Try);
        }
    }

    fn begin_session(&mut self, n: usize, session: SessionId) {
        let about = self.nodes[n].about();
        let node = &mut self.nodes[n];
        node.link = Link::after(&node.link);
        let me = node.view.me.clone();
        let timeout = Duration::from_micros(SESSION);
        node.membership = Some(Membership::new(me, about, session, timeout, self.now));
        self.connect_link(n);
        self.settle_membership(n);
    }

    fn connect_link(&mut self, n: usize) {
        let lag = if self.now < self.zookeeper.lags_until {
            self.random.around(SECOND)
        } else {
            self.random.around(5 * MS)
        };
        let view = self.zookeeper.view(self.now, lag);
        let link = &mut self.nodes[n].link;
        link.number += 1;
        link.connected = true;
        link.broken = false;
        link.heard_at = self.now;
        link.lag = lag;
        // A server that is behind what was seen before is not taken.
        link.view = link.view.max(view);
        for set in &mut link.watches {
            set.fired = false;
        }
        let number = link.number;
        self.events.push(self.now, Event::Follow(n, number));
    }

    /// What goes between a node and ZooKeeper is lost from now on; the node learns it in its own time.
    pub(super) fn break_link(&mut self, n: usize) {
        let link = &mut self.nodes[n].link;
        if !link.connected || link.broken {
            return;
        }
        link.broken = true;
        let number = link.number;
        let after = 1 + self.random.around(SESSION / 4);
        self.inside_after(n, after, Stir::Lost(number));
    }

    /// The node learns it.
    pub(super) fn lost_link(&mut self, n: usize, number: u64) {
        let now = self.now;
        let node = &mut self.nodes[n];
        if node.link.number != number || !node.link.connected {
            return;
        }
        node.link.connected = false;
        if let Some(membership) = &mut node.membership {
            membership.disconnected(now);
        }
        self.inside_after(n, MS, Stir::Try);
    }

    /// A session is over for its node: the next one is built from the ground.
    fn end_session(&mut self, n: usize, over: Over) {
        let node = &mut self.nodes[n];
        let Some(membership) = node.membership.take() else {
            return;
        };
        let says_so = node.link.connected && !node.link.broken;
        node.link.connected = false;
        node.view.lease = cluster::members::Lease::NONE;
        if says_so {
            self.zookeeper_closes(membership.session);
        }
        match over {
            Over::Lost => self.inside_after(n, PAUSE, Stir::Try),
            Over::Superseded => self.exit(n),
        }
    }

    /// The node leaves: its session ends at once, if ZooKeeper hears of it.
    pub(super) fn leave_zookeeper(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        let membership = node.membership.take();
        if let Some(membership) = membership.filter(|_| node.link.connected && !node.link.broken) {
            self.zookeeper_closes(membership.session);
        }
    }

    /// Sends what a session asks, sets its timer, follows what it has learnt.
    pub(super) fn settle_membership(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        let Some(membership) = &mut node.membership else {
            return;
        };
        if let Some(over) = membership.over {
            return self.end_session(n, over);
        }
        let unsent = if node.link.connected {
            membership.take_unsent()
        } else {
            Vec::new()
        };
        let wake_at = membership.wake_at();
        let (session, term) = (membership.session, membership.election.term);
        let wants = std::mem::take(&mut membership.election.wants_epochs);
        for (number, question) in unsent {
            self.send_question(n, number, question);
        }
        if wants {
            self.ask_owner(n, Why::Epochs(session, term));
        }
        if let Some(at) = wake_at {
            let at = at.max(self.now + 1);
            if at < self.nodes[n].tick_at || self.nodes[n].tick_at <= self.now {
                self.nodes[n].tick_at = at;
                self.inside_after(n, at - self.now, Stir::Tick(at));
            }
        }
        self.renew_lease(n);
        self.follow(n);
    }

    fn send_question(&mut self, n: usize, number: u64, question: Question) {
        let latency = 50 + self.random.around(MS);
        let link = &mut self.nodes[n].link;
        link.up_at = link.up_at.max(self.now + latency);
        let arrive = Event::Arrive(n, link.number, number, question);
        self.events.push(link.up_at, arrive);
    }

    /// A node hears an answer.
    pub(super) fn replied(&mut self, n: usize, link: u64, number: u64, answer: Answer) {
        if self.hears(n, link) {
            self.with_membership(n, |membership, here| {
                membership.answered(here, number, answer);
            });
        }
    }

    /// A node hears that something has changed.
    pub(super) fn watch_fired(&mut self, n: usize, link: u64, watch: Watch) {
        if self.hears(n, link) {
            let watches = &mut self.nodes[n].link.watches;
            let fired = |set: &Set| set.fired && set.watch.is(&watch);
            if let Some(at) = watches.iter().position(fired) {
                watches.remove(at);
            }
            self.with_membership(n, |membership, here| membership.fired(here, watch));
        }
    }

    fn hears(&mut self, n: usize, number: u64) -> bool {
        let now = self.now;
        let link = &mut self.nodes[n].link;
        // What had arrived when the connection broke may not have been read: it is not.
        let hears = link.number == number && link.connected && !link.broken;
        if hears {
            link.heard_at = now;
        }
        hears
    }

    pub(super) fn tick_membership(&mut self, n: usize, at: u64) {
        if self.nodes[n].tick_at == at {
            self.nodes[n].tick_at = u64::MAX;
            self.with_membership(n, |membership, here| membership.tick(here));
        }
    }

    /// The database has said which epoch it knows, or nothing.
    pub(super) fn hear_epochs(
        &mut self,
        n: usize,
        session: SessionId,
        term: u64,
        epoch: Option<u64>,
    ) {
        let asks_database = self.plant != Some(super::ClusterPlant::EpochsOfAssignment);
        self.with_membership(n, |membership, here| {
            if membership.session != session {
                return;
            }
            let given = here.view.assignment.iter();
            let given = given.flat_map(|one| one.shards().get(SHARD as usize));
            let given = given.map(|holding| holding.epoch).next().unwrap_or(0);
            let epoch = if asks_database { epoch } else { Some(given) };
            membership.hear_epochs(here.now, term, epoch.map(|epoch| vec![epoch]));
        });
    }

    fn with_membership(&mut self, n: usize, what: impl FnOnce(&mut Membership, &mut Here<'_>)) {
        let node = &mut self.nodes[n];
        let Some(membership) = &mut node.membership else {
            return;
        };
        let mut here = Here {
            now: self.now,
            base: self.base,
            view: &mut node.view,
        };
        what(membership, &mut here);
        self.settle_membership(n);
    }
}
