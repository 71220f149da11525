//! Effects in words: what transcripts are made of.

use crate::{Delivery, Effect};
use model::record::{Attempts, Ending, Fingerprint, Place, Waiting};
use model::{Definition, Method, Position, Properties, Record, Value, table::Values};
use std::fmt::Write;

pub(super) fn show(effect: &Effect) -> String {
    match effect {
        Effect::Land {
            position, record, ..
        } => format!("land #{position} {}", show_record(record)),
        Effect::LoginChecked { connection, result } => match result {
            Ok(()) => format!("{connection} may go on"),
            Err(why) => format!("{connection} login refused: {why}"),
        },
        Effect::PasswordSlow { connection, .. } => {
            format!("{connection} look at the password beside the loop")
        }
        Effect::Answer(id, answer) => super::operating::show_answer(*id, answer),
        Effect::Send(connection, channel, method) => {
            format!("{connection}.{channel} {}", show_method(method))
        }
        Effect::Deliver {
            connection,
            channel,
            consumer_tag,
            delivery,
        } => {
            format!(
                "{connection}.{channel} deliver to {consumer_tag} {}",
                show_delivery(delivery)
            )
        }
        Effect::GetOk {
            connection,
            channel,
            delivery,
            message_count,
        } => {
            format!(
                "{connection}.{channel} get-ok {}, {message_count} more",
                show_delivery(delivery)
            )
        }
        Effect::Return {
            connection,
            channel,
            message,
        } => {
            let body = String::from_utf8_lossy(&message.body);
            format!(
                "{connection}.{channel} return {body} ({} {}){}",
                message.exchange,
                message.routing_key,
                show_properties(&message.properties)
            )
        }
        Effect::Unbalanced(account) => format!("unbalanced by {}: {account:?}", account.surplus()),
        Effect::Fetch { queue, position } => format!("fetch #{position} of queue {queue}"),
        Effect::CloseChannel(connection, channel, error) => {
            let method = (error.method.class, error.method.method);
            format!(
                "{connection}.{channel} channel.close {} {} {method:?}",
                error.code.number(),
                error.text
            )
        }
        Effect::CloseConnection(connection, error) => {
            format!(
                "{connection} connection.close {} {}",
                error.code.number(),
                error.text
            )
        }
        Effect::Block {
            connection, reason, ..
        } => format!("{connection} block: {reason}"),
        Effect::Unblock { connection, .. } => format!("{connection} unblock"),
    }
}

fn show_delivery(delivery: &Delivery) -> String {
    let mut shown = format!("[{}] #{}", delivery.tag, delivery.position);
    if delivery.redelivered {
        let Attempts { failed, lost } = delivery.attempts;
        let of_them = if lost > 0 {
            format!(" ({lost} lost)")
        } else {
            String::new()
        };
        write!(shown, " redelivered after {}{of_them}", failed + lost).expect("a string takes all");
    }
    shown
}

fn show_method(method: &Method) -> String {
    match method {
        Method::QueueDeclareOk(ok) => {
            format!(
                "queue.declare-ok {} {} {}",
                ok.queue, ok.message_count, ok.consumer_count
            )
        }
        Method::QueueDeleteOk(ok) => format!("queue.delete-ok {}", ok.message_count),
        Method::QueuePurgeOk(ok) => format!("queue.purge-ok {}", ok.message_count),
        Method::BasicConsumeOk(ok) => format!("basic.consume-ok {}", ok.consumer_tag),
        Method::BasicCancel(cancel) => format!("basic.cancel {}", cancel.consumer_tag),
        Method::BasicAck(ack) => {
            format!(
                "confirm {}{}",
                if ack.multiple { "up to " } else { "" },
                ack.delivery_tag
            )
        }
        Method::BasicNack(nack) => {
            format!(
                "refuse {}{}",
                if nack.multiple { "up to " } else { "" },
                nack.delivery_tag
            )
        }
        other => other.name().into(),
    }
}

fn show_record(record: &Record) -> String {
    match record {
        Record::Message(message) => {
            let queues: Vec<u64> = message.queues.iter().map(|queue| queue.0).collect();
            let remembered: Vec<String> = message
                .fingerprints
                .iter()
                .map(|(queue, fingerprint)| {
                    format!(", remembered in {queue}{}", show_end(fingerprint))
                })
                .collect();
            format!(
                "message {} for {queues:?}{}{}{}",
                String::from_utf8_lossy(&message.body),
                show_due(message.due),
                show_properties(&message.properties),
                remembered.concat()
            )
        }
        Record::Settled(queue, how, runs) => {
            let how = match how {
                Ending::Acknowledged => "settled",
                Ending::Expired => "expired",
                Ending::DeadLettered => "dead-lettered",
                Ending::Dropped => "dropped",
                Ending::Redriven => "redriven",
                Ending::Moved => "moved",
            };
            format!("{how} in {queue}: {}", show_runs(runs))
        }
        Record::Waiting(queue, all) => {
            let all: Vec<String> = all.iter().map(show_waiting).collect();
            format!("waiting in {queue}: {}", all.join(", "))
        }
        Record::Remembered(queue, all) => {
            let all: Vec<String> = all.iter().map(show_remembered).collect();
            format!("remembered in {queue}: {}", all.join(", "))
        }
        Record::Delivered(queue, runs) => format!("delivered in {queue}: {}", show_runs(runs)),
        Record::Definition(definition) => show_definition(definition),
        Record::Checkpoint { begin, next_queue } => {
            format!("checkpoint from #{begin}, next queue {next_queue}")
        }
        Record::Stopped => "stopped".into(),
    }
}

/// The properties that the broker may change.
fn show_properties(properties: &Properties) -> String {
    let mut shown = String::new();
    if let Some(reply_to) = properties.reply_to() {
        write!(shown, " reply-to {reply_to}").expect("a string takes all");
    }
    let headers = properties.headers().into_iter().flatten();
    for (name, _) in headers.filter(|(name, _)| !name.starts_with("x-")) {
        write!(shown, " header {name}").expect("a string takes all");
    }
    let header = |name| properties.headers().and_then(|headers| headers.get(name));
    if let Some(delay) = header("x-delay") {
        write!(shown, " x-delay {delay:?}").expect("a string takes all");
    }
    let deaths = header("x-death");
    if let Some(Value::Array(deaths)) = deaths {
        shown.push_str(&show_deaths(deaths, properties));
    }
    shown
}

fn show_due(due: Option<model::Timestamp>) -> String {
    due.map_or_else(String::new, |due| format!(", due {due}"))
}

/// What x-death tells, and what came to be of the expiration.
fn show_deaths(deaths: Values<'_>, properties: &Properties) -> String {
    let mut shown = String::from(", dead:");
    for death in deaths {
        let Value::Table(death) = death else { continue };
        let text = |name| death.get(name).and_then(Value::as_str).unwrap_or("-");
        let count = death.get("count").and_then(Value::as_integer);
        write!(
            shown,
            " {} in {} {} times,",
            text("reason"),
            text("queue"),
            count.unwrap_or(-1)
        )
        .expect("a string takes all");
    }
    let expiration = properties.expiration().unwrap_or("no");
    write!(shown, " {expiration} expiration").expect("a string takes all");
    shown
}

/// `17 delayed until 3000 (failed 2, lost 1)`
fn show_waiting(waiting: &Waiting) -> String {
    let place = match waiting.place {
        Place::Ready => "ready".to_owned(),
        Place::Delayed { due } => format!("delayed until {due}"),
        Place::Parked { why, at } => format!("parked at {at}, {}", why.word()),
    };
    let Attempts { failed, lost } = waiting.attempts;
    let position = waiting.position;
    match waiting.attempts.total() {
        0 => format!("{position} {place}"),
        _ => format!("{position} {place} (failed {failed}, lost {lost})"),
    }
}

/// `#17 until 3000`
fn show_remembered((position, fingerprint): &(Position, Fingerprint)) -> String {
    format!("#{position}{}", show_end(fingerprint))
}

fn show_end(fingerprint: &Fingerprint) -> String {
    match fingerprint.until {
        Fingerprint::NO_END => String::new(),
        until => format!(" until {until}"),
    }
}

fn show_runs(runs: &model::Runs) -> String {
    let runs: Vec<String> = runs
        .as_slice()
        .iter()
        .map(|run| format!("#{}+{}", run.first, run.count))
        .collect();
    runs.join(" ")
}

fn show_definition(definition: &Definition) -> String {
    match definition {
        Definition::VhostMade(vhost) => format!("vhost {}", vhost.name),
        Definition::VhostRemoved { vhost } => format!("no vhost {vhost}"),
        Definition::UserMade(user) => format!("user {} {:?}", user.name, user.tags),
        Definition::UserRemoved { user } => format!("no user {user}"),
        Definition::PermissionMade(made) => format!(
            "permission of {} in {}: {} {} {}",
            made.user, made.vhost, made.configure, made.write, made.read
        ),
        Definition::PermissionRemoved { user, vhost } => {
            format!("no permission of {user} in {vhost}")
        }
        Definition::TopicPermissionMade(made) => format!(
            "topic permission of {} in {} at {}: {} {}",
            made.user, made.vhost, made.exchange, made.write, made.read
        ),
        Definition::TopicPermissionRemoved {
            user,
            vhost,
            exchange,
        } => {
            format!("no topic permission of {user} in {vhost} at {exchange}")
        }
        Definition::PolicyMade(made) => format!(
            "policy {} in {} for {} {}",
            made.name, made.vhost, made.apply_to, made.pattern
        ),
        Definition::PolicyRemoved { vhost, name } => format!("no policy {name} in {vhost}"),
        Definition::OperatorPolicyMade(made) => {
            format!(
                "operator policy {} in {} {}",
                made.name, made.vhost, made.pattern
            )
        }
        Definition::OperatorPolicyRemoved { vhost, name } => {
            format!("no operator policy {name} in {vhost}")
        }
        Definition::ExchangeMade { exchange, .. } => {
            format!("exchange {} {}", exchange.name, exchange.kind)
        }
        Definition::ExchangeRemoved { exchange, .. } => format!("no exchange {exchange}"),
        Definition::QueueMade { queue, .. } => format!("queue {} {}", queue.id, queue.name),
        Definition::QueuePaused {
            queue,
            paused: true,
        } => format!("queue {queue} is paused"),
        Definition::QueuePaused { queue, .. } => format!("queue {queue} goes on"),
        Definition::QueueCounted { queue, tally } => {
            let ended = Ending::ALL.map(|how| tally.ended(how));
            format!("counted {queue}: {} in, {ended:?} out", tally.accepted)
        }
        Definition::QueueRemoved { queue } => format!("no queue {queue}"),
        Definition::Bound(binding) => {
            format!(
                "bound {} -{}-> {:?}",
                binding.source, binding.routing_key, binding.destination
            )
        }
        Definition::Unbound(binding) => {
            format!(
                "unbound {} -{}-> {:?}",
                binding.source, binding.routing_key, binding.destination
            )
        }
        Definition::PublisherLanded {
            publisher, landed, ..
        } => {
            format!("publisher {publisher} landed {}", show_runs(landed))
        }
    }
}
