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
