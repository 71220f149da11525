//! The payloads of what operators define, in the notation of `chunk/record.rs`:
//!
//! ```text
//! kind                          payload
//! 16 vhost made                 vhost short; then, unless nothing but the name is said of it: description long,
//!                               tags, default queue type short, tracing u8 (0, 1), most connections, most queues
//! 17 vhost removed              vhost short
//! 25 user made                  user short, hashing u8 (0 SHA-256, 1 SHA-512, 2 MD5, 3 Argon2id), password hash long, tags,
//!                               most connections, most channels
//! 26 user removed               user short
//! 27 permission made            user short, vhost short, configure long, write long, read long
//! 28 permission removed         user short, vhost short
//! 29 topic permission made      user short, vhost short, exchange short, write long, read long
//! 30 topic permission removed   user short, vhost short, exchange short
//! 31 policy made                vhost short, policy short, pattern long, apply-to short, priority i64,
//!                               definition long
//! 32 policy removed             vhost short, policy short
//! 35 operator policy made       as kind 31
//! 36 operator policy removed    as kind 32
//!
//! tags = how many (varint), each short        most … = 0 u8 (no limit)   or   1 u8, limit u64
//! ```

use super::cursor::{Cursor, Put};
use super::{ChunkError, damaged};
use model::record::{
    Hashing, PermissionDefinition, PolicyDefinition, TopicPermissionDefinition, UserDefinition,
    VhostDefinition,
};
use model::{Definition, ShortStr};

/// The numbers of the kinds.
mod kind {
    pub(super) const VHOST_MADE: u8 = 16;
    pub(super) const VHOST_REMOVED: u8 = 17;
    pub(super) const USER_MADE: u8 = 25;
    pub(super) const USER_REMOVED: u8 = 26;
    pub(super) const PERMISSION_MADE: u8 = 27;
    pub(super) const PERMISSION_REMOVED: u8 = 28;
    pub(super) const TOPIC_PERMISSION_MADE: u8 = 29;
    pub(super) const TOPIC_PERMISSION_REMOVED: u8 = 30;
    pub(super) const POLICY_MADE: u8 = 31;
    pub(super) const POLICY_REMOVED: u8 = 32;
    pub(super) const OPERATOR_POLICY_MADE: u8 = 35;
    pub(super) const OPERATOR_POLICY_REMOVED: u8 = 36;
}

const SHA_256: u8 = 0;
const SHA_512: u8 = 1;
const MD5: u8 = 2;
const ARGON2ID: u8 = 3;

/// Decodes the definition of a kind.
pub(super) fn read(kind: u8, cursor: &mut Cursor<'_>) -> Result<Definition, ChunkError> {
    Ok(match kind {
        kind::VHOST_MADE => Definition::VhostMade(read_vhost(cursor)?),
        kind::VHOST_REMOVED => Definition::VhostRemoved {
            vhost: cursor.short_str()?,
        },
        kind::USER_MADE => Definition::UserMade(read_user(cursor)?),
        kind::USER_REMOVED => Definition::UserRemoved {
            user: cursor.short_str()?,
        },
        kind::PERMISSION_MADE => Definition::PermissionMade(PermissionDefinition {
            user: cursor.short_str()?,
            vhost: cursor.short_str()?,
            configure: cursor.long_text()?,
            write: cursor.long_text()?,
            read: cursor.long_text()?,
        }),
        kind::PERMISSION_REMOVED => Definition::PermissionRemoved {
            user: cursor.short_str()?,
            vhost: cursor.short_str()?,
        },
        kind::TOPIC_PERMISSION_MADE => Definition::TopicPermissionMade(TopicPermissionDefinition {
            user: cursor.short_str()?,
            vhost: cursor.short_str()?,
            exchange: cursor.short_str()?,
            write: cursor.long_text()?,
            read: cursor.long_text()?,
        }),
        kind::TOPIC_PERMISSION_REMOVED => Definition::TopicPermissionRemoved {
            user: cursor.short_str()?,
            vhost: cursor.short_str()?,
            exchange: cursor.short_str()?,
        },
        kind::POLICY_MADE => Definition::PolicyMade(read_policy(cursor)?),
        kind::POLICY_REMOVED => Definition::PolicyRemoved {
            vhost: cursor.short_str()?,
            name: cursor.short_str()?,
        },
        kind::OPERATOR_POLICY_MADE => Definition::OperatorPolicyMade(read_policy(cursor)?),
        kind::OPERATOR_POLICY_REMOVED => Definition::OperatorPolicyRemoved {
            vhost: cursor.short_str()?,
            name: cursor.short_str()?,
        },
        _ => {
            return Err(damaged("unknown kind of record"));
        }
    })
}

fn read_policy(cursor: &mut Cursor<'_>) -> Result<PolicyDefinition, ChunkError> {
    Ok(PolicyDefinition {
        vhost: cursor.short_str()?,
        name: cursor.short_str()?,
        pattern: cursor.long_text()?,
        apply_to: cursor.short_str()?,
        priority: cursor.u64()?.cast_signed(),
        definition: cursor.table()?,
    })
}

fn read_vhost(cursor: &mut Cursor<'_>) -> Result<VhostDefinition, ChunkError> {
    let name = cursor.short_str()?;
    if cursor.rest().is_empty() {
        return Ok(VhostDefinition::new(name));
    }
    Ok(VhostDefinition {
        name,
        description: cursor.long_text()?,
        tags: cursor.tags()?,
        default_queue_type: cursor.short_str()?,
        tracing: cursor.u8()? != 0,
        max_connections: cursor.limit()?,
        max_queues: cursor.limit()?,
    })
}

fn read_user(cursor: &mut Cursor<'_>) -> Result<UserDefinition, ChunkError> {
    Ok(UserDefinition {
        name: cursor.short_str()?,
        hashing: match cursor.u8()? {
            SHA_256 => Hashing::Sha256,
            SHA_512 => Hashing::Sha512,
            MD5 => Hashing::Md5,
            ARGON2ID => Hashing::Argon2id,
            _ => {
                return Err(damaged("unknown hashing of a password"));
            }
        },
        password_hash: cursor.long_bytes()?,
        tags: cursor.tags()?,
        max_connections: cursor.limit()?,
        max_channels: cursor.limit()?,
    })
}

/// Appends the kind and payload of a definition that an operator made; false for any other.
pub(super) fn write(out: &mut Vec<u8>, definition: &Definition) -> bool {
    let names = |out: &mut Vec<u8>, kind: u8, names: &[&ShortStr]| {
        out.push(kind);
        for name in names {
            out.put_short(name);
        }
    };
    match definition {
        Definition::VhostMade(vhost) => {
            names(out, kind::VHOST_MADE, &[&vhost.name]);
            write_vhost(out, vhost);
        }
        Definition::VhostRemoved { vhost } => names(out, kind::VHOST_REMOVED, &[vhost]),
        Definition::UserMade(user) => {
            names(out, kind::USER_MADE, &[&user.name]);
            write_user(out, user);
        }
        Definition::UserRemoved { user } => names(out, kind::USER_REMOVED, &[user]),
        Definition::PermissionMade(made) => {
            names(out, kind::PERMISSION_MADE, &[&made.user, &made.vhost]);
            put_texts(out, &[&made.configure, &made.write, &made.read]);
        }
        Definition::PermissionRemoved { user, vhost } => {
            names(out, kind::PERMISSION_REMOVED, &[user, vhost]);
        }
        Definition::TopicPermissionMade(made) => {
            let of = [&made.user, &made.vhost, &made.exchange];
            names(out, kind::TOPIC_PERMISSION_MADE, &of);
            put_texts(out, &[&made.write, &made.read]);
        }
        Definition::TopicPermissionRemoved {
            user,
            vhost,
            exchange,
        } => {
            names(
                out,
                kind::TOPIC_PERMISSION_REMOVED,
                &[user, vhost, exchange],
            );
        }
        Definition::PolicyMade(policy) => {
            names(out, kind::POLICY_MADE, &[&policy.vhost, &policy.name]);
            write_policy(out, policy);
        }
        Definition::PolicyRemoved { vhost, name } => {
            names(out, kind::POLICY_REMOVED, &[vhost, name]);
        }
        Definition::OperatorPolicyMade(policy) => {
            let of = [&policy.vhost, &policy.name];
            names(out, kind::OPERATOR_POLICY_MADE, &of);
            write_policy(out, policy);
        }
        Definition::OperatorPolicyRemoved { vhost, name } => {
            names(out, kind::OPERATOR_POLICY_REMOVED, &[vhost, name]);
        }
        _ => return false,
    }
    true
}

fn write_policy(out: &mut Vec<u8>, policy: &PolicyDefinition) {
    out.put_long(policy.pattern.as_bytes());
    out.put_short(&policy.apply_to);
    out.extend_from_slice(&policy.priority.to_le_bytes());
    out.put_long(policy.definition.as_bytes());
}

fn write_vhost(out: &mut Vec<u8>, vhost: &VhostDefinition) {
    if *vhost == VhostDefinition::new(vhost.name.clone()) {
        return;
    }
    out.put_long(vhost.description.as_bytes());
    put_tags(out, &vhost.tags);
    out.put_short(&vhost.default_queue_type);
    out.push(vhost.tracing.into());
    put_limit(out, vhost.max_connections);
    put_limit(out, vhost.max_queues);
}

fn write_user(out: &mut Vec<u8>, user: &UserDefinition) {
    out.push(match user.hashing {
        Hashing::Sha256 => SHA_256,
        Hashing::Sha512 => SHA_512,
        Hashing::Md5 => MD5,
        Hashing::Argon2id => ARGON2ID,
    });
    out.put_long(&user.password_hash);
    put_tags(out, &user.tags);
    put_limit(out, user.max_connections);
    put_limit(out, user.max_channels);
}

fn put_texts(out: &mut Vec<u8>, texts: &[&String]) {
    for text in texts {
        out.put_long(text.as_bytes());
    }
}

fn put_tags(out: &mut Vec<u8>, tags: &[ShortStr]) {
    out.put_varint(tags.len() as u64);
    for tag in tags {
        out.put_short(tag);
    }
}

fn put_limit(out: &mut Vec<u8>, limit: Option<u64>) {
    out.push(limit.is_some().into());
    if let Some(limit) = limit {
        out.extend_from_slice(&limit.to_le_bytes());
    }
}

impl Cursor<'_> {
    /// Text with a length of 32 bits in front.
    fn long_text(&mut self) -> Result<String, ChunkError> {
        let text = std::str::from_utf8(self.long()?);
        text.map(str::to_owned)
            .map_err(|_| damaged("a text is not UTF-8"))
    }

    fn tags(&mut self) -> Result<Vec<ShortStr>, ChunkError> {
        let count = self.varint()?;
        // Not collected at once: nothing may be allocated for a count before the tags are there.
        let mut tags = Vec::new();
        for _ in 0..count {
            tags.push(self.short_str()?);
        }
        Ok(tags)
    }

    fn limit(&mut self) -> Result<Option<u64>, ChunkError> {
        match self.u8()? {
            0 => Ok(None),
            _ => self.u64().map(Some),
        }
    }
}
