//! Clients, who connect to any node: to the owner itself, or to one that passes them on.

use super::node::Host;
use super::stir::{Event, Stir};
use super::world::World;
use crate::actor::{Actor, Down, Surroundings, Wake};
use crate::plan::{MS, SECOND};
use broker::{Input, Opened};
use model::{ConnectionId, Method};

/// A connection; its number is its place in the list.
#[derive(Debug)]
pub(super) struct Connection {
    actor: usize,
    /// The node that the client came to.
    entry: usize,
    /// The one that serves it.
    node: usize,
    life: u64,
    tenure: u64,
    pub(super) latency: u64,
    /// When the last thing on its way arrives: nothing overtakes.
    up_at: u64,
    down_at: u64,
    /// What arrives later is lost.
    cut_at: u64,
    pub(super) server_gone: bool,
    client_gone: bool,
}

impl Connection {
    fn is_open(&self) -> bool {
        !self.client_gone && self.cut_at == u64::MAX
    }
}

impl World {
    pub(super) fn arrive(&mut self, number: usize, inputs: Vec<Input>) {
        let connection = &self.connections[number];
        if !connection.server_gone && self.now <= connection.cut_at {
            self.inputs(connection.node, connection.tenure, number, inputs);
        }
    }

    pub(super) fn reach(&mut self, number: usize, batch: Vec<Down>) {
        let connection = &self.connections[number];
        if connection.client_gone || self.now > connection.cut_at {
            return;
        }
        let actor = connection.actor;
        for down in batch {
            if self.connections[number].client_gone {
                return;
            }
            match down {
                Down::Method(Method::ConnectionOpenOk(_)) => {
                    self.with_actor(actor, |actor, it| actor.opened(it));
                }
                Down::ConnectionClosed => self.leave(number),
                other => self.with_actor(actor, |actor, it| actor.heard(it, other)),
            }
        }
    }

    pub(super) fn send_down(&mut self, number: usize, batch: Vec<Down>) {
        let connection = &mut self.connections[number];
        let at = self.now + 1 + self.random.around(connection.latency);
        connection.down_at = connection.down_at.max(at);
        self.events
            .push(connection.down_at, Event::Reach(number, batch));
    }

    fn write(&mut self, number: usize, inputs: Vec<Input>) {
        if inputs.is_empty() {
            return;
        }
        let connection = &mut self.connections[number];
        let at = self.now + 1 + self.random.around(connection.latency);
        connection.up_at = connection.up_at.max(at);
        let (node, life) = (connection.node, connection.life);
        let after = connection.up_at - self.now;
        self.inside_of(node, life, after, Stir::Inputs(number, inputs));
    }

    fn is_reachable(&self, n: usize) -> bool {
        let node = &self.nodes[n];
        node.up && self.now >= node.clients_cut_until && self.now >= node.paused_until
    }

    /// The owner that a client comes to which comes to this node.
    fn serves(&self, entry: usize) -> Option<(usize, u64)> {
        let node = &self.nodes[entry];
        if !self.is_reachable(entry) || node.stopping.is_some() {
            return None;
        }
        match node.host {
            Host::Here(tenure) => Some((entry, tenure)),
            // It is not passed on again.
            Host::There(there) if self.is_reachable(there) => match self.nodes[there].host {
                Host::Here(tenure) => Some((there, tenure)),
                _ => None,
            },
            _ => None,
        }
    }

    fn connect(&mut self, actor: usize) {
        if self.connected[actor].is_some() {
            return;
        }
        let entry = self.random.below(self.nodes.len() as u64) as usize;
        let Some((node, tenure)) = self.serves(entry) else {
            let after = 50 * MS + self.random.around(500 * MS);
            let again = Event::Wake(actor, None, Wake::Connect);
            return self.events.push(self.now + after, again);
        };
        let number = self.connections.len();
        let hops = if node == entry { 1 } else { 2 };
        self.connections.push(Connection {
            actor,
            entry,
            node,
            life: self.nodes[node].life,
            tenure,
            latency: (1 + self.random.around(2 * self.plan.latency)) * hops,
            up_at: 0,
            down_at: 0,
            cut_at: u64::MAX,
            server_gone: false,
            client_gone: false,
        });
        self.connected[actor] = Some(number);
        let opened = Opened {
            connection: ConnectionId(number as u64),
            user: crate::plan::short("guest"),
            vhost: crate::plan::short("/"),
            consumer_cancel_notify: true,
            blocked_notify: false,
        };
        self.write(number, vec![Input::ConnectionOpened(opened)]);
    }

    /// A connection is lost; each end learns it in its own time.
    fn sever(&mut self, number: usize) {
        let after = self.random.around(2 * self.plan.latency);
        let times = [10 * MS, SECOND, 10 * SECOND];
        let server = *self.random.pick(&times);
        let client = *self.random.pick(&times);
        self.cut(number, after, server, client);
    }

    /// A connection ends after a while; its ends see it in about those times.
    fn cut(&mut self, number: usize, after: u64, server: u64, client: u64) {
        let connection = &mut self.connections[number];
        connection.cut_at = connection.cut_at.min(self.now + after);
        let (node, life) = (connection.node, connection.life);
        let seen = after + 1 + self.random.around(server);
        self.inside_of(node, life, seen, Stir::ServerSees(number));
        let seen = self.now + after + 1 + self.random.around(client);
        self.events.push(seen, Event::ClientSees(number));
    }

    /// Any open connection is lost.
    pub(super) fn sever_one(&mut self) -> bool {
        let all = 0..self.connections.len();
        let open: Vec<usize> = all
            .filter(|number| self.connections[*number].is_open())
            .collect();
        if open.is_empty() {
            return false;
        }
        let number = *self.random.pick(&open);
        self.sever(number);
        true
    }

    /// Those through a node are lost.
    pub(super) fn sever_all(&mut self, n: usize) {
        for number in 0..self.connections.len() {
            let connection = &self.connections[number];
            if connection.is_open() && (connection.node == n || connection.entry == n) {
                self.sever(number);
            }
        }
    }

    /// Whoever served these clients is gone: at once, and they hear it soon.
    pub(super) fn hang_up(&mut self, n: usize, tenure: u64) {
        for number in 0..self.connections.len() {
            let connection = &mut self.connections[number];
            if connection.tenure == tenure && !connection.server_gone {
                debug_assert_eq!(connection.node, n, "a tenure is that of one node");
                connection.server_gone = true;
                connection.cut_at = connection.cut_at.min(self.now);
                let after = self.now + 1 + self.random.around(200 * MS);
                self.events.push(after, Event::ClientSees(number));
            }
        }
    }

    /// A node passes on nobody any more.
    pub(super) fn end_relays(&mut self, n: usize) {
        for number in 0..self.connections.len() {
            let connection = &self.connections[number];
            if connection.is_open() && connection.entry == n && connection.node != n {
                self.cut(number, 0, 20 * MS, 20 * MS);
            }
        }
    }

    pub(super) fn server_sees(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        if connection.server_gone {
            return;
        }
        connection.server_gone = true;
        let (node, tenure) = (connection.node, connection.tenure);
        if let Some(serving) = self.nodes[node].tenure(tenure) {
            let id = ConnectionId(number as u64);
            if serving.shell.outlets.remove(&id).is_some() {
                serving.shell.inbox.push(Input::ConnectionClosed(id));
            }
            self.turn_soon(node, tenure);
        }
    }

    pub(super) fn client_sees(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        if std::mem::replace(&mut connection.client_gone, true) {
            return;
        }
        let actor = connection.actor;
        self.with_actor(actor, |actor, it| actor.lost(it));
        self.connected[actor] = None;
        let after = MS + self.random.around(300 * MS);
        let again = Event::Wake(actor, None, Wake::Connect);
        self.events.push(self.now + after, again);
    }

    /// A client closes its connection.
    fn leave(&mut self, number: usize) {
        let id = ConnectionId(number as u64);
        self.write(number, vec![Input::ConnectionClosed(id)]);
        self.client_sees(number);
    }

    fn with_actor(&mut self, number: usize, what: impl FnOnce(&mut Actor, &mut Surroundings<'_>)) {
        let connection = self.connected[number];
        let mut it = Surroundings {
            now: self.now,
            plan: &self.plan,
            random: &mut self.random,
            ledger: &mut self.ledger,
            calm: self.calm,
            connection,
            out: Vec::new(),
            wakes: Vec::new(),
            leaves: false,
        };
        what(&mut self.actors[number], &mut it);
        let (out, wakes, leaves) = (it.out, it.wakes, it.leaves);
        for (after, wake) in wakes {
            let connection = if wake == Wake::Poll { connection } else { None };
            let wakes = Event::Wake(number, connection, wake);
            self.events.push(self.now + after, wakes);
        }
        if let Some(connection) = connection {
            self.write(connection, out);
            if leaves && !self.connections[connection].client_gone {
                self.leave(connection);
            }
        }
        if number == 0 && leaves {
            self.founded();
        }
    }

    pub(super) fn wake(&mut self, actor: usize, connection: Option<usize>, wake: Wake) {
        if wake == Wake::Connect {
            let founded = matches!(&self.actors[0], Actor::Founder(founder) if founder.done);
            if actor > 0 || !founded {
                self.connect(actor);
            }
        } else if connection.is_none() || connection == self.connected[actor] {
            self.with_actor(actor, |actor, it| actor.woken(it, wake));
        }
    }

    /// Everything is declared: the others come.
    fn founded(&mut self) {
        for actor in 1..self.actors.len() {
            let at = self.now + self.random.around(100 * MS);
            self.events
                .push(at, Event::Wake(actor, None, Wake::Connect));
            if matches!(self.actors[actor], Actor::Sender(_)) {
                self.events.push(at, Event::Wake(actor, None, Wake::Send));
            }
        }
        let first = self.now + self.random.around(self.plan.fault_every);
        self.events.push(first, Event::Fault);
        self.events.push(self.now + self.plan.stormy, Event::Calm);
    }

    /// All who were kept busy by the storm go on.
    pub(super) fn wake_all(&mut self) {
        for actor in 1..self.actors.len() {
            let at = self.now + 1 + self.random.around(10 * MS);
            self.events.push(at, Event::Wake(actor, None, Wake::Send));
        }
    }
}
