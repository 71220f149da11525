//! Who may do what: users, their permissions, and what these come to for one user in one virtual host.

use crate::pattern::{Pattern, escaped};
use crate::wildcard::Wildcard;
use model::record::{PermissionDefinition, TopicPermissionDefinition, UserDefinition};
use model::{Definition, ShortStr};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is defined of users and permissions.
#[derive(Debug, Default)]
pub(crate) struct Access {
    pub(crate) users: BTreeMap<ShortStr, UserDefinition>,
    /// By user and virtual host.
    pub(crate) permissions: BTreeMap<(ShortStr, ShortStr), PermissionDefinition>,
    /// By user, virtual host and exchange.
    pub(crate) topic_permissions:
        BTreeMap<(ShortStr, ShortStr, ShortStr), TopicPermissionDefinition>,
}

/// What a connection may do: the permission of its user in its virtual host, compiled. By default, nothing.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    configure: Pattern,
    write: Pattern,
    read: Pattern,
    topics: BTreeMap<ShortStr, TopicRights>,
    /// Those of a token, if they say anything of routing keys.
    scoped_topics: Option<Vec<ScopedTopic>>,
    /// The user may send in the name of others.
    pub(crate) impersonates: bool,
}

#[derive(Debug)]
struct TopicRights {
    write: Pattern,
    read: Pattern,
}

/// The routing keys that may be used at exchanges, as a token's scope says.
#[derive(Debug)]
pub(crate) struct ScopedTopic {
    pub(crate) right: Right,
    pub(crate) exchange: Wildcard,
    pub(crate) key: Wildcard,
}

/// What is to be done with a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To make and remove it, and to decide what becomes of what is in it.
    Configure,
    /// To send to it.
    Write,
    /// To see what is in it.
    Read,
}

impl Right {
    /// The word of error texts.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

impl Access {
    /// Takes in what was defined of users and permissions; other definitions are nothing to it.
    pub(crate) fn learn(&mut self, definition: &Definition) {
        match definition {
            Definition::UserMade(user) => {
                self.users.insert(user.name.detached(), user.detached());
            }
            Definition::UserRemoved { user } => {
                self.users.remove(user);
                self.permissions.retain(|(of, _), _| of != user);
                self.topic_permissions.retain(|(of, ..), _| of != user);
            }
            Definition::PermissionMade(made) => {
                let (user, vhost) = (made.user.detached(), made.vhost.detached());
                let made = PermissionDefinition {
                    user: user.clone(),
                    vhost: vhost.clone(),
                    ..made.clone()
                };
                self.permissions.insert((user, vhost), made);
            }
            Definition::PermissionRemoved { user, vhost } => {
                self.permissions.remove(&(user.clone(), vhost.clone()));
            }
            Definition::TopicPermissionMade(made) => {
                let (user, vhost) = (made.user.detached(), made.vhost.detached());
                let made = TopicPermissionDefinition {
                    user: user.clone(),
                    vhost: vhost.clone(),
                    exchange: made.exchange.detached(),
                    ..made.clone()
                };
                let of = (user, vhost, made.exchange.clone());
                self.topic_permissions.insert(of, made);
            }
            Definition::TopicPermissionRemoved {
                user,
                vhost,
                exchange,
            } => {
                let of = (user.clone(), vhost.clone(), exchange.clone());
                self.topic_permissions.remove(&of);
            }
            Definition::VhostRemoved { vhost } => {
                self.permissions.retain(|(_, of), _| of != vhost);
                self.topic_permissions.retain(|(_, of, _), _| of != vhost);
            }
            _ => {}
        }
    }

    /// Whether the user may do that with what has this name.
    pub(crate) fn allows(
        &self,
        user: &ShortStr,
        vhost: &ShortStr,
        right: Right,
        name: &str,
    ) -> bool {
        let rights = self.rights(user, vhost);
        rights.is_some_and(|rights| rights.pattern(right).matches(name))
    }

    /// Everything, so that it can be told again.
    pub(crate) fn all(&self) -> impl Iterator<Item = Definition> {
        let users = self.users.values().cloned().map(Definition::UserMade);
        let permissions = self.permissions.values().cloned();
        let topic_permissions = self.topic_permissions.values().cloned();
        users
            .chain(permissions.map(Definition::PermissionMade))
            .chain(topic_permissions.map(Definition::TopicPermissionMade))
    }

    /// What the user may do in the virtual host; `None` if nothing at all.
    pub(crate) fn rights(&self, user: &ShortStr, vhost: &ShortStr) -> Option<Arc<Rights>> {
        let definition = self.users.get(user)?;
        let permission = self.permissions.get(&(user.clone(), vhost.clone()))?;
        let all_of_vhost = (user.clone(), vhost.clone(), ShortStr::empty())..;
        let of_vhost = self
            .topic_permissions
            .range(all_of_vhost)
            .take_while(|((of, at, _), _)| of == user && at == vhost);
        let topics = of_vhost.map(|((.., exchange), topic)| {
            let rights = TopicRights {
                write: compiled(&expanded(&topic.write, user, vhost)),
                read: compiled(&expanded(&topic.read, user, vhost)),
            };
            (exchange.clone(), rights)
        });
        Some(Arc::new(Rights {
            configure: compiled(&permission.configure),
            write: compiled(&permission.write),
            read: compiled(&permission.read),
            topics: topics.collect(),
            scoped_topics: None,
            impersonates: definition.is("impersonator"),
        }))
    }
}

/// Patterns are checked before they are kept; one that does not compile allows nothing.
fn compiled(text: &str) -> Pattern {
    Pattern::new(text).unwrap_or(Pattern::Nothing)
}

/// The pattern of a topic permission may name the user and the virtual host.
fn expanded(text: &str, user: &str, vhost: &str) -> String {
    text.replace("{username}", &escaped(user))
        .replace("{vhost}", &escaped(vhost))
}

impl Rights {
    /// What a token allows.
    pub(crate) fn scoped(
        configure: Pattern,
        write: Pattern,
        read: Pattern,
        scoped_topics: Option<Vec<ScopedTopic>>,
        impersonates: bool,
    ) -> Self {
        Self {
            configure,
            write,
            read,
            topics: BTreeMap::new(),
            scoped_topics,
            impersonates,
        }
    }

    pub(crate) fn pattern(&self, right: Right) -> &Pattern {
        match right {
            Right::Configure => &self.configure,
            Right::Write => &self.write,
            Right::Read => &self.read,
        }
    }

    pub(crate) fn says_nothing_of_topics(&self) -> bool {
        self.topics.is_empty() && self.scoped_topics.is_none()
    }

    /// Whether a token allows that routing key there; `None` if it is no token that decides.
    pub(crate) fn scoped_topic(&self, exchange: &str, right: Right, key: &str) -> Option<bool> {
        let mut topics = self.scoped_topics.as_ref()?.iter();
        Some(
            topics.any(|it| {
                it.right == right && it.exchange.matches(exchange) && it.key.matches(key)
            }),
        )
    }

    /// The pattern of the routing keys that may be used at a topic exchange, if anything is said of it.
    pub(crate) fn topic_pattern(&self, exchange: &ShortStr, right: Right) -> Option<&Pattern> {
        let topic = self.topics.get(exchange)?;
        Some(match right {
            Right::Read => &topic.read,
            Right::Write | Right::Configure => &topic.write,
        })
    }
}
