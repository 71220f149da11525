//! The HTTP API of a member of a cluster: it asks the shard while this node serves it, and says who does while it does
//! not.

use crate::operator::ShardOperator;
use admin::journey::{Journey, Wanted};
use admin::{AskError, Operator, Reading};
use broker::{Answer, Command};
use model::Position;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;

/// Who can be asked.
#[derive(Clone)]
pub enum Asked {
    /// The shard on this node.
    Here(Arc<ShardOperator>),
    /// Another node, whose API is there.
    There(String),
    /// Nobody.
    Nobody,
}

/// Asks whoever can be asked.
pub struct Attending(pub watch::Receiver<Asked>);

impl Attending {
    fn here(&self) -> Result<Arc<ShardOperator>, AskError> {
        match &*self.0.borrow() {
            Asked::Here(operator) => Ok(operator.clone()),
            Asked::There(node) => Err(AskError::Elsewhere(Some(node.clone()))),
            Asked::Nobody => Err(AskError::Elsewhere(None)),
        }
    }
}

type Answered<'a, T> = Pin<Box<dyn Future<Output = Result<T, AskError>> + Send + 'a>>;

impl Operator for Attending {
    fn ask(&self, command: Command) -> Answered<'_, Answer> {
        let here = self.here();
        Box::pin(async move { here?.ask(command).await })
    }

    fn read(&self, positions: Vec<Position>, body_most: usize) -> Answered<'_, Vec<Reading>> {
        let here = self.here();
        Box::pin(async move { here?.read(positions, body_most).await })
    }

    fn journeys(&self, wanted: Wanted) -> Answered<'_, Vec<Journey>> {
        let here = self.here();
        Box::pin(async move { here?.journeys(wanted).await })
    }
}
