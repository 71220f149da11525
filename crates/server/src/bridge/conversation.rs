//! A client that is passed on: its side of the conversation, and the loop in which both sides have their turns.

use super::owner::Owner;
use super::session::Session;
use super::way::{Closed, Login, Way};
use super::{Front, GOODBYE_MAX, Held};
use crate::host::{Host, Hosts};
use crate::login::External;
use crate::shard::SHUTDOWN;
use crate::socket::{Ready, Socket};
use crate::tokens;
use crate::unfinished::Share;
use broker::Proof;
use bytes::{Buf, BufMut, BytesMut};
use model::{ConnectionError, ConnectionId, MethodId, Password, ReplyCode, ShortStr, Timestamp};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::watch;
use wire::{Event, ServerConnection};

/// The first read of a client asks for so many bytes: a silent one must cost little.
const READ_LEAST: usize = 512;
/// The most bytes of one read of a client.
const READ_MOST: usize = 128 * 1024;
/// A client that has so many bytes to read gets no more from the owner, which then sends no more.
pub(super) const UNREAD_MAX: usize = 256 * 1024;
/// A client for which so much is held, messages and requests, is not read: the owner is slow, or there is none.
const HELD_MAX: usize = 8 * 1024 * 1024;
/// What a client holds up to here never waits for others.
const HELD_LITTLE: usize = 64 * 1024;
/// So many bytes may wait for the owner's socket.
const UNSENT_MAX: usize = 1024 * 1024;
/// A client waits so long for a node that serves it; then it is told, and may find one elsewhere.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How soon a client that may not be read is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a client waited for.
pub(super) enum Happened {
    Socket(Ready),
    Opened(Result<Way, Closed>),
    OwnerRead(Result<(), Closed>),
    OwnerWritable(io::Result<()>),
    HostChanged,
    Leaving,
    Time,
}

/// A client, and the way to the owner of its queues.
pub(super) struct Bridge<'a> {
    pub(super) front: &'a Front,
    pub(super) id: ConnectionId,
    pub(super) peer: SocketAddr,
    pub(super) all_hosts: Hosts,
    /// The shard that it wants to; until it has said where it wants to go, the first one, which knows who it is.
    pub(super) shard: u32,
    pub(super) hosts: watch::Receiver<Host>,
    pub(super) leaving: watch::Receiver<bool>,
    pub(super) wire: ServerConnection,
    pub(super) input: BytesMut,
    pub(super) read_size: usize,
    pub(super) share: Share,
    pub(super) held: Held<'a>,
    pub(super) owner: Owner,
    /// Since when there is no owner.
    pub(super) missed_since: Timestamp,
    /// Who it is if it says no password.
    external: External,
    pub(super) login: Option<Login>,
    /// How many secrets it has shown since that nobody has answered.
    pub(super) secrets: u32,
    /// Whether the client knows that it may come in.
    pub(super) let_in: bool,
    pub(super) vhost: Option<ShortStr>,
    /// Whether the client knows that it is where it wanted to go.
    pub(super) opened: bool,
    pub(super) session: Session,
    pub(super) reading: bool,
    /// The client's socket has ended.
    pub(super) hung_up: bool,
    /// The client is done, or was given up: when that is to be over.
    pub(super) goodbye_by: Option<Timestamp>,
    /// It said so itself, and waits for the answer.
    pub(super) awaits_goodbye: bool,
    /// The owner was told.
    pub(super) said_goodbye: bool,
    /// Why it has gone.
    pub(super) reason: Option<String>,
}

impl<'a> Bridge<'a> {
    /// A client that has come in, and has said nothing yet.
    pub(super) fn new(
        front: &'a Front,
        id: ConnectionId,
        peer: SocketAddr,
        external: External,
        (all_hosts, hosts): (Hosts, watch::Receiver<Host>),
    ) -> Self {
        let now = front.clock.now();
        let properties = front.server_properties.clone();
        Self {
            front,
            id,
            peer,
            all_hosts,
            shard: 0,
            hosts,
            leaving: front.leaving.subscribe(),
            wire: ServerConnection::new(&front.limits, properties, external.mechanisms(), now),
            input: BytesMut::new(),
            read_size: READ_LEAST,
            share: Share::of(&front.unfinished, id),
            held: Held {
                all: &front.held,
                own: 0,
            },
            owner: Owner::NotNeeded,
            missed_since: now,
            external,
            login: None,
            secrets: 0,
            let_in: false,
            vhost: None,
            opened: false,
            session: Session::new(front.numbers.clone(), ShortStr::empty()),
            reading: true,
            hung_up: false,
            goodbye_by: None,
            awaits_goodbye: false,
            said_goodbye: false,
            reason: None,
        }
    }

    /// Turn after turn, until client and owner have heard all that the other said. Tells why the client left.
    pub(super) async fn converse(mut self, socket: &mut Socket) -> String {
        loop {
            self.turn(socket);
            if self.is_over() {
                return self.reason.unwrap_or_default();
            }
            let happened = self.wait(socket).await;
            self.take_in(happened);
        }
    }

    /// Does all that can be done without waiting.
    fn turn(&mut self, socket: &mut Socket) {
        self.take_events();
        loop {
            let heard_all = self.hear_owner();
            self.say_goodbye();
            self.write_owner();
            self.write_client(socket);
            // Nothing would wake this end for what has come already and had no room.
            if heard_all || self.hung_up || self.wire.output().remaining() >= UNREAD_MAX {
                break;
            }
        }
        self.held.set(self.session.held());
    }

    fn write_client(&mut self, socket: &mut Socket) {
        if !self.hung_up && !self.must_tell_owner_first() {
            let written = socket.write(self.wire.output());
            written
                .map(drop)
                .unwrap_or_else(|error| self.hang_up(error.to_string()));
        }
    }

    async fn wait(&mut self, socket: &mut Socket) -> Happened {
        let reads = self.may_read();
        if reads != self.reading {
            self.reading = reads;
            self.wire.set_reading(self.front.clock.now(), reads);
        }
        if reads {
            self.input.reserve(self.read_size);
        }
        let listens = self.may_listen();
        let writes =
            !self.hung_up && !self.wire.output().is_empty() && !self.must_tell_owner_first();
        let wake_at = self.front.clock.instant(self.wake_at());
        let mut room = (&mut self.input).limit(self.read_size);
        let is_leaving = *self.leaving.borrow();
        tokio::select! {
            ready = socket.ready(&mut room, reads, writes), if !self.hung_up => Happened::Socket(ready),
            happened = self.owner.happens(listens) => happened,
            _ = self.hosts.changed(), if self.hosts.has_changed().is_ok() => Happened::HostChanged,
            _ = self.leaving.changed(), if !is_leaving => Happened::Leaving,
            () = tokio::time::sleep_until(wake_at) => Happened::Time,
        }
    }

    fn take_in(&mut self, happened: Happened) {
        match happened {
            Happened::Socket(Ready::Read(Ok(0))) => self.hang_up("the client hung up".into()),
            Happened::Socket(Ready::Read(Ok(count))) => {
                if count >= self.read_size {
                    self.read_size = (self.read_size * 2).min(READ_MOST);
                }
                self.wire.handle(self.front.clock.now(), &mut self.input);
            }
            Happened::Socket(Ready::Read(Err(error)) | Ready::Writable(Err(error))) => {
                self.hang_up(error.to_string());
            }
            Happened::Opened(Ok(way)) => self.arrive(way),
            Happened::Opened(Err(why)) => self.not_let_in(why),
            Happened::OwnerRead(Err(why)) => self.lose_owner(&why),
            Happened::OwnerWritable(Err(error)) => self.lose_owner(&error.into()),
            Happened::HostChanged => self.look_for_owner(),
            Happened::Leaving => self.close(ConnectionError::new(
                ReplyCode::ConnectionForced,
                SHUTDOWN,
                MethodId::default(),
            )),
            Happened::Socket(Ready::Writable(Ok(())))
            | Happened::OwnerRead(Ok(()))
            | Happened::OwnerWritable(Ok(())) => {}
            Happened::Time => {}
        }
        self.time();
    }

    fn time(&mut self) {
        let now = self.front.clock.now();
        if self.share.give_up_at().is_some_and(|at| at <= now) {
            self.close(self.share.too_slow());
        }
        match &mut self.owner {
            Owner::NotNeeded => {}
            Owner::Missing(again) if *again <= now => self.look_for_owner(),
            Owner::Missing(_) | Owner::Opening(_) => {}
            Owner::There(_, Some(until)) if *until <= now => {
                self.lose_owner(&Closed::Leaves);
            }
            Owner::There(way, _) => {
                let listens = self.wire.output().remaining() < UNREAD_MAX;
                if let Err(why) = way.pulse(listens) {
                    self.lose_owner(&why);
                }
            }
        }
        if self.patience_ends().is_some_and(|at| at <= now) {
            self.close(ConnectionError::new(
                ReplyCode::ConnectionForced,
                "no node of the cluster serves, try again",
                MethodId::default(),
            ));
        }
        self.wire.tick(now);
    }

    /// When a client that no node serves is told so.
    fn patience_ends(&self) -> Option<Timestamp> {
        let is_missed = matches!(self.owner, Owner::Missing(_) | Owner::Opening(_));
        if !is_missed || self.goodbye_by.is_some() {
            return None;
        }
        let unreached = self.address().and_then(|address| {
            let waits = self.missed_since;
            self.unreached().gives_up_at(&address, waits)
        });
        let patience = self.missed_since + PATIENCE;
        Some(unreached.map_or(patience, |at| at.min(patience)))
    }

    /// When something is to be done even if nothing happens.
    fn wake_at(&self) -> Timestamp {
        let now = self.front.clock.now();
        let owner = match &self.owner {
            Owner::NotNeeded | Owner::Opening(_) => None,
            Owner::Missing(again) => Some(*again),
            Owner::There(way, until) => {
                let pulse = way.wake_at();
                Some(until.map_or(pulse, |until| until.min(pulse)))
            }
        };
        let look_again = (!self.reading && !self.hung_up).then(|| now + LOOK_AGAIN);
        let times = [
            self.wire.wake_at(),
            owner,
            self.patience_ends(),
            look_again,
            self.share.give_up_at(),
            self.goodbye_by,
        ];
        times.into_iter().flatten().min().unwrap_or(now + PATIENCE)
    }

    fn may_read(&mut self) -> bool {
        self.share
            .hold(self.wire.unfinished_bytes() + self.input.len());
        let all_held = self.front.held.load(Relaxed);
        let holds = self.held.own;
        let has_room = holds < HELD_LITTLE
            || holds < HELD_MAX && all_held < self.front.limits.unfinished_bytes_max;
        let unsent = match &self.owner {
            Owner::There(way, _) => way.output.len(),
            _ => 0,
        };
        !self.hung_up
            && !self.wire.is_finished()
            && has_room
            && !self.session.waits_for_number()
            && unsent < UNSENT_MAX
            && self.wire.output().remaining() < UNREAD_MAX
            && self.share.may_grow(self.front.clock.now())
    }

    fn may_listen(&mut self) -> bool {
        self.wire.output().remaining() < UNREAD_MAX
    }

    fn take_events(&mut self) {
        while let Some(event) = self.wire.poll_event() {
            match event {
                Event::Login {
                    user,
                    password,
                    mechanism,
                    client_properties,
                } => {
                    let (user, proof) = self.external.who(&mechanism, user, password);
                    self.login = Some(Login {
                        user,
                        proof: Arc::new(proof),
                        client_properties,
                    });
                    self.missed_since = self.front.clock.now();
                    self.look_for_owner();
                }
                Event::SecretUpdated(secret) => self.take_secret(secret),
                Event::Open { vhost, .. } => self.enter(vhost.detached()),
                Event::Closed(why) => {
                    self.awaits_goodbye = true;
                    let said = why.map_or("closed by the client".into(), |why| why.to_string());
                    self.begin_goodbye(said);
                }
                event => self.session.client_did(event, &mut self.wire),
            }
        }
    }

    /// The owner looks at it; another one will be told this one from the start.
    fn take_secret(&mut self, secret: Password) {
        self.secrets += 1;
        if let Owner::There(way, _) = &mut self.owner {
            way.update_secret(&secret);
        }
        if let Some(login) = &mut self.login
            && let Proof::Password(before) = &*login.proof
            && tokens::is_one(before)
        {
            login.proof = Arc::new(Proof::Password(secret));
        }
    }

    /// The client says where it wants to go.
    fn enter(&mut self, vhost: ShortStr) {
        self.session = Session::new(self.front.numbers.clone(), vhost.clone());
        let shard = self.all_hosts.shard_of(&vhost);
        self.vhost = Some(vhost.clone());
        if shard != self.shard {
            self.turn_to(shard);
        } else if let Owner::There(way, _) = &mut self.owner {
            way.enter(vhost);
        }
    }

    /// Closes the connection by our own decision.
    pub(super) fn close(&mut self, error: ConnectionError) {
        self.wire.close(&error);
        self.begin_goodbye(error.to_string());
    }

    fn hang_up(&mut self, reason: String) {
        self.hung_up = true;
        self.begin_goodbye(reason);
    }

    /// The client is done. What it did before still counts: the owner is to hear of it.
    pub(super) fn begin_goodbye(&mut self, reason: String) {
        self.reason.get_or_insert(reason);
        let has_messages = self.session.has_messages();
        let most = if has_messages { PATIENCE } else { GOODBYE_MAX };
        let by = self.front.clock.now() + most;
        self.goodbye_by.get_or_insert(by);
        let is_there = matches!(self.owner, Owner::There(..));
        if !self.opened || !is_there && !has_messages {
            self.owner = Owner::NotNeeded;
        }
    }

    /// The client that sees its close answered may connect again at once: what was exclusively its own must be gone by then.
    pub(super) fn must_tell_owner_first(&self) -> bool {
        self.awaits_goodbye && !matches!(self.owner, Owner::NotNeeded)
    }

    fn is_over(&mut self) -> bool {
        let Some(by) = self.goodbye_by else {
            return false;
        };
        let has_heard = self.hung_up || self.wire.is_finished() && self.wire.output().is_empty();
        let over = has_heard && matches!(self.owner, Owner::NotNeeded);
        over || self.front.clock.now() >= by
    }
}
