//! What handlers ask the broker for that may be long: one at a time, and not before its time.

use crate::answer::Failure;
use crate::clients::Client;
use crate::connections::Known;
use crate::endpoints::{Api, Pace};
use broker::snapshot::{
    ChannelStatus, ConnectionStatus, ConsumerStatus, ExchangeStatus, Look, QueueStatus, Totals,
};
use broker::{Answer, Command};
use model::{ConnectionId, ShortStr};
use std::sync::Arc;
use tokio::sync::MutexGuard;

/// A list as it stood. While somebody has one nobody else gets any: with a hundred thousand queues one copy, and the
/// JSON made of it, is enough to have in memory (promise P9). Whoever holds it must not ask for another.
pub(crate) struct Alone<'a, T> {
    all: Vec<T>,
    _alone: MutexGuard<'a, Pace>,
}

impl<T> std::ops::Deref for Alone<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.all
    }
}

impl Api {
    /// All queues, or those of one virtual host.
    pub(crate) async fn queues(
        &self,
        vhost: Option<ShortStr>,
    ) -> Result<Alone<'_, QueueStatus>, Failure> {
        self.list(Look::Queues { vhost }, |answer| match answer {
            Answer::Queues(all) => all,
            _ => Vec::new(),
        })
        .await
    }

    /// All connections.
    pub(crate) async fn connections(&self) -> Result<Alone<'_, ConnectionStatus>, Failure> {
        self.list(Look::Connections { one: None }, |answer| match answer {
            Answer::Connections(all) => all,
            _ => Vec::new(),
        })
        .await
    }

    /// The channels of all connections, or of one.
    pub(crate) async fn channels(
        &self,
        of: Option<ConnectionId>,
    ) -> Result<Alone<'_, ChannelStatus>, Failure> {
        self.list(Look::Channels { of }, |answer| match answer {
            Answer::Channels(all) => all,
            _ => Vec::new(),
        })
        .await
    }

    /// All consumers, or those of one virtual host.
    pub(crate) async fn consumers(
        &self,
        vhost: Option<ShortStr>,
    ) -> Result<Alone<'_, ConsumerStatus>, Failure> {
        self.list(Look::Consumers { vhost }, |answer| match answer {
            Answer::Consumers(all) => all,
            _ => Vec::new(),
        })
        .await
    }

    /// What went through the exchanges of all virtual hosts, or of one.
    pub(crate) async fn exchanges(
        &self,
        vhost: Option<ShortStr>,
    ) -> Result<Alone<'_, ExchangeStatus>, Failure> {
        self.list(Look::Exchanges { vhost }, |answer| match answer {
            Answer::Exchanges(all) => all,
            _ => Vec::new(),
        })
        .await
    }

    async fn list<T>(
        &self,
        look: Look,
        of: impl FnOnce(Answer) -> Vec<T>,
    ) -> Result<Alone<'_, T>, Failure> {
        let (answer, alone) = self.paced(Command::Look(look)).await?;
        Ok(Alone {
            all: of(answer),
            _alone: alone,
        })
    }

    /// Everything in a few numbers.
    pub(crate) async fn totals(&self) -> Result<Totals, Failure> {
        match self.ask(Command::Look(Look::Totals)).await? {
            Answer::Totals(totals) => Ok(*totals),
            _ => Ok(Totals::default()),
        }
    }

    /// The clients that are there.
    pub(crate) fn clients(&self) -> Known {
        let instruments = self.operator().instruments();
        instruments.map_or_else(Known::new, |of| of.clients.snapshot())
    }

    /// The client whose connection has that name.
    pub(crate) fn client_named(&self, name: &str) -> Option<(ConnectionId, Arc<Client>)> {
        let instruments = self.operator().instruments()?;
        let clients = &instruments.clients;
        let id = clients.named(name)?;
        Some((id, clients.get(id)?))
    }
}
