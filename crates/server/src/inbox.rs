//! The hand-over from connections to the shard: batches, bounded by their bytes.
//!
//! The bound is the back-pressure: a connection whose batch finds no room does not read its socket until there
//! is some. Publishes take room of another kind beside ([`PublishingRoom`]), so that acknowledgements never wait
//! behind much, however many publishers there are.

use crate::effects::AnswerSender;
use crate::fetch::Wanted;
use crate::outbox::OutboxSender;
use crate::publishing::{HandedOut, NARROW, PublishingRoom};
use broker::{Answer, Command, CommandRefused, Input};
use model::ConnectionId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
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
    /// The shard is to end, and clients have so long to leave.
    Stop(Duration),
}

/// Inputs on their way to the shard.
#[derive(Debug, Default)]
pub struct Batch {
    inputs: Vec<Input>,
    bytes: usize,
    /// The units that its publishes take.
    publishing: usize,
    /// How long the last batches were, the later the more it counts.
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
            let bytes = publish.body.len() + publish.properties.as_bytes().len();
            self.bytes += bytes;
            self.publishing += bytes.div_ceil(UNIT_BYTES).max(1);
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

    /// The units that its publishes take: one for each begun KiB.
    pub fn publishing(&self) -> usize {
        self.publishing
    }

    /// What it takes in an inbox of `most` units: all of a room if it is larger.
    fn taken(&self, most: u32) -> Taken {
        let within = |units: usize, most: u32| u32::try_from(units).map_or(most, |it| it.min(most));
        Taken {
            units: within(self.bytes.div_ceil(UNIT_BYTES), most),
            publishing: within(self.publishing, NARROW),
        }
    }
}

const UNIT_BYTES: usize = 1024;

/// The room that a hand-over takes until [`Inbox::release`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    units: u32,
    publishing: u32,
}

/// Makes the inbox of a shard. A few of the largest messages should find room in it at a time.
pub fn inbox(bytes_max: usize) -> (InboxSender, Inbox) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let units = u32::try_from(bytes_max / UNIT_BYTES)
        .unwrap_or(u32::MAX)
        .max(1);
    let room = Arc::new(Semaphore::new(units as usize));
    let publishing_room = Arc::new(PublishingRoom::default());
    let inbox = Inbox {
        receiver,
        room: room.clone(),
        publishing_room: publishing_room.clone(),
    };
    let sender = InboxSender {
        sender,
        room,
        publishing_room,
        units,
    };
    (sender, inbox)
}

/// The connections' end.
#[derive(Clone, Debug)]
pub struct InboxSender {
    sender: mpsc::UnboundedSender<(Handover, Taken)>,
    room: Arc<Semaphore>,
    publishing_room: Arc<PublishingRoom>,
    /// All the room that there is.
    units: u32,
}

impl InboxSender {
    /// Hands over what needs no room. Where the shard has ended the process ends too, and nobody listens.
    pub fn tell(&self, news: Handover) {
        let _ = self.sender.send((news, Taken::default()));
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
        let taken = batch.taken(self.units);
        let Some(publishing) = self.publishing_room.try_take(taken.publishing) else {
            return false;
        };
        let Ok(room) = self.room.try_acquire_many(taken.units) else {
            return false;
        };
        publishing.forget();
        room.forget();
        self.send(batch, taken);
        true
    }

    /// Hands the batch over as soon as there is room, and leaves it empty. Dropped before it is done, it has
    /// done nothing.
    pub async fn hand_over(&self, batch: &mut Batch) {
        let taken = batch.taken(self.units);
        let publishing = self.publishing_room.take(taken.publishing).await;
        let room = self.room.acquire_many(taken.units).await;
        room.expect("the inbox's room is never closed").forget();
        publishing.forget();
        self.send(batch, taken);
    }

    /// So many units of publishes may be read from one client before the others have their turn.
    pub fn units_at_once(&self) -> usize {
        self.publishing_room.units_at_once()
    }

    fn send(&self, batch: &mut Batch, taken: Taken) {
        batch.bytes = 0;
        batch.publishing = 0;
        batch.expected = (batch.inputs.len().max(batch.expected / 2)).min(INPUTS_EXPECTED_MOST);
        let inputs = std::mem::take(&mut batch.inputs);
        let _ = self.sender.send((Handover::Inputs(inputs), taken));
    }
}

/// The shard's end.
#[derive(Debug)]
pub struct Inbox {
    receiver: mpsc::UnboundedReceiver<(Handover, Taken)>,
    room: Arc<Semaphore>,
    publishing_room: Arc<PublishingRoom>,
}

/// The most hand-overs of one turn.
const TURN_MAX: usize = 256;

/// The hand-overs of one turn, with the room that each takes until [`Inbox::release`].
pub type Turn = Vec<(Handover, Taken)>;

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

    /// A turn is over.
    pub fn adapt(&self, turn: HandedOut) {
        self.publishing_room.adapt(turn);
    }

    /// Gives the room back that hand-overs took.
    pub fn release(&self, taken: Taken) {
        self.room.add_permits(taken.units as usize);
        self.publishing_room.give_back(taken.publishing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::method::basic;
    use model::{ChannelNumber, ConnectionId, Publish};

    const FROM: (ConnectionId, ChannelNumber) = (ConnectionId(1), ChannelNumber(1));

    fn publishes(count: usize) -> Batch {
        let mut batch = Batch::default();
        for _ in 0..count {
            batch.push(Input::Publish(FROM.0, FROM.1, Publish::default()));
        }
        batch
    }

    fn acknowledgements(count: usize) -> Batch {
        let mut batch = Batch::default();
        for _ in 0..count {
            batch.push(Input::Method(FROM.0, FROM.1, basic::Ack::default().into()));
        }
        batch
    }

    #[test]
    fn many_publishers_do_not_keep_acknowledgements_waiting() {
        let (sender, mut inbox) = inbox(64 * 1024 * 1024);
        let half = NARROW as usize / 2;
        assert!(sender.try_hand_over(&mut publishes(half)));
        assert!(sender.try_hand_over(&mut publishes(half)));
        let mut third = publishes(1);
        assert!(!sender.try_hand_over(&mut third));
        assert!(sender.try_hand_over(&mut acknowledgements(10_000)));
        let mut turn = Turn::new();
        inbox.receive_now(&mut turn);
        assert_eq!(turn.len(), 3);
        for (_, taken) in turn.drain(..) {
            inbox.release(taken);
        }
        assert!(sender.try_hand_over(&mut third));
        assert!(third.is_empty());
    }

    #[test]
    fn one_message_that_is_larger_than_all_room_takes_all_of_it() {
        let (sender, mut inbox) = inbox(64 * 1024);
        let mut batch = Batch::default();
        let publish = Publish {
            body: vec![0; 1024 * 1024].into(),
            ..Publish::default()
        };
        batch.push(Input::Publish(FROM.0, FROM.1, publish));
        assert!(sender.try_hand_over(&mut batch));
        assert!(!sender.try_hand_over(&mut acknowledgements(1)));
        let mut turn = Turn::new();
        inbox.receive_now(&mut turn);
        inbox.release(turn[0].1);
        assert!(sender.try_hand_over(&mut acknowledgements(1)));
    }
}
