//! Clients: what they have in common, and the one who declares everything before the others come.

use crate::ledger::Ledger;
use crate::plan::{Plan, short};
use crate::random::Random;
use crate::receiver::Receiver;
use crate::sender::Sender;
use broker::Input;
use bytes::Bytes;
use model::method::{exchange, queue};
use model::{
    ChannelNumber, ConnectionId, DeliveryTag, FieldTable, Method, Properties, Publish, ShortStr,
    TableBuilder, Timestamp,
};

/// The one channel of every connection.
pub(crate) const CHANNEL: ChannelNumber = ChannelNumber(1);

/// What reaches a client.
#[derive(Debug)]
pub(crate) enum Down {
    Method(Method),
    /// A message, by basic.deliver or basic.get-ok.
    Content {
        tag: DeliveryTag,
        properties: Properties,
        body: Bytes,
    },
    Return(Publish),
    ChannelClosed(u16, ShortStr),
    ConnectionClosed,
}

/// Why a client wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// It connects, if it is not connected.
    Connect,
    /// It sends more.
    Send,
    /// A timer of the client's state machine.
    Tick,
    /// It has worked on a message.
    Worked(u64),
    /// It asks for a message.
    Poll,
}

/// What a client may look at and do.
pub(crate) struct Surroundings<'a> {
    /// Microseconds since the run began.
    pub(crate) now: u64,
    pub(crate) plan: &'a Plan,
    pub(crate) random: &'a mut Random,
    pub(crate) ledger: &'a mut Ledger,
    /// No faults any more: everybody does what is expected.
    pub(crate) calm: bool,
    /// The connection, if there is one.
    pub(crate) connection: Option<usize>,
    /// What it writes to the connection.
    pub(crate) out: Vec<Input>,
    /// When it wants to be woken: after so long.
    pub(crate) wakes: Vec<(u64, Wake)>,
    /// It closes the connection.
    pub(crate) leaves: bool,
}

impl Surroundings<'_> {
    /// The client's clock.
    pub(crate) fn time(&self) -> Timestamp {
        Timestamp(self.now / 1000)
    }

    fn id(&self) -> ConnectionId {
        ConnectionId(self.connection.expect("only who is connected writes") as u64)
    }

    pub(crate) fn open_channel(&mut self) {
        self.out.push(Input::ChannelOpened(self.id(), CHANNEL));
    }

    pub(crate) fn call(&mut self, method: impl Into<Method>) {
        self.out
            .push(Input::Method(self.id(), CHANNEL, method.into()));
    }

    pub(crate) fn publish(&mut self, publish: Publish) {
        self.out.push(Input::Publish(self.id(), CHANNEL, publish));
    }

    pub(crate) fn wake(&mut self, after: u64, wake: Wake) {
        self.wakes.push((after, wake));
    }
}

/// A client.
#[derive(Debug)]
pub(crate) enum Actor {
    Founder(Founder),
    Sender(Sender),
    Receiver(Box<Receiver>),
}

impl Actor {
    /// The connection is open.
    pub(crate) fn opened(&mut self, it: &mut Surroundings<'_>) {
        match self {
            Self::Founder(founder) => founder.opened(it),
            Self::Sender(sender) => sender.opened(it),
            Self::Receiver(receiver) => receiver.opened(it),
        }
    }

    pub(crate) fn heard(&mut self, it: &mut Surroundings<'_>, down: Down) {
        match self {
            Self::Founder(founder) => founder.heard(it, &down),
            Self::Sender(sender) => sender.heard(it, down),
            Self::Receiver(receiver) => receiver.heard(it, down),
        }
    }

    pub(crate) fn lost(&mut self, it: &mut Surroundings<'_>) {
        match self {
            Self::Founder(_) => {}
            Self::Sender(sender) => sender.lost(it),
            Self::Receiver(receiver) => receiver.lost(),
        }
    }

    pub(crate) fn woken(&mut self, it: &mut Surroundings<'_>, wake: Wake) {
        match self {
            Self::Founder(_) => {}
            Self::Sender(sender) => sender.woken(it, wake),
            Self::Receiver(receiver) => receiver.woken(it, wake),
        }
    }

    /// Nothing more will come of it by itself.
    pub(crate) fn is_done(&self, plan: &Plan) -> bool {
        match self {
            Self::Founder(founder) => founder.done,
            Self::Sender(sender) => sender.is_done(plan),
            Self::Receiver(_) => true,
        }
    }
}

/// Declares queues, exchanges and bindings.
#[derive(Debug, Default)]
pub(crate) struct Founder {
    asked: usize,
    answered: usize,
    pub(crate) done: bool,
}

impl Founder {
    fn opened(&mut self, it: &mut Surroundings<'_>) {
        it.open_channel();
        let plan = it.plan;
        for planned in &plan.queues {
            it.call(declaration(
                planned.name.as_str(),
                planned.arguments(&plan.queues),
            ));
        }
        for planned in &plan.exchanges {
            it.call(exchange::Declare {
                exchange: short(&planned.name),
                kind: short(if planned.delays {
                    "x-delayed-message"
                } else {
                    planned.kind.name()
                }),
                durable: true,
                arguments: if planned.delays {
                    let arguments = TableBuilder::new();
                    arguments
                        .text("x-delayed-type", planned.kind.name())
                        .build()
                } else {
                    FieldTable::default()
                },
                ..exchange::Declare::default()
            });
            for (queue, key) in &planned.bindings {
                it.call(queue::Bind {
                    queue: short(&plan.queues[*queue].name),
                    exchange: short(&planned.name),
                    routing_key: short(key),
                    ..queue::Bind::default()
                });
            }
        }
        self.asked = it.out.len() - 1;
    }

    fn heard(&mut self, it: &mut Surroundings<'_>, down: &Down) {
        if let Down::Method(
            Method::QueueDeclareOk(_) | Method::ExchangeDeclareOk(_) | Method::QueueBindOk(_),
        ) = down
        {
            self.answered += 1;
            self.done = self.answered == self.asked;
            it.leaves = self.done;
        }
    }
}

/// queue.declare of a durable queue.
pub(crate) fn declaration(name: &str, arguments: FieldTable) -> queue::Declare {
    queue::Declare {
        queue: short(name),
        durable: true,
        arguments,
        ..queue::Declare::default()
    }
}
