//! A cluster of members on the stage: its part of ZooKeeper, its database, its nodes, and what the test looks at.

use crate::database::{self, Database, Taken};
use crate::ensemble::Ensemble;
use crate::node::{Node, Role};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use zookeeper_client::{Client, Error, Stat};

/// The session of the members. ZooKeeper notices a dead one so late, and a tick (200 ms) later at the most.
pub(crate) const SESSION: Duration = Duration::from_secs(2);
/// What nobody measures has so long: machines under test are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// All shards of a cluster.
pub(crate) const SHARDS: usize = 64;

/// A cluster.
pub(crate) struct Scene {
    role: Role,
    _home: TempDir,
}

impl Scene {
    pub(crate) fn new(ensemble: &Ensemble) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let home = tempfile::tempdir().expect("a scratch directory can be made");
        let database = home.path().join("database");
        Database::make(&database, SHARDS);
        let role = Role {
            node: String::new(),
            zookeeper: format!("{}/clusters/test-{number}", ensemble.hosts()),
            cluster: format!("0d5b7a3e-0000-4000-8000-{number:012}"),
            database,
            shards: SHARDS as u32,
            session: SESSION,
            password: None,
        };
        Self { role, _home: home }
    }

    /// Which member a node of this cluster is.
    pub(crate) fn role(&self, node: &str) -> Role {
        Role {
            node: node.to_owned(),
            ..self.role.clone()
        }
    }

    pub(crate) fn node(&self, node: &str) -> Node {
        Node::start(&self.role(node))
    }

    /// Starts nodes and waits until each has its part.
    pub(crate) fn nodes(&self, names: &[&str]) -> Vec<Node> {
        let nodes: Vec<Node> = names.iter().map(|name| self.node(name)).collect();
        self.wait_until("shared evenly", PATIENCE, |taken| even(taken, names));
        for node in &nodes {
            let all = |said: &crate::node::Said| said.members.len() == names.len();
            node.wait(PATIENCE, "seeing all and their controller", |said| {
                all(said) && said.controller.is_some() && said.may_deliver
            });
        }
        nodes
    }

    /// Who has taken what.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        database::read(&self.role.database)
    }

    /// Waits until what has been taken fits; says how long that was.
    #[track_caller]
    pub(crate) fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        fits: impl Fn(&[Taken]) -> bool,
    ) -> Duration {
        let began = Instant::now();
        loop {
            let taken = self.taken();
            if fits(&taken) {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < limit,
                "the shards are not {what} within {limit:?}: {taken:?}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Where a node's questions to the database are held up as long as a file is there.
    pub(crate) fn gate(&self, node: &str) -> PathBuf {
        database::gate(&self.role.database, node)
    }

    /// The znode of the assignment.
    pub(crate) fn assignment(&self) -> (Vec<u8>, Stat) {
        self.ask(async |client| client.get_data("/assignment").await)
    }

    /// Asks ZooKeeper something, beside the members.
    pub(crate) fn ask<T>(&self, question: impl AsyncFnOnce(&Client) -> Result<T, Error>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let client = Client::connect(&self.role.zookeeper).await;
            let client = client.expect("ZooKeeper serves");
            question(&client)
                .await
                .expect("a question of the test's own")
        })
    }
}

/// The name of the node in the name of one of its runs.
pub(crate) fn node_of(owner: &str) -> &str {
    owner.rsplit_once('.').map_or(owner, |(node, _)| node)
}

/// How many shards a node has taken.
pub(crate) fn count(taken: &[Taken], node: &str) -> usize {
    let all = taken.iter();
    all.filter(|one| node_of(&one.owner) == node).count()
}

/// Whether these nodes have all shards, and each as many as the others within one.
pub(crate) fn even(taken: &[Taken], nodes: &[&str]) -> bool {
    let counts: Vec<usize> = nodes.iter().map(|node| count(taken, node)).collect();
    let part = SHARDS / nodes.len();
    counts.iter().sum::<usize>() == SHARDS && counts.iter().all(|n| *n == part || *n == part + 1)
}

/// Which shards have another owner or epoch than before.
pub(crate) fn moved(before: &[Taken], after: &[Taken]) -> Vec<usize> {
    let pairs = before.iter().zip(after).enumerate();
    pairs
        .filter(|(_, (before, after))| before != after)
        .map(|(shard, _)| shard)
        .collect()
}

/// The shards of a node.
pub(crate) fn shards_of(taken: &[Taken], node: &str) -> Vec<usize> {
    let all = taken.iter().enumerate();
    all.filter(|(_, one)| node_of(&one.owner) == node)
        .map(|(shard, _)| shard)
        .collect()
}

/// Splits off the controller; the others come after it.
pub(crate) fn controller_first(mut nodes: Vec<Node>) -> (Node, Vec<Node>) {
    let elected = nodes[0].said().controller.expect("one is elected");
    let at = nodes.iter().position(|node| node.said().me == elected);
    let controller = nodes.remove(at.expect("it is one of them"));
    (controller, nodes)
}
