//! Handing a shard over while both nodes are there: the next owner reads ahead, the one before says when it is done.

use crate::database::Database;
use crate::error::DatabaseError;
use crate::lane::Recovered;
use crate::line::{Command, Value};
use crate::options::Claim;
use crate::shard::{self, ShardStore};
use store::Told;

/// Nobody has the shard any more, so whoever waits for it need not wait longer. That is a hint like others: the epoch
/// stays, and a commit that is lost costs its reader some patience.
const RELEASE: &str = "
    update landfall.shard set owner = ''
     where shard = $1 and epoch = $2 and set_config('synchronous_commit', 'off', true) = 'off'
    returning shard";

/// What was read of a shard's lane while its owner served it.
pub struct Ahead(shard::Ahead);

impl Database {
    /// Reads and tells what a shard's lane holds, while another node serves it.
    ///
    /// # Errors
    /// `Unreachable`; `Damaged`, which may mean no more than that the owner let go of something meanwhile. What was told
    /// until then is to be forgotten.
    pub fn read_ahead(
        &self,
        shard: u32,
        tell: &mut dyn FnMut(Told),
    ) -> Result<Ahead, DatabaseError> {
        shard::Ahead::read(self, shard, tell).map(Ahead)
    }

    /// Takes a shard as [`Database::take`] does, and tells what landed since it was read. `None` if what was read counts
    /// no more: it is to be forgotten, and the shard to be taken again from the start.
    ///
    /// # Errors
    /// As of [`Database::take`].
    pub fn take_on(
        &self,
        claim: &Claim,
        ahead: Ahead,
        tell: &mut dyn FnMut(Told),
    ) -> Result<Option<(ShardStore, Recovered)>, DatabaseError> {
        ShardStore::take_on(self.clone(), claim, ahead.0, tell)
    }

    /// Says that a shard has no owner any more, if it still was owned under that epoch.
    ///
    /// # Errors
    /// `Unreachable`.
    pub fn release(&self, shard: u32, epoch: u64) -> Result<(), DatabaseError> {
        let command = Command {
            what: "say that a shard is free",
            sql: RELEASE,
            values: vec![
                Value::Int(shard.cast_signed()),
                Value::Big(epoch.cast_signed()),
            ],
        };
        self.command(shard, command).map(|_| ())
    }
}
