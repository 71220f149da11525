//! Traces of messages for a collector of OpenTelemetry: a span for each publish and for each delivery.
//!
//! Which messages are traced their publishers say, in the header `traceparent`, or chance (`decide`). On the shard's
//! thread `follow` hears of them what journeys tell, and makes `span`s of it; a thread of its own (`post`) sends
//! them. Nothing waits for it: how much is remembered and how much waits to be sent is bounded, and what is left out is
//! counted.

mod decide;
mod follow;
mod followed;
mod post;
mod span;

pub use follow::Follower;

#[cfg(test)]
mod tests;
