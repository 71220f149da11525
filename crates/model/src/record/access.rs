//! What operators define: virtual hosts, users, what users may do where, and policies. The words are those of
//! RabbitMQ's definitions, so that exported ones can be imported.

use crate::{FieldTable, ShortStr};
use bytes::Bytes;

/// A virtual host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VhostDefinition {
    /// Its name.
    pub name: ShortStr,
    /// What it is for, in its owner's words.
    pub description: String,
    /// Its owner's words to find it by.
    pub tags: Vec<ShortStr>,
    /// The type of queues that are declared without one; empty for the server's default.
    pub default_queue_type: ShortStr,
    /// Whether its messages are traced; kept and shown.
    pub tracing: bool,
    /// The most connections at a time; `None` for no limit.
    pub max_connections: Option<u64>,
    /// The most queues; `None` for no limit.
    pub max_queues: Option<u64>,
}

impl VhostDefinition {
    /// A virtual host of which nothing but the name is said.
    pub fn new(name: ShortStr) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// A copy that does not keep alive the buffer that it was read from.
    pub fn detached(&self) -> Self {
        Self {
            name: self.name.detached(),
            description: self.description.clone(),
            tags: self.tags.iter().map(ShortStr::detached).collect(),
            default_queue_type: self.default_queue_type.detached(),
            ..*self
        }
    }
}

/// How a user's password was hashed: digest of salt and password, as RabbitMQ does, or slowly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    /// SHA-256, the usual one.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
    /// MD5, of users from before RabbitMQ 3.6.
    Md5,
    /// Argon2id, which takes long and much memory: whoever gets at the hashes cannot try many passwords.
    Argon2id,
}

impl Hashing {
    /// Its name in definitions: RabbitMQ's, or one like those.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "rabbit_password_hashing_sha256",
            Self::Sha512 => "rabbit_password_hashing_sha512",
            Self::Md5 => "rabbit_password_hashing_md5",
            Self::Argon2id => "landfall_password_hashing_argon2id",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha512, Self::Md5, Self::Argon2id]
            .into_iter()
            .find(|hashing| hashing.name() == name)
    }
}

/// A user. The `Debug` form does not tell the hash.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserDefinition {
    /// The user's name.
    pub name: ShortStr,
    /// Four octets of salt and the digest of salt and password: what RabbitMQ's base64 decodes to. Of Argon2id its text,
    /// `$argon2id$…`. Empty for a user who cannot log in with a password.
    pub password_hash: Bytes,
    /// How it was hashed.
    pub hashing: Hashing,
    /// What the user is: `administrator`, `monitoring`, `impersonator` …
    pub tags: Vec<ShortStr>,
    /// The most connections at a time; `None` for no limit.
    pub max_connections: Option<u64>,
    /// The most channels at a time, of all connections together; `None` for no limit.
    pub max_channels: Option<u64>,
}

impl UserDefinition {
    /// Whether the user carries that tag.
    pub fn is(&self, tag: &str) -> bool {
        self.tags.iter().any(|one| one == tag)
    }

    /// A copy that does not keep alive the buffer that it was read from.
    pub fn detached(&self) -> Self {
        Self {
            name: self.name.detached(),
            password_hash: Bytes::copy_from_slice(&self.password_hash),
            tags: self.tags.iter().map(ShortStr::detached).collect(),
            ..*self
        }
    }
}

impl std::fmt::Debug for UserDefinition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserDefinition")
            .field("name", &self.name)
            .field("hashing", &self.hashing)
            .field("tags", &self.tags)
            .field("max_connections", &self.max_connections)
            .field("max_channels", &self.max_channels)
            .finish_non_exhaustive()
    }
}

/// What a user may do in a virtual host: patterns of the names that each operation is allowed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RabbitMQ's")]
pub struct PermissionDefinition {
    pub user: ShortStr,
    pub vhost: ShortStr,
    /// Names that the user may make and remove.
    pub configure: String,
    /// Names that the user may send to.
    pub write: String,
    /// Names that the user may receive from.
    pub read: String,
}

/// Which routing keys a user may use at a topic exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RabbitMQ's")]
pub struct TopicPermissionDefinition {
    pub user: ShortStr,
    pub vhost: ShortStr,
    pub exchange: ShortStr,
    /// Keys that the user may publish with.
    pub write: String,
    /// Keys that the user may bind with.
    pub read: String,
}

/// Rules for all queues or exchanges of a virtual host whose name matches a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RabbitMQ's")]
pub struct PolicyDefinition {
    pub vhost: ShortStr,
    pub name: ShortStr,
    pub pattern: String,
    /// `queues`, `exchanges`, `all`, `classic_queues`, `quorum_queues`, `streams`.
    pub apply_to: ShortStr,
    /// Of the policies that match, the one of the highest priority counts.
    pub priority: i64,
    /// The rules, by the names of the arguments without `x-`.
    pub definition: FieldTable,
}

impl PermissionDefinition {
    /// Everything is allowed.
    pub fn everything(user: ShortStr, vhost: ShortStr) -> Self {
        let all = || ".*".to_owned();
        Self {
            user,
            vhost,
            configure: all(),
            write: all(),
            read: all(),
        }
    }
}
