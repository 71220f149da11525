//! Standing for election, and what the elected member does: it carries out what the `controller` decides.
//!
//! Everything that it writes it writes together with a check that its candidacy still stands in ZooKeeper: one that was
//! paused and overtaken changes nothing, whatever it still believes (promise P8).

use super::controller::{Controller, Effect, Input};
use super::epochs::Epochs;
use super::member::{About, MemberId, State};
use super::options::Options;
use super::request::Request;
use super::silence::{End, persist};
use super::watch::{Known, fits};
use super::{assignment::Assignment, tree};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch as channel};
use tracing::{info, warn};
use zookeeper_client::{CheckWriteError, Client, Error, LockClient, LockPrefix};

/// The database has so long to say its epochs.
const DATABASE_PATIENCE: Duration = Duration::from_secs(5);
/// One who could not rule stands again after so long.
const PAUSE: Duration = Duration::from_secs(1);

/// Who stands for election.
pub(super) struct Candidacy<'a> {
    pub(super) options: &'a Options,
    pub(super) me: &'a MemberId,
    pub(super) epochs: &'a Arc<dyn Epochs>,
    pub(super) client: &'a Client,
    /// When its session began.
    pub(super) began: Instant,
}

/// Why somebody rules no more.
enum Stop {
    /// It does not reach the database: another may.
    Resigned,
    /// The session is over, or must be.
    Ended(End),
}

impl From<End> for Stop {
    fn from(end: End) -> Self {
        Self::Ended(end)
    }
}

/// Stands for election as long as the session lasts, and rules when elected.
pub(super) async fn stand(
    candidacy: Candidacy<'_>,
    mut known: channel::Receiver<Known>,
) -> Result<Infallible, End> {
    loop {
        match candidacy.once(&mut known).await {
            // Somebody removed the candidacy, as ZooKeeper does with those that it has given up. As a member this node may
            // still be good.
            Stop::Ended(End::Lost(Error::RuntimeInconsistent)) => {
                warn!(member = %candidacy.me, "this node is not elected any more");
            }
            Stop::Ended(end) => return Err(end),
            Stop::Resigned => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Candidacy<'_> {
    /// Waits to be elected, rules, and takes the candidacy back.
    async fn once(&self, known: &mut channel::Receiver<Known>) -> Stop {
        let name = self.me.to_string();
        let access = tree::access(self.options);
        let prefix = match LockPrefix::new_curator(tree::ELECTION, "latch-") {
            Ok(prefix) => prefix,
            Err(error) => return Stop::Ended(error.into()),
        };
        // It is given up before it is answered only together with the session: else what it leaves in ZooKeeper could be
        // elected without anybody behind it.
        match self.client.lock(prefix, name.as_bytes(), access).await {
            Ok(elected) => {
                let Err(stop) = rule(self, &elected, known).await;
                stop
            }
            Err(error) => Stop::Ended(error.into()),
        }
    }
}

/// Feeds the controller and does what it wants.
async fn rule(
    candidacy: &Candidacy<'_>,
    elected: &LockClient<'_>,
    known: &mut channel::Receiver<Known>,
) -> Result<Infallible, Stop> {
    info!(member = %candidacy.me, "this node decides who owns which shard");
    let mut controller = Controller::new(candidacy.options.pace);
    let (heard, mut requests) = mpsc::channel(1);
    let office = Office { candidacy, elected };
    let listening = office.hear_requests(heard);
    let mut listening = std::pin::pin!(listening);
    known.mark_changed();
    loop {
        while let Some(effect) = controller.poll_effect() {
            if let Some(answer) = office.perform(effect).await? {
                controller.handle(candidacy.began.elapsed(), answer);
            }
        }
        let wake = controller.wake_at().map(|at| candidacy.began + at);
        tokio::select! {
            changed = known.changed() => {
                changed.map_err(|_| End::Left)?;
                let news = known.borrow_and_update().clone();
                let now = candidacy.began.elapsed();
                if let Some((assignment, revision)) = news.assignment {
                    controller.handle(now, Input::Assignment { assignment, revision });
                }
                if let Some(members) = news.members {
                    controller.handle(now, Input::Members(members));
                }
            }
            Some(requests) = requests.recv() => {
                controller.handle(candidacy.began.elapsed(), Input::Requests(requests));
            }
            Err(end) = &mut listening => return Err(Stop::Ended(end)),
            () = sleep_until(wake) => controller.tick(candidacy.began.elapsed()),
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// What the elected member can do.
struct Office<'a> {
    candidacy: &'a Candidacy<'a>,
    elected: &'a LockClient<'a>,
}

impl Office<'_> {
    /// Does what the controller wants, and says what it is to be told.
    async fn perform(&self, effect: Effect) -> Result<Option<Input>, Stop> {
        match effect {
            Effect::ReadEpochs => self.read_epochs().await.map(Some),
            Effect::Write {
                assignment,
                revision,
            } => Ok(Some(self.write(assignment, revision).await?)),
            Effect::SetState {
                member,
                state,
                request,
            } => Ok(self.set_state(member, state, &request).await?),
            Effect::Remove { request } => Ok(self.remove(&request).await?),
        }
    }

    async fn read_epochs(&self) -> Result<Input, Stop> {
        let epochs = Arc::clone(self.candidacy.epochs);
        let reading = tokio::task::spawn_blocking(move || epochs.read());
        let why = match tokio::time::timeout(DATABASE_PATIENCE, reading).await {
            Ok(Ok(Ok(epochs))) => return Ok(Input::Epochs(epochs)),
            Ok(Ok(Err(why))) => why.to_string(),
            Ok(Err(stopped)) => stopped.to_string(),
            Err(_) => format!("no answer within {DATABASE_PATIENCE:?}"),
        };
        warn!(%why, "without the database nothing can be given to anybody; another member may try");
        Err(Stop::Resigned)
    }

    async fn write(&self, assignment: Assignment, revision: i32) -> Result<Input, End> {
        let data = assignment.encode();
        let written = self
            .elected
            .set_data(tree::ASSIGNMENT, &data, Some(revision))
            .await;
        match written {
            Ok(stat) => {
                info!(version = assignment.version(), "wrote who owns which shard");
                Ok(Input::Written {
                    revision: stat.version,
                })
            }
            // Another wrote before, or the answer was lost: what was read cannot be relied on either (ZOOKEEPER-2136),
            // but it is written over only if it is what it seems.
            Err(Error::BadVersion | Error::ConnectionLoss | Error::Throttled) => {
                self.read_assignment().await
            }
            // The candidacy is gone (`RuntimeInconsistent`), or the session.
            Err(error) => Err(error.into()),
        }
    }

    async fn read_assignment(&self) -> Result<Input, End> {
        let client = self.candidacy.client;
        let (data, stat) = persist(async || client.get_data(tree::ASSIGNMENT).await).await?;
        let assignment = Assignment::decode(&data)
            .and_then(|one| fits(one, self.candidacy.options.shards))
            .map_err(|why| End::unreadable(tree::ASSIGNMENT, why))?;
        Ok(Input::NotWritten {
            assignment,
            revision: stat.version,
        })
    }

    /// Says in a member's own znode that it is leaving; it hears of it there.
    async fn set_state(
        &self,
        member: MemberId,
        state: State,
        request: &str,
    ) -> Result<Option<Input>, End> {
        let client = self.candidacy.client;
        let path = tree::member(&member);
        info!(%member, ?state, "as was asked for");
        loop {
            let read = persist(async || match client.get_data(&path).await {
                Err(Error::NoNode) => Ok(None),
                other => other.map(Some),
            });
            let Some((data, stat)) = read.await? else {
                return self.remove(request).await;
            };
            let about = About::decode(&data).map_err(|why| End::unreadable(&path, why))?;
            let wanted = About { state, ..about };
            let mut writer = self.elected.new_check_writer();
            writer.add_set_data(&path, &wanted.encode(), Some(stat.version))?;
            // The version keeps it from meaning another request: none is ever written to.
            writer.add_delete(&request_path(request), Some(0))?;
            match writer.commit().await {
                Ok(_) => return Ok(None),
                // The request is done: so it was this that had been written, and the answer lost.
                Err(CheckWriteError::OperationFailed {
                    index: 1,
                    source: Error::NoNode,
                }) => return Ok(None),
                // The member itself wrote meanwhile, or went; or the connection was lost.
                Err(
                    CheckWriteError::OperationFailed { index: 0, .. }
                    | CheckWriteError::RequestFailed {
                        source: Error::ConnectionLoss | Error::Throttled,
                    },
                ) => {}
                Err(error) => return Err(Error::from(error).into()),
            }
        }
    }

    async fn remove(&self, request: &str) -> Result<Option<Input>, End> {
        let path = request_path(request);
        let removed = persist(async || match self.elected.delete(&path, Some(0)).await {
            Err(Error::NoNode) => Ok(()),
            other => other,
        });
        removed.await?;
        info!(request, "a request is done");
        Ok(None)
    }

    /// Tells what is asked for, whenever that changes.
    async fn hear_requests(
        &self,
        heard: mpsc::Sender<Vec<(String, Request)>>,
    ) -> Result<Infallible, End> {
        let client = self.candidacy.client;
        loop {
            let read = async || client.list_and_watch_children(tree::REQUESTS).await;
            let (mut names, watcher) = persist(read).await?;
            names.sort_unstable();
            let mut requests = Vec::new();
            for name in names {
                if let Some(request) = self.request(&name).await? {
                    requests.push((name, request));
                }
            }
            heard.send(requests).await.map_err(|_| End::Left)?;
            watcher.changed().await;
        }
    }

    /// Reads one request; removes it if nobody can know what it wants.
    async fn request(&self, name: &str) -> Result<Option<Request>, End> {
        let (client, path) = (self.candidacy.client, request_path(name));
        let read = persist(async || match client.get_data(&path).await {
            Err(Error::NoNode) => Ok(None),
            other => other.map(Some),
        });
        let Some((data, _)) = read.await? else {
            return Ok(None);
        };
        match Request::decode(&data) {
            Ok(request) => Ok(Some(request)),
            Err(why) => {
                warn!(request = name, %why, "a request cannot be read: refused");
                self.remove(name).await?;
                Ok(None)
            }
        }
    }
}

fn request_path(name: &str) -> String {
    format!("{}/{name}", tree::REQUESTS)
}
