//! AMQP 0-9-1: bytes to events, and commands to bytes.
//!
//! [`ServerConnection`] is the server's end of one connection as a pure state machine: the shell hands it what it
//! read and what time it is, takes out what happened, tells it what to answer, and writes its output to the
//! socket. There is no socket and no clock in here, and nothing that knows what a queue is.
//!
//! A frame is read where it lies: a buffer of whole frames becomes one reference-counted buffer, and names,
//! properties and bodies are slices of it. Whatever the peer sends, nothing panics, nothing recurses by what it
//! says, and nothing is allocated for bytes that have not come.
//!
//! In reading order: frames, methods, content, then the state of a connection. The client uses the codec alone
//! ([`FrameReader`], [`Assembly`], [`encode_method`], [`encode_content`], [`encode_body`]).

mod frame;
pub use frame::{Frame, FrameReader, PROTOCOL_HEADER, encode_heartbeat};

mod method;
pub use method::encode_method;

mod content;
pub use content::{Content, ContentHeader, encode_body, encode_content};

mod arrival;
pub use arrival::{Arrival, Assembly};

mod output;
pub use output::Output;

mod login;

mod channel;

mod heartbeat;

mod event;
pub use event::Event;

mod server;
pub use server::ServerConnection;

#[cfg(test)]
mod tests;
