//! What operators ask for, in the words of scripts.

use super::script::{arguments, short};
use crate::command::{Answer, Chosen, Command, CommandId, CommandRefused, OnBehalf};
use crate::definitions::Definitions;
use crate::snapshot::{Cursor, Look, MessageStatus, Page, QueueStatus, Stands, State};
use crate::{Bearer, Input, Login, Mark, Proof, Right, password_hash};
use model::record::{
    Attempts, Hashing, PermissionDefinition, PolicyDefinition, TopicPermissionDefinition,
    UserDefinition, VhostDefinition,
};
use model::{ConnectionId, Password, Position, ShortStr, Timestamp};
use std::sync::Arc;

/// `login 1 ada secret` with `from-afar` behind it or not.
pub(super) fn login(id: u64, user: &str, password: &str, place: &[&str]) -> Input {
    Input::Login(Login {
        connection: ConnectionId(id),
        user: short(user),
        proof: match password {
            "(vouched)" => Proof::Vouched,
            "(checked)" => Proof::Checked(Mark::of(&slow_user(user))),
            token if token.starts_with("token:") => Proof::Token(Arc::new(bearer(user, token))),
            password => Proof::Password(Password::new(password.into())),
        },
        local: !place.contains(&"from-afar"),
    })
}

/// `token:read:%2F/a,tag:monitoring`.
pub(super) fn bearer(user: &str, token: &str) -> Bearer {
    let scopes = token.strip_prefix("token:").unwrap_or(token);
    Bearer::new(short(user), scopes.split(','))
}

/// A user whose password takes long to look at.
fn slow_user(name: &str) -> UserDefinition {
    UserDefinition {
        name: short(name),
        password_hash: b"$argon2id$...".to_vec().into(),
        hashing: Hashing::Argon2id,
        ..UserDefinition::default()
    }
}

/// A command of an operator, in words. Commands are all numbered 1: scripts ask one thing at a time.
pub(super) fn asked(words: &[&str]) -> Input {
    Input::Command(CommandId(1), command(words))
}

pub(super) fn command(words: &[&str]) -> Command {
    match *words {
        ["vhost", name, ref limits @ ..] => Command::PutVhost(VhostDefinition {
            name: short(name),
            max_connections: limit(limits, "connections"),
            max_queues: limit(limits, "queues"),
            ..VhostDefinition::default()
        }),
        ["no-vhost", name] => Command::RemoveVhost { vhost: short(name) },
        ["user", name, password, ref words @ ..] => Command::PutUser(UserDefinition {
            name: short(name),
            password_hash: password_hash(Hashing::Sha512, *b"NaCl", password),
            hashing: Hashing::Sha512,
            tags: tags(words),
            max_connections: limit(words, "connections"),
            max_channels: limit(words, "channels"),
        }),
        ["slow-user", name] => Command::PutUser(slow_user(name)),
        ["no-user", name] => Command::RemoveUser { user: short(name) },
        ["permission", user, vhost, configure, write, read] => {
            Command::PutPermission(PermissionDefinition {
                user: short(user),
                vhost: short(vhost),
                configure: pattern(configure),
                write: pattern(write),
                read: pattern(read),
            })
        }
        ["no-permission", user, vhost] => Command::RemovePermission {
            user: short(user),
            vhost: short(vhost),
        },
        ["topic-permission", user, vhost, exchange, write, read] => {
            Command::PutTopicPermission(TopicPermissionDefinition {
                user: short(user),
                vhost: short(vhost),
                exchange: short(exchange),
                write: pattern(write),
                read: pattern(read),
            })
        }
        ["no-topic-permission", user, vhost, ref exchange @ ..] => Command::RemoveTopicPermission {
            user: short(user),
            vhost: short(vhost),
            exchange: exchange.first().map(|name| short(name)),
        },
        ["policy", vhost, name, text, apply_to, ref rules @ ..] => {
            Command::PutPolicy(PolicyDefinition {
                vhost: short(vhost),
                name: short(name),
                pattern: pattern(text),
                apply_to: short(apply_to),
                priority: limit(rules, "priority").map_or(0, |number| number.cast_signed()),
                definition: arguments(rules),
            })
        }
        ["no-policy", vhost, name] => Command::RemovePolicy {
            vhost: short(vhost),
            name: short(name),
        },
        ["operators", ref policy @ ..] => match command(policy) {
            Command::PutPolicy(made) => Command::PutOperatorPolicy(made),
            Command::RemovePolicy { vhost, name } => Command::RemoveOperatorPolicy { vhost, name },
            _ => panic!("what is {words:?}?"),
        },
        ["authenticate", user, password, ref place @ ..] => Command::Authenticate {
            user: short(user),
            password: Password::new(password.into()),
            local: !place.contains(&"from-afar"),
        },
        ["export"] => Command::Export,
        ["audit"] => Command::Audit {
            vhost: None,
            queue: None,
        },
        ["audit", vhost, queue] => Command::Audit {
            vhost: Some(short(vhost)),
            queue: Some(short(queue)),
        },
        ["queues", ref vhost @ ..] => Command::Look(Look::Queues {
            vhost: vhost.first().map(|name| short(name)),
        }),
        ["queue", vhost, name] => Command::Look(Look::Queue {
            vhost: short(vhost),
            name: short(name),
        }),
        ["messages", vhost, queue, state, ref page @ ..] => Command::Look(Look::Messages {
            vhost: short(vhost),
            queue: short(queue),
            state: state_named(state),
            after: Cursor {
                position: Position(limit(page, "after").unwrap_or(0)),
                due: Timestamp(limit(page, "due").unwrap_or(0)),
            },
            most: limit(page, "most").map_or(9, |most| most.try_into().expect("small")),
        }),
        ["may", user, right, vhost, name] => Command::Permitted {
            user: short(user),
            vhost: short(vhost),
            right: match right {
                "read" => Right::Read,
                "write" => Right::Write,
                _ => Right::Configure,
            },
            name: short(name),
        },
        ["redrive", vhost, queue, state, ref positions @ ..] => {
            Command::Redrive(chosen(vhost, queue, state, positions))
        }
        ["pause", vhost, queue] => Command::Pause {
            vhost: short(vhost),
            queue: short(queue),
            paused: true,
        },
        ["resume", vhost, queue] => Command::Pause {
            vhost: short(vhost),
            queue: short(queue),
            paused: false,
        },
        ["move", vhost, queue, state, ref rest @ ..] => {
            Command::Move(Box::new(super::moving::asked(vhost, queue, state, rest)))
        }
        ["fire", vhost, queue, state, ref positions @ ..] => {
            Command::Fire(chosen(vhost, queue, state, positions))
        }
        ["cancel", vhost, queue, state, ref positions @ ..] => {
            Command::Cancel(chosen(vhost, queue, state, positions))
        }
        ["for", user, vhost, ref request @ ..] => Command::OnBehalf(OnBehalf {
            bearer: None,
            user: short(user),
            vhost: short(vhost),
            deed: super::on_behalf::deed(request),
        }),
        _ => super::statistics::command(words),
    }
}

pub(super) fn chosen(vhost: &str, queue: &str, state: &str, positions: &[&str]) -> Chosen {
    let positions = positions.iter();
    Chosen {
        vhost: short(vhost),
        queue: short(queue),
        state: state_named(state),
        positions: positions
            .map(|at| Position(at.parse().expect("a position")))
            .collect(),
    }
}

fn state_named(word: &str) -> State {
    let mut states = State::ALL.into_iter();
    states
        .find(|state| state.word() == word)
        .expect("scripts know the states")
}

fn pattern(word: &str) -> String {
    if word == "-" { "" } else { word }.to_owned()
}

/// `connections=3` among the words.
fn limit(words: &[&str], what: &str) -> Option<u64> {
    let of = |word: &&str| Some(word.strip_prefix(what)?.strip_prefix('=')?.to_owned());
    let found = words.iter().find_map(of)?;
    Some(found.parse().expect("a limit is a number"))
}

fn tags(words: &[&str]) -> Vec<ShortStr> {
    let tags = words.iter().filter(|word| !word.contains('='));
    tags.map(|tag| short(tag)).collect()
}

/// An answer as transcripts show it.
pub(super) fn show_answer(_: CommandId, answer: &Result<Answer, CommandRefused>) -> String {
    match answer {
        Ok(Answer::Done { made: true }) => "operator: made".into(),
        Ok(Answer::Done { made: false }) => "operator: done".into(),
        Ok(Answer::Slow(_)) => "operator: look at the password beside the loop".into(),
        Ok(Answer::User(user, _)) => format!("operator: it is {} {:?}", user.name, user.tags),
        Ok(Answer::Definitions(all)) => show_definitions(all),
        Ok(Answer::Accounts(accounts)) => super::auditing::show_accounts(accounts),
        Ok(Answer::Queues(queues)) => show_queues(queues),
        Ok(Answer::Messages(page)) => show_page(page),
        Ok(Answer::Published { routed: true }) => "operator: published".into(),
        Ok(Answer::Published { routed: false }) => "operator: no queue takes it".into(),
        Ok(Answer::Next { ready, messages }) => {
            let mut shown = vec![format!("operator: {ready} ready")];
            shown.extend(messages.iter().map(show_message));
            shown.join("\n        ")
        }
        Ok(Answer::Outcome(outcome)) => {
            let stayed = outcome.stayed.iter();
            let stayed = stayed.map(|one| format!("#{} stayed: {}", one.position, one.why));
            let mut shown = vec![format!("operator: done with {}", outcome.done)];
            shown.extend(stayed);
            shown.join("\n        ")
        }
        Ok(other) => super::statistics::show(other),
        Err(CommandRefused::NotFound(why)) => format!("operator: not found: {why}"),
        Err(CommandRefused::Invalid(why)) => format!("operator: invalid: {why}"),
        Err(CommandRefused::AccessRefused(why)) => format!("operator: refused: {why}"),
        Err(CommandRefused::NotPermitted(why)) => format!("operator: not permitted: {why}"),
        Err(CommandRefused::Short(why)) => format!("operator: short: {why}"),
    }
}

fn show_queues(queues: &[QueueStatus]) -> String {
    let mut shown = vec!["operator: queues".to_owned()];
    shown.extend(queues.iter().map(|queue| {
        let counts = queue.counts;
        let oldest = queue.oldest.map_or("none".into(), |at| format!("#{at}"));
        let rules = queue.in_force.iter().map(|(name, _)| name);
        let policy = queue.policy.as_ref().map_or("-", |name| name);
        let deduplication = queue.deduplication.map_or_else(String::new, |status| {
            format!(", remembers {} and knew {}", status.remembered, status.duplicates)
        });
        let paused = if queue.paused { ", paused" } else { "" };
        format!(
            "{} in {}: {} ready, {} unacked, {} delayed, {} parked, {} leaving; {} consumers, oldest {oldest}, policy {policy}, rules {:?}{deduplication}{paused}",
            queue.name,
            queue.vhost,
            counts.ready,
            counts.unacked,
            counts.delayed,
            counts.parked,
            counts.leaving,
            queue.consumers,
            rules.collect::<Vec<_>>(),
        )
    }));
    shown.join("\n        ")
}

fn show_page(page: &Page) -> String {
    let mut shown = vec![format!(
        "operator: messages, #{} has landed",
        page.until.position
    )];
    shown.extend(page.messages.iter().map(show_message));
    shown.extend(page.next.map(|next| {
        let at = match next.due.0 {
            0 => String::new(),
            due => format!(" due={due}"),
        };
        format!("more after={}{at}", next.position)
    }));
    shown.join("\n        ")
}

fn show_message(message: &MessageStatus) -> String {
    let stands = match &message.stands {
        Stands::Ready => "ready".to_owned(),
        Stands::Unacked(holder) => {
            let consumer = holder.consumer_tag.as_ref().map_or("basic.get", |tag| tag);
            let (connection, channel) = (holder.connection, holder.channel);
            let (user, tag) = (&holder.user, holder.tag);
            let due = holder.due.map_or("never".into(), |due| due.to_string());
            format!("unacked: [{tag}] on {connection}.{channel} of {user} by {consumer}, due {due}")
        }
        Stands::Delayed { due } => format!("delayed until {due}"),
        Stands::Parked { why, since } => format!("parked since {since}: {why}"),
        Stands::Leaving(why) => format!("leaving: {why}"),
    };
    let again = if message.redelivered { " again" } else { "" };
    let tried = match message.attempts {
        Attempts::NONE => String::new(),
        Attempts { failed, lost } => format!(", failed {failed}, lost {lost}"),
    };
    let priority = match message.priority {
        0 => String::new(),
        priority => format!(", priority {priority}"),
    };
    format!("#{} {stands}{again}{tried}{priority}", message.position)
}

fn show_definitions(all: &Definitions) -> String {
    let mut shown = vec!["operator: all definitions".to_owned()];
    shown.extend(all.vhosts.iter().map(|one| format!("vhost {}", one.name)));
    shown.extend(all.users.iter().map(|one| format!("user {}", one.name)));
    let permissions = all.permissions.iter();
    shown.extend(permissions.map(|one| format!("permission of {} in {}", one.user, one.vhost)));
    let topics = all.topic_permissions.iter();
    shown.extend(topics.map(|one| {
        let (user, vhost, exchange) = (&one.user, &one.vhost, &one.exchange);
        format!("topic permission of {user} in {vhost} at {exchange}")
    }));
    let policies = all.policies.iter();
    shown.extend(policies.map(|one| format!("policy {} in {}", one.name, one.vhost)));
    let operators = all.operator_policies.iter();
    shown.extend(operators.map(|one| format!("operator policy {} in {}", one.name, one.vhost)));
    let exchanges = all.exchanges.iter();
    shown.extend(exchanges.map(|one| format!("exchange {} in {}", one.definition.name, one.vhost)));
    let queues = all.queues.iter();
    shown.extend(queues.map(|one| format!("queue {} in {}", one.name, one.vhost)));
    let bindings = all.bindings.iter();
    shown.extend(bindings.map(|one| {
        let (source, key, destination) = (&one.source, &one.routing_key, &one.destination);
        format!("binding {source} -{key}-> {destination} in {}", one.vhost)
    }));
    shown.join("\n        ")
}
