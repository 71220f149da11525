//! A message comes in: known already? route it, ask for it to land, hold the confirm on its position.

use crate::connection::{ChannelId, Refusal, access_refused, not_found, precondition_failed};
use crate::route::{Queues, VhostIndex};
use crate::{Broker, Effect};
use model::method::{basic, confirm};
use model::publish::{PUBLISHER_ID_HEADER, PUBLISHING_ID_HEADER};
use model::record::Publishing;
use model::{
    ConnectionError, MessageRecord, Position, Properties, Publish, PublishingId, Record, ReplyCode,
    ShortStr, Timestamp, Value,
};

impl Broker {
    pub(crate) fn confirm_select(
        &mut self,
        id: ChannelId,
        select: &confirm::Select,
    ) -> Result<(), Refusal> {
        self.open_channel_mut(id).confirms.get_or_insert_default();
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
        if publish.immediate {
            let error = ConnectionError::new(
                ReplyCode::NotImplemented,
                "immediate=true",
                basic::Publish::ID,
            );
            return Err(error.into());
        }
        let connection = self.connection_of(id);
        connection.publishes = true;
        let vhost = connection.vhost;
        check_user(&publish.properties, &connection.user)?;
        if !self.room {
            self.block(id.connection);
        }
        let publishing = publishing(&publish.properties)?;
        if let Some((publisher, number)) = publishing
            && self.publishers.knows(vhost, publisher, number)
        {
            // A repeat. Where the original has not landed yet it stands before the last position.
            self.confirm_when_landed(id, self.landing.last());
            return Ok(());
        }
        if let Some((publisher, number)) = publishing
            && self.publishers.is_full_of_gaps(vhost, publisher, number)
        {
            let explanation = "too many gaps among the publisher's publishing ids";
            return Err(precondition_failed(explanation, basic::Publish::ID));
        }
        let queues = self.find_queues(vhost, &publish)?;
        if queues.is_empty() {
            if publish.mandatory {
                self.effects.push_back(Effect::Return {
                    connection: id.connection,
                    channel: id.number,
                    message: publish,
                });
            }
            self.confirm_when_landed(id, Position::NONE);
            return Ok(());
        }
        let publisher = publishing.map(|(publisher, number)| Publishing {
            publisher: self.publishers.add(vhost, publisher, number),
            vhost: self.vhosts[vhost.0].name.clone(),
            id: number,
        });
        let position = self.land_message(now, &queues, publisher, &publish);
        self.open_channel_mut(id).published = position;
        self.confirm_when_landed(id, position);
        Ok(())
    }

    fn find_queues(&self, vhost: VhostIndex, publish: &Publish) -> Result<Queues, Refusal> {
        let vhost = &self.vhosts[vhost.0];
        if publish.exchange.is_empty() {
            // The default exchange leads to the queue of the routing key's name.
            return Ok(vhost
                .queues
                .get(&publish.routing_key)
                .copied()
                .into_iter()
                .collect());
        }
        let (name, method) = (&publish.exchange, basic::Publish::ID);
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
        Ok(vhost.route(exchange, &publish.routing_key, &publish.properties))
    }

    /// One record for all queues: a body that goes to many lands once.
    fn land_message(
        &mut self,
        now: Timestamp,
        queues: &Queues,
        publisher: Option<Publishing>,
        publish: &Publish,
    ) -> Position {
        let record = Record::Message(MessageRecord {
            queues: queues.clone(),
            publisher,
            accepted: now,
            exchange: publish.exchange.clone(),
            routing_key: publish.routing_key.clone(),
            properties: publish.properties.clone(),
            body: publish.body.clone(),
        });
        let position = self.land(record, true);
        for &queue in queues {
            self.queues
                .get_mut(&queue)
                .expect("only queues that are there are bound")
                .backlog
                .push(position);
            self.activate(queue);
        }
        position
    }
}

/// Who says who sends must say the truth: receivers rely on it.
fn check_user(properties: &Properties, user: &str) -> Result<(), Refusal> {
    match properties.user_id() {
        Some(said) if said != user => {
            let explanation =
                format!("user_id property set to '{said}' but authenticated user was '{user}'");
            Err(precondition_failed(explanation, basic::Publish::ID))
        }
        _ => Ok(()),
    }
}

/// The publisher and its number for the message, where it gave both.
fn publishing(properties: &Properties) -> Result<Option<(&[u8], PublishingId)>, Refusal> {
    let Some(headers) = properties.headers() else {
        return Ok(None);
    };
    let (mut publisher, mut number) = (None, None);
    for (name, value) in headers {
        match name {
            PUBLISHER_ID_HEADER => publisher = Some(value),
            PUBLISHING_ID_HEADER => number = Some(value),
            _ => {}
        }
    }
    let (Some(publisher), Some(number)) = (publisher, number) else {
        return Ok(None);
    };
    let publisher = match publisher {
        Value::Str(bytes) if bytes.len() <= ShortStr::MAX && std::str::from_utf8(bytes).is_ok() => {
            bytes
        }
        _ => {
            return Err(invalid_header(
                PUBLISHER_ID_HEADER,
                "a string of at most 255 bytes",
            ));
        }
    };
    match number
        .as_integer()
        .and_then(|number| u64::try_from(number).ok())
    {
        Some(number) => Ok(Some((publisher, PublishingId(number)))),
        None => Err(invalid_header(
            PUBLISHING_ID_HEADER,
            "an integer that is not negative",
        )),
    }
}

fn invalid_header(name: &str, wanted: &str) -> Refusal {
    precondition_failed(
        format!("invalid header '{name}': expected {wanted}"),
        basic::Publish::ID,
    )
}
