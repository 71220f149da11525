//! Becoming a member, and remaining one: connect, live through a session, and build the next from the ground.
//!
//! All of it runs on a thread and a runtime of its own. The client's library sends the heartbeats of the session from
//! there; on a runtime that also serves queues, load would cost the session, and the session the shards.

use super::epochs::Epochs;
use super::error::MembersError;
use super::member::{MemberId, State};
use super::options::{Address, Options};
use super::requests::{Ask, Requests};
use super::silence::End;
use super::view::{View, ZooKeeper};
use super::{session, tree};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, error, info, warn};
use zookeeper_client::{Client, StateWatcher};

/// Between two attempts to reach ZooKeeper: short, so that after an outage all are back before anybody is missed.
const PAUSE: Duration = Duration::from_millis(250);
/// ZooKeeper has so long to take note that this node leaves; else it notices by itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// Makes this node a member of its cluster. It returns at once: what becomes of it is in the [`View`], and whatever
/// passes by itself is waited for there.
///
/// # Errors
/// The options cannot be used.
pub fn start(
    options: Options,
    epochs: Arc<dyn Epochs>,
) -> Result<(MembersHandle, watch::Receiver<View>), MembersError> {
    let address = Address::parse(&options.zookeeper)?;
    let me = MemberId::new(&options.node, new_incarnation())?;
    let (state, database_ok) = (options.about.state, options.about.database_ok);
    let view = Arc::new(watch::Sender::new(View::new(
        me.clone(),
        state,
        database_ok,
    )));
    let (leaving, leave) = watch::channel(false);
    let (requests, asks) = Requests::new(view.subscribe(), options.session);
    let (ending, ended) = oneshot::channel();
    let handle = MembersHandle {
        view: Arc::clone(&view),
        requests,
        leaving,
        ended,
    };
    let context = Context {
        options,
        me,
        view: Arc::clone(&view),
        epochs,
        leave,
        asks,
    };
    let thread = std::thread::Builder::new().name("zookeeper".to_owned());
    let thread = thread.spawn(move || {
        run(context, &address);
        drop(ending);
    });
    thread.map_err(|error| MembersError::Options(format!("cannot start a thread: {error}")))?;
    let view = view.subscribe();
    Ok((handle, view))
}

/// A number that no other run of this node has, and higher than those before: it began later. Microseconds of an
/// operator's life are exact numbers in JSON.
fn new_incarnation() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default().as_micros();
    u64::try_from(since).unwrap_or(u64::MAX)
}

/// What this node tells its cluster. Dropped, the node leaves.
pub struct MembersHandle {
    view: Arc<watch::Sender<View>>,
    requests: Requests,
    leaving: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

impl MembersHandle {
    /// Whether this node wants shards: a draining one is given none, and loses those that it has.
    pub fn set_state(&self, state: State) {
        self.view.send_if_modified(|view| {
            let changed = view.state != state;
            view.state = state;
            changed
        });
    }

    /// Whether this node reaches the database: without it, others are given its shards.
    pub fn set_database_ok(&self, ok: bool) {
        self.view.send_if_modified(|view| {
            let changed = view.database_ok != ok;
            view.database_ok = ok;
            changed
        });
    }

    /// The shards that this node serves, with their epochs.
    pub fn set_serving(&self, shards: Vec<(u32, u64)>) {
        self.view.send_if_modified(|view| {
            let changed = view.serving != shards;
            view.serving = shards;
            changed
        });
    }

    /// The shards that this node is to own, with the epochs, and of which it has read what there was.
    pub fn set_prepared(&self, shards: Vec<(u32, u64)>) {
        self.view.send_if_modified(|view| {
            let changed = view.prepared != shards;
            view.prepared = shards;
            changed
        });
    }

    /// What may ask for something in the name of this node, for as long as it is a member.
    pub fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// Leaves the cluster: the session is closed, and others are given this node's shards at once. A node that drained
    /// before has none. Returns when ZooKeeper knows, or does not answer.
    pub async fn leave(self) {
        self.leaving.send_replace(true);
        // The other end is dropped when the thread ends.
        let _ = self.ended.await;
    }
}

/// What outlives a session.
pub(super) struct Context {
    pub(super) options: Options,
    pub(super) me: MemberId,
    pub(super) view: Arc<watch::Sender<View>>,
    pub(super) epochs: Arc<dyn Epochs>,
    /// True when this node is to leave; closed when nobody is left to say so.
    pub(super) leave: watch::Receiver<bool>,
    pub(super) asks: mpsc::Receiver<Ask>,
}

fn run(mut context: Context, address: &Address) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }
        .enable_time()
        .build()
        .expect("a runtime without sockets needs nothing from the system");
    runtime.block_on(supervise(&mut context, address));
    // A question to a database that does not answer is left behind.
    runtime.shutdown_background();
}

async fn supervise(context: &mut Context, address: &Address) {
    let end = be_member(context, address).await;
    if let ZooKeeper::Ended(why) = &end {
        error!(%why, "this node is no member any more");
    }
    context.view.send_modify(|view| view.zookeeper = end);
}

/// Session after session, until the node leaves or has to.
async fn be_member(context: &mut Context, address: &Address) -> ZooKeeper {
    let mut leave = context.leave.clone();
    let mut told = false;
    loop {
        let began = Instant::now();
        let connected = tokio::select! {
            connected = connect(&context.options, address) => connected,
            _ = leave.wait_for(|leave| *leave) => return ZooKeeper::Left,
        };
        let end = match connected {
            Ok(client) => {
                told = false;
                live(context, client, began).await
            }
            Err(end) => end,
        };
        match end {
            End::Left => return ZooKeeper::Left,
            End::Final(why) => return ZooKeeper::Ended(why),
            End::Lost(why) if told => debug!(%why, "still no session with ZooKeeper"),
            End::Lost(why) => {
                warn!(%why, "no session with ZooKeeper: this node goes on with what it knows, and tries again");
                told = true;
            }
        }
        silent(context);
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = leave.wait_for(|leave| *leave) => return ZooKeeper::Left,
        }
    }
}

fn silent(context: &Context) {
    context.view.send_if_modified(|view| {
        let since_before = matches!(view.zookeeper, ZooKeeper::SilentSince(_));
        if !since_before {
            view.zookeeper = ZooKeeper::SilentSince(Instant::now());
        }
        !since_before
    });
}

/// One session, which is closed when it returns, or nearly.
async fn live(context: &mut Context, client: Client, began: Instant) -> End {
    let state = client.state_watcher();
    let end = session::live(context, &client, began).await;
    // The last one to hold the client closes the session with it, which is how a node leaves that does not want to be
    // missed for as long as the session lasts.
    drop(client);
    let farewell = tokio::time::timeout(FAREWELL, closed(state));
    if farewell.await.is_err() {
        info!("ZooKeeper did not say that the session is closed; it will time out");
    }
    end
}

async fn closed(mut state: StateWatcher) {
    while !state.peek_state().is_terminated() {
        state.changed().await;
    }
}

async fn connect(options: &Options, address: &Address) -> Result<Client, End> {
    // Each host is tried once: the pause between attempts is ours, and does not grow as the library's does.
    let mut connector = Client::connector()
        .with_session_timeout(options.session)
        .with_fail_eagerly();
    if let Some(login) = &options.login {
        let secret = format!("{}:{}", login.user, login.password);
        connector = connector.with_auth("digest", secret.as_bytes());
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &options.tls {
        connector = connector.with_tls(tls.clone());
    }
    let client = connector.connect(&address.hosts).await?;
    tree::make_root(&client, &address.root, tree::access(options)).await?;
    client.chroot(address.root.as_str()).map_err(|_| {
        let why = format!("`{}` is no path in ZooKeeper", address.root);
        End::Final(MembersError::Options(why))
    })
}
