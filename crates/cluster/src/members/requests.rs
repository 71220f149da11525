//! Asking for something in the name of a member: it is left in ZooKeeper, for the controller or for all.

use super::error::RequestError;
use super::request::Request;
use super::view::View;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Requests that may wait for ZooKeeper.
const ASKS: usize = 16;

/// What may ask for something in the name of a member. Clones are the same one.
#[derive(Clone)]
pub struct Requests {
    view: watch::Receiver<View>,
    patience: Duration,
    asking: mpsc::Sender<Ask>,
}

/// Something on its way to ZooKeeper.
pub(super) struct Ask {
    pub(super) wish: Wish,
    pub(super) answer: oneshot::Sender<Result<(), String>>,
}

/// What is to stand in ZooKeeper.
pub(super) enum Wish {
    /// A request for the controller.
    Request(Request),
    /// The version of the definitions, for all nodes.
    Definitions(u64),
}

impl Requests {
    /// One, and where what it asks for arrives.
    pub(super) fn new(
        view: watch::Receiver<View>,
        patience: Duration,
    ) -> (Self, mpsc::Receiver<Ask>) {
        let (asking, asks) = mpsc::channel(ASKS);
        let requests = Self {
            view,
            patience,
            asking,
        };
        (requests, asks)
    }

    /// Asks the controller to give the shards of a node to the others, as if it had said itself that it leaves. It
    /// returns when the request stands in ZooKeeper; what becomes of it is in the [`View`].
    ///
    /// # Errors
    /// No member has that name, or ZooKeeper does not answer.
    pub async fn drain(&self, node: &str) -> Result<(), RequestError> {
        self.check_is_there(node)?;
        let node = node.to_owned();
        self.ask(Wish::Request(Request::Drain { node })).await
    }

    /// Takes back that a node is to be drained: it may be given shards again.
    ///
    /// # Errors
    /// No member has that name, or ZooKeeper does not answer.
    pub async fn resume(&self, node: &str) -> Result<(), RequestError> {
        self.check_is_there(node)?;
        let node = node.to_owned();
        self.ask(Wish::Request(Request::Resume { node })).await
    }

    fn check_is_there(&self, node: &str) -> Result<(), RequestError> {
        let view = self.view.borrow();
        if view.members.iter().any(|one| one.id.node() == node) {
            return Ok(());
        }
        Err(RequestError::NoSuchNode(node.to_owned()))
    }

    /// Asks the controller to spread the shards evenly now.
    ///
    /// # Errors
    /// ZooKeeper does not answer.
    pub async fn rebalance(&self) -> Result<(), RequestError> {
        self.ask(Wish::Request(Request::Rebalance)).await
    }

    /// Tells every node that the database holds this version of the definitions. One that is older than what was
    /// announced before changes nothing.
    ///
    /// # Errors
    /// ZooKeeper does not answer. The nodes have to hear of it: ask again.
    pub async fn announce_definitions(&self, version: u64) -> Result<(), RequestError> {
        self.ask(Wish::Definitions(version)).await
    }

    async fn ask(&self, wish: Wish) -> Result<(), RequestError> {
        let silent = |why: String| RequestError::Silent(why);
        let (answer, answered) = oneshot::channel();
        let ask = Ask { wish, answer };
        let full = |_| silent("too many requests wait for it".to_owned());
        self.asking.try_send(ask).map_err(full)?;
        let ended = |_| silent("this node is no member any more".to_owned());
        match tokio::time::timeout(self.patience, answered).await {
            Ok(answer) => answer.map_err(ended)?.map_err(silent),
            Err(_) => Err(silent(format!("not within {:?}", self.patience))),
        }
    }
}
