//! What the controller asks the database.

/// The epochs that the database knows: those under which shards have been taken. The controller gives higher ones, so
/// that a ZooKeeper that forgot everything locks nobody out.
pub trait Epochs: Send + Sync + 'static {
    /// The epoch of every shard, in order; 0 for one that was never taken. It may take its time: it is called from a
    /// thread where that harms nobody, and given up after a few seconds.
    ///
    /// # Errors
    /// The database does not answer. The controller lets another member try, and comes back.
    fn read(&self) -> Result<Vec<u64>, EpochsUnknown>;
}

/// Why the database did not say its epochs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database does not say which epochs it knows: {0}")]
pub struct EpochsUnknown(pub String);
