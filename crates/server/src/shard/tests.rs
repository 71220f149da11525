//! What the loop does though nobody comes.

use super::*;
use crate::inbox::inbox;
use crate::memory::{Memory, MemoryLimit};
use crate::units::Portion;
use broker::Recovery;
use model::{Limits, QueueId, Record};
use std::sync::{Arc, Mutex};
use store::{Chunk, LandedChunk, Reader, Store};

/// Notes the length of each chunk.
struct Noting(Arc<Mutex<Vec<usize>>>);

impl Store for Noting {
    fn land(&mut self, chunk: Chunk) -> Result<Landed, StoreFailure> {
        let mut noted = self.0.lock().expect("nobody panics");
        noted.push(chunk.bytes_len());
        Ok(Landed {
            upto: chunk.last().max(Position(1)),
            room: Room::Open,
            checkpoint_wanted: false,
            busy: false,
        })
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(Nothing)
    }

    fn close(self: Box<Self>) -> Result<(), StoreFailure> {
        Ok(())
    }
}

struct Nothing;

impl Reader for Nothing {
    fn cached(&self, _: Position) -> Option<Arc<LandedChunk>> {
        None
    }

    fn read(&self, position: Position) -> Result<Arc<LandedChunk>, ReadError> {
        Err(ReadError::Gone(position))
    }
}

#[tokio::test]
async fn a_store_that_was_just_opened_is_asked_how_things_stand() {
    let limits = Limits::default();
    let mut recovery = Recovery::new(&limits);
    // A lane that was used, and whose last owner crashed: nothing is to be landed at the start.
    let (begin, next_queue) = (Position(1), QueueId(1));
    recovery.apply(begin, Record::Checkpoint { begin, next_queue });
    let clock = Clock::start();
    let broker = recovery.finish(clock.now());
    let noted = Arc::new(Mutex::new(Vec::new()));
    let (sender, inbox) = inbox(limits.inbox_bytes_max);
    let limit = MemoryLimit::of(Portion::Bytes(1 << 30)).expect("it is enough");
    let shard = Shard::new(
        broker,
        inbox,
        Lander::start(Box::new(Noting(noted.clone())), Arc::default())
            .expect("a thread can be started"),
        Fetcher::new(Arc::new(Nothing), sender.clone()),
        Watch::new(limit, Memory::new(limit), clock.now()),
        clock,
        limits.landing_bytes_max,
    );
    sender.tell(Handover::Stop(crate::tenure::FAREWELL_MAX));
    shard.run().await.expect("everything lands");
    let noted = noted.lock().expect("nobody panics");
    assert_eq!(noted.first(), Some(&0), "{noted:?}");
}
