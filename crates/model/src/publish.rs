//! A message on its way in.

use crate::{Properties, ShortStr};
use bytes::Bytes;

/// basic.publish with its whole content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// The exchange; empty for the default one.
    pub exchange: ShortStr,
    /// The routing key.
    pub routing_key: ShortStr,
    /// Give it back if no queue takes it.
    pub mandatory: bool,
    /// Deliver at once or give it back: nobody implements it, and asking for it is answered 540.
    pub immediate: bool,
    /// The properties, as they came.
    pub properties: Properties,
    /// The body.
    pub body: Bytes,
}

/// The header that names a message's publisher: a long string. Together with [`PUBLISHING_ID_HEADER`] it lets
/// the server land a retransmission once.
pub const PUBLISHER_ID_HEADER: &str = "x-publisher-id";

/// The header with the publisher's own number for the message: an integer, the same on every retransmission.
pub const PUBLISHING_ID_HEADER: &str = "x-publishing-id";

/// The header that tells a receiver how often the message was delivered before; absent on the first delivery.
pub const DELIVERY_COUNT_HEADER: &str = "x-delivery-count";

/// The header that tells a receiver how often the message was in anyone's hands before, for whatever reason it came
/// back; absent on the first delivery.
pub const ACQUIRED_COUNT_HEADER: &str = "x-acquired-count";

/// The routing key, at the default exchange, of a publish that is no message: a consumer asks on its own channel for
/// more time for the delivery that [`EXTEND_TAG_HEADER`] names.
pub const EXTEND_ROUTING_KEY: &str = "amq.landfall.extend";

/// The header with the delivery tag whose time is to be extended: an integer.
pub const EXTEND_TAG_HEADER: &str = "x-delivery-tag";

/// The header with the new time, in milliseconds from now: an integer; 0 or absent stands for the consumer's time-out.
pub const EXTEND_MS_HEADER: &str = "x-extend-ms";

/// The routing key, at the default exchange, of a publish that is no message: who passes messages on says that the next
/// ones on the channel are numbered, for [`PUBLISHER_ID_HEADER`] and from [`PUBLISHING_ID_HEADER`] on.
pub const NUMBERED_ROUTING_KEY: &str = "amq.landfall.numbered";
