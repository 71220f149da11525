//! A cluster of several shards has one directory: who may what, and which virtual hosts there are. Its first shard is asked
//! for it and has it changed; each of the others follows, so that clients are let in whichever nodes are there.
//!
//! A shard follows when it is told that something has changed, which whoever changed it waits for, and again and again for
//! what it was not told of. One that has never followed serves nobody. What follows removes no messages: that a virtual host
//! goes with its queues the shard that has them is told by itself.

use crate::attending::{Asked, There};
use crate::operator::ShardOperator;
use crate::passing;
use crate::relay::Secret;
use admin::{AskError, FromThisMachine, Operator as _, directory};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use broker::{Answer, Command, CommandRefused, Definitions};
use model::ShortStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tracing::{debug, warn};

/// Where a node tells the directory to others, and is told to follow it.
pub(crate) const DIRECTORY: &str = "/api/landfall/directory";

/// The shard whose directory it is.
pub(crate) const HOME: u32 = 0;

/// How often a shard looks whether it was not told of something.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// And after a look in vain.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A directory is no longer than this, in bytes.
const DIRECTORY_MAX: usize = 64 * 1024 * 1024;

/// The directory as a node knows it.
pub(crate) struct Directory {
    asked: Arc<[watch::Receiver<Asked>]>,
    secret: Secret,
    /// For each shard: one looks at a time, or an older one might come last.
    turns: Box<[Mutex<()>]>,
}

impl Directory {
    pub(crate) fn new(asked: Arc<[watch::Receiver<Asked>]>, secret: Secret) -> Arc<Self> {
        let turns = asked.iter().map(|_| Mutex::default()).collect();
        Arc::new(Self {
            asked,
            secret,
            turns,
        })
    }

    fn asked(&self, shard: u32) -> Asked {
        let asked = self.asked.get(shard as usize);
        asked.map_or(Asked::Nobody, |asked| asked.borrow().clone())
    }

    /// What the first shard says.
    async fn read(&self) -> Result<Definitions, String> {
        match self.asked(HOME) {
            Asked::Nobody => Err("no node serves the first shard".to_owned()),
            Asked::Here(home) => match home.ask(Command::Directory).await {
                Ok(Answer::Definitions(directory)) => Ok(*directory),
                Ok(_) => Err("the first shard does not say".to_owned()),
                Err(error) => Err(error.to_string()),
            },
            Asked::There(there) => {
                let said = self.ask(&there, Method::GET, Body::empty()).await?;
                let said = serde_json::from_slice(&said).map_err(|error| error.to_string())?;
                directory::read(&said)
            }
        }
    }

    /// What this node says to another one whose first shard is here.
    pub(crate) async fn tell(&self) -> Result<serde_json::Value, String> {
        Ok(directory::write(&self.read().await?))
    }

    async fn ask(&self, there: &There, method: Method, body: Body) -> Result<Vec<u8>, String> {
        let request = Request::builder().method(method).uri(DIRECTORY);
        let request = request.extension(FromThisMachine(false));
        let request = request.body(body).expect("a path is a request");
        let answered = passing::ask(there, self.secret, request).await;
        let response = answered.map_err(|why| why.to_string())?;
        let code = response.status();
        if code != StatusCode::OK {
            return Err(format!("the node that serves answers {code}"));
        }
        let body = axum::body::to_bytes(response.into_body(), DIRECTORY_MAX).await;
        Ok(body.map_err(|error| error.to_string())?.into())
    }

    /// A shard that this node serves becomes as the first one is. Returns the virtual hosts that the first one does not know, and
    /// that are kept for their queues.
    async fn follow(&self, shard: u32, operator: &ShardOperator) -> Result<Vec<ShortStr>, String> {
        let turn = self.turns.get(shard as usize);
        let _turn = turn.ok_or("there is no such shard")?.lock().await;
        let directory = Box::new(self.read().await?);
        let followed = operator.ask(Command::Follow(directory)).await;
        match followed {
            Ok(Answer::Followed { kept }) => Ok(kept),
            Ok(_) => Err("the shard does not say".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Removes a virtual host that the first shard knows no more, from the shard that has its queues, wherever that is served.
    pub(crate) async fn remove(&self, shard: u32, vhost: &str) -> Result<(), String> {
        match self.asked(shard) {
            Asked::Here(operator) => {
                let vhost = ShortStr::try_from(vhost).map_err(|error| error.to_string())?;
                let removed = operator.ask(Command::RemoveVhost { vhost }).await;
                match removed {
                    Ok(_) | Err(AskError::Refused(CommandRefused::NotFound(_))) => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            }
            Asked::There(there) => {
                let removed = self.ask(&there, Method::DELETE, vhost.to_owned().into());
                removed.await.map(drop)
            }
            Asked::Nobody => Err("no node serves it".to_owned()),
        }
    }

    /// A shard follows at once, wherever it is served.
    pub(crate) async fn follow_now(&self, shard: u32) -> Result<(), String> {
        match self.asked(shard) {
            Asked::Here(operator) => self.follow(shard, &operator).await.map(drop),
            Asked::There(there) => self
                .ask(&there, Method::POST, Body::empty())
                .await
                .map(drop),
            Asked::Nobody => Err("no node serves it".to_owned()),
        }
    }

    /// Something has changed: all shards follow, one after the other. One that is not served follows when it is.
    pub(crate) async fn spread(&self) {
        for shard in HOME + 1..self.asked.len() as u32 {
            if let Err(why) = self.follow_now(shard).await {
                warn!(shard, why, "a shard does not follow the directory for now");
            }
        }
    }
}

/// Keeps a shard that is served as the first one is, until it is dropped.
pub(crate) struct Following {
    task: JoinHandle<()>,
    /// Whether it has ever followed.
    begun: watch::Receiver<bool>,
}

impl Following {
    /// Of a shard that this node has taken. `is_bare` is one that has never followed.
    pub(crate) fn begin(
        directory: Arc<Directory>,
        shard: u32,
        operator: Arc<ShardOperator>,
        is_bare: bool,
    ) -> Self {
        let (told, begun) = watch::channel(!is_bare);
        let following = async move {
            let mut known = Vec::new();
            loop {
                let followed = directory.follow(shard, &operator).await;
                let pause = match followed {
                    Ok(kept) => {
                        told.send_replace(true);
                        tell_kept(shard, &mut known, kept);
                        LOOK_EVERY
                    }
                    Err(why) => {
                        debug!(shard, why, "the directory cannot be followed");
                        AGAIN_AFTER
                    }
                };
                tokio::time::sleep(pause).await;
            }
        };
        Self {
            task: tokio::spawn(following),
            begun,
        }
    }

    /// Whether clients may come in.
    pub(crate) fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Waits until they may; for ever, if they may already. May be dropped and called again.
    pub(crate) async fn begins(&mut self) {
        let begun = self.has_begun();
        if begun || self.begun.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Says which virtual hosts are kept, when that is another than was known.
fn tell_kept(shard: u32, known: &mut Vec<ShortStr>, kept: Vec<ShortStr>) {
    for vhost in kept.iter().filter(|vhost| !known.contains(vhost)) {
        warn!(
            shard,
            %vhost,
            "the first shard does not know this virtual host, which has queues: nobody can enter it, and it is kept until it is made again, or removed again"
        );
    }
    *known = kept;
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}
