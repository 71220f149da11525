//! The directory: who may what, and which virtual hosts there are. Of a cluster of several shards one shard is asked
//! for it, and the others follow: each keeps a copy of its own, for its clients must be let in whoever else is there.

use crate::Broker;
use crate::command::CommandRefused;
use crate::definitions::Definitions;
use model::Timestamp;
use std::collections::HashSet;

impl Broker {
    /// Whether no virtual host is there: nobody can come in.
    pub fn is_bare(&self) -> bool {
        self.all_vhosts().next().is_none()
    }

    /// Virtual hosts, users and permissions as they stand.
    pub(crate) fn directory(&self) -> Definitions {
        let vhosts = self.all_vhosts();
        let mut vhosts: Vec<_> = vhosts
            .filter_map(|(_, vhost)| vhost.definition.clone())
            .collect();
        vhosts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Definitions {
            vhosts,
            users: self.access.users.values().cloned().collect(),
            permissions: self.access.permissions.values().cloned().collect(),
            topic_permissions: self.access.topic_permissions.values().cloned().collect(),
            ..Definitions::default()
        }
    }

    /// Becomes the same as another shard's: what is not in it goes, with all that stands on it. Lands what differs only.
    pub(crate) fn follow(
        &mut self,
        now: Timestamp,
        directory: &Definitions,
    ) -> Result<(), CommandRefused> {
        self.check_import(directory)?;
        let before = self.directory();
        self.remove_what_is_not_in(now, &before, directory)?;
        for vhost in new_in(&before.vhosts, &directory.vhosts) {
            self.put_vhost(vhost);
        }
        for user in new_in(&before.users, &directory.users) {
            self.put_user(user.clone());
        }
        for permission in new_in(&before.permissions, &directory.permissions) {
            self.put_permission(permission.clone());
        }
        for permission in new_in(&before.topic_permissions, &directory.topic_permissions) {
            self.put_topic_permission(permission.clone());
        }
        Ok(())
    }

    fn remove_what_is_not_in(
        &mut self,
        now: Timestamp,
        before: &Definitions,
        directory: &Definitions,
    ) -> Result<(), CommandRefused> {
        let kept: HashSet<_> = directory.vhosts.iter().map(|vhost| &vhost.name).collect();
        for vhost in before.vhosts.iter().map(|vhost| &vhost.name) {
            if !kept.contains(vhost)
                && let Some(index) = self.vhost_named(vhost)
            {
                self.remove_vhost(now, index);
            }
        }
        let kept: HashSet<_> = directory.users.iter().map(|user| &user.name).collect();
        for user in before.users.iter().map(|user| &user.name) {
            if !kept.contains(user) {
                self.remove_user(now, user)?;
            }
        }
        let kept = directory.permissions.iter();
        let kept: HashSet<_> = kept.map(|of| (of.user.clone(), of.vhost.clone())).collect();
        for of in &before.permissions {
            let of = (of.user.clone(), of.vhost.clone());
            // Some went with their users and virtual hosts.
            if !kept.contains(&of) && self.access.permissions.contains_key(&of) {
                self.remove_permission(of.0, of.1)?;
            }
        }
        let kept = directory.topic_permissions.iter();
        let kept: HashSet<_> = kept
            .map(|of| (of.user.clone(), of.vhost.clone(), of.exchange.clone()))
            .collect();
        for of in &before.topic_permissions {
            let of = (of.user.clone(), of.vhost.clone(), of.exchange.clone());
            if !kept.contains(&of) && self.access.topic_permissions.contains_key(&of) {
                self.remove_topic_permissions(&of.0, &of.1, Some(&of.2))?;
            }
        }
        Ok(())
    }
}

/// What is not there, or otherwise.
fn new_in<'a, T: PartialEq>(before: &'a [T], after: &'a [T]) -> impl Iterator<Item = &'a T> {
    after.iter().filter(|one| !before.contains(one))
}
