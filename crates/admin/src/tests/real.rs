//! An operator over the real heart, whose lane is in memory and lands at once.

use crate::clients::Client;
use crate::instruments::Instruments;
use crate::journey::{Journey, Wanted};
use crate::{AskError, Content, Operator, Reading, fits_slowly};
use broker::{Answer, Broker, Command, CommandId, CommandRefused, Effect, Input, Opened, Recovery};
use bytes::Bytes;
use model::method::{basic, queue};
use model::{
    ChannelNumber, ConnectionId, DeliveryTag, FieldTable, Limits, MessageRecord, Method, Password,
    Position, Properties, Publish, QueueId, Record, ShortStr, TableBuilder, Timestamp,
};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub(super) struct Real(Arc<Mutex<Heart>>);

struct Heart {
    broker: Broker,
    lane: Vec<(Position, Record)>,
    now: Timestamp,
    answer: Option<Result<Answer, CommandRefused>>,
    /// What clients were told whose connections were closed.
    farewells: Vec<String>,
}

const CONNECTION: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);

fn name(text: &str) -> ShortStr {
    ShortStr::try_from(text).expect("tests use short names")
}

impl Real {
    /// With one connection of the guest's and one channel.
    pub(super) fn new() -> Self {
        let mut heart = Heart {
            broker: Recovery::new(&Limits::default()).finish(Timestamp(0)),
            lane: Vec::new(),
            now: Timestamp(1_000),
            answer: None,
            farewells: Vec::new(),
        };
        heart.perform();
        heart.input(Input::ConnectionOpened(Opened {
            connection: CONNECTION,
            user: name("guest"),
            vhost: name("/"),
            consumer_cancel_notify: true,
            blocked_notify: true,
        }));
        heart.input(Input::ChannelOpened(CONNECTION, CHANNEL));
        Self(Arc::new(Mutex::new(heart)))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Heart) -> T) -> T {
        let heart = self.0.lock();
        act(&mut heart.expect("no test panics while it holds the lock"))
    }

    fn obey(&self, command: Command) -> Result<Answer, CommandRefused> {
        let answer = self.with(|heart| {
            heart.input(Input::Command(CommandId(1), command));
            heart.answer.take()
        });
        answer.expect("all has landed and was read")
    }

    /// Looks at slow passwords as the server does.
    fn authenticate(
        &self,
        user: ShortStr,
        password: Password,
        local: bool,
    ) -> Result<Answer, CommandRefused> {
        let asked = Command::Authenticate {
            user: user.clone(),
            password: password.clone(),
            local,
        };
        match self.obey(asked)? {
            Answer::Slow(slow) if fits_slowly(&slow.hash, password.as_str()) => {
                let mark = slow.mark;
                self.obey(Command::User { user, mark, local })
            }
            Answer::Slow(_) => Err(CommandRefused::AccessRefused("wrong password".into())),
            answer => Ok(answer),
        }
    }

    pub(super) fn declare(&self, queue: &str, arguments: FieldTable) {
        self.call(queue::Declare {
            queue: name(queue),
            durable: true,
            no_wait: true,
            arguments,
            ..Default::default()
        });
    }

    /// A second later.
    pub(super) fn publish(&self, queue: &str, properties: Properties, body: impl Into<Bytes>) {
        let publish = Publish {
            routing_key: name(queue),
            properties,
            body: body.into(),
            ..Default::default()
        };
        self.with(|heart| {
            heart.now = Timestamp(heart.now.0 + 1_000);
            heart.input(Input::Publish(CONNECTION, CHANNEL, publish));
        });
    }

    pub(super) fn get(&self, queue: &str) {
        let queue = name(queue);
        self.call(basic::Get {
            queue,
            ..Default::default()
        });
    }

    pub(super) fn reject(&self, tag: u64) {
        self.call(basic::Reject {
            delivery_tag: DeliveryTag(tag),
            requeue: false,
        });
    }

    pub(super) fn requeue(&self, tag: u64) {
        self.call(basic::Reject {
            delivery_tag: DeliveryTag(tag),
            requeue: true,
        });
    }

    /// What clients were told whose connections were closed.
    pub(super) fn farewells(&self) -> Vec<String> {
        self.with(|heart| heart.farewells.clone())
    }

    /// So many milliseconds later.
    pub(super) fn pass(&self, time: u64) {
        self.with(|heart| {
            heart.now = Timestamp(heart.now.0 + time);
            heart.perform();
        });
    }

    pub(super) fn call(&self, method: impl Into<Method>) {
        self.with(|heart| heart.input(Input::Method(CONNECTION, CHANNEL, method.into())));
    }
}

impl Heart {
    fn input(&mut self, input: Input) {
        self.broker.handle(self.now, input);
        self.perform();
    }

    /// Lands and reads what the heart wants, until it wants nothing more.
    fn perform(&mut self) {
        loop {
            self.broker.tick(self.now);
            let landed = self.lane.len();
            let mut wanted: Vec<(QueueId, Position)> = Vec::new();
            while let Some(effect) = self.broker.poll_effect() {
                match effect {
                    Effect::Land {
                        position, record, ..
                    } => self.lane.push((position, record)),
                    Effect::Fetch { queue, position } => wanted.push((queue, position)),
                    Effect::Answer(_, answer) => self.answer = Some(answer),
                    Effect::CloseChannel(_, _, error) => panic!("{error}"),
                    Effect::CloseConnection(_, error) => self.farewells.push(error.to_string()),
                    _ => {}
                }
            }
            if wanted.is_empty() && landed == self.lane.len() {
                return;
            }
            for (queue, position) in wanted {
                let message = self.message(position).cloned().map(Box::new);
                let fetched = Input::Fetched(queue, position, message);
                self.broker.handle(self.now, fetched);
            }
            if landed < self.lane.len() {
                let last = self.lane[self.lane.len() - 1].0;
                self.broker.handle(self.now, Input::Landed(last));
            }
        }
    }

    fn message(&self, position: Position) -> Option<&MessageRecord> {
        let at = self.lane.binary_search_by_key(&position, |(at, _)| *at);
        match &self.lane[at.ok()?].1 {
            Record::Message(message) => Some(message),
            _ => None,
        }
    }
}

impl Operator for Real {
    fn instruments(&self) -> Option<Arc<Instruments>> {
        let instruments = Instruments::default();
        let addresses = (([10, 0, 0, 7], 40_001).into(), ([10, 0, 0, 1], 5672).into());
        let client = Client::new(addresses, Timestamp(500)).agreeing(2047, 131_072, 60);
        let said = TableBuilder::new().text("product", "test").build();
        (instruments.clients).join(CONNECTION, Arc::new(client.saying(&said)));
        Some(Arc::new(instruments))
    }

    fn journeys(
        &self,
        _: Wanted,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Journey>, AskError>> + Send + '_>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn ask(
        &self,
        command: Command,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, AskError>> + Send + '_>> {
        let answer = match command {
            Command::Authenticate {
                user,
                password,
                local,
            } => self.authenticate(user, password, local),
            command => self.obey(command),
        };
        Box::pin(std::future::ready(answer.map_err(AskError::from)))
    }

    /// Two at a time, so that tests see what many take.
    fn read(
        &self,
        positions: Vec<Position>,
        body_most: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Reading>, AskError>> + Send + '_>> {
        let read = |heart: &mut Heart| {
            let some = positions.iter().take(2);
            let reading = some.map(|&position| Reading {
                position,
                content: heart.message(position).map(|message| Content {
                    body_length: message.body.len(),
                    message: MessageRecord {
                        body: message.body.slice(..message.body.len().min(body_most)),
                        ..message.clone()
                    },
                }),
            });
            reading.collect()
        };
        Box::pin(std::future::ready(Ok(self.with(read))))
    }
}
