//! How many connections and channels a user or a virtual host may have open, and has.

use crate::connection::Connection;
use crate::route::VhostIndex;
use crate::{Broker, access::Access};
use model::ShortStr;
use std::collections::HashMap;

/// What is open.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    users: HashMap<ShortStr, Open>,
    /// Connections by virtual host.
    vhosts: HashMap<usize, u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Open {
    connections: u64,
    channels: u64,
}

impl Quota {
    pub(crate) fn connection_opened(&mut self, user: &ShortStr, vhost: VhostIndex) {
        self.users.entry(user.clone()).or_default().connections += 1;
        *self.vhosts.entry(vhost.0).or_default() += 1;
    }

    /// Its channels were closed before.
    pub(crate) fn connection_closed(&mut self, connection: &Connection) {
        if let Some(open) = self.users.get_mut(&connection.user) {
            open.connections -= 1;
            if open.connections == 0 {
                self.users.remove(&connection.user);
            }
        }
        if let Some(open) = self.vhosts.get_mut(&connection.vhost.0) {
            *open -= 1;
        }
    }

    pub(crate) fn channel_opened(&mut self, user: &ShortStr) {
        if let Some(open) = self.users.get_mut(user) {
            open.channels += 1;
        }
    }

    pub(crate) fn channel_closed(&mut self, user: &ShortStr) {
        if let Some(open) = self.users.get_mut(user) {
            open.channels -= 1;
        }
    }

    /// Why the user may open no more channels, if that is so.
    pub(crate) fn refuses_channel(&self, access: &Access, user: &ShortStr) -> Option<String> {
        let most = access.users.get(user)?.max_channels?;
        let open = self.users.get(user)?.channels;
        let text = || {
            format!(
                "number of channels opened for user '{user}' has reached the maximum allowed user limit of ({most})"
            )
        };
        (open >= most).then(text)
    }
}

impl Broker {
    /// Why one more connection is refused, if it is.
    pub(crate) fn connection_refused(&self, user: &ShortStr, index: VhostIndex) -> Option<String> {
        let vhost = &self.vhosts[index.0];
        let open = self.quota.vhosts.get(&index.0).copied().unwrap_or(0);
        let most = vhost
            .definition
            .as_ref()
            .and_then(|said| said.max_connections);
        if let Some(most) = most.filter(|most| open >= *most) {
            return Some(format!(
                "access to vhost '{}' refused for user '{user}': connection limit ({most}) is reached",
                vhost.name
            ));
        }
        let open = self
            .quota
            .users
            .get(user)
            .map_or(0, |open| open.connections);
        let most = self
            .access
            .users
            .get(user)
            .and_then(|user| user.max_connections);
        let most = most.filter(|most| open >= *most)?;
        Some(format!(
            "connection refused for user '{user}': user connection limit ({most}) is reached"
        ))
    }
}
