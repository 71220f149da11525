//! Virtual hosts: made, changed, and removed with all that is in them.

use crate::Broker;
use crate::operate::forced;
use crate::password::{SALT_BYTES, password_hash};
use crate::route::{Vhost, VhostIndex};
use model::record::{Hashing, PermissionDefinition, UserDefinition, VhostDefinition};
use model::{ConnectionId, Definition, QueueId, ShortStr, Timestamp};

/// The first user, and its password.
const GUEST: &str = "guest";

/// Salt keeps equal passwords from looking alike; this one is known anyway.
const GUEST_SALT: [u8; SALT_BYTES] = *b"salt";

impl Broker {
    /// The virtual host of that name.
    pub(crate) fn vhost_named(&self, name: &str) -> Option<VhostIndex> {
        let at = self
            .vhosts
            .iter()
            .position(|vhost| vhost.name == name && vhost.is_there());
        at.map(VhostIndex)
    }

    /// The virtual host of that name, whose queues are here: nothing is made in one that another shard has.
    pub(crate) fn own_vhost_named(&self, name: &str) -> Option<VhostIndex> {
        self.vhost_named(name).filter(|_| self.share.has(name))
    }

    /// Those that are there, in the order of their making.
    pub(crate) fn all_vhosts(&self) -> impl Iterator<Item = (VhostIndex, &Vhost)> {
        let each = self.vhosts.iter().enumerate();
        each.filter(|(_, vhost)| vhost.is_there())
            .map(|(index, vhost)| (VhostIndex(index), vhost))
    }

    /// Makes a virtual host, or changes what is said of it; says whether it is new.
    pub(crate) fn put_vhost(&mut self, definition: &VhostDefinition) -> bool {
        let definition = definition.detached();
        self.land_definition(Definition::VhostMade(definition.clone()));
        if let Some(known) = self.vhost_named(&definition.name) {
            self.vhosts[known.0].definition = Some(definition);
            return false;
        }
        let vhost = Vhost::new(definition);
        // A place that a removed one left is taken again: places are few, and names may come and go for years.
        match self.vhosts.iter_mut().find(|vhost| !vhost.is_there()) {
            Some(place) => *place = vhost,
            None => self.vhosts.push(vhost),
        }
        true
    }

    /// Removes a virtual host with its connections, queues, exchanges, permissions, policies and publishers.
    /// Its own record comes last: a crash before it leaves a virtual host with fewer queues, never messages
    /// of queues that nobody knows.
    pub(crate) fn remove_vhost(&mut self, now: Timestamp, index: VhostIndex) {
        let name = self.vhosts[index.0].name.clone();
        let here = self.connections.iter();
        let here = here.filter(|(_, connection)| connection.vhost == index);
        let mut connections: Vec<ConnectionId> = here.map(|(id, _)| *id).collect();
        connections.sort_unstable();
        for connection in connections {
            self.close_connection_with(
                now,
                connection,
                forced(format_args!("vhost '{name}' is deleted")),
            );
        }
        let mut queues: Vec<QueueId> = self.vhosts[index.0].queues.values().copied().collect();
        queues.sort_unstable();
        for queue in queues {
            self.remove_queue(queue);
        }
        self.publishers.forget_vhost(index);
        self.vhosts[index.0] = Vhost::gone();
        self.define(Definition::VhostRemoved { vhost: name });
    }

    /// What a server has that nobody has used: one virtual host, and a user with all permissions there whose
    /// password everybody knows, and who may only come from this machine. The virtual host comes last: where a
    /// crash kept only a part, all of it is made again.
    pub(crate) fn furnish(&mut self) {
        let (user, vhost) = (ShortStr::from_static(GUEST), ShortStr::from_static("/"));
        self.define(Definition::UserMade(UserDefinition {
            name: user.clone(),
            password_hash: password_hash(Hashing::Sha256, GUEST_SALT, GUEST),
            tags: vec![ShortStr::from_static("administrator")],
            ..UserDefinition::default()
        }));
        let everything = PermissionDefinition::everything(user, vhost.clone());
        self.define(Definition::PermissionMade(everything));
        self.put_vhost(&VhostDefinition::new(vhost));
    }

    /// Refuses one more queue where the virtual host has as many as it may.
    pub(crate) fn check_queue_count(
        &self,
        index: VhostIndex,
        name: &ShortStr,
    ) -> Result<(), String> {
        let vhost = &self.vhosts[index.0];
        match vhost.definition.as_ref().and_then(|said| said.max_queues) {
            Some(most) if vhost.queues.len() as u64 >= most => Err(format!(
                "cannot declare queue '{name}': queue limit in vhost '{}' ({most}) is reached",
                vhost.name
            )),
            _ => Ok(()),
        }
    }
}
