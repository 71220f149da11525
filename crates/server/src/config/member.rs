//! What makes a node a member of a cluster.

use super::Decided;
use anyhow::{Context, ensure};
use cluster::members::Login;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What stands for nothing in an option.
const NONE: &str = "none";

/// How this node is a member of a cluster.
#[derive(Clone, Debug)]
pub struct Member {
    /// The ZooKeeper servers and the chroot, as ZooKeeper's own clients take them.
    pub zookeeper: String,
    /// The databases, each as libpq takes it.
    pub databases: Vec<String>,
    /// Into how many shards a cluster is divided that is new.
    pub shards: u32,
    /// The authorities that sign the database's certificate; `None` for connections without TLS.
    pub authorities: Option<PathBuf>,
    /// Whether the database must have a synchronous standby from the start.
    pub require_standby: bool,
    /// Who the node is for ZooKeeper.
    pub login: Option<Login>,
    /// The node's name: no other member has it.
    pub node: String,
    /// Where it listens to other nodes.
    pub listen: SocketAddr,
    /// Where other nodes find it: host and port; `None` for where it listens.
    pub address: Option<String>,
    /// ZooKeeper gives a silent node up after this.
    pub session_timeout: Duration,
    /// Whether a database may be used that may lose what it has committed.
    pub allow_asynchronous: bool,
}

/// ZooKeeper's servers grant sessions of 2 to 20 of their ticks, which are of 2 s mostly.
const SESSION: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_secs(300);

/// What nodes say to each other has one octet for a shard.
const SHARDS_MAX: u32 = 256;

impl Member {
    /// Both a ZooKeeper and a database make a member; neither makes a node by itself.
    pub(super) fn of(decided: &Decided) -> anyhow::Result<Option<Self>> {
        let named = |text: &String| (text != NONE).then(|| text.clone());
        let (zookeeper, database) = (named(&decided.zookeeper), named(&decided.database));
        let (zookeeper, database) = match (zookeeper, database) {
            (Some(zookeeper), Some(database)) => (zookeeper, database),
            (None, None) => return Ok(None),
            (Some(_), None) => anyhow::bail!(
                "zookeeper is given, database is missing: a member of a cluster needs both"
            ),
            (None, Some(_)) => anyhow::bail!(
                "database is given, zookeeper is missing: a member of a cluster needs both"
            ),
        };
        let databases = database.split(';').map(|one| one.trim().to_owned());
        let databases: Vec<String> = databases.filter(|one| !one.is_empty()).collect();
        ensure!(!databases.is_empty(), "database names none");
        let shards = match decided.shards {
            0 => databases.len() as u32,
            shards => shards,
        };
        ensure!(
            (databases.len() as u32..=SHARDS_MAX).contains(&shards),
            "shards must be between the number of databases and {SHARDS_MAX}"
        );
        let login = named(&decided.zookeeper_login).map(|text| {
            let (user, password) = text
                .split_once(':')
                .context("zookeeper-login must be USER:PASSWORD")?;
            let (user, password) = (user.to_owned(), password.to_owned());
            anyhow::Ok(Login { user, password })
        });
        let timeout = decided.zookeeper_timeout.0;
        ensure!(
            SESSION.contains(&timeout),
            "zookeeper-timeout must be between 500ms and 5m"
        );
        let node = match decided.node_name.as_str() {
            "host" => host_name(),
            name => name.to_owned(),
        };
        ensure!(
            is_name(&node),
            "node-name is '{node}'; it must be 1 to 64 letters, digits, '-', '_' and '.'"
        );
        let listen = decided.node_listen.parse();
        let listen: SocketAddr = listen.with_context(|| {
            let text = &decided.node_listen;
            format!("node-listen: '{text}' is not ADDRESS:PORT")
        })?;
        let address = named(&decided.node_address);
        ensure!(
            address.is_some() || !listen.ip().is_unspecified(),
            "node-listen is {listen}: node-address must say where other nodes find this one"
        );
        Ok(Some(Self {
            zookeeper,
            databases,
            shards,
            authorities: named(&decided.database_authorities).map(PathBuf::from),
            require_standby: decided.require_standby,
            login: login.transpose()?,
            node,
            listen,
            address,
            session_timeout: timeout,
            allow_asynchronous: decided.allow_asynchronous,
        }))
    }
}

fn host_name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// A member's znode is its name, a dot and a number.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}
