//! What the load generator asks of a protocol, so that one generator measures every server.

use super::layout::Layout;
use anyhow::Result;
use std::time::Duration;

/// A body starts with what the checks and the measurements need of a message.
pub(super) const HEAD_BYTES: usize = 16;

/// The start of a body: whose message, the how many-th, and when it was handed to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) publisher: u16,
    /// From 0, for each publisher.
    pub(super) number: u64,
    /// From the begin of the run.
    pub(super) sent: Duration,
}

impl Head {
    /// In the order of its fields: 16 bits, 48 bits, 64 bits of nanoseconds.
    pub(super) fn bytes(self) -> [u8; HEAD_BYTES] {
        let who = u64::from(self.publisher) << 48 | self.number;
        let mut bytes = [0; HEAD_BYTES];
        bytes[..8].copy_from_slice(&who.to_be_bytes());
        bytes[8..].copy_from_slice(&(self.sent.as_nanos() as u64).to_be_bytes());
        bytes
    }

    /// `None` if the body is too short.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let who = u64::from_be_bytes(*body.first_chunk()?);
        let sent = u64::from_be_bytes(*body.get(8..)?.first_chunk()?);
        Some(Self {
            publisher: (who >> 48) as u16,
            number: who & ((1 << 48) - 1),
            sent: Duration::from_nanos(sent),
        })
    }
}

/// A message as it came.
pub(super) struct Delivery<'a> {
    pub(super) body: &'a [u8],
    /// Which of the consumers of this connection it was for.
    pub(super) consumer: usize,
    pub(super) redelivered: bool,
}

/// Whom it is handed to.
pub(super) type Deliver<'a> = &'a mut dyn FnMut(Delivery<'_>) -> Result<()>;

/// Takes a confirm: the number of a message on its connection, from 1, and whether all before it are meant too.
pub(super) type Confirm<'a> = &'a mut dyn FnMut(u64, bool) -> Result<()>;

/// A connection that publishes.
pub(super) trait Publisher: Send {
    /// Adds a message to what is sent with the next flush; to its queues in turn.
    fn put(&mut self, head: &[u8; HEAD_BYTES]);
    /// Sends what was put.
    fn flush(&mut self) -> Result<()>;
    /// Waits for confirms, at most so long, and takes all that came.
    fn confirms(&mut self, wait: Option<Duration>, confirm: Confirm<'_>) -> Result<()>;
}

/// A connection that consumes.
pub(super) trait Consumer: Send {
    /// Waits a moment for messages, hands over all that came, and acknowledges them.
    fn receive(&mut self, deliver: Deliver<'_>) -> Result<()>;
    /// Makes sure that the acknowledgements were handled.
    fn close(self: Box<Self>) -> Result<()>;
}

/// How many consumers, and how they consume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Consuming {
    /// Messages that each may hold without having acknowledged them; 0 for any number.
    pub(super) prefetch: u16,
    /// Consumers of one connection, each with its own prefetch.
    pub(super) on_each_connection: usize,
}

/// A server in its own protocol: makes queues, and opens connections that use them.
pub(super) trait Control {
    /// Makes all of a layout anew.
    fn make(&mut self, layout: Layout) -> Result<()>;
    /// Deletes all of it.
    fn remove(&mut self, layout: Layout) -> Result<()>;
    /// How many messages are left in it.
    fn left(&mut self, layout: Layout) -> Result<u64>;
    /// The connection of the layout's publisher of this number, for bodies of a size.
    fn publisher(&self, layout: Layout, number: usize, size: usize) -> Result<Box<dyn Publisher>>;
    /// The connection of the layout's consumer of this number.
    fn consumer(
        &self,
        layout: Layout,
        number: usize,
        consuming: Consuming,
    ) -> Result<Box<dyn Consumer>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let head = Head {
            publisher: 9,
            number: 123_456_789,
            sent: Duration::from_micros(42),
        };
        assert_eq!(Head::read(&head.bytes()), Some(head));
        assert_eq!(Head::read(&head.bytes()[1..]), None);
    }
}
