//! ZooKeeper's end of the connections: servers that lag behind the leader answer, watches fire when they have followed it,
//! and sessions end when nobody is heard.

use super::SESSION;
use super::link::Set;
use super::question::Question;
use super::stir::{Event, Stir};
use super::world::World;
use super::zookeeper::{Answer, Ask, SessionId};
use crate::plan::MS;
use cluster::members::Request;

impl World {
    /// A question reaches a server.
    pub(super) fn question_arrives(
        &mut self,
        n: usize,
        link: u64,
        number: u64,
        question: &Question,
    ) {
        let node = &self.nodes[n];
        let Some(membership) = &node.membership else {
            return;
        };
        if node.link.number != link || node.link.broken {
            return;
        }
        let session = membership.session;
        if !self.zookeeper.touch(session, self.now) {
            return self.break_link(n);
        }
        let before = self.zookeeper.last();
        let follows = self.zookeeper.view(self.now, node.link.lag);
        let view = node.link.view.max(follows);
        let (answer, needs) = self
            .zookeeper
            .answer(session, &question.ask, view, self.now);
        self.committed(before);
        let link = &mut self.nodes[n].link;
        link.view = view;
        let is_there = !matches!(answer, Answer::Data(None));
        if let Some(watch) = question.watch.clone().filter(|_| is_there) {
            let (path, is_folder) = match &question.ask {
                Ask::List(folder) => ((*folder).to_owned(), true),
                Ask::Read(path) => (path.clone(), false),
                _ => unreachable!("only what is read is watched"),
            };
            link.watches.push(Set {
                watch,
                path,
                is_folder,
                seen: view,
                fired: false,
            });
        }
        // The server answers when it has what the answer says.
        let has = self.zookeeper.committed(needs);
        let has = if needs > view {
            has + link.lag
        } else {
            self.now
        };
        let reply = Stir::Replied(link.number, number, answer);
        let (number, behind) = (link.number, self.zookeeper.last() > view);
        self.tell_node(n, has, reply);
        if behind {
            self.follow_later(n, number);
        }
    }

    /// Something goes to a node, behind all that went there before.
    fn tell_node(&mut self, n: usize, at: u64, stir: Stir) {
        let latency = 50 + self.random.around(MS);
        let link = &mut self.nodes[n].link;
        link.down_at = link.down_at.max(at.max(self.now) + latency);
        let after = link.down_at - self.now;
        self.inside_after(n, after, stir);
    }

    /// Something was committed: the servers hear of it.
    fn committed(&mut self, before: usize) {
        if self.zookeeper.last() == before {
            return;
        }
        for n in 0..self.nodes.len() {
            let number = self.nodes[n].link.number;
            self.follow_later(n, number);
        }
    }

    fn follow_later(&mut self, n: usize, number: u64) {
        let last = self.zookeeper.committed(self.zookeeper.last());
        let at = last + self.nodes[n].link.lag;
        self.events.push(at.max(self.now), Event::Follow(n, number));
    }

    /// A server has what was committed a while ago: watches fire.
    pub(super) fn server_follows(&mut self, n: usize, number: u64) {
        let node = &mut self.nodes[n];
        if node.link.number != number || !node.link.connected || node.link.broken {
            return;
        }
        let view = self.zookeeper.view(self.now, node.link.lag);
        node.link.view = node.link.view.max(view);
        let view = node.link.view;
        let mut firing = Vec::new();
        for set in node.link.watches.iter_mut().filter(|set| !set.fired) {
            let seen = set.seen.min(view);
            if self.zookeeper.differs(&set.path, set.is_folder, seen, view) {
                set.fired = true;
                firing.push(set.watch.clone());
            }
        }
        for watch in firing {
            self.tell_node(n, self.now, Stir::Fired(number, watch));
        }
    }

    /// An operator asks for something, from whichever node.
    pub(super) fn ask_controller(&mut self, request: &Request) {
        let before = self.zookeeper.last();
        self.zookeeper.request(request.encode(), self.now);
        self.committed(before);
    }

    pub(super) fn zookeeper_closes(&mut self, session: SessionId) {
        let before = self.zookeeper.last();
        self.zookeeper.close(session, self.now);
        self.committed(before);
    }

    pub(super) fn expire_later(&mut self, session: SessionId) {
        if let Some(heard) = self.zookeeper.heard(session) {
            // While there is no leader nobody counts.
            let at = heard.max(self.zookeeper.down_until) + SESSION;
            self.events
                .push(at.max(self.now + 1), Event::Expire(session));
        }
    }

    /// The leader gives up a session whose client was not heard for too long.
    pub(super) fn expire(&mut self, session: SessionId) {
        let Some(heard) = self.zookeeper.heard(session) else {
            return;
        };
        if self.now < self.zookeeper.down_until || self.now < heard + SESSION {
            return self.expire_later(session);
        }
        self.zookeeper_closes(session);
        for n in 0..self.nodes.len() {
            let membership = self.nodes[n].membership.as_ref();
            if membership.is_some_and(|membership| membership.session == session) {
                self.break_link(n);
            }
        }
    }

    /// An outage of ZooKeeper is over.
    pub(super) fn zookeeper_up(&mut self) {
        if self.now >= self.zookeeper.down_until {
            self.zookeeper.recover(self.now);
        }
    }
}
