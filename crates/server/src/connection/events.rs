//! What a client did, on its way to the shard: what it asks for, why it went.

use super::{Connection, End};
use admin::clients::Client;
use broker::{Input, Opened};
use model::method::connection;
use model::{ConnectionError, FieldTable, ReplyCode};
use std::sync::Arc;
use tracing::info;
use wire::Event;

impl Connection<'_> {
    /// Closes the connection by our own decision.
    pub(super) fn give_up(&mut self, error: ConnectionError) {
        self.wire.close(&error);
        self.closed = Some(Some(error));
    }

    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Publish(channel, publish) => {
                self.batch.push(Input::Publish(self.id, channel, publish));
            }
            Event::Method(channel, method) => {
                self.batch.push(Input::Method(self.id, channel, method));
            }
            Event::ChannelOpened(channel) => {
                self.batch.push(Input::ChannelOpened(self.id, channel));
            }
            Event::ChannelClosed(channel) => {
                self.batch.push(Input::ChannelClosed(self.id, channel));
            }
            Event::Login {
                user,
                password,
                mechanism,
                ..
            } => {
                let (user, proof) = self.external.who(&mechanism, user, password);
                self.log_in(&user, proof);
            }
            Event::Open { .. } if self.is_one_too_many => {
                let most = self.house.limits.connections_max;
                self.give_up(ConnectionError::new(
                    ReplyCode::NotAllowed,
                    format_args!("connection refused: node connection limit ({most}) is reached"),
                    connection::Open::ID,
                ));
            }
            Event::Open {
                vhost,
                client_properties,
                consumer_cancel_notify,
                blocked_notify,
            } => {
                let text = |name| client_properties.get(name).and_then(model::Value::as_str);
                info!(
                    connection = %self.id, peer = %self.peer, user = %self.user, %vhost,
                    client = text("product").unwrap_or_default(),
                    name = text("connection_name").unwrap_or_default(),
                    "connection opened"
                );
                // Nobody has to know the password any more.
                self.login = None;
                self.enter(&client_properties);
                self.batch.push(Input::ConnectionOpened(Opened {
                    connection: self.id,
                    user: self.user.clone(),
                    vhost: vhost.detached(),
                    consumer_cancel_notify,
                    blocked_notify,
                }));
            }
            Event::SecretUpdated(secret) => self.take_secret(secret),
            Event::Closed(why) => self.closed = Some(why),
        }
    }

    /// Operators see it from now on.
    fn enter(&mut self, properties: &FieldTable) {
        let agreed = self.wire.agreed();
        let client = Client::new((self.peer, self.local), self.house.clock.now());
        let (channels, frame, heartbeat) =
            (agreed.channel_max, agreed.frame_max, agreed.heartbeat_s);
        let client = client.saying(properties);
        let client = Arc::new(client.agreeing(channels, frame, heartbeat));
        (self.house.instruments.clients).join(self.id, client.clone());
        self.client = Some(client);
    }

    pub(super) fn log_end(&self, end: &End) {
        let reason = match (end, &self.closed) {
            (_, Some(Some(error))) => error.text.to_string(),
            (_, Some(None)) => "closed by the client".to_owned(),
            (End::Finished, None) => "closed by the server".to_owned(),
            (End::PeerGone, None) => "the client hung up without closing".to_owned(),
            (End::Socket(error), None) => error.to_string(),
            (End::ServerGone, None) => "the server ends".to_owned(),
        };
        info!(connection = %self.id, peer = %self.peer, reason, "connection closed");
    }
}
