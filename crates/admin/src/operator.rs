//! To whom the API speaks.

use crate::instruments::Instruments;
use crate::journey::{Journey, Wanted};
use broker::{Answer, Command, CommandRefused};
use model::{MessageRecord, Position};
use std::pin::Pin;
use std::sync::Arc;

/// Carries commands to the broker and its answers back.
pub trait Operator: Send + Sync {
    /// Asks, and waits for the answer: a change has landed when it comes.
    fn ask(
        &self,
        command: Command,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, AskError>> + Send + '_>>;

    /// Reads messages that have landed, with at most so many bytes of each body: in this order, at least the first,
    /// and as many of the others as memory is spared for at a time.
    fn read(
        &self,
        positions: Vec<Position>,
        body_most: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Reading>, AskError>> + Send + '_>>;

    /// What became of messages, with all that was told until now.
    fn journeys(
        &self,
        wanted: Wanted,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Journey>, AskError>> + Send + '_>>;

    /// What the shard shows of itself; `None` where another node has it.
    fn instruments(&self) -> Option<Arc<Instruments>>;
}

/// What was found at a position.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The position.
    pub position: Position,
    /// The message; `None` if it is gone meanwhile.
    pub content: Option<Content>,
}

/// A message, perhaps without the end of its body.
#[derive(Clone, Debug)]
pub struct Content {
    /// The message with the beginning of its body.
    pub message: MessageRecord,
    /// The length of the whole body.
    pub body_length: usize,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The broker refuses.
    #[error(transparent)]
    Refused(#[from] CommandRefused),
    /// A message, or what became of it, cannot be read.
    #[error("cannot read what landed: {0}")]
    Unreadable(String),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// Another node of the cluster serves, if one does: its address of this API.
    #[error("{}", elsewhere(.0.as_deref()))]
    Elsewhere(Option<String>),
}

fn elsewhere(node: Option<&str>) -> String {
    match node {
        Some(node) => format!("the node at {node} serves at the moment"),
        None => "no node of the cluster serves at the moment".to_owned(),
    }
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
    /// Whose tokens are taken, if any are.
    pub oauth: Option<Oauth>,
}

/// What whoever logs in with a token may know.
#[derive(Clone, Debug)]
pub struct Oauth {
    /// What tokens call this server.
    pub resource_id: String,
    /// Who issues them, if that is said.
    pub issuer: Option<String>,
}

impl About {
    /// The version of RabbitMQ whose API this is: tools refuse to work with one that they do not know.
    pub(crate) const fn rabbitmq_version(&self) -> &'static str {
        "3.13.7"
    }
}
