//! The database of a cluster: the row of the one shard, its chunks, and what a fail-over keeps of them.
//!
//! It decides what the statements of `cluster` decide, at one instant each: the landing that moves the head from where
//! its owner believes it to be, under the owner's epoch; the taking under a higher epoch; the question for the head,
//! which is a commit itself; and the plain question who owns the shard. A commit of which the server warns is there,
//! but a fail-over may take it back; the next one that waits for the standby makes all before it last.

use super::plant::ClusterPlant;
use cluster::machines::Append;
use std::sync::Arc;
use store::LandedChunk;

/// What is asked of it.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    /// A run of a node takes the shard.
    Take { owner: String, epoch: u64 },
    /// Its owner lands a chunk.
    Land(Append, Arc<LandedChunk>),
    /// Where the head is, asked by who believes to own the shard.
    Confirm { epoch: u64 },
}

/// What it answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// The shard is taken; the head is here.
    Taken(usize),
    /// Somebody took it with that epoch or a higher one.
    Fenced,
    /// Whether the chunk is there now.
    Moved(bool),
    /// Epoch and head.
    Row(u64, usize),
}

/// The shard's row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    owner: String,
    epoch: u64,
    /// How many chunks there are.
    head: usize,
}

#[derive(Debug)]
pub(super) struct Database {
    row: Row,
    chunks: Vec<Arc<LandedChunk>>,
    /// The row that the standby has, too.
    safe: Row,
    /// Fail-overs: what was on its way before does not come in any more.
    pub(super) generation: u64,
    pub(super) down_until: u64,
    pub(super) slow_until: u64,
    /// Connections are lost at the worst time until then.
    pub(super) doubtful_until: u64,
    /// Commits are reported with a warning until then.
    pub(super) warns_until: u64,
}

impl Database {
    pub(super) fn new() -> Self {
        let row = Row {
            owner: String::new(),
            epoch: 0,
            head: 0,
        };
        Self {
            safe: row.clone(),
            row,
            chunks: Vec::new(),
            generation: 0,
            down_until: 0,
            slow_until: 0,
            doubtful_until: 0,
            warns_until: 0,
        }
    }

    /// Runs a statement. With `warned` nobody but this server has what it commits.
    pub(super) fn run(
        &mut self,
        statement: &Statement,
        warned: bool,
        plant: Option<ClusterPlant>,
    ) -> Answer {
        let (answer, commits) = match statement {
            Statement::Take { owner, epoch } => {
                let row = &mut self.row;
                if row.epoch < *epoch || row.epoch == *epoch && row.owner == *owner {
                    (row.owner, row.epoch) = (owner.clone(), *epoch);
                    (Answer::Taken(row.head), true)
                } else {
                    (Answer::Fenced, false)
                }
            }
            Statement::Land(append, chunk) => {
                let ours = self.row.epoch.cast_signed() == append.epoch
                    || plant == Some(ClusterPlant::EpochNotChecked);
                let here = self.row.head as i64 == append.head
                    || plant == Some(ClusterPlant::HeadNotChecked);
                let moved = ours && here;
                if moved {
                    self.chunks.push(chunk.clone());
                    self.row.head += 1;
                }
                (Answer::Moved(moved), moved)
            }
            Statement::Confirm { epoch } => (self.look(), *epoch == self.row.epoch),
        };
        if commits && !warned {
            self.safe = self.row.clone();
        }
        answer
    }

    /// The row as anybody can read it.
    pub(super) fn look(&self) -> Answer {
        Answer::Row(self.row.epoch, self.row.head)
    }

    /// The epoch of the last ownership that cannot be taken back.
    pub(super) fn epoch(&self) -> u64 {
        self.safe.epoch
    }

    /// The chunks that cannot be taken back.
    pub(super) fn chunks(&self) -> &[Arc<LandedChunk>] {
        &self.chunks[..self.safe.head]
    }

    /// Another server takes over with what commits have waited for, and with nothing else.
    pub(super) fn fail_over(&mut self) {
        self.generation += 1;
        self.row = self.safe.clone();
        self.chunks.truncate(self.row.head);
    }
}
