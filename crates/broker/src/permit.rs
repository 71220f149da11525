//! What a connection's user may do, asked before anything is done: configure to make and remove, write to send
//! to and to bind to, read to receive from and to bind from. Asked where RabbitMQ asks, in its order.

use crate::Broker;
use crate::access::{Right, Rights};
use crate::connection::{ChannelId, Refusal, access_refused, precondition_failed};
use crate::declare_exchange::refuse_default;
use crate::declare_queue::without_line_breaks;
use crate::reply_to::is_reply_name;
use crate::route::{Vhost, VhostIndex};
use model::method::{basic, exchange, queue};
use model::{FieldTable, Method, MethodId, Publish, ShortStr};
use std::sync::Arc;

/// What a connection may do, and what of it was asked lately.
#[derive(Debug)]
pub(crate) struct Grants {
    rights: Arc<Rights>,
    /// Names that were looked up and allowed.
    names: Recent<(Right, ShortStr)>,
    /// Exchanges and routing keys that were.
    topics: Recent<(Right, ShortStr, ShortStr)>,
}

/// The last few of what was allowed; the oldest goes first.
#[derive(Debug)]
struct Recent<T> {
    known: Vec<T>,
    oldest: usize,
}

impl<T> Recent<T> {
    const fn new() -> Self {
        Self {
            known: Vec::new(),
            oldest: 0,
        }
    }

    fn holds(&self, is_it: impl FnMut(&T) -> bool) -> bool {
        self.known.iter().any(is_it)
    }

    fn add(&mut self, new: T) {
        if self.known.len() < RECENT_MAX {
            self.known.push(new);
        } else {
            self.known[self.oldest] = new;
            self.oldest = (self.oldest + 1) % RECENT_MAX;
        }
    }
}

/// Connections use few names again and again; beyond these the patterns are asked.
const RECENT_MAX: usize = 16;

/// The name of the default exchange in permissions.
const DEFAULT_EXCHANGE: ShortStr = ShortStr::from_static("amq.default");

/// What sort of thing a name names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Queue,
    Exchange,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Exchange => "exchange",
        }
    }
}

impl Grants {
    pub(crate) fn new(rights: Arc<Rights>) -> Self {
        Self {
            rights,
            names: Recent::new(),
            topics: Recent::new(),
        }
    }

    /// Whether nothing need be asked before a publish.
    pub(crate) fn publishes_anywhere(&self) -> bool {
        self.rights.pattern(Right::Write).is_everything() && self.rights.says_nothing_of_topics()
    }

    pub(crate) fn impersonates(&self) -> bool {
        self.rights.impersonates
    }

    fn allow(&mut self, right: Right, name: &ShortStr) -> bool {
        let pattern = self.rights.pattern(right);
        if pattern.is_everything()
            || self
                .names
                .holds(|(of, known)| *of == right && known == name)
        {
            return true;
        }
        let allowed = pattern.matches(name);
        if allowed {
            self.names.add((right, name.detached()));
        }
        allowed
    }

    /// Whether a routing key may be used at an exchange of a virtual host: it matters where that is a topic exchange.
    fn use_topic(
        &mut self,
        vhost: &Vhost,
        right: Right,
        exchange: &ShortStr,
        key: &ShortStr,
    ) -> bool {
        if self.rights.says_nothing_of_topics() {
            return true;
        }
        let found = vhost.exchanges.get(exchange);
        let is_topic = found.is_some_and(|found| found.definition.kind == "topic");
        !is_topic || self.allow_topic(right, exchange, key)
    }

    /// Whether a routing key may be used at a topic exchange. Where nothing is said of the exchange, any may.
    fn allow_topic(&mut self, right: Right, exchange: &ShortStr, key: &ShortStr) -> bool {
        if let Some(allowed) = self.rights.scoped_topic(exchange, right, key) {
            return allowed;
        }
        let Some(pattern) = self.rights.topic_pattern(exchange, right) else {
            return true;
        };
        let is_it = |(of, at, known): &(Right, ShortStr, ShortStr)| {
            *of == right && known == key && at == exchange
        };
        if pattern.is_everything() || self.topics.holds(is_it) {
            return true;
        }
        let allowed = pattern.matches(key);
        if allowed {
            let new = (right, exchange.detached(), key.detached());
            self.topics.add(new);
        }
        allowed
    }
}

impl Broker {
    /// Refuses what the user may not do with a queue or an exchange.
    pub(crate) fn permit(
        &mut self,
        id: ChannelId,
        right: Right,
        kind: Kind,
        name: &ShortStr,
        method: MethodId,
    ) -> Result<(), Refusal> {
        let name = match kind {
            Kind::Exchange if name.is_empty() => &DEFAULT_EXCHANGE,
            _ => name,
        };
        let connection = self.connection_of(id);
        if connection.grants.allow(right, name) {
            return Ok(());
        }
        let (vhost, user) = (connection.vhost, connection.user.clone());
        let explanation = format!(
            "{} access to {} '{name}' in vhost '{}' refused for user '{user}'",
            right.name(),
            kind.name(),
            self.vhosts[vhost.0].name
        );
        Err(access_refused(explanation, method))
    }

    /// Refuses routing keys that the user may not use at a topic exchange.
    pub(crate) fn permit_topic(
        &mut self,
        id: ChannelId,
        right: Right,
        exchange: &ShortStr,
        routing_key: &ShortStr,
        method: MethodId,
    ) -> Result<(), Refusal> {
        let connection = self.connections.get_mut(&id.connection);
        let connection =
            connection.expect("a request is handled only while its connection is open");
        let vhost = &self.vhosts[connection.vhost.0];
        if (connection.grants).use_topic(vhost, right, exchange, routing_key) {
            return Ok(());
        }
        let (vhost, user) = (&vhost.name, &connection.user);
        let explanation = format!(
            "access to topic '{routing_key}' in exchange '{exchange}' in vhost '{vhost}' refused for user '{user}'"
        );
        Err(access_refused(explanation, method))
    }

    /// Whether somebody who may write to an exchange may send a message to it with that routing key.
    pub(crate) fn may_send(
        &self,
        vhost: VhostIndex,
        grants: &mut Grants,
        exchange: &ShortStr,
        routing_key: &ShortStr,
    ) -> bool {
        let vhost = &self.vhosts[vhost.0];
        grants.use_topic(vhost, Right::Write, exchange, routing_key)
    }

    /// Whether the message may be sent to that exchange.
    pub(crate) fn permit_publish(
        &mut self,
        id: ChannelId,
        publish: &Publish,
    ) -> Result<(), Refusal> {
        let (exchange, method) = (&publish.exchange, basic::Publish::ID);
        self.permit(id, Right::Write, Kind::Exchange, exchange, method)?;
        self.permit_topic(id, Right::Write, exchange, &publish.routing_key, method)
    }

    /// Whether a method may be done. Declarations are asked about where it is known what is new.
    pub(crate) fn permit_method(&mut self, id: ChannelId, method: &Method) -> Result<(), Refusal> {
        let (read, configure) = (Right::Read, Right::Configure);
        match method {
            Method::QueueDelete(delete) => {
                self.permit_queue(id, configure, &delete.queue, queue::Delete::ID)
            }
            Method::QueuePurge(purge) => {
                self.permit_queue(id, read, &purge.queue, queue::Purge::ID)
            }
            Method::BasicGet(get) => self.permit_queue(id, read, &get.queue, basic::Get::ID),
            Method::BasicConsume(consume) => {
                self.permit_queue(id, read, &consume.queue, basic::Consume::ID)
            }
            Method::QueueBind(bind) => {
                let (source, key, method) = (&bind.exchange, &bind.routing_key, queue::Bind::ID);
                self.permit_queue(id, Right::Write, &bind.queue, method)?;
                self.permit_source(id, source, key, method)
            }
            Method::QueueUnbind(unbind) => {
                let (source, key) = (&unbind.exchange, &unbind.routing_key);
                let method = queue::Unbind::ID;
                self.permit_queue(id, Right::Write, &unbind.queue, method)?;
                self.permit_source(id, source, key, method)
            }
            Method::ExchangeBind(bind) => {
                let (source, key, method) = (&bind.source, &bind.routing_key, exchange::Bind::ID);
                self.permit_destination(id, &bind.destination, method)?;
                self.permit_source(id, source, key, method)
            }
            Method::ExchangeUnbind(unbind) => {
                let (source, key) = (&unbind.source, &unbind.routing_key);
                let method = exchange::Unbind::ID;
                self.permit_destination(id, &unbind.destination, method)?;
                self.permit_source(id, source, key, method)
            }
            Method::ExchangeDeclare(declare) if !declare.passive => {
                self.permit_new_exchange(id, declare)
            }
            Method::ExchangeDelete(delete) => {
                let (name, method) = (without_line_breaks(&delete.exchange), exchange::Delete::ID);
                // What every virtual host has cannot be deleted, whoever asks: that is said instead.
                if name.is_empty() || name.starts_with("amq.") {
                    return Ok(());
                }
                self.permit(id, configure, Kind::Exchange, &name, method)
            }
            _ => Ok(()),
        }
    }

    /// An empty name stands for the channel's last queue. Reply queues are nobody's to refuse.
    fn permit_queue(
        &mut self,
        id: ChannelId,
        right: Right,
        name: &ShortStr,
        method: MethodId,
    ) -> Result<(), Refusal> {
        if is_reply_name(name) {
            return Ok(());
        }
        let name = self.queue_name(id, name, method)?;
        self.permit(id, right, Kind::Queue, &name, method)
    }

    fn permit_destination(
        &mut self,
        id: ChannelId,
        name: &ShortStr,
        method: MethodId,
    ) -> Result<(), Refusal> {
        self.permit(id, Right::Write, Kind::Exchange, name, method)
    }

    fn permit_source(
        &mut self,
        id: ChannelId,
        name: &ShortStr,
        routing_key: &ShortStr,
        method: MethodId,
    ) -> Result<(), Refusal> {
        refuse_default(name, method)?;
        self.permit(id, Right::Read, Kind::Exchange, name, method)?;
        self.permit_topic(id, Right::Read, name, routing_key, method)
    }

    /// To let an exchange pass on what it cannot route is to read from it and to write to the other.
    fn permit_new_exchange(
        &mut self,
        id: ChannelId,
        declare: &exchange::Declare,
    ) -> Result<(), Refusal> {
        let (name, method) = (
            without_line_breaks(&declare.exchange),
            exchange::Declare::ID,
        );
        refuse_default(&name, method)?;
        self.permit(id, Right::Configure, Kind::Exchange, &name, method)?;
        let vhost = self.connection_of(id).vhost;
        let is_new = !self.vhosts[vhost.0].exchanges.contains_key(&name);
        if let Some(alternate) = exchange_in(&declare.arguments, "alternate-exchange")
            && is_new
        {
            self.permit(id, Right::Read, Kind::Exchange, &name, method)?;
            self.permit(id, Right::Write, Kind::Exchange, &alternate, method)?;
        }
        Ok(())
    }

    /// A new queue must be the user's to make, and there must be room for it.
    pub(crate) fn permit_new_queue(
        &mut self,
        id: ChannelId,
        name: &ShortStr,
        declare: &queue::Declare,
    ) -> Result<(), Refusal> {
        let method = queue::Declare::ID;
        self.permit(id, Right::Configure, Kind::Queue, name, method)?;
        let vhost = self.connection_of(id).vhost;
        self.check_queue_count(vhost, name)
            .map_err(|explanation| precondition_failed(explanation, method))?;
        self.permit_dead_letters(id, name, &declare.arguments)
    }

    /// To send a queue's dead letters somewhere is to read from it and to write there.
    pub(crate) fn permit_dead_letters(
        &mut self,
        id: ChannelId,
        name: &ShortStr,
        arguments: &FieldTable,
    ) -> Result<(), Refusal> {
        let method = queue::Declare::ID;
        if let Some(dead_letters) = exchange_in(arguments, "x-dead-letter-exchange") {
            self.permit(id, Right::Read, Kind::Queue, name, method)?;
            self.permit(id, Right::Write, Kind::Exchange, &dead_letters, method)?;
        }
        Ok(())
    }

    /// What the user may do may have changed: it counts from the next request on.
    pub(crate) fn renew_grants(&mut self, user: &ShortStr) {
        let theirs = self.connections.iter_mut();
        // Who came with a token of that name is somebody else, of whom nothing is defined here.
        let theirs = theirs.filter(|(id, it)| it.user == *user && !self.bearers.contains_key(id));
        for (_, connection) in theirs {
            let vhost = &self.vhosts[connection.vhost.0].name;
            let rights = self.access.rights(user, vhost).unwrap_or_default();
            connection.grants = Grants::new(rights);
        }
    }
}

/// The exchange that an argument names, if it does.
fn exchange_in(arguments: &FieldTable, argument: &str) -> Option<ShortStr> {
    let name = arguments.get(argument)?.as_str()?;
    ShortStr::try_from(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_lately_is_bounded_and_the_oldest_goes() {
        let mut recent = Recent::new();
        for number in 0..RECENT_MAX + 3 {
            recent.add(number);
        }
        assert_eq!(recent.known.len(), RECENT_MAX);
        let holds = |number: usize| recent.holds(|known| *known == number);
        assert!(!holds(2) && holds(3) && holds(RECENT_MAX + 2));
    }
}
