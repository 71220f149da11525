//! Taking over from an owner that is still there: most of the lane is read while it serves, so that clients wait for little
//! more than the commit of the taking.

use super::{ShardStore, found, number, take};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::lane::{self, Lane, Recovered, Taken};
use crate::options::Claim;
use std::time::Instant;
use store::Told;

const LOOK: &str = "select head, snap, snap_seg from landfall.shard where shard = $1";

/// What was read of a lane that another node serves. It is worth something as long as nothing of it is let go of.
pub(crate) struct Ahead {
    taken: Taken,
    lane: Lane,
}

impl Ahead {
    /// Reads what there is. An error may mean no more than that the owner let go of something meanwhile.
    pub(crate) fn read(
        database: &Database,
        shard: u32,
        tell: &mut dyn FnMut(Told),
    ) -> Result<Self, DatabaseError> {
        let number = shard.cast_signed();
        let row = database
            .desk()
            .ask("look at a shard", move |client| async move {
                client.query_one(LOOK, &[&number]).await
            })?;
        let taken = found(database, shard, &row)?;
        let lane = lane::read(database, &taken, tell)?;
        Ok(Self { taken, lane })
    }

    /// Whether all that was read is still where it was.
    fn fits(&self, now: &Taken) -> bool {
        self.taken.snapshot == now.snapshot
            && self.taken.head <= now.head
            && self.taken.held.is_subset(&now.held)
    }
}

impl ShardStore {
    /// Takes a shard of which most has been read, and reads and tells the rest. `None` if what was read counts no more:
    /// then the shard is taken, and is to be read from the start.
    pub(crate) fn take_on(
        database: Database,
        claim: &Claim,
        ahead: Ahead,
        tell: &mut dyn FnMut(Told),
    ) -> Result<Option<(Self, Recovered)>, DatabaseError> {
        let began = Instant::now();
        let epoch = number(claim.epoch)?;
        let taken = take(&database, claim, epoch)?;
        if !ahead.fits(&taken) {
            return Ok(None);
        }
        let from = ahead.taken.head;
        let lane = lane::go_on(&database, ahead.lane, from, &taken, tell)?;
        Ok(lane.map(|lane| Self::of(database, claim, epoch, taken, lane, began)))
    }
}
