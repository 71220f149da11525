//! The hand-over from connections to the shard: batches, bounded by their bytes.
//!
//! The bound is the back-pressure: a connection whose batch finds no room does not read its socket until there
//! is some.

use crate::effects::AnswerSender;
use crate::fetch::Wanted;
use crate::outbox::OutboxSender;
use broker::{Answer, Command, CommandRefused, Input};
use model::ConnectionId;
use std::net::SocketAddr;
use std::sync::Arc;
use store::ReadError;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// What a connection tells the shard. Hand-overs of one connection arrive in order.
#[derive(Debug)]
pub enum Handover {
    /// A connection will be there, this is where its client is, and where its effects go. Comes before its first inputs.
    Joined(ConnectionId, SocketAddr, OutboxSender),
    /// What its client did.
    Inputs(Vec<Input>),
    /// It is gone; nothing follows.
    Left(ConnectionId),
    /// What a visit to the disk brought, and what it left for the next.
    Fetched(Vec<Input>, Wanted),
    /// What an operator asks for, and where the answer goes.
    Asked(Command, AnswerSender),
    /// Somebody wants to read journeys, and to know when all that was told is written.
    JourneysWanted(oneshot::Sender<()>),
    /// A landed message could not be read: promise P7 asks for an end.
    Unreadable(ReadError),
    /// The server was asked to stop.
    Stop,
}

/// Inputs on their way to the shard.
#[derive(Debug, Default)]
pub struct Batch {
    inputs: Vec<Input>,
    bytes: usize,
    /// How long the last batch was: the next is probably alike.
    expected: usize,
}

/// What one input takes beside its body, in bytes, roughly.
const INPUT_BYTES: usize = 256;

/// The most room that is made for inputs before there are any.
const INPUTS_EXPECTED_MOST: usize = 1024;

impl Batch {
    /// Adds an input.
    pub fn push(&mut self, input: Input) {
        if let Input::Publish(_, _, publish) = &input {
            self.bytes += publish.body.len() + publish.properties.as_bytes().len();
        }
        self.bytes += INPUT_BYTES;
        if self.inputs.is_empty() {
            self.inputs.reserve(self.expected);
        }
        self.inputs.push(input);
    }

    /// Whether there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The room that it takes in an inbox of `most` units: all of it if it is larger.
    fn units(&self, most: u32) -> u32 {
        u32::try_from(self.bytes.div_ceil(UNIT_BYTES)).map_or(most, |units| units.min(most))
    }
}

const UNIT_BYTES: usize = 1024;

/// Makes the inbox of a shard. A few of the largest messages should find room in it at a time.
pub fn inbox(bytes_max: usize) -> (InboxSender, Inbox) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let units = u32::try_from(bytes_max / UNIT_BYTES)
        .unwrap_or(u32::MAX)
        .max(1);
    let room = Arc::new(Semaphore::new(units as usize));
    let inbox = Inbox {
        receiver,
        room: room.clone(),
    };
    let sender = InboxSender {
        sender,
        room,
        units,
    };
    (sender, inbox)
}

/// The connections' end.
#[derive(Clone, Debug)]
pub struct InboxSender {
    sender: mpsc::UnboundedSender<(Handover, u32)>,
    room: Arc<Semaphore>,
    /// All the room that there is.
    units: u32,
}

impl InboxSender {
    /// Hands over what needs no room. Where the shard has ended the process ends too, and nobody listens.
    pub fn tell(&self, news: Handover) {
        let _ = self.sender.send((news, 0));
    }

    /// Asks for something in an operator's name; answered when it has landed. `None` where the server ends
    /// before.
    pub async fn ask(&self, command: Command) -> Option<Result<Answer, CommandRefused>> {
        let (sender, answer) = oneshot::channel();
        self.tell(Handover::Asked(command, sender));
        answer.await.ok()
    }

    /// Hands the batch over and leaves it empty if there is room now; says whether there was.
    pub fn try_hand_over(&self, batch: &mut Batch) -> bool {
        let units = batch.units(self.units);
        let Ok(permit) = self.room.try_acquire_many(units) else {
            return false;
        };
        permit.forget();
        self.send(batch, units);
        true
    }

    /// Hands the batch over as soon as there is room, and leaves it empty. Dropped before it is done, it has
    /// done nothing.
    pub async fn hand_over(&self, batch: &mut Batch) {
        let units = batch.units(self.units);
        let permit = self.room.acquire_many(units).await;
        permit.expect("the inbox's room is never closed").forget();
        self.send(batch, units);
    }

    fn send(&self, batch: &mut Batch, units: u32) {
        batch.bytes = 0;
        batch.expected = batch.inputs.len().min(INPUTS_EXPECTED_MOST);
        let inputs = std::mem::take(&mut batch.inputs);
        let _ = self.sender.send((Handover::Inputs(inputs), units));
    }
}

/// The shard's end.
#[derive(Debug)]
pub struct Inbox {
    receiver: mpsc::UnboundedReceiver<(Handover, u32)>,
    room: Arc<Semaphore>,
}

/// The most hand-overs of one turn.
const TURN_MAX: usize = 256;

/// The hand-overs of one turn, with the room that each takes until [`Inbox::release`].
pub type Turn = Vec<(Handover, u32)>;

impl Inbox {
    /// Waits for hand-overs and appends them to `turn`.
    pub async fn receive(&mut self, turn: &mut Turn) {
        self.receiver.recv_many(turn, TURN_MAX).await;
    }

    /// Appends those that are there.
    pub fn receive_now(&mut self, turn: &mut Turn) {
        while turn.len() < TURN_MAX
            && let Ok(handover) = self.receiver.try_recv()
        {
            turn.push(handover);
        }
    }

    /// Gives the room back that hand-overs took.
    pub fn release(&self, units: u32) {
        self.room.add_permits(units as usize);
    }
}
