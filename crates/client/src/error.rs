//! Why there is no connection.

use crate::address::Address;
use model::{ConnectionError, TooLong};
use std::io;

/// Why a connection to one server failed or ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The network.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server closed the socket without a word.
    #[error("the server closed the connection")]
    Ended,
    /// Connecting or an answer took longer than the connection time-out.
    #[error("no answer in time to {0}")]
    TimedOut(&'static str),
    /// Nothing was heard for two heartbeat intervals.
    #[error("nothing was heard of the server for two heartbeats")]
    Silent,
    /// What answers does not speak AMQP 0-9-1.
    #[error("this is no AMQP 0-9-1 server")]
    NotAmqp,
    /// The server does not know this user with this password.
    #[error("login refused: {0}")]
    Login(String),
    /// The server closed the connection (connection.close).
    #[error("the server closed the connection: {code} {text}")]
    Closed {
        /// The reply code.
        code: u16,
        /// The server's words.
        text: String,
    },
    /// The server closed the channel (channel.close) over something this client needs: a queue that it may not
    /// declare or consume.
    #[error("the server refused: {code} {text}")]
    Refused {
        /// The reply code.
        code: u16,
        /// The server's words.
        text: String,
    },
    /// The server cancelled the consumer (basic.cancel): its queue is gone.
    #[error("the server cancelled the consumer")]
    Cancelled,
    /// The server broke the protocol.
    #[error("the server broke the protocol: {0}")]
    Protocol(#[from] ConnectionError),
}

/// Why `connect` gave up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A name of an exchange, queue or publisher, or a routing key, is too long.
    #[error("{what} is over 255 bytes")]
    Name {
        /// Which.
        what: &'static str,
        /// The error.
        source: TooLong,
    },
    /// No address worked.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoServer(Vec<FailedTry>),
}

/// One address that did not work.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {error}")]
pub struct FailedTry {
    /// The address.
    pub address: Address,
    /// What went wrong.
    pub error: LinkError,
}
