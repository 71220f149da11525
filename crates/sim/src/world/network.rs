//! The network: connections that keep the order of what is on its way, and are lost, each end learning it in its own
//! time.

use super::{Connection, Event, World};
use crate::actor::{Down, Wake};
use crate::plan::{MS, SECOND};
use crate::shell::Outlet;
use broker::{Input, Opened};
use model::{ConnectionId, Method};

impl World {
    pub(super) fn arrive(&mut self, number: usize, inputs: Vec<Input>) {
        let connection = &mut self.connections[number];
        if connection.server_gone || connection.life != self.life || self.now > connection.cut_at {
            return;
        }
        let Some(shell) = &mut self.shell else {
            return;
        };
        for input in inputs {
            let id = ConnectionId(number as u64);
            match &input {
                Input::ConnectionOpened(_) => {
                    shell.outlets.insert(id, Outlet::default());
                }
                Input::ConnectionClosed(_) => {
                    self.connections[number].server_gone = true;
                    shell.outlets.remove(&id);
                }
                _ => {}
            }
            match shell.outlets.get_mut(&id).filter(|outlet| outlet.blocked) {
                Some(outlet) => outlet.unread.push(input),
                None => shell.inbox.push(input),
            }
        }
        self.turn_soon();
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
                Down::ConnectionClosed => self.client_sees(number),
                other => self.with_actor(actor, |actor, it| actor.heard(it, other)),
            }
        }
    }

    pub(super) fn write(&mut self, number: usize, inputs: Vec<Input>) {
        if inputs.is_empty() {
            return;
        }
        let connection = &mut self.connections[number];
        let at = self.now + 1 + self.random.around(connection.latency);
        connection.up_at = connection.up_at.max(at);
        let at = connection.up_at;
        self.at(at, Event::Arrive(number, inputs));
    }

    pub(super) fn connect(&mut self, actor: usize) {
        if self.connected[actor].is_some() {
            return;
        }
        if self.shell.is_none() {
            let after = 50 * MS + self.random.around(500 * MS);
            return self.after(after, Event::Wake(actor, None, Wake::Connect));
        }
        let number = self.connections.len();
        let latency = 1 + self.random.around(2 * self.plan.latency);
        self.connections.push(Connection {
            actor,
            life: self.life,
            latency,
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
    pub(super) fn sever(&mut self, number: usize) {
        let after = self.random.around(2 * self.plan.latency);
        self.connections[number].cut_at = self.now + after;
        let times = [10 * MS, SECOND, 10 * SECOND];
        let seen = *self.random.pick(&times);
        let seen = after + 1 + self.random.around(seen);
        self.after(seen, Event::ServerSees(number));
        let seen = *self.random.pick(&times);
        let seen = after + 1 + self.random.around(seen);
        self.after(seen, Event::ClientSees(number));
    }

    pub(super) fn server_sees(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        if connection.server_gone || connection.life != self.life {
            return;
        }
        connection.server_gone = true;
        if let Some(shell) = &mut self.shell {
            let id = ConnectionId(number as u64);
            if shell.outlets.remove(&id).is_some() {
                shell.inbox.push(Input::ConnectionClosed(id));
            }
            self.turn_soon();
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
        self.after(after, Event::Wake(actor, None, Wake::Connect));
    }

    /// A client closes its connection.
    pub(super) fn leave(&mut self, number: usize) {
        let id = ConnectionId(number as u64);
        self.write(number, vec![Input::ConnectionClosed(id)]);
        self.client_sees(number);
    }
}
