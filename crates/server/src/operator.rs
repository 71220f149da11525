//! The HTTP API's way to the shard: commands go through the inbox like everything else.

use crate::inbox::InboxSender;
use admin::{AskError, Operator};
use broker::{Answer, Command};
use std::pin::Pin;

/// Asks the shard behind an inbox.
#[derive(Clone, Debug)]
pub struct ShardOperator(pub InboxSender);

impl Operator for ShardOperator {
    fn ask(
        &self,
        command: Command,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, AskError>> + Send + '_>> {
        Box::pin(async move {
            let answer = self.0.ask(command).await;
            Ok(answer.ok_or(AskError::Stopping)??)
        })
    }
}
