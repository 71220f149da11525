//! Random histories of what operators and clients define, with checkpoints and crashes between: what comes back is
//! what had landed, whole virtual hosts that went and came included.

use super::importing::Server;
use super::operating;
use super::script::short;
use crate::{Broker, Command, Definitions, Input, Opened};
use model::method::{exchange, queue};
use model::{ChannelNumber, ConnectionId, Method, Record, Timestamp};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// An operator asks, in the words of scripts.
    Ask(String),
    /// A client declares a queue, binds it to an exchange that it declares, and goes.
    Declare { vhost: String, name: String },
    /// Everything is told again, and what was told before is given back.
    Checkpoint,
    /// So many of the last things that were done had not landed.
    Crash(usize),
}

/// Few names, so that things meet again.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".to_owned()), Just("b".to_owned())]
}

fn ask() -> impl Strategy<Value = String> {
    prop_oneof![
        name().prop_map(|name| format!("vhost {name}")),
        (name(), 0..9u8).prop_map(|(name, most)| format!("vhost {name} queues={most}")),
        name().prop_map(|name| format!("no-vhost {name}")),
        (name(), name()).prop_map(|(name, word)| format!("user {name} {word} tag")),
        name().prop_map(|name| format!("no-user {name}")),
        (name(), name()).prop_map(|(user, vhost)| format!("permission {user} {vhost} .* ^a .*")),
        (name(), name()).prop_map(|(user, vhost)| format!("no-permission {user} {vhost}")),
        (name(), name(), name())
            .prop_map(|(user, vhost, on)| format!("topic-permission {user} {vhost} {on} .* .*")),
        (name(), name()).prop_map(|(user, vhost)| format!("no-topic-permission {user} {vhost}")),
        (name(), name()).prop_map(|(vhost, of)| format!("policy {vhost} {of} ^a all max-length=1")),
        (name(), name()).prop_map(|(vhost, of)| format!("no-policy {vhost} {of}")),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => ask().prop_map(Step::Ask),
        4 => (name(), name()).prop_map(|(vhost, name)| Step::Declare { vhost, name }),
        1 => Just(Step::Checkpoint),
        2 => (0..4usize).prop_map(Step::Crash),
    ]
}

/// A client of the guest's, who is let in where there is a permission.
fn declare(broker: &mut Broker, vhost: &str, name: &str) {
    let (now, id, channel) = (Timestamp(1), ConnectionId(1), ChannelNumber(1));
    broker.handle(
        now,
        Input::ConnectionOpened(Opened {
            connection: id,
            user: short("guest"),
            vhost: short(vhost),
            consumer_cancel_notify: true,
            blocked_notify: true,
        }),
    );
    let declare_exchange = exchange::Declare {
        exchange: short(name),
        kind: short("topic"),
        ..Default::default()
    };
    let declare_queue = queue::Declare {
        queue: short(name),
        ..Default::default()
    };
    let bind = queue::Bind {
        queue: short(name),
        exchange: short(name),
        no_wait: true,
        ..Default::default()
    };
    let methods: [Method; 3] = [declare_exchange.into(), declare_queue.into(), bind.into()];
    broker.handle(now, Input::ChannelOpened(id, channel));
    for method in methods {
        broker.handle(now, Input::Method(id, channel, method));
    }
}

fn run(steps: Vec<Step>) {
    let mut server = Server::new();
    // How long the lane was after each step, and what was defined then.
    let mut past: Vec<(usize, Definitions)> = vec![(server.lane.len(), server.export())];
    for step in steps {
        match step {
            Step::Ask(words) => {
                let words: Vec<&str> = words.split(' ').collect();
                let command = operating::command(&words);
                if let Command::PutVhost(vhost) = &command {
                    let vhost = vhost.name.to_string();
                    let _ = server.ask(command);
                    let words = ["permission", "guest", &vhost, ".*", ".*", ".*"];
                    let _ = server.ask(operating::command(&words));
                } else {
                    let _ = server.ask(command);
                }
            }
            Step::Declare { vhost, name } => {
                declare(&mut server.broker, &vhost, &name);
                // Declarations wait for each other's landing.
                server.land();
                let gone = Input::ConnectionClosed(ConnectionId(1));
                server.broker.handle(Timestamp(1), gone);
                server.land();
            }
            Step::Checkpoint => {
                let before = server.export();
                server.broker.handle(Timestamp(1), Input::CheckpointWanted);
                server.land();
                let last = server.lane.last().map(|(_, record)| record.clone());
                let Some(Record::Checkpoint { begin, .. }) = last else {
                    panic!("a checkpoint ends with its own record");
                };
                server.lane.retain(|(position, _)| *position >= begin);
                past.clear();
                assert_eq!(server.export(), before);
            }
            Step::Crash(lost) => {
                past.truncate(past.len().saturating_sub(lost).max(1));
                let (landed, defined) = past.last().expect("one is always kept").clone();
                server.lane.truncate(landed);
                server = Server::recovered(server.lane);
                assert_eq!(server.export(), defined);
            }
        }
        past.push((server.lane.len(), server.export()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_defined_and_landed_comes_back(steps in proptest::collection::vec(step(), 0..60)) {
        run(steps);
    }
}
