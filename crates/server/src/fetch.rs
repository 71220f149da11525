//! Reading landed messages for the broker, which holds none: what goes to the dead letters.
//!
//! What is in memory is handed in with the next turn. The rest is read from the disk on a thread of its own, one
//! visit at a time, so that the memory of what was read and not yet handled is bounded (promise P9).

use crate::inbox::{Handover, InboxSender};
use broker::Input;
use model::{Position, QueueId, Record};
use std::collections::VecDeque;
use std::sync::Arc;
use store::{LandedChunk, ReadError, Reader};

/// Messages to read, in the order they were asked for.
pub type Wanted = VecDeque<(QueueId, Position)>;

/// One visit to the disk reads about so many bytes of chunks.
const VISIT_BYTES: usize = 4 * 1024 * 1024;

/// Reads messages.
pub struct Fetcher {
    reader: Arc<dyn Reader>,
    inbox: InboxSender,
    /// What is not in memory.
    wanted: Wanted,
    visiting: bool,
}

impl Fetcher {
    /// Nothing to read yet; what the disk had is told to `inbox`.
    pub fn new(reader: Arc<dyn Reader>, inbox: InboxSender) -> Self {
        Self {
            reader,
            inbox,
            wanted: VecDeque::new(),
            visiting: false,
        }
    }

    /// Reads these too; gives what is in memory.
    pub fn fetch(
        &mut self,
        wanted: impl Iterator<Item = (QueueId, Position)>,
    ) -> Result<Vec<Input>, ReadError> {
        let mut fetched = Vec::new();
        for (queue, position) in wanted {
            match self.reader.cached(position) {
                Some(chunk) => fetched.push(input(queue, position, Some(&chunk))?),
                None => self.wanted.push_back((queue, position)),
            }
        }
        self.visit();
        Ok(fetched)
    }

    /// What the last visit brought has been handled; it left some for the next.
    pub fn visited(&mut self, left: Wanted) {
        let later = std::mem::replace(&mut self.wanted, left);
        self.wanted.extend(later);
        self.visiting = false;
        self.visit();
    }

    fn visit(&mut self) {
        if self.visiting || self.wanted.is_empty() {
            return;
        }
        self.visiting = true;
        let wanted = std::mem::take(&mut self.wanted);
        let (reader, inbox) = (self.reader.clone(), self.inbox.clone());
        tokio::task::spawn_blocking(move || match read(&*reader, wanted) {
            Ok((fetched, left)) => inbox.tell(Handover::Fetched(fetched, left)),
            Err(error) => inbox.tell(Handover::Unreadable(error)),
        });
    }
}

/// Reads messages until a visit's bytes are read; what is left is for the next.
fn read(reader: &dyn Reader, mut wanted: Wanted) -> Result<(Vec<Input>, Wanted), ReadError> {
    let mut fetched = Vec::new();
    let mut bytes = 0;
    let mut last: Option<Arc<LandedChunk>> = None;
    while bytes < VISIT_BYTES
        && let Some((queue, position)) = wanted.pop_front()
    {
        let known = last.take().filter(|chunk| chunk.contains(position));
        let chunk = match known {
            Some(chunk) => Some(chunk),
            None => match reader.read(position) {
                Ok(chunk) => {
                    bytes += chunk.bytes().len();
                    Some(chunk)
                }
                // Its queue was deleted meanwhile; the broker knows.
                Err(ReadError::Gone(_)) => None,
                Err(error) => return Err(error),
            },
        };
        fetched.push(input(queue, position, chunk.as_deref())?);
        last = chunk;
    }
    Ok((fetched, wanted))
}

fn input(
    queue: QueueId,
    position: Position,
    chunk: Option<&LandedChunk>,
) -> Result<Input, ReadError> {
    let message = match chunk.map(|chunk| chunk.record(position)) {
        None => None,
        Some(Ok(Record::Message(message))) => Some(Box::new(message)),
        Some(Ok(_)) => {
            let what = "no message where one should be".to_owned();
            return Err(ReadError::Damaged { position, what });
        }
        Some(Err(error)) => {
            let what = error.to_string();
            return Err(ReadError::Damaged { position, what });
        }
    };
    Ok(Input::Fetched(queue, position, message))
}
