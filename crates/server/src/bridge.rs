//! A client of this node whose queues another node owns: this end speaks the protocol with the client, and passes on what
//! it does and hears. When the owner dies, or another node takes over, the client keeps its connection and its channels: it
//! only waits ([`session`]).

mod channel;
mod numbers;
mod session;
mod unconfirmed;
mod way;

use crate::clock::Clock;
use crate::host::Host;
use crate::login;
use crate::relay::Secret;
use crate::shard::SHUTDOWN;
use crate::unfinished::{Share, Unfinished};
use bytes::{Buf, BufMut, BytesMut};
use model::method::connection;
use model::{
    ChannelNumber, ConnectionError, ConnectionId, FieldTable, Limits, Method, MethodId, ReplyCode,
    ShortStr, Timestamp,
};
use numbers::Numbers;
use session::Session;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::{debug, info, warn};
use way::{Closed, Destination, Login, Way};
use wire::{Arrival, Event, ServerConnection};

/// The most bytes of one read of a client.
const READ_MOST: usize = 128 * 1024;
/// A client that has so many bytes to read gets no more from the owner, which then sends no more.
const UNREAD_MAX: usize = 1024 * 1024;
/// A client whose unconfirmed messages take so much is not read: the owner is slow, or there is none.
const HELD_MAX: usize = 8 * 1024 * 1024;
/// What a client holds up to here never waits for others.
const HELD_LITTLE: usize = 64 * 1024;
/// So many bytes may wait for the owner's socket.
const UNSENT_MAX: usize = 1024 * 1024;
/// A client waits so long for a node that serves it; then it is told, and may find one elsewhere.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a way that failed the next one is tried so soon.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// A node that stops is not asked again so soon, unless it is named again: it waits for its clients to leave.
const LEFT_FOR: Duration = Duration::from_secs(2);
/// An owner that another one replaces has so long to say its last: what it does not say is asked of the next.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// How long a client that goes may take to hear it, and an owner to hear what the client did before it went.
const GOODBYE_MAX: Duration = Duration::from_secs(5);
/// How soon a client that may not be read is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The most pieces of one write.
const WRITE_PIECES: usize = 64;
const CONNECTION: ChannelNumber = ChannelNumber(0);

/// What all clients that are passed on share.
pub struct Front {
    limits: Limits,
    server_properties: FieldTable,
    clock: Clock,
    unfinished: Arc<Unfinished>,
    numbers: Arc<Numbers>,
    /// What messages that are not confirmed take, of all clients.
    held: AtomicUsize,
    /// What only nodes of the cluster know.
    secret: Secret,
    /// Where this node itself listens to nodes.
    own: Arc<str>,
    /// True when the node stops.
    leaving: watch::Sender<bool>,
}

impl Front {
    /// The front of a node that other nodes find at `own`. `run` tells this run of it from all others.
    pub fn new(
        limits: &Limits,
        server_properties: FieldTable,
        clock: Clock,
        secret: Secret,
        own: &str,
        run: u128,
    ) -> Arc<Self> {
        Arc::new(Self {
            limits: limits.clone(),
            server_properties,
            clock,
            unfinished: Unfinished::new(limits.unfinished_bytes_max),
            numbers: Arc::new(Numbers::new(run)),
            held: AtomicUsize::new(0),
            secret,
            own: own.into(),
            leaving: watch::Sender::new(false),
        })
    }

    /// Tells all clients that the node stops, and waits until they have gone, but not for long.
    pub async fn leave(&self) {
        self.leaving.send_replace(true);
        // Each client that is passed on listens.
        let _ = tokio::time::timeout(GOODBYE_MAX, self.leaving.closed()).await;
    }
}

/// Serves one client, for as long as it stays.
pub(crate) async fn serve(
    front: Arc<Front>,
    id: ConnectionId,
    stream: TcpStream,
    peer: SocketAddr,
    hosts: watch::Receiver<Host>,
) {
    let mut bridge = Bridge::new(&front, id, peer, hosts);
    bridge.converse(stream).await;
    let reason = bridge.reason.take();
    info!(connection = %id, %peer, reason = reason.as_deref().unwrap_or("gone"), "client that was passed on has left");
}

/// Where the owner is, for a client.
enum Owner {
    /// Nobody has asked for it yet, or nobody needs it any more.
    NotNeeded,
    /// Not there; when to look again.
    Missing(Timestamp),
    /// On the way there.
    Opening(Pin<Box<dyn Future<Output = Result<Way, Closed>> + Send>>),
    /// There. If another one replaces it, until when it is listened to.
    There(Box<Way>, Option<Timestamp>),
}

/// What a client waited for.
enum Happened {
    Read(io::Result<usize>),
    Writable(io::Result<()>),
    Opened(Result<Way, Closed>),
    OwnerRead(Result<(), Closed>),
    OwnerWritable(io::Result<()>),
    HostChanged,
    Leaving,
    Time,
}

struct Bridge<'a> {
    front: &'a Front,
    id: ConnectionId,
    peer: SocketAddr,
    hosts: watch::Receiver<Host>,
    leaving: watch::Receiver<bool>,
    wire: ServerConnection,
    input: BytesMut,
    share: Share,
    held: Held<'a>,
    owner: Owner,
    /// Since when there is no owner.
    missed_since: Timestamp,
    login: Option<Login>,
    /// Whether the client knows that it may come in.
    let_in: bool,
    vhost: Option<ShortStr>,
    /// Whether the client knows that it is where it wanted to go.
    opened: bool,
    session: Session,
    reading: bool,
    /// The client's socket has ended.
    hung_up: bool,
    /// The client is done, or was given up: when that is to be over.
    goodbye_by: Option<Timestamp>,
    /// The owner was told.
    said_goodbye: bool,
    /// Why it has gone.
    reason: Option<String>,
}

/// What a client's unconfirmed messages take, in the sum over all clients.
struct Held<'a> {
    all: &'a AtomicUsize,
    own: usize,
}

impl Held<'_> {
    fn set(&mut self, bytes: usize) {
        self.all.fetch_add(bytes, Relaxed);
        self.all
            .fetch_sub(std::mem::replace(&mut self.own, bytes), Relaxed);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl<'a> Bridge<'a> {
    fn new(
        front: &'a Front,
        id: ConnectionId,
        peer: SocketAddr,
        hosts: watch::Receiver<Host>,
    ) -> Self {
        let now = front.clock.now();
        let properties = front.server_properties.clone();
        Self {
            front,
            id,
            peer,
            hosts,
            leaving: front.leaving.subscribe(),
            wire: ServerConnection::new(&front.limits, properties, login::MECHANISMS, now),
            input: BytesMut::new(),
            share: Share::of(&front.unfinished, id),
            held: Held {
                all: &front.held,
                own: 0,
            },
            owner: Owner::NotNeeded,
            missed_since: now,
            login: None,
            let_in: false,
            vhost: None,
            opened: false,
            session: Session::new(front.numbers.clone(), ShortStr::empty()),
            reading: true,
            hung_up: false,
            goodbye_by: None,
            said_goodbye: false,
            reason: None,
        }
    }

    /// Turn after turn, until client and owner have heard all that the other said.
    async fn converse(&mut self, mut stream: TcpStream) {
        loop {
            self.turn(&stream);
            if self.is_over() {
                return;
            }
            let happened = self.wait(&mut stream).await;
            self.take_in(happened);
        }
    }

    /// Does all that can be done without waiting.
    fn turn(&mut self, stream: &TcpStream) {
        self.take_events();
        self.hear_owner();
        self.say_goodbye();
        self.write_owner();
        let must_wait = self.hung_up || self.must_tell_owner_first();
        if !must_wait && let Err(error) = self.write(stream) {
            self.hang_up(error.to_string());
        }
        self.held.set(self.session.held());
    }

    async fn wait(&mut self, stream: &mut TcpStream) -> Happened {
        let reads = self.may_read();
        if reads != self.reading {
            self.reading = reads;
            self.wire.set_reading(self.front.clock.now(), reads);
        }
        if reads {
            self.input.reserve(READ_MOST / 4);
        }
        let listens = self.may_listen();
        let writes =
            !self.hung_up && !self.wire.output().is_empty() && !self.must_tell_owner_first();
        let wake_at = self.front.clock.instant(self.wake_at());
        let (mut reader, writer) = stream.split();
        let mut room = (&mut self.input).limit(READ_MOST);
        let is_leaving = *self.leaving.borrow();
        tokio::select! {
            read = reader.read_buf(&mut room), if reads => Happened::Read(read),
            ready = writer.writable(), if writes => Happened::Writable(ready),
            happened = at_owner(&mut self.owner, listens) => happened,
            _ = self.hosts.changed(), if self.hosts.has_changed().is_ok() => Happened::HostChanged,
            _ = self.leaving.changed(), if !is_leaving => Happened::Leaving,
            () = tokio::time::sleep_until(wake_at) => Happened::Time,
        }
    }

    fn take_in(&mut self, happened: Happened) {
        match happened {
            Happened::Read(Ok(0)) => self.hang_up("the client hung up".into()),
            Happened::Read(Ok(_)) => self.wire.handle(self.front.clock.now(), &mut self.input),
            Happened::Read(Err(error)) | Happened::Writable(Err(error)) => {
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
            Happened::Writable(Ok(()))
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
        let is_missing = matches!(self.owner, Owner::Missing(_) | Owner::Opening(_));
        if is_missing && now >= self.missed_since + PATIENCE && self.goodbye_by.is_none() {
            self.close(ConnectionError::new(
                ReplyCode::ConnectionForced,
                "no node of the cluster serves, try again",
                MethodId::default(),
            ));
        }
        self.wire.tick(now);
    }

    /// When something is to be done even if nothing happens.
    fn wake_at(&self) -> Timestamp {
        let now = self.front.clock.now();
        let owner = match &self.owner {
            Owner::NotNeeded => None,
            Owner::Missing(again) => Some(*again),
            Owner::Opening(_) => Some(self.missed_since + PATIENCE),
            Owner::There(way, until) => {
                let pulse = way.wake_at();
                Some(until.map_or(pulse, |until| until.min(pulse)))
            }
        };
        let owner =
            owner.filter(|_| self.goodbye_by.is_none() || !matches!(self.owner, Owner::Opening(_)));
        let look_again = (!self.reading && !self.hung_up).then(|| now + LOOK_AGAIN);
        let times = [
            self.wire.wake_at(),
            owner,
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
                    client_properties,
                    ..
                } => {
                    self.login = Some(Login {
                        user,
                        password,
                        client_properties,
                    });
                    self.missed_since = self.front.clock.now();
                    self.look_for_owner();
                }
                Event::Open { vhost, .. } => self.enter(vhost.detached()),
                Event::Closed(why) => {
                    let said = why.map_or("closed by the client".into(), |why| why.to_string());
                    self.begin_goodbye(said);
                }
                event => self.session.client_did(event, &mut self.wire),
            }
        }
    }

    /// The client says where it wants to go.
    fn enter(&mut self, vhost: ShortStr) {
        self.session = Session::new(self.front.numbers.clone(), vhost.clone());
        if let Owner::There(way, _) = &mut self.owner {
            way.enter(vhost.clone());
        }
        self.vhost = Some(vhost);
    }

    /// Hears what the owner says, as long as the client reads it.
    fn hear_owner(&mut self) {
        while self.wire.output().remaining() < UNREAD_MAX {
            let Owner::There(way, _) = &mut self.owner else {
                return;
            };
            match way.next() {
                Ok(None) => return,
                Ok(Some((CONNECTION, Arrival::Method(method)))) => self.on_connection(&method),
                Ok(Some((number, arrival))) => {
                    let passed_on = self.session.owner_said(number, arrival, &mut self.wire);
                    if let Err(out_of_turn) = passed_on {
                        warn!(connection = %self.id, peer = %self.peer, %out_of_turn, "the way to the owner fails");
                        self.lose_owner(&Closed::Failed(io::ErrorKind::InvalidData.into()));
                    }
                }
                Err(why) => self.lose_owner(&why),
            }
        }
    }

    fn on_connection(&mut self, method: &Method) {
        match method {
            Method::ConnectionOpenOk(_) => self.is_open(),
            Method::ConnectionBlocked(_) | Method::ConnectionUnblocked(_) => {
                self.session.blocked(method, &mut self.wire);
            }
            Method::ConnectionCloseOk(_) => self.owner = Owner::NotNeeded,
            _ => {}
        }
    }

    /// The owner has let the client in where it wanted to go.
    fn is_open(&mut self) {
        if !std::mem::replace(&mut self.opened, true) {
            self.wire
                .send(CONNECTION, &connection::OpenOk::default().into());
        }
        if let Owner::There(way, _) = &self.owner {
            self.session.resume(way.frame_max);
        }
    }

    /// There is a way to the owner, up to where the client has come.
    fn arrive(&mut self, mut way: Way) {
        let now = self.front.clock.now();
        let waited_ms = now.0.saturating_sub(self.missed_since.0);
        let entered = way.has_entered();
        if !entered && let Some(vhost) = &self.vhost {
            // The client said so while this way was being opened.
            way.enter(vhost.clone());
        }
        debug!(connection = %self.id, peer = %self.peer, node = &*way.address, waited_ms, "passed on");
        self.owner = Owner::There(Box::new(way), None);
        if !std::mem::replace(&mut self.let_in, true) {
            self.wire.accept_login();
        }
        if entered {
            if self.opened {
                info!(connection = %self.id, peer = %self.peer, waited_ms, "another node serves a client that stayed");
            }
            self.is_open();
        }
        // The owner may have changed meanwhile.
        self.look_for_owner();
    }

    fn not_let_in(&mut self, why: Closed) {
        match why {
            Closed::Refused(error) if !self.let_in && error.code == ReplyCode::AccessRefused => {
                self.owner = Owner::NotNeeded;
                self.wire.refuse_login();
                self.begin_goodbye(error.to_string());
            }
            why => self.lose_owner(&why),
        }
    }

    /// Opens a way to the owner, if there is one, and none yet.
    fn look_for_owner(&mut self) {
        let Some(login) = self.login.clone() else {
            return;
        };
        let address = match &*self.hosts.borrow_and_update() {
            Host::Here(_) => Some(self.front.own.clone()),
            Host::There(peer) => Some(peer.address.clone()),
            Host::Nobody => None,
        };
        let now = self.front.clock.now();
        match (&mut self.owner, address) {
            (Owner::NotNeeded, _) if self.let_in => {}
            (Owner::There(way, until), Some(address)) => {
                if way.address != address {
                    until.get_or_insert(now + LAST_WORDS);
                }
            }
            (Owner::There(..), None) => {}
            (_, None) => self.owner = Owner::Missing(now + PATIENCE),
            (_, Some(address)) => {
                let destination = Destination {
                    address,
                    secret: self.front.secret,
                    client: self.peer,
                    login,
                    vhost: self.vhost.clone(),
                };
                self.owner = Owner::Opening(Box::pin(Way::open(destination, self.front.clock)));
            }
        }
    }

    /// The way to the owner has ended.
    fn lose_owner(&mut self, why: &Closed) {
        debug!(connection = %self.id, peer = %self.peer, %why, "the way to the owner ended");
        if matches!(self.owner, Owner::There(..)) {
            self.missed_since = self.front.clock.now();
        }
        let again_after = match why {
            Closed::Leaves => LEFT_FOR,
            _ => AGAIN_AFTER,
        };
        self.owner = Owner::Missing(self.front.clock.now() + again_after);
        self.session.lost(&mut self.wire);
        if let Closed::Refused(error) = why {
            self.owner = Owner::NotNeeded;
            return self.close(error.clone());
        }
        if self.goodbye_by.is_none()
            && let Some(why) = self.session.cannot_go_on()
        {
            self.close(ConnectionError::new(
                ReplyCode::ConnectionForced,
                format_args!("the node that served this connection has gone, and {why}"),
                MethodId::default(),
            ));
        }
        if self.goodbye_by.is_some() {
            self.session.keep_only_messages();
            self.said_goodbye = false;
            if self.session.held() == 0 {
                self.owner = Owner::NotNeeded;
            }
        }
    }

    /// Closes the connection by our own decision.
    fn close(&mut self, error: ConnectionError) {
        self.wire.close(&error);
        self.begin_goodbye(error.to_string());
    }

    fn hang_up(&mut self, reason: String) {
        self.hung_up = true;
        self.begin_goodbye(reason);
    }

    /// The client is done. What it did before still counts: the owner is to hear of it.
    fn begin_goodbye(&mut self, reason: String) {
        self.reason.get_or_insert(reason);
        let has_messages = self.session.held() > 0;
        let most = if has_messages { PATIENCE } else { GOODBYE_MAX };
        let by = self.front.clock.now() + most;
        self.goodbye_by.get_or_insert(by);
        let is_there = matches!(self.owner, Owner::There(..));
        if !self.opened || !is_there && !has_messages {
            self.owner = Owner::NotNeeded;
        }
    }

    fn say_goodbye(&mut self) {
        if self.goodbye_by.is_none() || self.said_goodbye {
            return;
        }
        if let Owner::There(way, _) = &mut self.owner {
            way.output.extend_from_slice(&self.session.output().split());
            way.say_goodbye();
            self.said_goodbye = true;
        }
    }

    /// The client that sees its close answered may connect again at once: what was exclusively its own must be gone by then.
    fn must_tell_owner_first(&self) -> bool {
        self.goodbye_by.is_some() && !matches!(self.owner, Owner::NotNeeded)
    }

    fn is_over(&mut self) -> bool {
        let Some(by) = self.goodbye_by else {
            return false;
        };
        let has_heard = self.hung_up || self.wire.is_finished() && self.wire.output().is_empty();
        let over = has_heard && matches!(self.owner, Owner::NotNeeded);
        over || self.front.clock.now() >= by
    }

    fn write_owner(&mut self) {
        let Owner::There(way, _) = &mut self.owner else {
            return;
        };
        if !self.said_goodbye && !self.session.output().is_empty() {
            let output = self.session.output().split();
            if way.output.is_empty() {
                way.output = output;
            } else {
                way.output.extend_from_slice(&output);
            }
        }
        if let Err(why) = way.write() {
            self.lose_owner(&why);
        }
    }

    fn write(&mut self, stream: &TcpStream) -> io::Result<()> {
        let output = self.wire.output();
        while !output.is_empty() {
            let mut pieces = [IoSlice::new(&[]); WRITE_PIECES];
            let count = output.chunks_vectored(&mut pieces);
            match stream.try_write_vectored(&pieces[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => output.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Waits for something to happen on the way to the owner.
async fn at_owner(owner: &mut Owner, listens: bool) -> Happened {
    match owner {
        Owner::NotNeeded | Owner::Missing(_) => std::future::pending().await,
        Owner::Opening(opening) => Happened::Opened(opening.await),
        Owner::There(way, _) => way.happens(listens).await,
    }
}
