//! Limits: what keeps memory bounded whatever clients do (promise P9).

use crate::ShortStr;
use std::str::FromStr;
use std::time::Duration;

/// The deepest nesting of tables and arrays that is read: a decoder that follows any depth can be made to
/// overflow its stack by one legal frame, before login.
pub const TABLE_DEPTH_MAX: usize = 16;

/// Limits that the operator can set; every crate reads its own from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest frame offered in connection.tune, in bytes, header and end octet included.
    pub frame_max: u32,
    /// The most channels of one connection, offered in connection.tune.
    pub channel_max: u16,
    /// The heartbeat offered in connection.tune; zero for none.
    pub heartbeat: Duration,
    /// The time from accept to connection.open.
    pub handshake_timeout: Duration,
    /// The largest message body, in bytes. By default what RabbitMQ 3 allows (RabbitMQ 4: an eighth of it): a message
    /// that was taken before must not be refused after a move.
    pub message_size_max: u64,
    /// The most connections at a time.
    pub connections_max: usize,
    /// The most publishers whose landed publishing ids are remembered; the longest silent is forgotten first.
    pub publishers_max: usize,
    /// The most gaps among the publishing ids of all publishers together; each is remembered.
    pub publisher_gaps_max: usize,
    /// The most messages that all queues that deduplicate may be asked to remember; each takes about a hundred bytes.
    pub deduplication_max: usize,
    /// The most queues.
    pub queues_max: usize,
    /// The most exchanges, not counting those that every virtual host has.
    pub exchanges_max: usize,
    /// The most bindings.
    pub bindings_max: usize,
    /// The most deliveries of one channel that may wait for their acknowledgements: then its consumers get no more.
    pub unacked_max: u32,
    /// The time that receivers may take to acknowledge a delivery where neither queue nor consumer says otherwise;
    /// `None` for any.
    pub consumer_timeout: Option<Duration>,
    /// The most memory for messages that have come in part, of all connections together, in bytes.
    pub unfinished_bytes_max: usize,
    /// The most memory for what clients have sent and the broker has not looked at, in bytes.
    pub inbox_bytes_max: usize,
    /// The most memory for what waits for landing before more is looked at, in bytes.
    pub landing_bytes_max: usize,
    /// The most memory that all open transactions may hold, in bytes.
    pub transactions_bytes_max: usize,
    /// Users who may only connect from this machine: by default the one whose password everybody knows.
    pub loopback_users: Vec<ShortStr>,
    /// What happens when a queue that is there is declared with other arguments.
    pub declare_mismatch: DeclareMismatch,
}

/// What happens when a queue that is there is declared with other arguments: with RabbitMQ each change of an argument costs
/// either the queue or the channel of everybody who has not heard of it yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeclareMismatch {
    /// The declaration is refused with 406 (PRECONDITION_FAILED).
    #[default]
    Error,
    /// The queue stays as it is, and the declaration is answered as if it had asked for that.
    Keep,
    /// The queue gets the arguments that are asked for. A declaration that asks for what a queue cannot change is refused.
    Update,
}

/// Text that names none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of error, keep and update")]
pub struct UnknownMismatch(String);

impl FromStr for DeclareMismatch {
    type Err = UnknownMismatch;

    fn from_str(text: &str) -> Result<Self, UnknownMismatch> {
        match text {
            "error" => Ok(Self::Error),
            "keep" => Ok(Self::Keep),
            "update" => Ok(Self::Update),
            other => Err(UnknownMismatch(other.to_owned())),
        }
    }
}

impl Limits {
    /// The largest frame before connection.open, in bytes (RabbitMQ since 4.1: client properties and tokens
    /// must fit).
    pub const FRAME_MAX_BEFORE_OPEN: u32 = 8192;
    /// The smallest frame_max that a client may ask for (the standard's frame-min-size).
    pub const FRAME_MAX_LEAST: u32 = 4096;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_max: 131_072,
            channel_max: 2047,
            heartbeat: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            message_size_max: 128 * 1024 * 1024,
            connections_max: 65_536,
            publishers_max: 100_000,
            publisher_gaps_max: 1_000_000,
            deduplication_max: 1_000_000,
            queues_max: 500_000,
            exchanges_max: 100_000,
            bindings_max: 2_000_000,
            unacked_max: 1_000_000,
            consumer_timeout: Some(Duration::from_secs(30 * 60)),
            unfinished_bytes_max: 256 * 1024 * 1024,
            inbox_bytes_max: 64 * 1024 * 1024,
            landing_bytes_max: 32 * 1024 * 1024,
            transactions_bytes_max: 64 * 1024 * 1024,
            loopback_users: vec![ShortStr::from_static("guest")],
            declare_mismatch: DeclareMismatch::Error,
        }
    }
}
