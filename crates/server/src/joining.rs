//! Becoming a member of a cluster: the database is opened, the others are told who this is.

use crate::config::Member;
use crate::member::Entrances;
use crate::ownership::Known;
use crate::relay;
use anyhow::{Context, bail, ensure};
use cluster::members::{self, About, MembersHandle, Options, Pace, State, View, ZooKeeper};
use cluster::{DatabaseError, Databases, Identity};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Whoever joins alone waits so long for the shard, beside what ZooKeeper takes to give up who was there.
const GUEST_PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn open_databases(member: &Member) -> anyhow::Result<(Databases, Identity)> {
    let (first, others) = { member.databases.split_first() }.context("there is no database")?;
    let others = others.to_vec();
    let options = cluster::Options {
        shards: member.shards,
        allow_asynchronous: member.allow_asynchronous,
        authorities: member.authorities.clone(),
        require_standby: member.require_standby,
        ..cluster::Options::new(first)
    };
    let opening = tokio::task::spawn_blocking(move || {
        let databases = Databases::open(options, &others)?;
        let identity = databases.identity()?;
        Ok::<_, DatabaseError>((databases, identity))
    });
    let opened = opening.await.context("opening the database panicked")?;
    opened.context("cannot use the database of the cluster")
}

pub(crate) fn join(
    member: &Member,
    about: About,
    databases: &Databases,
    identity: &Identity,
) -> anyhow::Result<(MembersHandle, watch::Receiver<View>)> {
    let options = Options {
        session: member.session_timeout,
        pace: Pace::new(member.session_timeout),
        login: member.login.clone(),
        ..Options::new(
            &member.zookeeper,
            &member.node,
            about,
            &identity.cluster,
            databases.shards(),
        )
    };
    let known = Arc::new(Known(databases.clone()));
    members::start(options, known).context("cannot be a member of the cluster")
}

/// Joins for a short time, alone: nobody else is a member, and the shard is this one's. Says under which name and epoch.
pub(crate) async fn join_as_guest(
    member: &Member,
    databases: &Databases,
    identity: &Identity,
) -> anyhow::Result<(MembersHandle, String, u64)> {
    ensure!(
        databases.shards() == 1,
        "the cluster is divided into {} shards: only one that is not can be migrated",
        databases.shards()
    );
    // One that drains is given the shard only as long as there is no other.
    let about = About {
        amqp: String::new(),
        node: String::new(),
        admin: String::new(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        format: FORMAT,
        protocol: relay::VERSION.into(),
        state: State::Draining,
        database_ok: true,
        serving: Vec::new(),
        prepared: Vec::new(),
    };
    let guest = Member {
        node: format!("{}-guest", member.node),
        ..member.clone()
    };
    let (members, mut view) = join(&guest, about, databases, identity)?;
    let alone = view.wait_for(|view| {
        let others = view.members.iter().any(|one| one.id != view.me);
        let ended = matches!(view.zookeeper, ZooKeeper::Ended(_));
        ended || others || view.mine().next().is_some()
    });
    let patience = member.session_timeout * 2 + GUEST_PATIENCE;
    let view = tokio::time::timeout(patience, alone).await;
    let view = view.context("ZooKeeper does not answer")?;
    let view = view.context("the thread of ZooKeeper ended")?.clone();
    if let ZooKeeper::Ended(why) = &view.zookeeper {
        bail!("cannot be a member of the cluster: {why}");
    }
    let others = view.members.iter().filter(|one| one.id != view.me);
    let others: Vec<&str> = others.map(|one| one.id.node()).collect();
    ensure!(
        others.is_empty(),
        "nodes of the cluster are running: stop {} first",
        others.join(", ")
    );
    let mine = view.mine().next();
    let (_, epoch) = mine.context("the shard belongs to nobody")?;
    Ok((members, view.me.to_string(), epoch))
}

/// What the other members are told of this one.
pub(crate) fn about(member: &Member, entrances: &Entrances) -> anyhow::Result<About> {
    let cannot = "cannot tell the listening address";
    let node = match &member.address {
        Some(address) => address.clone(),
        None => entrances.nodes.local_addr().context(cannot)?.to_string(),
    };
    let found = |listener: Option<std::io::Result<SocketAddr>>| match listener {
        Some(address) => address.map(|address| reachable(address, &node)),
        None => Ok(String::new()),
    };
    let amqp = entrances.clients.first();
    let amqp = found(amqp.map(|entry| entry.listener.local_addr()));
    // Nodes pass requests on as they pass on all else: without TLS.
    let operators = entrances.doors.operators.iter();
    let mut plain = operators.filter(|entry| entry.tls.is_none());
    let admin = found(plain.next().map(|entry| entry.listener.local_addr()));
    Ok(About {
        amqp: amqp.context(cannot)?,
        admin: admin.context(cannot)?,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        format: FORMAT,
        protocol: relay::VERSION.into(),
        state: State::Active,
        database_ok: true,
        serving: Vec::new(),
        prepared: Vec::new(),
        node,
    })
}

/// Where others find what listens here: what listens everywhere is found where the node is. What listens to its own machine
/// only others do not find, unless all of them are there.
fn reachable(address: SocketAddr, node: &str) -> String {
    let host = node.rsplit_once(':').map_or(node, |(host, _)| host);
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_on_one_machine = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
    if address.ip().is_unspecified() {
        format!("{host}:{}", address.port())
    } else if address.ip().is_loopback() && !is_on_one_machine {
        String::new()
    } else {
        address.to_string()
    }
}

/// The newest format of chunks that this program reads.
const FORMAT: u32 = store::chunk::VERSION as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_found_where_the_node_is() {
        for (address, node, found) in [
            ("0.0.0.0:15672", "mq-1.mq:25672", "mq-1.mq:15672"),
            ("[::]:15672", "[2001:db8::7]:25672", "[2001:db8::7]:15672"),
            ("10.0.0.1:15672", "mq-1.mq:25672", "10.0.0.1:15672"),
            ("127.0.0.1:15672", "127.0.0.1:25672", "127.0.0.1:15672"),
            ("[::1]:15672", "localhost:25672", "[::1]:15672"),
            ("127.0.0.1:15672", "10.0.0.1:25672", ""),
            ("127.0.0.1:15672", "mq-1.mq:25672", ""),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(reachable(address, node), found);
        }
    }
}
