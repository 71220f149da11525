//! How many publishes may wait in front of an acknowledgement: the room that all publishers share.
//!
//! It is narrow where consumers are behind, so that a turn is short and their acknowledgements come soon: a queue with a
//! willing consumer must not grow because publishers were quicker at the socket. It widens where a turn has next to
//! nothing for each of many consumers, since a write for every message costs more than the message.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The room is never narrower: two full reads of one publisher, so that one is handled while the next comes. A unit is
/// a begun KiB of a message.
pub const NARROW: u32 = 512;

/// The room is never wider.
const WIDE: u32 = 8192;

/// A turn should have so many deliveries for each consumer that gets any.
const DELIVERIES_WORTH_A_WRITE: usize = 64;

/// What a turn had for consumers.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandedOut {
    /// How many messages.
    pub deliveries: usize,
    /// To how many connections.
    pub connections: usize,
    /// Consumers that had no room left more for them.
    pub behind: bool,
}

/// The room. Only the shard changes its width, and gives back what was taken.
#[derive(Debug)]
pub struct PublishingRoom {
    free: Semaphore,
    width: AtomicU32,
    /// What was given back since deliveries were last handed out.
    handled: AtomicU32,
}

impl Default for PublishingRoom {
    fn default() -> Self {
        Self {
            free: Semaphore::new(NARROW as usize),
            width: AtomicU32::new(NARROW),
            handled: AtomicU32::new(0),
        }
    }
}

impl PublishingRoom {
    /// Takes so many units, at most [`NARROW`], if they are free now.
    pub fn try_take(&self, units: u32) -> Option<SemaphorePermit<'_>> {
        self.free.try_acquire_many(units).ok()
    }

    /// Takes so many units, at most [`NARROW`], in turn with others who wait.
    pub async fn take(&self, units: u32) -> SemaphorePermit<'_> {
        let permit = self.free.acquire_many(units).await;
        permit.expect("the room is never closed")
    }

    /// What was taken was handled.
    pub fn give_back(&self, units: u32) {
        self.free.add_permits(units as usize);
        self.handled.fetch_add(units, Relaxed);
    }

    /// A publisher may be read for so many units before the others have their turn: beyond the first read, as far as
    /// the room is wider than it must be.
    pub fn units_at_once(&self) -> usize {
        (self.width.load(Relaxed) - NARROW) as usize
    }

    /// A turn is over: the next ones may be longer, or should be shorter.
    pub fn adapt(&self, turn: HandedOut) {
        let width = self.width.load(Relaxed);
        if turn.behind {
            let unwanted = width - (width / 2).max(NARROW);
            let narrowed = u32::try_from(self.free.forget_permits(unwanted as usize));
            let narrowed = narrowed.expect("no more than was asked for");
            self.width.store(width - narrowed, Relaxed);
        }
        if turn.deliveries == 0 {
            return;
        }
        let handled = self.handled.swap(0, Relaxed);
        let few_for_each = turn.deliveries < DELIVERIES_WORTH_A_WRITE * turn.connections;
        if !turn.behind && few_for_each && handled >= width / 4 && width < WIDE {
            self.free.add_permits(width as usize);
            self.width.store(2 * width, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(deliveries: usize, connections: usize) -> HandedOut {
        HandedOut {
            deliveries,
            connections,
            behind: false,
        }
    }

    /// Publishers take all that there is, the shard handles it and hands it out.
    fn full_turn(room: &PublishingRoom, handed_out: HandedOut) -> u32 {
        let mut taken = 0;
        while let Some(permit) = room.try_take(NARROW) {
            permit.forget();
            taken += NARROW;
        }
        room.give_back(taken);
        room.adapt(handed_out);
        taken
    }

    #[test]
    fn the_room_widens_for_many_consumers_and_narrows_when_they_are_behind() {
        let room = PublishingRoom::default();
        assert_eq!(full_turn(&room, turn(512, 1)), NARROW);
        assert_eq!(room.units_at_once(), 0, "one consumer gets enough at once");
        for _ in 0..10 {
            full_turn(&room, turn(512, 100));
        }
        assert_eq!(full_turn(&room, turn(8192, 100)), WIDE);
        let behind = HandedOut {
            behind: true,
            ..turn(512, 100)
        };
        for _ in 0..10 {
            full_turn(&room, behind);
        }
        assert_eq!(full_turn(&room, behind), NARROW);
        assert_eq!(room.units_at_once(), 0);
    }

    #[test]
    fn publishers_who_do_not_use_the_room_get_no_more_of_it() {
        let room = PublishingRoom::default();
        for _ in 0..10 {
            room.give_back(0);
            room.adapt(turn(1, 1));
        }
        assert_eq!(full_turn(&room, turn(1, 1)), NARROW);
    }

    #[test]
    fn what_is_taken_while_the_room_narrows_is_not_given_twice() {
        let room = PublishingRoom::default();
        full_turn(&room, turn(1, 1));
        let permit = room.try_take(NARROW).expect("there are two of them");
        permit.forget();
        let behind = HandedOut {
            behind: true,
            ..HandedOut::default()
        };
        room.adapt(behind);
        assert!(room.try_take(1).is_none());
        room.give_back(NARROW);
        assert_eq!(full_turn(&room, behind), NARROW);
    }
}
