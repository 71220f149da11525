//! One connection: a task that reads, hands over, hands out and writes, and waits for nothing but all of these
//! at once.
//!
//! A client that does not read slows nobody: its socket is written when it takes something, and read as long as
//! what it causes has room.

mod events;
mod login;

use crate::clock::Clock;
use crate::handout::{Fetched, Handout};
use crate::inbox::{Batch, Handover, InboxSender};
use crate::listen::Visitor;
use crate::login::External;
use crate::memory::{Memory, Unread};
use crate::outbox::{OutboxReceiver, Outgoing};
use crate::passwords::Passwords;
use crate::socket::{Ready, Socket};
use crate::tokens::Tokens;
use crate::unfinished::{Share, Unfinished};
use admin::clients::{Client, Clients};
use admin::instruments::Instruments;
use bytes::{Buf, BufMut, BytesMut};
use login::{Attempt, Found, Held, Looking};
use model::{ConnectionError, ConnectionId, FieldTable, Limits, ShortStr, Timestamp};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use store::{ReadError, Reader};
use wire::ServerConnection;

/// What all connections share.
pub struct House {
    /// What keeps memory bounded.
    pub limits: Limits,
    /// What clients are told about the server.
    pub server_properties: FieldTable,
    /// Where inputs go.
    pub inbox: InboxSender,
    /// Where landed messages are read.
    pub reader: Arc<dyn Reader>,
    /// The time.
    pub clock: Clock,
    /// The memory for messages that have come in part.
    pub unfinished: Arc<Unfinished>,
    /// How much memory there is.
    pub memory: Arc<Memory>,
    /// Who looks at passwords that take long.
    pub passwords: Arc<Passwords>,
    /// Who looks at tokens, if they are taken.
    pub(crate) tokens: Option<Arc<Tokens>>,
    /// What operators see.
    pub instruments: Arc<Instruments>,
}

/// The first read of a connection asks for so many bytes: ten thousand silent clients must cost little each.
const READ_LEAST: usize = 512;

/// The most bytes of one read, so that one turn of a busy client stays short.
const READ_MOST: usize = 128 * 1024;

/// One read of publishes should bring no more than so many units of room, or messages if they are small: the shard
/// handles what was read in one turn, and consumers wait for its end.
const READ_PUBLISHES: usize = 256;

/// So many pieces of output go to a client that reads quickly before the others have their turn.
const WRITES_IN_A_ROW: usize = 8;

/// A client that has so many bytes of replies to read is not read itself.
const UNREAD_MAX: usize = 16 * 1024 * 1024;

/// The same while memory is short: more than deliveries alone come to, so that they can be acknowledged.
const UNREAD_MAX_WHEN_SHORT: usize = 2 * 1024 * 1024;

/// How long a finished connection may take to accept the last bytes.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// Serves one client until it is gone.
///
/// A client that is one too many is served up to connection.open, where it is told so.
pub(crate) async fn serve(
    house: Arc<House>,
    id: ConnectionId,
    visitor: Visitor,
    is_one_too_many: bool,
) {
    let Visitor {
        mut socket,
        peer,
        external,
    } = visitor;
    let Ok(local) = socket.local_addr() else {
        // It is gone already.
        return;
    };
    let mut connection = Connection::new(&house, id, (peer, local), external);
    connection.is_one_too_many = is_one_too_many;
    let end = connection.converse(&mut socket).await;
    // What the client sent before it went still counts.
    if !connection.batch.is_empty() {
        house.inbox.hand_over(&mut connection.batch).await;
    }
    connection.log_end(&end);
    drop(connection);
    if matches!(end, End::Finished) {
        socket.linger().await;
    }
}

/// Why a connection ended.
enum End {
    /// By the protocol's rules, or for breaking them.
    Finished,
    /// The peer hung up without a word.
    PeerGone,
    /// The socket failed.
    Socket(io::Error),
    /// The process is about to end.
    ServerGone,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

/// What a connection waited for.
enum Happened {
    Socket(Ready),
    Outgoing(Option<Vec<Outgoing>>),
    Fetched(Result<Fetched, ReadError>),
    HandedOver,
    Looked(Found),
    MayGrow,
    Time,
}

struct Connection<'a> {
    house: &'a House,
    id: ConnectionId,
    peer: SocketAddr,
    local: SocketAddr,
    wire: ServerConnection,
    /// As operators see it, once it has entered.
    client: Option<Arc<Client>>,
    /// How many bytes came from it.
    received: u64,
    input: BytesMut,
    read_size: usize,
    handout: Handout,
    outbox: Option<OutboxReceiver>,
    batch: Batch,
    /// What it holds of messages that have come in part.
    share: Share,
    /// What it was handed and has not read.
    unread: Unread<'a>,
    is_one_too_many: bool,
    /// Who it is if it says no password.
    external: External,
    presence: Presence<'a>,
    user: ShortStr,
    /// What the client logs in with, until that is answered.
    login: Option<Attempt>,
    /// The look at a password that takes long.
    looking: Option<Looking>,
    /// Whose token it came with, and when that ends.
    held: Option<Held>,
    /// When a refused login is answered.
    refusal_at: Option<Timestamp>,
    /// As `wire` was told.
    reading: bool,
    /// Since the others had their turn.
    has_read: bool,
    /// How many units of publishes were read since then.
    read_units: usize,
    /// The client closed, or was given up, and why.
    closed: Option<Option<ConnectionError>>,
    /// When the last bytes are given up.
    flush_by: Option<Timestamp>,
}

/// Tells the shard, exactly once and whatever ends the task, that a connection has left that had joined.
struct Presence<'a> {
    inbox: &'a InboxSender,
    clients: &'a Clients,
    id: ConnectionId,
    joined: bool,
}

impl Presence<'_> {
    fn leave(&mut self) {
        if std::mem::take(&mut self.joined) {
            self.inbox.tell(Handover::Left(self.id));
            self.clients.leave(self.id);
        }
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<'a> Connection<'a> {
    fn new(
        house: &'a House,
        id: ConnectionId,
        (peer, local): (SocketAddr, SocketAddr),
        external: External,
    ) -> Self {
        let now = house.clock.now();
        let properties = house.server_properties.clone();
        Self {
            house,
            id,
            peer,
            local,
            client: None,
            received: 0,
            wire: ServerConnection::new(&house.limits, properties, external.mechanisms(), now),
            input: BytesMut::new(),
            read_size: READ_LEAST,
            handout: Handout::new(id, house.reader.clone()),
            outbox: None,
            batch: Batch::default(),
            share: Share::of(&house.unfinished, id),
            unread: Unread::of(&house.memory),
            is_one_too_many: false,
            external,
            presence: Presence {
                inbox: &house.inbox,
                clients: &house.instruments.clients,
                id,
                joined: false,
            },
            user: ShortStr::empty(),
            login: None,
            looking: None,
            held: None,
            refusal_at: None,
            reading: true,
            has_read: false,
            read_units: 0,
            closed: None,
            flush_by: None,
        }
    }

    /// Turn after turn, until there is nothing more to say.
    async fn converse(&mut self, socket: &mut Socket) -> End {
        let mut armed_at = self.wake_at();
        let mut timer = pin!(tokio::time::sleep_until(self.house.clock.instant(armed_at)));
        loop {
            match self.turn(socket).await {
                Ok(()) if self.is_over() => return End::Finished,
                Ok(()) => {}
                Err(end) => return end,
            }
            if self.has_read && self.read_units >= self.house.inbox.units_at_once() {
                self.has_read = false;
                self.read_units = 0;
                // Everybody else and the shard come first: else a publisher with much in its socket would be read
                // until there is no more, and consumers would get one turn for all of it. And when the shard has
                // handled what was read, the same buffer is read into again.
                tokio::task::yield_now().await;
            }
            let may_grow = self.house.unfinished.changed();
            let grows = self.may_grow();
            let reads = grows && self.may_read();
            if reads != self.reading {
                self.reading = reads;
                self.wire.set_reading(self.house.clock.now(), reads);
            }
            if reads {
                self.input.reserve(self.read_size);
            }
            let wake_at = self.wake_at();
            if wake_at < armed_at {
                armed_at = wake_at;
                timer.as_mut().reset(self.house.clock.instant(wake_at));
            }
            let writes = !self.wire.output().is_empty() && !self.must_leave_first();
            let mut room = (&mut self.input).limit(self.read_size);
            let happened = tokio::select! {
                ready = socket.ready(&mut room, reads, writes) => Happened::Socket(ready),
                outgoing = receive(&mut self.outbox), if self.outbox.is_some() => Happened::Outgoing(outgoing),
                fetched = self.handout.fetched(), if self.handout.is_fetching() => Happened::Fetched(fetched),
                () = self.house.inbox.hand_over(&mut self.batch), if !self.batch.is_empty() => Happened::HandedOver,
                found = look(&mut self.looking), if self.looking.is_some() => Happened::Looked(found),
                () = may_grow, if !grows => Happened::MayGrow,
                () = &mut timer => Happened::Time,
            };
            if matches!(happened, Happened::Time) {
                self.time();
                armed_at = self.wake_at();
                timer.as_mut().reset(self.house.clock.instant(armed_at));
            } else if let Err(end) = self.take_in(happened) {
                return end;
            }
        }
    }

    fn take_in(&mut self, happened: Happened) -> Result<(), End> {
        match happened {
            Happened::Socket(Ready::Read(read)) => self.read(read?)?,
            Happened::Socket(Ready::Writable(ready)) => ready?,
            Happened::Outgoing(Some(outgoing)) => self.handout.extend(outgoing),
            Happened::Outgoing(None) if self.presence.joined => return Err(End::ServerGone),
            Happened::Outgoing(None) => self.outbox = None,
            Happened::Fetched(Ok(fetched)) => self.handout.take_in(fetched),
            Happened::Fetched(Err(error)) => {
                self.house.inbox.tell(Handover::Unreadable(error));
                return Err(End::ServerGone);
            }
            Happened::Looked(found) => self.looked(found),
            Happened::HandedOver | Happened::MayGrow | Happened::Time => {}
        }
        Ok(())
    }

    /// Does all that can be done without waiting.
    async fn turn(&mut self, socket: &mut Socket) -> Result<(), End> {
        while let Some(outgoing) = self
            .outbox
            .as_mut()
            .and_then(|outbox| outbox.try_recv().ok())
        {
            self.handout.extend(outgoing);
        }
        for written in 1.. {
            let short = self.house.memory.is_short();
            (self.handout).perform(&mut self.wire, &mut self.batch, short);
            if let Some(why) = self.handout.take_login_refused() {
                self.login_refused(&why);
            }
            if let Some(slow) = self.handout.take_password_slow() {
                self.look_at_password(*slow);
            }
            self.take_events();
            self.handout.report(&mut self.batch);
            if !self.batch.is_empty() {
                self.house.inbox.try_hand_over(&mut self.batch);
            }
            if self.must_leave_first() {
                if !self.batch.is_empty() {
                    return Ok(());
                }
                self.presence.leave();
            }
            self.write(socket)?;
            self.unread.hold(self.wire.output().remaining());
            if !self.wire.output().is_empty() || !self.handout.can_perform() {
                return Ok(());
            }
            // A client that reads quickly must not keep the others waiting.
            if written % WRITES_IN_A_ROW == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// The client that sees its close answered may connect again at once: what was exclusively its own must be
    /// gone by then.
    fn must_leave_first(&self) -> bool {
        self.closed.is_some() && self.presence.joined
    }

    fn write(&mut self, socket: &mut Socket) -> Result<(), End> {
        let all = socket.write(self.wire.output());
        if let Some(client) = &self.client {
            client.note(self.received, self.wire.octets_written());
        }
        match all {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WriteZero => return Err(End::PeerGone),
            Err(error) => return Err(error.into()),
        }
        self.handout.note_written();
        self.handout.report(&mut self.batch);
        if !self.batch.is_empty() {
            self.house.inbox.try_hand_over(&mut self.batch);
        }
        Ok(())
    }

    /// Whether there is room for more of a message that has come in part.
    fn may_grow(&mut self) -> bool {
        let held = self.wire.unfinished_bytes() + self.input.len();
        self.share.hold(held);
        self.share.may_grow(self.house.clock.now())
    }

    fn may_read(&mut self) -> bool {
        let unread_max = if self.house.memory.is_short() {
            UNREAD_MAX_WHEN_SHORT
        } else {
            UNREAD_MAX
        };
        !self.handout.is_blocked()
            && self.batch.is_empty()
            && !self.wire.is_finished()
            && self.wire.output().remaining() + self.handout.waiting_bytes() < unread_max
    }

    fn is_over(&mut self) -> bool {
        let finished = self.wire.is_finished();
        let given_up = self.flush_by.is_some_and(|by| self.house.clock.now() >= by);
        if finished && self.flush_by.is_none() {
            self.flush_by = Some(self.house.clock.now() + FLUSH_MAX);
        }
        finished && (given_up || self.wire.output().is_empty() && self.batch.is_empty())
    }

    /// When something is to be done even if nothing happens.
    fn wake_at(&self) -> Timestamp {
        let times = [
            self.wire.wake_at(),
            self.refusal_at,
            self.flush_by,
            self.share.give_up_at(),
            self.held_until(),
        ];
        let never = Timestamp(u64::MAX / 2);
        times.into_iter().flatten().min().unwrap_or(never)
    }

    fn read(&mut self, count: usize) -> Result<(), End> {
        if count == 0 {
            return Err(End::PeerGone);
        }
        self.received += count as u64;
        self.wire.handle(self.house.clock.now(), &mut self.input);
        self.take_events();
        self.has_read = true;
        let published = self.batch.publishing();
        self.read_units += published;
        if published > READ_PUBLISHES {
            self.read_size = (self.read_size / 2).max(READ_LEAST);
        } else if count >= self.read_size && published <= READ_PUBLISHES / 2 {
            self.read_size = (self.read_size * 2).min(READ_MOST);
        }
        Ok(())
    }

    fn take_events(&mut self) {
        while let Some(event) = self.wire.poll_event() {
            self.event(event);
        }
    }

    fn time(&mut self) {
        let now = self.house.clock.now();
        if self.refusal_at.take_if(|at| *at <= now).is_some() {
            self.wire.refuse_login();
        }
        if self.share.give_up_at().is_some_and(|at| at <= now) {
            self.give_up(self.share.too_slow());
        }
        self.end_with_token(now);
        self.wire.tick(now);
        if self.input.is_empty() {
            // An idle connection holds no buffer.
            self.input = BytesMut::new();
            self.read_size = READ_LEAST;
        }
    }
}

/// Waits for the end of a look at a password or a token.
async fn look(looking: &mut Option<Looking>) -> Found {
    let found = match looking {
        Some(looking) => looking.await,
        None => std::future::pending().await,
    };
    *looking = None;
    found
}

async fn receive(outbox: &mut Option<OutboxReceiver>) -> Option<Vec<Outgoing>> {
    outbox.as_mut()?.recv().await
}
