//! A message comes in: known already? route it, ask for it to land, hold the confirm on its position.

use crate::connection::{ChannelId, Refusal, access_refused, not_found, precondition_failed};
use crate::envelope::{BCC_HEADER, Envelope, Numbered, check_expiration, check_user};
use crate::extend::is_extension;
use crate::journey::{Origin, Why};
use crate::numbered::is_numbering;
use crate::reply_to::check_token;
use crate::route::{Exchange, Queues, Targets, Vhost};
use crate::{Broker, Effect};
use model::method::{basic, confirm};
use model::record::{Arrival, Fingerprint, Publishing};
use model::{
    ConnectionError, MessageRecord, Position, Properties, PropertiesBuilder, Publish, QueueId,
    Record, ReplyCode, ShortStr, Timestamp,
};

impl Broker {
    pub(crate) fn confirm_select(
        &mut self,
        id: ChannelId,
        select: &confirm::Select,
    ) -> Result<(), Refusal> {
        let channel = self.open_channel_mut(id);
        if channel.transaction.is_some() {
            let explanation = "cannot switch from tx to confirm mode";
            return Err(precondition_failed(explanation, confirm::Select::ID));
        }
        channel.confirms.get_or_insert_default();
        if !select.no_wait {
            self.reply(id, confirm::SelectOk);
        }
        Ok(())
    }

    pub(crate) fn publish(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        publish: Publish,
    ) -> Result<(), Refusal> {
        let received = self.receive(now, id, &publish);
        if let Err(refusal) = &received
            && !is_extension(&publish)
            && !is_numbering(&publish)
        {
            let why = || Why::Forbidden(refusal.to_string());
            self.journey.turned_away(&publish, why);
        }
        received
    }

    fn receive(&mut self, now: Timestamp, id: ChannelId, publish: &Publish) -> Result<(), Refusal> {
        if publish.immediate {
            let error = ConnectionError::new(
                ReplyCode::NotImplemented,
                "immediate=true",
                basic::Publish::ID,
            );
            return Err(error.into());
        }
        if is_extension(publish) {
            return self.extend(now, id, publish);
        }
        if is_numbering(publish) {
            return self.number(id, publish);
        }
        let connection = self.connection_of(id);
        let is_first = !std::mem::replace(&mut connection.publishes, true);
        let vhost = connection.vhost;
        let anywhere = connection.grants.publishes_anywhere();
        self.statistics.publishers += u64::from(is_first);
        if !anywhere {
            self.permit_publish(id, publish)?;
        }
        if self.shortage.is_any() {
            self.block(id.connection);
        }
        let envelope = Envelope::of(&publish.properties);
        let given = envelope.publishing()?;
        let counted = match given {
            Some(_) => None,
            None => self.take_number(id),
        };
        let counted = counted
            .as_ref()
            .map(|(name, number)| (name.as_bytes(), *number));
        let publishing = given.or(counted);
        if self.is_repeat(id, publishing) {
            self.answer_repeat(id);
            return Ok(());
        }
        if let Some((publisher, number)) = publishing
            && self.publishers.is_full_of_gaps(vhost, publisher, number)
        {
            let explanation = "too many gaps among the publisher's publishing ids";
            return Err(precondition_failed(explanation, basic::Publish::ID));
        }
        let told;
        let publish = match self.told_otherwise(id, &publish.properties, &envelope) {
            Some(properties) => {
                told = Publish {
                    properties,
                    ..publish.clone()
                };
                &told
            }
            None => publish,
        };
        let targets = self.find_targets(id, publish, &envelope)?;
        if self.note_publish(id) {
            return self.hold_publish(id, publish, targets);
        }
        self.take_in(now, id, publish, targets, publishing);
        Ok(())
    }

    /// Counts a message that came in; whether it waits for its channel's commit.
    fn note_publish(&mut self, id: ChannelId) -> bool {
        let channel = (self.connections.get_mut(&id.connection))
            .and_then(|connection| connection.channels.get_mut(&id.number))
            .expect("a request is handled only while its channel is open");
        let counted = &mut *channel.counted;
        counted.traffic.publish += 1;
        self.statistics.traffic.publish += 1;
        self.statistics.to_confirm += u64::from(channel.confirms.is_some());
        self.statistics.touch_channel(id, counted);
        channel.transaction.is_some()
    }

    /// Whether the message has been taken in before.
    pub(crate) fn is_repeat(&mut self, id: ChannelId, publishing: Numbered<'_>) -> bool {
        let vhost = self.connection_of(id).vhost;
        publishing
            .is_some_and(|(publisher, number)| self.publishers.knows(vhost, publisher, number))
    }

    /// A repeat is confirmed like the original. Where that has not landed yet it stands before the last position.
    fn answer_repeat(&mut self, id: ChannelId) {
        self.note_publish(id);
        match &mut self.open_channel_mut(id).transaction {
            Some(transaction) => transaction.repeats = true,
            None => self.confirm_when_landed(id, self.landing.last()),
        }
    }

    /// A routed message lands in its queues, or goes back where it has none; false if a full queue refuses it.
    pub(crate) fn take_in(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        publish: &Publish,
        targets: Targets,
        publishing: Numbered<'_>,
    ) -> bool {
        if targets.is_empty() {
            self.note_unroutable(id, publish);
            let is_wanted_back = publish.mandatory;
            self.journey.turned_away(publish, || match is_wanted_back {
                true => Why::Returned,
                false => Why::Dropped,
            });
            if publish.mandatory {
                self.effects.push_back(Effect::Return {
                    connection: id.connection,
                    channel: id.number,
                    message: publish.clone(),
                });
            }
            self.close_gap(id, publishing);
            self.confirm_when_landed(id, Position::NONE);
            return true;
        }
        let sifted = (self.deduplication).sift(now, targets, &publish.properties);
        if sifted.targets.is_empty() {
            self.close_gap(id, publishing);
            self.publish_known(id, sifted.repeats);
            return true;
        }
        if self.refusing_queues > 0 && self.is_refused(&sifted.targets) {
            let comes_again = publishing.is_some() && !self.is_counted(id, publishing);
            self.publish_past_full(now, id, sifted, comes_again, publish);
            return false;
        }
        self.statistics.routed += sifted.targets.len() as u64;
        let vhost = self.connection_of(id).vhost;
        let publisher = publishing.map(|(publisher, number)| Publishing {
            publisher: self.publishers.add(vhost, publisher, number),
            vhost: self.vhosts[vhost.0].name.clone(),
            id: number,
        });
        let origin = Origin::Client(id.connection, id.number);
        let from = (origin, publishing);
        let position = self.land_in(now, sifted, from, publisher, publish);
        self.open_channel_mut(id).published = position;
        self.confirm_when_landed(id, position);
        true
    }

    /// Every queue of the message remembers it: it counts as published where it landed before.
    fn publish_known(&mut self, id: ChannelId, repeats: Position) {
        let channel = self.open_channel_mut(id);
        channel.published = channel.published.max(repeats);
        self.confirm_when_landed(id, repeats);
    }

    /// The properties as receivers may see them, where that is not as they came.
    fn told_otherwise(
        &self,
        id: ChannelId,
        properties: &Properties,
        envelope: &Envelope<'_>,
    ) -> Option<Properties> {
        let with_token = self.with_token(id, properties);
        if !envelope.hides_keys() {
            return with_token;
        }
        let headers = properties.headers()?.without(BCC_HEADER);
        let builder = PropertiesBuilder::from(with_token.as_ref().unwrap_or(properties));
        Some(builder.headers(&headers).build())
    }

    /// Where a message goes, if it may. What is wrong with it is told in RabbitMQ's order.
    fn find_targets(
        &mut self,
        id: ChannelId,
        publish: &Publish,
        envelope: &Envelope<'_>,
    ) -> Result<Targets, Refusal> {
        let connection = &self.connections[&id.connection];
        let vhost = &self.vhosts[connection.vhost.0];
        let exchange = entrance(vhost, &publish.exchange)?;
        check_token(&publish.properties)?;
        if !connection.grants.impersonates() {
            check_user(&publish.properties, &connection.user)?;
        }
        check_expiration(&publish.properties)?;
        let routing_keys = envelope.routing_keys(&publish.routing_key)?;
        let (targets, passed) = match exchange {
            Some(exchange) => {
                let (properties, delay) = (&publish.properties, envelope.delay());
                let targets = vhost.route(exchange, &routing_keys, properties, delay);
                (targets, &exchange.passed)
            }
            None => (vhost.named(&routing_keys).into(), &vhost.default_passed),
        };
        if passed.note(targets.len()) {
            let listed = (connection.vhost, publish.exchange.detached());
            self.statistics.busy_exchanges.push(listed);
        }
        Ok(targets)
    }

    /// A message lands that is not put off, and that no queue is to know again.
    pub(crate) fn land_message(
        &mut self,
        now: Timestamp,
        queues: &Queues,
        publisher: Option<Publishing>,
        publish: &Publish,
    ) -> Position {
        self.land_record(now, queues, None, publisher, Vec::new(), publish)
    }

    /// One record for all queues: a body that goes to many lands once. Nobody gets it before it is due.
    pub(crate) fn land_record(
        &mut self,
        now: Timestamp,
        queues: &Queues,
        due: Option<Timestamp>,
        publisher: Option<Publishing>,
        fingerprints: Vec<(QueueId, Fingerprint)>,
        publish: &Publish,
    ) -> Position {
        let next = self.landing.last().next();
        self.deduplication.remember(now, next, &fingerprints);
        let record = Record::Message(MessageRecord {
            queues: queues.clone(),
            publisher,
            accepted: now,
            due,
            fingerprints,
            exchange: publish.exchange.clone(),
            routing_key: publish.routing_key.clone(),
            properties: publish.properties.clone(),
            body: publish.body.clone(),
        });
        let position = self.land(record, true);
        let arrival = Arrival::of(now, due, &publish.properties, publish.body.len());
        for &id in queues {
            let queue = self.queues.get_mut(&id);
            let queue = queue.expect("only queues that are there are bound");
            queue.audited.tally.accepted += 1;
            queue.push(position, &arrival);
            self.statistics.touch(queue);
            // Not looked up twice: a fanout has a hundred of them.
            if queue.activate() {
                self.active.push(id);
            }
        }
        position
    }
}

/// The exchange that a message enters at; `None` for the default one.
pub(crate) fn entrance<'a>(
    vhost: &'a Vhost,
    name: &ShortStr,
) -> Result<Option<&'a Exchange>, Refusal> {
    let method = basic::Publish::ID;
    if name.is_empty() {
        return Ok(None);
    }
    let Some(exchange) = vhost.exchanges.get(name) else {
        return Err(not_found(
            format!("no exchange '{name}' in vhost '{}'", vhost.name),
            method,
        ));
    };
    if exchange.definition.internal {
        let explanation = format!(
            "cannot publish to internal exchange '{name}' in vhost '{}'",
            vhost.name
        );
        return Err(access_refused(explanation, method));
    }
    Ok(Some(exchange))
}
