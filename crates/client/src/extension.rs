//! Asking for more time: the publish that is no message, on the channel that the delivery came on.

use crate::link::CHANNEL;
use bytes::BytesMut;
use model::method::basic;
use model::publish::{EXTEND_MS_HEADER, EXTEND_ROUTING_KEY, EXTEND_TAG_HEADER};
use model::{PropertiesBuilder, ShortStr, TableBuilder, Value};
use std::time::Duration;
use wire::{encode_content, encode_method};

/// Appends the request to give the delivery of that tag so much time from now; zero stands for the consumer's
/// time-out. It asks for no return, so a server that does not know it drops it as any message without a queue.
pub(crate) fn put(out: &mut BytesMut, tag: u64, time: Duration, frame_max: u32) {
    let publish = basic::Publish {
        routing_key: ShortStr::from_static(EXTEND_ROUTING_KEY),
        ..basic::Publish::default()
    };
    let number = |number: u64| Value::I64(i64::try_from(number).unwrap_or(i64::MAX));
    let headers = TableBuilder::new()
        .field(EXTEND_TAG_HEADER, number(tag))
        .field(EXTEND_MS_HEADER, number(milliseconds(time)))
        .build();
    let properties = PropertiesBuilder::new().headers(&headers).build();
    encode_method(out, CHANNEL, &publish.into());
    let class = basic::Publish::ID.class;
    encode_content(out, CHANNEL, class, properties.as_bytes(), b"", frame_max);
}

/// Whole milliseconds, and at least one of any time at all: none stands for something else.
fn milliseconds(time: Duration) -> u64 {
    let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    whole.max(u64::from(!time.is_zero()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_never_rounded_to_none() {
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_micros(2_900)), 2);
        assert_eq!(milliseconds(Duration::ZERO), 0);
    }
}
