//! One session with ZooKeeper, from the registration to its end.
//!
//! Everything that goes on in it goes on side by side in one task; whatever ends first ends the session, and the
//! `supervisor` builds the next one from the ground.

use super::error::MembersError;
use super::lease::Lease;
use super::member::{About, MemberId, State};
use super::options::Options;
use super::requests::{Ask, Wish};
use super::silence::{End, persist};
use super::supervisor::Context;
use super::view::{View, ZooKeeper};
use super::watch::{self, Known};
use super::{election, tree};
use std::convert::Infallible;
use std::time::Instant;
use tokio::sync::{mpsc, watch as channel};
use tracing::{info, warn};
use zookeeper_client::{Client, CreateMode, Error, MultiWriteError, SessionState};

/// How many times a session the lease is renewed. The server that this node is connected to tells the one that counts
/// the time of its last question a little later: with a question every sixth of the session, and a lease of two thirds,
/// there is a sixth to spare for that.
const RENEWALS: u32 = 6;

/// Lives through one session and says why it is over.
pub(super) async fn live(context: &mut Context, client: &Client, began: Instant) -> End {
    let mut leave = context.leave.clone();
    let begun = tokio::select! {
        begun = begin(context, client) => begun,
        _ = leave.wait_for(|leave| *leave) => Err(End::Left),
    };
    let end = match begun {
        Ok(about) => go_on(context, client, began, about).await,
        Err(end) => end,
    };
    // Whatever the lease was: of what follows this node knows nothing.
    context.view.send_modify(|view| view.lease = Lease::NONE);
    end
}

/// Makes this node a member.
async fn begin(context: &Context, client: &Client) -> Result<About, End> {
    // The server may lag behind what other nodes have been told by theirs. This is no promise that it does not, see
    // ZOOKEEPER-2136: whatever matters is decided by versions, or by the database.
    persist(async || client.sync("/").await).await?;
    tree::make(client, &context.options).await?;
    let about = {
        let view = context.view.borrow();
        said(&view, &context.options.about)
    };
    register(context, client, &about).await?;
    withdraw(client, &context.me).await?;
    let (session, asked_for) = (client.session_timeout(), context.options.session);
    if session != asked_for {
        warn!(
            ?session,
            ?asked_for,
            "ZooKeeper's own limits decide how long a dead node goes unnoticed"
        );
    }
    info!(member = %context.me, session = %client.session_id(), "joined the cluster");
    Ok(about)
}

/// What this node says of itself now.
fn said(view: &View, about: &About) -> About {
    About {
        state: view.state,
        database_ok: view.database_ok,
        serving: view.serving.clone(),
        prepared: view.prepared.clone(),
        ..about.clone()
    }
}

/// All that goes on while the session lasts.
async fn go_on(context: &mut Context, client: &Client, began: Instant, about: About) -> End {
    let known = channel::Sender::new(Known::default());
    let Context {
        options,
        me,
        view,
        epochs,
        leave,
        asks,
    } = context;
    let (options, me, view) = (&*options, &*me, &*view);
    let elected = election::Candidacy {
        options,
        me,
        epochs,
        client,
        began,
    };
    let path = tree::member(me);
    let end: Result<Infallible, End> = tokio::select! {
        end = watch::members(client, &known, view) => end,
        end = watch::assignment(client, options.shards, &known, view) => end,
        end = watch::controller(client, view) => end,
        end = watch_connection(client, view) => end,
        end = renew_lease(client, known.subscribe(), view) => end,
        end = keep_told(client, &path, about, view) => end,
        end = watch::definitions(client, view) => end,
        end = watch::requests(client, view) => end,
        end = answer_asks(client, options, asks) => end,
        end = election::stand(elected, known.subscribe()) => end,
        _ = leave.wait_for(|leave| *leave) => Err(End::Left),
    };
    let Err(end) = end;
    end
}

/// Puts this node among the members, in the place of what is left of it there: in one step, so that nobody sees the
/// cluster without it and gives its shards away. A process that was restarted does not wait until ZooKeeper has given up
/// the one before.
async fn register(context: &Context, client: &Client, about: &About) -> Result<(), End> {
    let me = &context.me;
    let ephemeral = CreateMode::Ephemeral.with_acls(tree::access(&context.options));
    let data = about.encode();
    loop {
        let mut writer = client.new_multi_writer();
        for run in runs_of(client, me).await? {
            let path = tree::member(&run);
            let Some(stat) = persist(async || client.check_stat(&path).await).await? else {
                continue;
            };
            if stat.ephemeral_owner == client.session_id().0 {
                // A create whose answer was lost.
                return Ok(());
            }
            info!(member = %run, "replacing what is left of this node from before");
            // What this very process registered in a session that ZooKeeper has not given up yet goes too: it would take
            // the new one with it. By its path alone it might be a later one than was looked at.
            writer.add_delete(&path, Some(stat.version))?;
        }
        writer.add_create(&tree::member(me), &data, &ephemeral)?;
        match writer.commit().await {
            Ok(_) => return Ok(()),
            // Something changed meanwhile, or nobody knows: look again.
            Err(MultiWriteError::OperationFailed {
                source: Error::NoNode | Error::BadVersion | Error::NodeExists,
                ..
            }) => {}
            Err(error) => match Error::from(error) {
                Error::ConnectionLoss | Error::Throttled => {}
                error => return Err(error.into()),
            },
        }
    }
}

/// The runs of this node that are registered, unless a later one than this is: then this one has been overtaken.
async fn runs_of(client: &Client, me: &MemberId) -> Result<Vec<MemberId>, End> {
    let names = persist(async || client.list_children(tree::MEMBERS).await).await?;
    let runs = names
        .iter()
        .filter_map(|name| name.parse::<MemberId>().ok());
    let runs: Vec<MemberId> = runs.filter(|run| run.node() == me.node()).collect();
    match runs.iter().find(|run| *run > me) {
        None => Ok(runs),
        Some(later) => Err(End::Final(MembersError::Superseded {
            me: me.clone(),
            other: later.clone(),
        })),
    }
}

/// Takes back the candidacies that are left of this node from before: nobody stands behind them, and one of them may be
/// elected.
async fn withdraw(client: &Client, me: &MemberId) -> Result<(), End> {
    for name in persist(async || client.list_children(tree::ELECTION).await).await? {
        let path = format!("{}/{name}", tree::ELECTION);
        let read = persist(async || match client.get_data(&path).await {
            Err(Error::NoNode) => Ok(None),
            other => other.map(Some),
        });
        let Some((data, stat)) = read.await? else {
            continue;
        };
        let whose = String::from_utf8(data).ok();
        let whose = whose.and_then(|name| name.parse::<MemberId>().ok());
        if whose.is_some_and(|whose| whose.node() == me.node() && whose <= *me) {
            let withdrawn =
                persist(
                    async || match client.delete(&path, Some(stat.version)).await {
                        Err(Error::NoNode) => Ok(()),
                        other => other,
                    },
                );
            withdrawn.await?;
        }
    }
    Ok(())
}

/// Keeps the member's znode saying what this node says, and hears what the controller wrote into it.
async fn keep_told(
    client: &Client,
    path: &str,
    about: About,
    view: &channel::Sender<View>,
) -> Result<Infallible, End> {
    let mut wishes = view.subscribe();
    let mut told = about.state;
    loop {
        let read = persist(async || client.get_and_watch_data(path).await).await;
        // Without its znode this node is no member: it begins anew, unless another run of it took over.
        let (data, stat, watcher) = read?;
        let mut changed = Box::pin(watcher.changed());
        let there = About::decode(&data).map_err(|why| End::unreadable(path, why))?;
        if there.state != told {
            adopt(view, there.state);
            told = there.state;
        }
        loop {
            let wanted = {
                let view = wishes.borrow_and_update();
                said(&view, &about)
            };
            if wanted != there {
                match client
                    .set_data(path, &wanted.encode(), Some(stat.version))
                    .await
                {
                    Ok(_) => told = wanted.state,
                    // Somebody else wrote, or nobody knows: read what is there now.
                    Err(Error::BadVersion | Error::ConnectionLoss | Error::Throttled) => {}
                    Err(error) => return Err(error.into()),
                }
                break;
            }
            tokio::select! {
                _ = &mut changed => break,
                wish = wishes.changed() => wish.map_err(|_| End::Left)?,
            }
        }
    }
}

fn adopt(view: &channel::Sender<View>, state: State) {
    view.send_if_modified(|view| {
        let changed = view.state != state;
        if changed {
            info!(?state, "the controller changed the state of this node");
        }
        view.state = state;
        changed
    });
}

/// Tells since when ZooKeeper has been silent.
async fn watch_connection(
    client: &Client,
    view: &channel::Sender<View>,
) -> Result<Infallible, End> {
    let mut states = client.state_watcher();
    let mut state = client.state();
    loop {
        let zookeeper = match state {
            SessionState::SyncConnected | SessionState::ConnectedReadOnly => ZooKeeper::Connected,
            SessionState::Disconnected => ZooKeeper::SilentSince(Instant::now()),
            SessionState::AuthFailed => return Err(Error::AuthFailed.into()),
            SessionState::Expired | SessionState::Closed => {
                return Err(End::Lost(Error::SessionExpired));
            }
        };
        tell(view, zookeeper);
        state = states.changed().await;
    }
}

fn tell(view: &channel::Sender<View>, zookeeper: ZooKeeper) {
    view.send_if_modified(|view| {
        let changed = view.zookeeper != zookeeper;
        if changed {
            match zookeeper {
                ZooKeeper::Connected => info!("ZooKeeper answers"),
                _ => warn!("ZooKeeper is silent"),
            }
        }
        view.zookeeper = zookeeper;
        changed
    });
}

/// Renews the lease, once this session has read who owns what: what the last one knew may be out of date.
async fn renew_lease(
    client: &Client,
    mut known: channel::Receiver<Known>,
    view: &channel::Sender<View>,
) -> Result<Infallible, End> {
    let session = client.session_timeout();
    // It fails when the session's other parts have ended, and then nobody asks for this result.
    let _ = known.wait_for(|known| known.assignment.is_some()).await;
    loop {
        let asked = Instant::now();
        // Not a read: a server that is cut off from the others answers reads for a while. This one it passes on to their
        // leader, who is the one that counts the session's time.
        match client.sync("/").await {
            Ok(()) => view.send_modify(|view| view.lease = view.lease.renewed(asked, session)),
            Err(Error::ConnectionLoss) => continue,
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(session / RENEWALS).await;
    }
}

/// Leaves in ZooKeeper what this node is asked to: requests for the controller, news for all.
async fn answer_asks(
    client: &Client,
    options: &Options,
    asks: &mut mpsc::Receiver<Ask>,
) -> Result<Infallible, End> {
    while let Some(Ask { wish, answer }) = asks.recv().await {
        // Whoever asked while ZooKeeper was silent has been told so, and asks again if it still matters.
        if answer.is_closed() {
            continue;
        }
        let done = match wish {
            Wish::Request(request) => {
                let numbered = CreateMode::PersistentSequential.with_acls(tree::access(options));
                let data = request.encode();
                let created = client.create(tree::REQUEST, &data, &numbered).await;
                created.map(|_| ())
            }
            Wish::Definitions(version) => announce(client, version).await?,
        };
        // The one who asked may have gone meanwhile.
        let _ = answer.send(done.map_err(|error| error.to_string()));
    }
    Err(End::Left)
}

/// Announces a version of the definitions, unless a later one has been.
async fn announce(client: &Client, version: u64) -> Result<Result<(), Error>, End> {
    loop {
        let (data, stat) = persist(async || client.get_data(tree::DEFINITIONS).await).await?;
        if tree::version(&data)? >= version {
            return Ok(Ok(()));
        }
        let text = version.to_string();
        let written = client.set_data(tree::DEFINITIONS, text.as_bytes(), Some(stat.version));
        match written.await {
            Err(Error::BadVersion) => {}
            other => return Ok(other.map(|_| ())),
        }
    }
}
