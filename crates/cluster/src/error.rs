//! What can go wrong, by what is to be done about it.

use store::{ReadError, StoreFailure};

/// Why the database did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// Somebody else has the shard: let go of it, confirm and deliver nothing of it. It can be asked for again with a
    /// higher epoch.
    #[error(
        "shard {shard} has been taken with epoch {by}: nothing more of it is landed under epoch {epoch}"
    )]
    Fenced {
        /// The shard.
        shard: u32,
        /// The epoch that counts no more.
        epoch: u64,
        /// The one that does.
        by: u64,
    },
    /// No answer that can be relied on, for as long as the patience lasts: the shard must be let go of; it can be taken
    /// again once the database answers. What was being landed may have landed or not.
    #[error("cannot {what}: {why}")]
    Unreachable {
        /// What was being done.
        what: String,
        /// What was heard last.
        why: String,
    },
    /// What the database holds is not what was landed in it: a person has to look before the shard is used again.
    #[error("shard {shard} is damaged at {place}: {what}")]
    Damaged {
        /// The shard.
        shard: u32,
        /// The table and page.
        place: String,
        /// What does not fit.
        what: String,
    },
    /// The server or the request is one that cannot be used as it is: the operator has to change it.
    #[error("{0}")]
    Refused(String),
}

impl DatabaseError {
    pub(crate) fn unreachable(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Unreachable {
            what: what.into(),
            why: why.to_string(),
        }
    }

    /// As the contract of landing tells it; [`cause`] finds it again.
    pub(crate) fn failure(self, what: impl Into<String>) -> StoreFailure {
        StoreFailure {
            what: what.into(),
            source: std::io::Error::other(self),
        }
    }
}

/// What made a landing fail, where it was this crate that said so.
pub fn cause(failure: &StoreFailure) -> Option<&DatabaseError> {
    of(&failure.source)
}

/// What made a reading fail, where it was this crate that said so.
pub fn cause_of_read(error: &ReadError) -> Option<&DatabaseError> {
    match error {
        ReadError::Io { source, .. } => of(source),
        ReadError::Gone(_) | ReadError::Damaged { .. } => None,
    }
}

fn of(source: &std::io::Error) -> Option<&DatabaseError> {
    source.get_ref()?.downcast_ref()
}
