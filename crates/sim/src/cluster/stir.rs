//! What happens, outside of processes and inside of them. What happens inside waits while a process is paused.

use super::database::Answer;
use super::question::{Question, Watch};
use super::zookeeper::{self, SessionId};
use crate::actor::{Down, Wake};
use broker::Input;
use model::{Position, QueueId};

#[derive(Debug)]
pub(super) enum Event {
    /// A node's process starts.
    Start(usize),
    /// Something inside a process, if it is still that one.
    Inside(usize, u64, Stir),
    /// A paused process goes on.
    Resume(usize),
    /// What the server says reaches the client.
    Reach(usize, Vec<Down>),
    /// A client notices that its connection is gone.
    ClientSees(usize),
    /// A client wakes.
    Wake(usize, Option<usize>, Wake),
    /// A statement reaches the database.
    Execute(u64),
    /// So does a question who owns the shard.
    Owners(Asking),
    /// A question reaches ZooKeeper, over that connection of that node.
    Arrive(usize, u64, u64, Question),
    /// The server that a node is connected to has followed the leader.
    Follow(usize, u64),
    /// Was the client of this session heard?
    Expire(SessionId),
    /// ZooKeeper is there again.
    ZooKeeperUp,
    Fault,
    /// Faults end.
    Calm,
    /// Is everything settled?
    Look,
}

/// Who owns the shard: who asks, why, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    pub(super) node: usize,
    pub(super) life: u64,
    pub(super) why: Why,
    pub(super) asked: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// The lease of that tenure runs out.
    Lease(u64),
    /// The controller gives new epochs, in that term of that session.
    Epochs(SessionId, u64),
}

#[derive(Debug)]
pub(super) enum Stir {
    // The shard.
    Inputs(usize, Vec<Input>),
    ServerSees(usize),
    Turn(u64),
    HandOut(u64, usize),
    Taken(u64, usize),
    Read(u64, Vec<(QueueId, Position)>),
    /// Its lease is looked after.
    Hold(u64),
    /// Clients have had their time.
    Late(u64),
    // The database.
    Connected(bool),
    /// A statement is answered, with a warning beside it or not; or its outcome is unknown.
    Answered(u64, Option<(Answer, bool)>),
    /// The line's pause is over.
    Again,
    /// The lane is to be read up to a head: the epoch, the head, since when.
    Recover(u64, usize, u64),
    Owner(Why, u64, Option<u64>),
    // ZooKeeper.
    Try,
    Replied(u64, u64, zookeeper::Answer),
    Fired(u64, Watch),
    Lost(u64),
    Tick(u64),
    /// It has waited long enough for others to take over.
    HandedOver,
}
