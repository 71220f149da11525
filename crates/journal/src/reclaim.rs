//! Giving back the room of what nobody needs.
//!
//! Segments go from the front of the lane only: a settling stands behind its message, so it is still there for as
//! long as the message is. The front segment goes when no message in it is live and the last checkpoint began
//! behind it. What is alive in it is moved to the tail when the lane holds more dead bytes than live ones: so one
//! slow queue pins about as much again as it holds, and a backlog that is read from its front is never moved.

use crate::stock::Spare;
use crate::writer::Journal;
use model::Position;
use std::sync::Arc;
use store::{ChunkBuilder, LandedChunk, ReadError, Reader, Room, StoreFailure};

/// The dead bytes beside as many dead as live ones that are left alone, in segments.
const SLACK_SEGMENTS: u64 = 2;
/// The most bytes that are moved between two landings, unless a single message is longer.
const STEP_MAX: u64 = 256 * 1024;
/// A step is at most this part of a segment.
const STEPS_PER_SEGMENT: u64 = 16;
/// Bytes that may be moved for each byte that lands: enough to be quicker than the lane grows, since a moved byte
/// frees at least two.
const MOVED_PER_LANDED: u64 = 4;
/// The most segments that are given back after one landing.
const FREED_PER_LANDING: usize = 4;
/// A checkpoint is wanted when so many segments would have to be read to know the definitions.
const CHECKPOINT_SEGMENTS: usize = 16;

/// How far reclaiming is.
#[derive(Debug, Default)]
pub(crate) struct Reclaiming {
    /// No definition before this position is needed.
    checkpoint: Position,
    /// The segment that was the tail when a checkpoint was last asked for.
    asked: u64,
    /// Bytes that may be moved now.
    allowance: u64,
    /// In which segment messages are being moved, and the position to go on from.
    moving: (u64, Position),
    /// The front segment holds a live message that cannot be read; it stays.
    stuck: Option<u64>,
}

impl Reclaiming {
    pub(crate) fn new(checkpoint: Position) -> Self {
        Self {
            checkpoint,
            ..Self::default()
        }
    }

    /// A checkpoint has landed: no definition before `begin` is needed.
    pub(crate) fn checkpoint_landed(&mut self, begin: Position) {
        self.checkpoint = begin;
        self.asked = 0;
    }
}

impl Journal {
    /// Moves a bounded part of what is in the way, if it is time to, before so many bytes land. Before, for what
    /// lands may be the last: a clean stop is told from a crash by the last record.
    pub(crate) fn move_live(&mut self, landing: usize) -> Result<(), StoreFailure> {
        let step = (self.segment_bytes / STEPS_PER_SEGMENT).min(STEP_MAX);
        let allowance = self.reclaiming.allowance + MOVED_PER_LANDED * landing as u64;
        self.reclaiming.allowance = allowance.min(2 * step);
        if !self.should_move() {
            return Ok(());
        }
        let front = self.shared.places().front().number;
        let due = step.min(self.live.usage(front).bytes);
        if self.reclaiming.allowance < due {
            return Ok(());
        }
        self.move_step(front, step)
    }

    /// Whether the broker should write a checkpoint, asked for once in each segment.
    pub(crate) fn wants_checkpoint(&mut self) -> bool {
        let places = self.shared.places();
        let (front, tail) = (places.front(), places.tail().number);
        let held = front.number != tail && front.last >= self.reclaiming.checkpoint;
        let wanted = held
            && self.reclaiming.asked != tail
            && (self.live.usage(front.number).messages == 0
                || places.count_from(self.reclaiming.checkpoint) > CHECKPOINT_SEGMENTS);
        if wanted {
            self.reclaiming.asked = tail;
        }
        wanted
    }

    /// Gives back front segments that hold nothing that is needed. The last record of the lane always stays, and
    /// with it the position that the next one gets: no checkpoint begins behind it.
    pub(crate) fn free_front(&mut self) -> Result<(), StoreFailure> {
        for _ in 0..FREED_PER_LANDING {
            let number = {
                let places = self.shared.places();
                let front = places.front();
                let needed = front.number == places.tail().number
                    || front.last >= self.reclaiming.checkpoint
                    || self.live.usage(front.number).messages > 0;
                if needed {
                    return Ok(());
                }
                front.number
            };
            let front = self.shared.places_mut().pop();
            self.shared.cache().forget(number, front.last);
            self.live.forget(number);
            let dead = Spare {
                path: self.directory.layout.segment(number),
                file: front.file,
                length: front.length,
            };
            self.stock
                .put_back(dead)
                .map_err(|error| self.failure("give back segment", number, error))?;
        }
        Ok(())
    }

    /// Whether the live messages of the front segment should be moved to the tail.
    fn should_move(&self) -> bool {
        let places = self.shared.places();
        let (front, tail) = (places.front().number, places.tail().number);
        let live = self.live.total().bytes;
        let dead = places.bytes().saturating_sub(live);
        front != tail
            && self.reclaiming.stuck != Some(front)
            && self.live.usage(front).messages > 0
            && dead > live + SLACK_SEGMENTS * self.segment_bytes
    }

    /// Writes about `step` bytes of live messages again at the tail, and returns when they have landed there.
    fn move_step(&mut self, front: u64, step: u64) -> Result<(), StoreFailure> {
        let from = match self.reclaiming.moving {
            (segment, from) if segment == front => from,
            _ => Position::NONE,
        };
        let mut builder = ChunkBuilder::new();
        let mut chunk: Option<Arc<LandedChunk>> = None;
        let mut next = from;
        for (position, queues) in self.live.live_messages(front, from) {
            if builder.bytes() as u64 >= step {
                break;
            }
            if chunk.as_ref().is_none_or(|chunk| !chunk.contains(position)) {
                chunk = match self.shared.read(position) {
                    Ok(chunk) => Some(chunk),
                    Err(error) => {
                        self.reclaiming.stuck = Some(front);
                        tell_stuck(front, &error);
                        break;
                    }
                };
            }
            let message = chunk.as_ref().and_then(|chunk| chunk.message(position));
            let message = message.expect("a live message's record is a message");
            builder.relocate(position, &queues, &message);
            next = position.next();
        }
        let bytes = builder.bytes();
        self.reclaiming.allowance = self.reclaiming.allowance.saturating_sub(bytes as u64);
        // With the disk full, moving must not begin a segment: that room is for what is in flight.
        let fits = self.stock.room() == Room::Open || self.shared.places().tail().has_room(bytes);
        if fits {
            self.reclaiming.moving = (front, next);
        }
        if fits && !builder.is_empty() {
            self.append(builder.take())?;
        }
        Ok(())
    }
}

/// Nothing is lost by it yet, but the disk is no longer what it was: somebody should look.
fn tell_stuck(segment: u64, error: &ReadError) {
    tracing::error!(
        segment,
        %error,
        "a live message cannot be read; its segment and all behind it are kept until the next start"
    );
}
