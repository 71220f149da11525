//! Definitions as a document: RabbitMQ's JSON, read and written, of everything or of one virtual host.

mod read;
mod write;

pub(crate) use read::{DOCUMENT, policy, read, user, vhost};
pub(crate) use write::{limits_parameter, write, write_vhost};

use broker::Definitions;

/// What a document says.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// What is to be made.
    pub(crate) definitions: Definitions,
    /// What has no place here, each named: nothing is dropped in silence.
    pub(crate) ignored: Vec<String>,
}
