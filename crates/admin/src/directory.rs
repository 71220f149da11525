//! The directory of a cluster of several shards on its way from one node to another: users, virtual hosts and permissions,
//! as a document of definitions has them.

use crate::{document, shapes};
use broker::Definitions;
use model::record::VhostDefinition;
use serde_json::{Value, json};

/// As it is sent.
pub fn write(directory: &Definitions) -> Value {
    json!({
        "users": directory.users.iter().map(shapes::user).collect::<Value>(),
        "vhosts": directory.vhosts.iter().map(vhost).collect::<Value>(),
        "permissions": directory.permissions.iter().map(shapes::permission).collect::<Value>(),
        "topic_permissions": (directory.topic_permissions.iter())
            .map(shapes::topic_permission)
            .collect::<Value>(),
    })
}

/// With its limits, which a document has apart from it.
fn vhost(vhost: &VhostDefinition) -> Value {
    let mut shape = shapes::vhost(vhost);
    shape["limits"] = shapes::vhost_limits(vhost);
    shape
}

/// As it was.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(said: &Value) -> Result<Definitions, String> {
    let read = document::read(said, &Definitions::default(), None);
    let read = read.map_err(|mistake| mistake.to_string())?;
    match read.ignored.first() {
        None => Ok(read.definitions),
        Some(ignored) => Err(format!("not all of it is understood: {ignored}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ShortStr;
    use model::record::{Hashing, PermissionDefinition, TopicPermissionDefinition, UserDefinition};

    const ARGON: &[u8] =
        b"$argon2id$v=19$m=4096,t=3,p=2$c29tZXNhbHRzb21lc2FsdA$lOUjBRrnX6eWcrqZ+oDFPMulhMi9/vV6";

    #[test]
    fn nothing_is_lost_on_the_way() {
        let short = ShortStr::truncated;
        let user = |name, hashing, hash: &'static [u8]| UserDefinition {
            name: short(name),
            password_hash: hash.into(),
            hashing,
            tags: vec![short("monitoring"), short("own")],
            max_connections: Some(3),
            max_channels: None,
        };
        let directory = Definitions {
            vhosts: vec![
                VhostDefinition {
                    description: "the shop's".into(),
                    tags: vec![short("a"), short("b")],
                    default_queue_type: short("quorum"),
                    tracing: true,
                    max_connections: Some(0),
                    max_queues: Some(10),
                    ..VhostDefinition::new(short("shop"))
                },
                VhostDefinition::new(short("/")),
            ],
            users: vec![
                user("ada", Hashing::Sha512, b"saltanddigest"),
                user("bea", Hashing::Argon2id, ARGON),
                user("nobody", Hashing::Sha256, b""),
            ],
            permissions: vec![PermissionDefinition::everything(
                short("ada"),
                short("shop"),
            )],
            topic_permissions: vec![TopicPermissionDefinition {
                user: short("ada"),
                vhost: short("shop"),
                exchange: short("x"),
                write: "^{username}".into(),
                read: String::new(),
            }],
            ..Definitions::default()
        };
        assert_eq!(read(&write(&directory)), Ok(directory));
    }

    #[test]
    fn what_is_not_understood_is_not_followed() {
        let mut said = write(&Definitions::default());
        said["roles"] = json!([]);
        let refused = read(&said).expect_err("a newer node wrote it");
        assert_eq!(refused, "not all of it is understood: unknown key 'roles'");
    }
}
