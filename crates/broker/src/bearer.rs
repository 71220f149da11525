//! Who comes with a token instead of a password: what its scopes allow, as RabbitMQ understands them.
//!
//! Whether the token is a good one, and when it ends, is for the shell to say.

use crate::access::{Right, Rights, ScopedTopic};
use crate::pattern::Pattern;
use crate::wildcard::Wildcard;
use model::ShortStr;
use std::sync::Arc;

/// Somebody who is known by a token.
#[derive(Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The name that the token gives.
    pub user: ShortStr,
    /// The tags that it gives.
    pub tags: Vec<ShortStr>,
    permissions: Vec<Permission>,
}

/// `read:vhost/name/routing-key`.
#[derive(Debug, PartialEq, Eq)]
struct Permission {
    right: Right,
    vhost: Wildcard,
    name: Wildcard,
    key: Wildcard,
}

impl Bearer {
    /// Reads the scopes, which have lost the prefix that makes them this server's. What is no scope allows nothing.
    pub fn new<'a>(user: ShortStr, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut tags, mut permissions) = (Vec::new(), Vec::new());
        for scope in scopes {
            match scope.split_once(':') {
                Some(("tag", tag)) => tags.extend(ShortStr::try_from(tag)),
                Some((right, pattern)) => permissions.extend(Permission::new(right, pattern)),
                None => {}
            }
        }
        Self {
            user,
            tags,
            permissions,
        }
    }

    /// Whether the token speaks of that virtual host at all.
    pub fn enters(&self, vhost: &str) -> bool {
        let mut permissions = self.permissions.iter();
        permissions.any(|permission| permission.vhost.matches(vhost))
    }

    /// Whether its bearer may do that with what has this name.
    pub fn allows(&self, vhost: &str, right: Right, name: &str) -> bool {
        let mut permissions = self.permissions.iter();
        permissions.any(|permission| {
            permission.right == right
                && permission.vhost.matches(vhost)
                && permission.name.matches(name)
        })
    }

    /// What its bearer may do in the virtual host; `None` if nothing at all.
    pub(crate) fn rights(&self, vhost: &str) -> Option<Arc<Rights>> {
        let there = self.permissions.iter();
        let there: Vec<&Permission> = there.filter(|it| it.vhost.matches(vhost)).collect();
        if there.is_empty() {
            return None;
        }
        let names = |right: Right| {
            let names = there.iter().filter(|it| it.right == right);
            Pattern::any_of(names.map(|it| it.name.clone()).collect())
        };
        // Where every scope is of any routing key, who may use an exchange may use it with all.
        let topics = there.iter().any(|it| !it.key.is_everything());
        let topics = topics.then(|| {
            let topics = there.iter().map(|it| ScopedTopic {
                right: it.right,
                exchange: it.name.clone(),
                key: it.key.clone(),
            });
            topics.collect()
        });
        let impersonates = self.tags.iter().any(|tag| tag == "impersonator");
        let (configure, write, read) = (
            names(Right::Configure),
            names(Right::Write),
            names(Right::Read),
        );
        let rights = Rights::scoped(configure, write, read, topics, impersonates);
        Some(Arc::new(rights))
    }
}

impl Permission {
    fn new(right: &str, pattern: &str) -> Option<Self> {
        let right = match right {
            "configure" => Right::Configure,
            "write" => Right::Write,
            "read" => Right::Read,
            _ => return None,
        };
        let mut parts = pattern.split('/');
        let (vhost, name, key) = (parts.next()?, parts.next()?, parts.next());
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            right,
            vhost: Wildcard::new(vhost)?,
            name: Wildcard::new(name)?,
            key: Wildcard::new(key.unwrap_or("*"))?,
        })
    }
}
