//! How the database is used, and what a node says of itself when it takes a shard.

use std::path::PathBuf;
use std::time::Duration;

/// How the database is used: the same for all shards of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where it is, as libpq takes it: `postgres://user@host1,host2/name`, or `host=… dbname=…`. Of several hosts the
    /// one that takes writes is used.
    pub database: String,
    /// A PEM file with the certificates of the authorities of which one must have signed the server's, for its name. With
    /// it nothing goes over a connection without TLS; without it no connection has TLS.
    pub authorities: Option<PathBuf>,
    /// Connections that land, at least 1. A shard always uses the same one.
    pub connections: usize,
    /// How many shards the cluster has, at least 1. Counts only where the database holds no cluster yet.
    pub shards: u32,
    /// A segment table is full when it has so many bytes.
    pub segment_bytes: u64,
    /// Who takes a shard reads so many bytes whole, about, and of the rest what stands beside the bodies: a checkpoint is
    /// wanted when so much has landed since the last, unless they are so large that it would be most of what lands. Less
    /// where segment tables are small.
    pub tail_bytes: u64,
    /// The server has so long for one statement; then the connection is dropped, and the outcome is unknown.
    pub statement_limit: Duration,
    /// What cannot be landed for so long, over however many connections, has failed.
    pub patience: Duration,
    /// Whether the server must have a synchronous standby from the start. Otherwise one that has no standby at all is
    /// taken for one that is meant to be alone, until a synchronous standby was seen.
    pub require_standby: bool,
    /// Whether a server may be used whose settings allow it to lose what it has committed.
    pub allow_asynchronous: bool,
}

/// The tail is no longer than so many segment tables.
const TAIL_TABLES: u64 = 8;

impl Options {
    /// The defaults, for the database at `database`.
    pub fn new(database: impl Into<String>) -> Self {
        Self {
            database: database.into(),
            authorities: None,
            connections: 4,
            shards: 256,
            segment_bytes: 1 << 30,
            tail_bytes: 64 << 20,
            statement_limit: Duration::from_secs(10),
            patience: Duration::from_secs(30),
            require_standby: false,
            allow_asynchronous: false,
        }
    }

    /// How long the tail may be, in bytes.
    pub(crate) fn tail_bytes(&self) -> u64 {
        self.tail_bytes.min(TAIL_TABLES * self.segment_bytes)
    }

    /// How long a stretch may be, in bytes.
    pub(crate) fn stretch_bytes(&self) -> u64 {
        self.tail_bytes().min(self.segment_bytes)
    }
}

/// Which shard is taken, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The shard, counted from 0.
    pub shard: u32,
    /// The number of this ownership, from 1; it is refused unless it is higher than all before it. At most 2^63 - 1.
    pub epoch: u64,
    /// Who takes it: a name that no other run of any node has.
    pub owner: String,
    /// The most bytes of the shard's chunks that are kept in memory.
    pub cache_bytes: usize,
}
