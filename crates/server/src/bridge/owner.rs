//! The owner's side of a client that is passed on: finding it, losing it, and what it says.

use super::conversation::{Bridge, Happened, PATIENCE, UNREAD_MAX};
use super::unreached::Unreached;
use super::way::{Closed, Destination, Way};
use crate::host::Host;
use broker::Proof;
use bytes::Buf;
use model::method::connection;
use model::{ChannelNumber, ConnectionError, Method, MethodId, ReplyCode, Timestamp};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, info, warn};
use wire::Arrival;

/// After a way that failed the next one is tried so soon.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// A node that stops is not asked again so soon, unless it is named again: it waits for its clients to leave.
const LEFT_FOR: Duration = Duration::from_secs(2);
/// An owner that another one replaces has so long to say its last: what it does not say is asked of the next.
const LAST_WORDS: Duration = Duration::from_millis(300);
const CONNECTION: ChannelNumber = ChannelNumber(0);

/// Where the owner is, for a client.
pub(super) enum Owner {
    /// Nobody has asked for it yet, or nobody needs it any more.
    NotNeeded,
    /// Not there; when to look again.
    Missing(Timestamp),
    /// On the way there.
    Opening(Pin<Box<dyn Future<Output = Result<Way, Closed>> + Send>>),
    /// There. If another one replaces it, until when it is listened to.
    There(Box<Way>, Option<Timestamp>),
}

impl Bridge<'_> {
    /// Hears what the owner says, as long as the client reads it; whether all of it that came was heard.
    pub(super) fn hear_owner(&mut self) -> bool {
        while self.wire.output().remaining() < UNREAD_MAX {
            let Owner::There(way, _) = &mut self.owner else {
                return true;
            };
            match way.next() {
                Ok(None) => return true,
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
        false
    }

    fn on_connection(&mut self, method: &Method) {
        match method {
            Method::ConnectionOpenOk(_) => self.is_open(),
            Method::ConnectionBlocked(_) | Method::ConnectionUnblocked(_) => {
                self.session.blocked(method, &mut self.wire);
            }
            Method::ConnectionUpdateSecretOk(_) => self.accept_secret(),
            Method::ConnectionCloseOk(_) => self.owner = Owner::NotNeeded,
            _ => {}
        }
    }

    fn accept_secret(&mut self) {
        for _ in 0..std::mem::take(&mut self.secrets) {
            let update_ok = connection::UpdateSecretOk.into();
            self.wire.send(CONNECTION, &update_ok);
        }
    }

    /// The owner has let the client in where it wanted to go.
    fn is_open(&mut self) {
        if !std::mem::replace(&mut self.opened, true) {
            self.wire
                .send(CONNECTION, &connection::OpenOk::default().into());
        }
        // What came into a transaction meanwhile has not been passed on to anybody.
        if self.give_up_what_cannot_go_on() {
            return;
        }
        if let Owner::There(way, _) = &self.owner {
            self.session.resume(way.frame_max);
        }
    }

    /// Closes a connection that has something which went with the last owner; tells whether nothing of it is left.
    fn give_up_what_cannot_go_on(&mut self) -> bool {
        if self.goodbye_by.is_none()
            && let Some(why) = self.session.cannot_go_on()
        {
            self.close(ConnectionError::new(
                ReplyCode::ConnectionForced,
                format_args!("the node that served this connection has gone, and {why}"),
                MethodId::default(),
            ));
        }
        if self.goodbye_by.is_none() {
            return false;
        }
        self.session.keep_only_messages();
        self.said_goodbye = false;
        let nothing_left = !self.session.has_messages();
        if nothing_left {
            self.owner = Owner::NotNeeded;
        }
        nothing_left
    }

    /// There is a way to the owner, up to where the client has come.
    pub(super) fn arrive(&mut self, mut way: Way) {
        let now = self.front.clock.now();
        let waited_ms = now.0.saturating_sub(self.missed_since.0);
        let entered = way.has_entered();
        if !entered && let Some(vhost) = &self.vhost {
            // The client said so while this way was being opened.
            way.enter(vhost.clone());
        }
        if self.secrets > 0
            && let Some(login) = &self.login
            && let Proof::Password(secret) = &*login.proof
        {
            // It came while there was no owner, or went with the one before: this one may know an older one.
            way.update_secret(secret);
        }
        debug!(connection = %self.id, peer = %self.peer, node = &*way.address, waited_ms, "passed on");
        let is_owner = self.address().as_ref() == Some(&way.address);
        self.unreached().reached(&way.address, is_owner);
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

    pub(super) fn not_let_in(&mut self, why: Closed) {
        match why {
            Closed::Refused(error) if !self.let_in && error.code == ReplyCode::AccessRefused => {
                self.owner = Owner::NotNeeded;
                self.wire.refuse_login();
                self.begin_goodbye(error.to_string());
            }
            why => self.lose_owner(&why),
        }
    }

    /// Where the owner listens to nodes, if there is one.
    pub(super) fn address(&self) -> Option<Arc<str>> {
        match &*self.hosts.borrow() {
            Host::Here(_) => Some(self.front.own.clone()),
            Host::There(peer) => Some(peer.address.clone()),
            Host::Nobody => None,
        }
    }

    /// What this node knows of its way to the owner.
    pub(super) fn unreached(&self) -> &Unreached {
        &self.front.unreached[self.shard as usize]
    }

    /// The client wants to another shard than the one that let it in: the owner of that one looks at it once more.
    pub(super) fn turn_to(&mut self, shard: u32) {
        let Some(hosts) = self.all_hosts.of(shard).filter(|_| shard != self.shard) else {
            return;
        };
        self.shard = shard;
        self.hosts = hosts;
        let now = self.front.clock.now();
        self.missed_since = now;
        let before = std::mem::replace(&mut self.owner, Owner::Missing(now));
        if let Owner::There(mut way, _) = before {
            way.say_goodbye();
            // Where that does not go at once the end of the connection says the same.
            let _ = way.write();
        }
        self.look_for_owner();
    }

    /// Opens a way to the owner, if there is one, and none yet.
    pub(super) fn look_for_owner(&mut self) {
        let Some(login) = self.login.clone() else {
            return;
        };
        self.hosts.mark_unchanged();
        let address = self.address();
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
                    shard: self.shard,
                    client: self.peer,
                    login,
                    vhost: self.vhost.clone(),
                };
                self.owner = Owner::Opening(Box::pin(Way::open(destination, self.front.clock)));
            }
        }
    }

    /// The way to the owner has ended.
    pub(super) fn lose_owner(&mut self, why: &Closed) {
        debug!(connection = %self.id, peer = %self.peer, %why, "the way to the owner ended");
        let now = self.front.clock.now();
        let again_after = match why {
            Closed::Leaves => LEFT_FOR,
            _ => AGAIN_AFTER,
        };
        let lost = std::mem::replace(&mut self.owner, Owner::Missing(now + again_after));
        let named = self.address();
        let mut is_replaced = false;
        let mut last_heard = named.clone().map(|address| (address, now));
        if let Owner::There(way, _) = lost {
            self.missed_since = now;
            is_replaced = named.is_some_and(|named| named != way.address);
            last_heard = Some((way.address.clone(), way.heard_at));
        }
        if let Some((address, at)) = last_heard
            && !matches!(why, Closed::Leaves | Closed::Refused(_))
        {
            self.unreached().failed(&address, at);
        }
        self.session.lost(&mut self.wire);
        if let Closed::Refused(error) = why {
            self.owner = Owner::NotNeeded;
            return self.close(error.clone());
        }
        self.give_up_what_cannot_go_on();
        if is_replaced && matches!(self.owner, Owner::Missing(_)) {
            self.look_for_owner();
        }
    }

    pub(super) fn say_goodbye(&mut self) {
        // What it sent without confirms is as good as confirmed when it hears that it may go.
        if self.goodbye_by.is_none() || self.said_goodbye || self.session.has_messages() {
            return;
        }
        if let Owner::There(way, _) = &mut self.owner {
            self.session.end();
            way.output.extend_from_slice(&self.session.output().split());
            way.say_goodbye();
            self.said_goodbye = true;
        }
    }

    pub(super) fn write_owner(&mut self) {
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
}

impl Owner {
    /// Waits for something to happen on the way there. May be dropped and called again.
    pub(super) async fn happens(&mut self, listens: bool) -> Happened {
        match self {
            Owner::NotNeeded | Owner::Missing(_) => std::future::pending().await,
            Owner::Opening(opening) => Happened::Opened(opening.await),
            Owner::There(way, _) => way.happens(listens).await,
        }
    }
}
