//! The numbers by which things are known.

use std::fmt;
use std::ops::Add;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number! {
    /// One accepted connection; never used twice by one process.
    ConnectionId(u64)
}
number! {
    /// The number of a channel in its connection; 0 is the connection itself.
    ChannelNumber(u16)
}
number! {
    /// The number of a delivery in its channel, counted from 1. 0 in an acknowledgement means "all".
    DeliveryTag(u64)
}
number! {
    /// One declaration of a queue. A queue that is deleted and declared again gets another.
    QueueId(u64)
}
number! {
    /// Where a record stands in its lane: records are numbered from 1, without gaps, in the order of landing.
    /// 0 stands for "before the first record". A message keeps its position for as long as it lives.
    Position(u64)
}
number! {
    /// A publisher's own number for a message. A retransmission carries the same one.
    PublishingId(u64)
}
number! {
    /// Milliseconds since 1970-01-01 UTC.
    Timestamp(u64)
}

impl Position {
    /// Before the first record: what depends on nothing depends on this.
    pub const NONE: Self = Self(0);

    /// The position after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Add<std::time::Duration> for Timestamp {
    type Output = Self;

    fn add(self, time: std::time::Duration) -> Self {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}
