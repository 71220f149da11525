//! A document becomes definitions: all of it is understood, or the first mistake is named and nothing is done.

use super::Document;
use crate::described::{Described, Key, Kind};
use crate::password;
use crate::reader::{Mistake, Reader};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::{Definitions, NamedBinding, NamedExchange, NamedQueue};
use bytes::Bytes;
use model::record::{
    ExchangeDefinition, Hashing, PermissionDefinition, PolicyDefinition, TopicPermissionDefinition,
    UserDefinition, VhostDefinition,
};
use model::{FieldTable, ShortStr, TableBuilder};
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashSet};

/// What a document of definitions may say.
pub(crate) const DOCUMENT: Described = Described::new(
    "Definitions",
    &[
        Key::new(
            "rabbit_version",
            Kind::Anything,
            "says where it comes from, and is not read",
        ),
        Key::new(
            "rabbitmq_version",
            Kind::Anything,
            "the same",
        ),
        Key::new(
            "product_name",
            Kind::Anything,
            "the same",
        ),
        Key::new(
            "product_version",
            Kind::Anything,
            "the same",
        ),
        Key::new(
            "rabbitmq_definition_format",
            Kind::Anything,
            "the same",
        ),
        Key::new(
            "original_cluster_name",
            Kind::Anything,
            "the same",
        ),
        Key::new(
            "original_vhost_name",
            Kind::Anything,
            "the same",
        ),
        Key::new(
            "explanation",
            Kind::Anything,
            "the same",
        ),
        Key::new(
            "vhosts",
            Kind::List(&Kind::Map),
            "virtual hosts; its entries are those of an export",
        ),
        Key::new(
            "users",
            Kind::List(&Kind::Map),
            "users, with the hashes of their passwords",
        ),
        Key::new(
            "permissions",
            Kind::List(&Kind::Map),
            "what they may do",
        ),
        Key::new(
            "topic_permissions",
            Kind::List(&Kind::Map),
            "which routing keys they may use",
        ),
        Key::new(
            "global_parameters",
            Kind::List(&Kind::Map),
            "have no place here: each is told among what was ignored",
        ),
        Key::new(
            "parameters",
            Kind::List(&Kind::Map),
            "limits of virtual hosts, and operator policies",
        ),
        Key::new(
            "policies",
            Kind::List(&Kind::Map),
            "policies",
        ),
        Key::new(
            "queues",
            Kind::List(&Kind::Map),
            "queues",
        ).such_as(r#"[{"name": "orders", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}}]"#),
        Key::new(
            "exchanges",
            Kind::List(&Kind::Map),
            "exchanges",
        ),
        Key::new(
            "bindings",
            Kind::List(&Kind::Map),
            "bindings",
        ),
    ],
);

/// What a document says about where it comes from, and nothing more.
const ORIGIN: [&str; 8] = [
    "rabbit_version",
    "rabbitmq_version",
    "product_name",
    "product_version",
    "rabbitmq_definition_format",
    "original_cluster_name",
    "original_vhost_name",
    "explanation",
];

/// Sections that speak of more than one virtual host.
const GLOBAL: [&str; 5] = [
    "users",
    "vhosts",
    "permissions",
    "topic_permissions",
    "global_parameters",
];

/// Reads a document on top of what is there. With a `scope` everything is for that virtual
/// host, whatever the document says.
pub(crate) fn read(
    json: &Json,
    there: &Definitions,
    scope: Option<&ShortStr>,
) -> Result<Document, Mistake> {
    let mut reading = Reading {
        document: Document::default(),
        there,
        scope,
        limits: BTreeMap::new(),
    };
    let mut body = Reader::of(&DOCUMENT, json)?;
    for origin in ORIGIN {
        body.get(origin);
    }
    if scope.is_some() {
        for section in GLOBAL {
            if !body.list(section)?.is_empty() {
                let why = format!("{section}: not of one virtual host");
                reading.document.ignored.push(why);
            }
        }
    } else {
        reading.each(&mut body, "vhosts", Reading::vhost)?;
        reading.each(&mut body, "users", Reading::user)?;
        reading.each(&mut body, "permissions", Reading::permission)?;
        reading.each(&mut body, "topic_permissions", Reading::topic_permission)?;
        reading.each(&mut body, "global_parameters", Reading::global_parameter)?;
    }
    reading.each(&mut body, "parameters", Reading::parameter)?;
    reading.each(&mut body, "policies", Reading::policy)?;
    reading.each(&mut body, "queues", Reading::queue)?;
    reading.each(&mut body, "exchanges", Reading::exchange)?;
    reading.each(&mut body, "bindings", Reading::binding)?;
    reading.document.ignored.extend(body.unknown());
    Ok(reading.finish())
}

/// A document being read.
struct Reading<'a> {
    document: Document,
    there: &'a Definitions,
    scope: Option<&'a ShortStr>,
    /// Limits of virtual hosts, which RabbitMQ writes apart from them: connections, queues.
    limits: BTreeMap<ShortStr, [Option<u64>; 2]>,
}

impl Reading<'_> {
    /// Reads all entries of a section.
    fn each(
        &mut self,
        body: &mut Reader<'_>,
        section: &'static str,
        read: fn(&mut Self, &mut Reader<'_>) -> Result<(), Mistake>,
    ) -> Result<(), Mistake> {
        for (index, entry) in body.list(section)?.iter().enumerate() {
            let mut entry = Reader::new(format!("{section}[{index}]"), entry)?;
            read(self, &mut entry)?;
            self.document.ignored.extend(entry.unknown());
        }
        Ok(())
    }

    fn ignore(&mut self, entry: &Reader<'_>, why: impl std::fmt::Display) {
        self.document.ignored.push(entry.mistake(why).to_string());
    }

    fn vhost_of(&self, entry: &mut Reader<'_>) -> Result<ShortStr, Mistake> {
        match self.scope {
            None => entry.name("vhost"),
            Some(scope) => {
                entry.get("vhost");
                Ok(scope.clone())
            }
        }
    }

    fn vhost(&mut self, entry: &mut Reader<'_>) -> Result<(), Mistake> {
        let name = entry.name("name")?;
        let there = self.there.vhosts.iter().find(|vhost| vhost.name == name);
        let mut known = there.cloned().unwrap_or_else(|| VhostDefinition::new(name));
        if let Some(metadata) = entry.get("metadata") {
            let mut metadata = Reader::new(format!("metadata of '{}'", known.name), metadata)?;
            known = vhost(&mut metadata, known)?;
            self.document.ignored.extend(metadata.unknown());
        }
        let mut made = vhost(entry, known)?;
        if let Some(limits) = entry.get("limits") {
            let limits = pairs(limits).ok_or_else(|| {
                entry.mistake("'limits' must be pairs of a limit's name and a number")
            })?;
            [made.max_connections, made.max_queues] = limits;
        }
        self.document.definitions.vhosts.push(made);
        Ok(())
    }

    fn user(&mut self, entry: &mut Reader<'_>) -> Result<(), Mistake> {
        let known = UserDefinition {
            name: entry.name("name")?,
            ..UserDefinition::default()
        };
        let mut made = user(entry, known)?;
        if let Some(limits) = entry.get("limits") {
            // A list where Erlang wrote an empty object.
            if limits.as_array().is_none_or(|list| !list.is_empty()) {
                let mut limits = Reader::new(format!("limits of '{}'", made.name), limits)?;
                made.max_connections = limits.limit("max-connections")?;
                made.max_channels = limits.limit("max-channels")?;
                self.document.ignored.extend(limits.unknown());
            }
        }
        self.document.definitions.users.push(made);
        Ok(())
    }

    fn permission(&mut self, entry: &mut Reader<'_>) -> Result<(), Mistake> {
        let permission = PermissionDefinition {
            user: entry.name("user")?,
            vhost: entry.name("vhost")?,
            configure: entry.required_text("configure")?.to_owned(),
            write: entry.required_text("write")?.to_owned(),
            read: entry.required_text("read")?.to_owned(),
        };
        self.document.definitions.permissions.push(permission);
        Ok(())
    }

    fn topic_permission(&mut self, entry: &mut Reader<'_>) -> Result<(), Mistake> {
        let permission = TopicPermissionDefinition {
            user: entry.name("user")?,
            vhost: entry.name("vhost")?,
            exchange: entry.name("exchange")?,
            write: entry.required_text("write")?.to_owned(),
            read: entry.required_text("read")?.to_owned(),
        };
        let permissions = &mut self.document.definitions.topic_permissions;
        permissions.push(permission);
        Ok(())
    }

    fn global_parameter(&mut self, entry: &mut Reader<'_>) -> Result<(), Mistake> {
        let name = entry.name("name")?;
        entry.get("value");
        self.ignore(
            entry,
            format_args!("no place for global parameter '{name}'"),
        );
        Ok(())
    }

    fn parameter(&mut self, entry: &mut Reader<'_>) -> Result<(), Mistake> {
        let component = entry.required_text("component")?;
        let name = entry.name("name")?;
        let vhost = self.vhost_of(entry)?;
        let value = entry.get("value");
        match value {
            Some(value) if component == "vhost-limits" => {
                let mut limits = Reader::new(format!("limits of '{vhost}'"), value)?;
                let read = [
                    limits.limit("max-connections")?,
                    limits.limit("max-queues")?,
                ];
                self.document.ignored.extend(limits.unknown());
                self.limits.insert(vhost, read);
            }
            Some(value) if component == "operator_policy" => {
                let place = format!("operator policy '{name}' of '{vhost}'");
                let mut value = Reader::new(place, value)?;
                let read = policy(&mut value, vhost, name)?;
                self.document.ignored.extend(value.unknown());
                self.document.definitions.operator_policies.push(read);
            }
            _ => self.ignore(
                entry,
                format_args!("no place for parameter '{name}' of component '{component}'"),
            ),
        }
        Ok(())
    }

    fn policy(&mut self, entry: &mut Reader<'_>) -> Result<(), Mistake> {
        let vhost = self.vhost_of(entry)?;
        let name = entry.name("name")?;
        let read = policy(entry, vhost, name)?;
        self.document.definitions.policies.push(read);
        Ok(())
    }

    fn queue(&mut self, entry: &mut Reader<'_>) -> Result<(), Mistake> {
        let queue = NamedQueue {
            vhost: self.vhost_of(entry)?,
            name: entry.name("name")?,
            durable: entry.flag("durable", true)?,
            auto_delete: entry.flag("auto_delete", false)?,
            arguments: with_type(entry.fields("arguments")?, entry.text("type")?),
        };
        if entry.flag("exclusive", false)? {
            let name = &queue.name;
            self.ignore(
                entry,
                format_args!("queue '{name}' is exclusive: it ended with its connection"),
            );
        } else {
            self.document.definitions.queues.push(queue);
        }
        Ok(())
    }

    fn exchange(&mut self, entry: &mut Reader<'_>) -> Result<(), Mistake> {
        let vhost = self.vhost_of(entry)?;
        let definition = ExchangeDefinition {
            name: entry.name("name")?,
            kind: entry.name("type")?,
            durable: entry.flag("durable", true)?,
            auto_delete: entry.flag("auto_delete", false)?,
            internal: entry.flag("internal", false)?,
            arguments: entry.fields("arguments")?,
        };
        if definition.name.is_empty() {
            self.ignore(entry, "every virtual host has the default exchange");
        } else {
            let exchanges = &mut self.document.definitions.exchanges;
            exchanges.push(NamedExchange { vhost, definition });
        }
        Ok(())
    }

    fn binding(&mut self, entry: &mut Reader<'_>) -> Result<(), Mistake> {
        entry.get("properties_key");
        let binding = NamedBinding {
            vhost: self.vhost_of(entry)?,
            source: entry.name("source")?,
            destination: entry.name("destination")?,
            to_exchange: match entry.required_text("destination_type")? {
                "queue" => false,
                "exchange" => true,
                other => {
                    let what = format!("'{other}' is no destination_type: queue or exchange");
                    return Err(entry.mistake(what));
                }
            },
            routing_key: entry.name_or_empty("routing_key")?,
            arguments: entry.fields("arguments")?,
        };
        if binding.source.is_empty() {
            self.ignore(entry, "every queue is bound to the default exchange");
        } else {
            self.document.definitions.bindings.push(binding);
        }
        Ok(())
    }

    /// Leaves out bindings of which an end is neither in the document nor there. RabbitMQ exports the bindings of
    /// its internal exchanges without the exchanges: such a document would be refused as a whole.
    fn leave_out_halves(&mut self) {
        let Document {
            definitions: new,
            ignored,
        } = &mut self.document;
        let exchanges = new.exchanges.iter().chain(&self.there.exchanges);
        let exchanges: HashSet<_> = exchanges
            .map(|of| (of.vhost.as_str(), of.definition.name.as_str()))
            .collect();
        let queues = new.queues.iter().chain(&self.there.queues);
        let queues: HashSet<_> = queues
            .map(|of| (of.vhost.as_str(), of.name.as_str()))
            .collect();
        new.bindings.retain(|binding| {
            let vhost = binding.vhost.as_str();
            let has_exchange =
                |name: &str| name.starts_with("amq.") || exchanges.contains(&(vhost, name));
            let (source, destination) = (binding.source.as_str(), binding.destination.as_str());
            let whole = has_exchange(source)
                && if binding.to_exchange {
                    has_exchange(destination)
                } else {
                    queues.contains(&(vhost, destination))
                };
            if !whole {
                ignored.push(format!(
                    "bindings: '{source}' to '{destination}' in vhost '{vhost}': one of them is not there"
                ));
            }
            whole
        });
    }

    /// Brings the limits to their virtual hosts.
    fn finish(mut self) -> Document {
        self.leave_out_halves();
        let vhosts = &mut self.document.definitions.vhosts;
        for (name, [max_connections, max_queues]) in self.limits {
            if vhosts.iter().all(|vhost| vhost.name != name) {
                vhosts.extend(
                    self.there
                        .vhosts
                        .iter()
                        .find(|vhost| vhost.name == name)
                        .cloned(),
                );
            }
            match vhosts.iter_mut().find(|vhost| vhost.name == name) {
                Some(vhost) => {
                    vhost.max_connections = max_connections;
                    vhost.max_queues = max_queues;
                }
                None => self.document.ignored.push(format!(
                    "parameters: limits of '{name}', a virtual host that is not there"
                )),
            }
        }
        self.document
    }
}

/// What is said of a virtual host, on top of what is known.
pub(crate) fn vhost(
    entry: &mut Reader<'_>,
    known: VhostDefinition,
) -> Result<VhostDefinition, Mistake> {
    // RabbitMQ writes "undefined" where nobody said anything.
    let queue_type = entry.text("default_queue_type")?;
    let queue_type = match queue_type.filter(|queue_type| *queue_type != "undefined") {
        Some(_) => entry.name("default_queue_type")?,
        None => known.default_queue_type,
    };
    Ok(VhostDefinition {
        description: entry
            .text("description")?
            .map_or(known.description, str::to_owned),
        tags: entry.tags("tags")?.unwrap_or(known.tags),
        default_queue_type: queue_type,
        tracing: entry.flag("tracing", known.tracing)?,
        ..known
    })
}

/// What is said of a user, on top of what is known. Where nothing is said of a password there is none: RabbitMQ's
/// rule.
pub(crate) fn user(
    entry: &mut Reader<'_>,
    known: UserDefinition,
) -> Result<UserDefinition, Mistake> {
    let tags = entry.tags("tags")?;
    let hash = entry.text("password_hash")?;
    let password = entry.text("password")?;
    let hashing = match entry.text("hashing_algorithm")? {
        // A hash without a word is RabbitMQ's, unless it says itself what it is; a password is hashed as well as it can be.
        None if hash.is_some_and(|hash| hash.starts_with("$argon2id$")) => Hashing::Argon2id,
        None if password.is_none_or(str::is_empty) => Hashing::default(),
        None => Hashing::Argon2id,
        Some(name) => Hashing::named(name).ok_or_else(|| {
            entry.mistake(format_args!("'{name}' is no hashing_algorithm known here"))
        })?,
    };
    let password_hash = match (password, hash) {
        (None | Some(""), None) => Bytes::new(),
        (Some(password), None | Some("")) => password::hash(hashing, password),
        (None, Some(hash)) if hashing == Hashing::Argon2id && !hash.is_empty() => {
            if !password::is_slow_hash(hash) {
                let what = "'password_hash' is not '$argon2id$…', or asks for more than it may";
                return Err(entry.mistake(what));
            }
            Bytes::copy_from_slice(hash.as_bytes())
        }
        (None, Some(hash)) => STANDARD
            .decode(hash)
            .map_err(|_| entry.mistake("'password_hash' is not base64"))?
            .into(),
        (Some(_), Some(_)) => {
            return Err(entry.mistake("there are both 'password' and 'password_hash'"));
        }
    };
    Ok(UserDefinition {
        password_hash,
        hashing,
        tags: tags.ok_or_else(|| entry.mistake("the key 'tags' is missing"))?,
        ..known
    })
}

/// A policy.
pub(crate) fn policy(
    entry: &mut Reader<'_>,
    vhost: ShortStr,
    name: ShortStr,
) -> Result<PolicyDefinition, Mistake> {
    let apply_to = entry.name_or_empty("apply-to")?;
    Ok(PolicyDefinition {
        vhost,
        name,
        pattern: entry.required_text("pattern")?.to_owned(),
        apply_to: if apply_to.is_empty() {
            ShortStr::from_static("all")
        } else {
            apply_to
        },
        priority: entry.integer("priority")?.unwrap_or(0),
        definition: match entry.fields("definition")? {
            empty if empty.is_empty() => return Err(entry.mistake("'definition' has no rule")),
            definition => definition,
        },
    })
}

/// Limits of a virtual host, `[["max-queues", 10], …]` or `{"max-queues": 10, …}`.
fn pairs(limits: &Json) -> Option<[Option<u64>; 2]> {
    let pairs: BTreeMap<&str, i64> = match limits {
        Json::Array(list) => list
            .iter()
            .map(|pair| Some((pair[0].as_str()?, pair[1].as_i64()?)))
            .collect::<Option<_>>()?,
        Json::Object(map) => map
            .iter()
            .map(|(name, limit)| Some((name.as_str(), limit.as_i64()?)))
            .collect::<Option<_>>()?,
        _ => return None,
    };
    let limit = |name| {
        let limit: Option<&i64> = pairs.get(name);
        limit.and_then(|limit| u64::try_from(*limit).ok())
    };
    Some([limit("max-connections"), limit("max-queues")])
}

/// The arguments, with the type of a queue among them where it is told apart from them.
fn with_type(arguments: FieldTable, kind: Option<&str>) -> FieldTable {
    const TYPE: &str = "x-queue-type";
    match kind {
        // Without a word a queue is classic.
        Some(kind) if kind != "classic" && arguments.get(TYPE).is_none() => (arguments.iter())
            .fold(TableBuilder::new(), |table, (key, value)| {
                table.field(key, value)
            })
            .text(TYPE, kind)
            .build(),
        _ => arguments,
    }
}
