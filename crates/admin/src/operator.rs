//! To whom the API speaks.

use broker::{Answer, Command, CommandRefused};
use std::pin::Pin;

/// Carries commands to the broker and its answers back.
pub trait Operator: Send + Sync {
    /// Asks, and waits for the answer: a change has landed when it comes.
    fn ask(
        &self,
        command: Command,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, AskError>> + Send + '_>>;
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The broker refuses.
    #[error(transparent)]
    Refused(#[from] CommandRefused),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

/// What the server says about itself.
#[derive(Clone, Debug)]
pub struct About {
    /// The product's name.
    pub product: String,
    /// Our version.
    pub version: &'static str,
    /// The name of the cluster.
    pub cluster_name: String,
}

impl About {
    /// The version of RabbitMQ whose API this is: tools refuse to work with one that they do not know.
    pub(crate) const fn rabbitmq_version(&self) -> &'static str {
        "3.13.7"
    }
}
