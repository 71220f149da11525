//! Definitions leave one server and enter another.

use super::script::short;
use crate::{
    Answer, Broker, Command, CommandId, CommandRefused, Definitions, Effect, Input, Mark,
    NamedBinding, NamedExchange, NamedQueue, Recovery, password_hash,
};
use model::record::{
    ExchangeDefinition, Hashing, PermissionDefinition, PolicyDefinition, TopicPermissionDefinition,
    UserDefinition, VhostDefinition,
};
use model::{FieldTable, Limits, Position, Record, TableBuilder, Timestamp, Value};

/// A broker whose records land at once.
pub(super) struct Server {
    pub(super) broker: Broker,
    pub(super) lane: Vec<(Position, Record)>,
}

impl Server {
    pub(super) fn new() -> Self {
        Self::recovered(Vec::new())
    }

    pub(super) fn recovered(lane: Vec<(Position, Record)>) -> Self {
        let mut recovery = Recovery::new(&Limits::default());
        for (position, record) in &lane {
            recovery.apply(*position, record.clone());
        }
        let broker = recovery.finish(Timestamp(0));
        let mut server = Self { broker, lane };
        server.land();
        server
    }

    pub(super) fn land(&mut self) -> Option<Result<Answer, CommandRefused>> {
        let mut answer = None;
        loop {
            let mut last = None;
            while let Some(effect) = self.broker.poll_effect() {
                match effect {
                    Effect::Land {
                        position, record, ..
                    } => {
                        self.lane.push((position, record));
                        last = Some(position);
                    }
                    Effect::Answer(_, told) => answer = Some(told),
                    _ => {}
                }
            }
            match last {
                Some(last) => self.broker.handle(Timestamp(1), Input::Landed(last)),
                None => return answer,
            }
        }
    }

    pub(super) fn ask(&mut self, command: Command) -> Result<Answer, CommandRefused> {
        let input = Input::Command(CommandId(1), command);
        self.broker.handle(Timestamp(1), input);
        self.land().expect("what has landed is answered")
    }

    pub(super) fn export(&mut self) -> Definitions {
        match self.ask(Command::Export) {
            Ok(Answer::Definitions(all)) => *all,
            other => panic!("an export is answered with {other:?}"),
        }
    }

    pub(super) fn import(&mut self, definitions: &Definitions) -> Result<Answer, CommandRefused> {
        self.ask(Command::Import(Box::new(definitions.clone())))
    }
}

pub(super) fn shop() -> Definitions {
    let (shop, ada) = (|| short("shop"), || short("ada"));
    let exchange = |name, kind| NamedExchange {
        vhost: shop(),
        definition: ExchangeDefinition {
            name: short(name),
            kind: short(kind),
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::new(),
        },
    };
    let binding = |source, destination, to_exchange| NamedBinding {
        vhost: shop(),
        source: short(source),
        destination: short(destination),
        to_exchange,
        routing_key: short("k"),
        arguments: TableBuilder::new().text("x-match", "any").build(),
    };
    Definitions {
        vhosts: vec![VhostDefinition {
            description: "the shop's".into(),
            max_queues: Some(10),
            ..VhostDefinition::new(shop())
        }],
        users: vec![UserDefinition {
            name: ada(),
            password_hash: password_hash(Hashing::Md5, *b"salt", "secret"),
            hashing: Hashing::Md5,
            tags: vec![short("management")],
            max_connections: Some(3),
            max_channels: None,
        }],
        permissions: vec![PermissionDefinition::everything(ada(), shop())],
        topic_permissions: vec![TopicPermissionDefinition {
            user: ada(),
            vhost: shop(),
            exchange: short("x"),
            write: "^{username}".into(),
            read: ".*".into(),
        }],
        policies: vec![PolicyDefinition {
            vhost: shop(),
            name: short("short"),
            pattern: "^q".into(),
            apply_to: short("queues"),
            priority: 3,
            definition: TableBuilder::new()
                .field("max-length", Value::I64(9))
                .build(),
        }],
        operator_policies: vec![PolicyDefinition {
            vhost: shop(),
            name: short("most"),
            pattern: "^q".into(),
            apply_to: short("queues"),
            priority: 0,
            definition: TableBuilder::new()
                .field("max-length-bytes", Value::I64(1000))
                .build(),
        }],
        queues: vec![NamedQueue {
            vhost: shop(),
            name: short("q"),
            durable: true,
            auto_delete: false,
            arguments: TableBuilder::new()
                .field("x-max-length", Value::I64(9))
                .build(),
        }],
        exchanges: vec![exchange("h", "headers"), exchange("x", "topic")],
        bindings: vec![
            binding("amq.topic", "q", false),
            binding("h", "q", false),
            binding("x", "h", true),
        ],
    }
}

#[test]
fn what_one_server_exports_another_imports_and_a_crash_keeps() {
    let mut one = Server::new();
    one.import(&shop()).expect("nothing is wrong with it");
    let exported = one.export();
    for (name, imported, exported) in [
        ("vhosts", shop().vhosts.len() + 1, exported.vhosts.len()),
        ("users", shop().users.len() + 1, exported.users.len()),
    ] {
        assert_eq!(imported, exported, "{name}: the first ones are still there");
    }
    assert_eq!(exported.queues, shop().queues);
    assert_eq!(exported.exchanges, shop().exchanges);
    assert_eq!(exported.bindings, shop().bindings);
    assert_eq!(exported.policies, shop().policies);
    assert_eq!(exported.operator_policies, shop().operator_policies);
    assert_eq!(exported.topic_permissions, shop().topic_permissions);

    let mut other = Server::new();
    other
        .import(&exported)
        .expect("what was exported can be imported");
    assert_eq!(other.export(), exported);
    let told = other.lane.len();
    other.import(&exported).expect("again");
    assert_eq!(other.export(), exported);
    let queues = |record: &(Position, Record)| {
        let made = |definition: &model::Definition| {
            matches!(
                definition,
                model::Definition::QueueMade { .. } | model::Definition::Bound(_)
            )
        };
        matches!(&record.1, Record::Definition(definition) if made(definition))
    };
    assert!(
        !other.lane[told..].iter().any(queues),
        "what is there is kept"
    );

    let mut recovered = Server::recovered(other.lane);
    assert_eq!(recovered.export(), exported);
    let command = Command::Authenticate {
        user: short("ada"),
        password: model::Password::new("secret".into()),
        local: false,
    };
    let ada = shop().users[0].clone();
    let mark = Mark::of(&ada);
    assert_eq!(recovered.ask(command), Ok(Answer::User(ada, mark)));
}

/// Makes good definitions wrong.
type Spoil = fn(&mut Definitions);

#[test]
fn what_makes_no_sense_is_refused_as_a_whole() {
    let wrong: [(&str, Spoil); 9] = [
        ("permission: no user 'ada'", |all| all.users.clear()),
        ("permission: no vhost 'shop'", |all| all.vhosts.clear()),
        ("a vhost must have a name", |all| {
            all.vhosts.push(VhostDefinition::default());
        }),
        ("'(' is not a regular expression: Parsing error", |all| {
            all.permissions[0].read = "(".into();
        }),
        ("apply-to of policy 'short' is 'x'", |all| {
            all.policies[0].apply_to = short("x");
        }),
        (
            "binding of 'amq.topic' to 'q': no such destination",
            |all| {
                all.queues.clear();
            },
        ),
        ("binding of 'h' to 'q': no exchange 'h'", |all| {
            all.exchanges.clear();
        }),
        (
            "exchange 'h' in vhost 'shop': unknown exchange type 'new'",
            |all| {
                all.exchanges[0].definition.kind = short("new");
            },
        ),
        ("PRECONDITION_FAILED - invalid arg 'x-max-length'", |all| {
            all.queues[0].arguments = TableBuilder::new().text("x-max-length", "many").build();
        }),
    ];
    for (why, spoil) in wrong {
        let mut definitions = shop();
        spoil(&mut definitions);
        let mut server = Server::new();
        let before = server.export();
        match server.import(&definitions) {
            Err(CommandRefused::Invalid(told)) if told.starts_with(why) => {}
            other => panic!("{why:?} was expected, not {other:?}"),
        }
        assert_eq!(server.export(), before);
    }
}

#[test]
fn queues_that_are_there_follow_policies_that_are_imported() {
    let mut server = Server::new();
    let mut definitions = shop();
    definitions.queues[0].arguments = FieldTable::new();
    let policies = std::mem::take(&mut definitions.policies);
    server
        .import(&definitions)
        .expect("nothing is wrong with it");
    let only_policies = Definitions {
        policies,
        ..Definitions::default()
    };
    let limits = |server: &Server| {
        let queues = server.broker.queues.values();
        queues
            .map(|queue| queue.rules.max_length)
            .collect::<Vec<_>>()
    };
    assert_eq!(limits(&server), [None]);
    server.import(&only_policies).expect("the vhost is there");
    assert_eq!(limits(&server), [Some(9)]);
    assert_eq!(limits(&Server::recovered(server.lane)), [Some(9)]);
}
