//! A node for trying out: this very program.

use super::child::Child;
use anyhow::{Context, Result};
use std::path::Path;

/// A node.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) child: Child,
    /// Where clients find it.
    pub(super) amqp: u16,
    /// Where its HTTP API is.
    pub(super) admin: u16,
}

/// Starts one on these three ports.
pub(super) fn start(
    folder: &Path,
    number: usize,
    ports: &[u16],
    zookeeper: &str,
    database: &str,
) -> Result<Node> {
    let name = format!("node-{number}");
    let program = std::env::current_exe().context("cannot find this program")?;
    let [amqp, admin, inner] = [0, 1, 2].map(|at| format!("127.0.0.1:{}", ports[at]));
    let data = folder.join(&name);
    std::fs::create_dir_all(&data).context("cannot make a node's folder")?;
    let (program, data_dir) = (program.display().to_string(), data.display().to_string());
    let command = [
        &*program,
        "serve",
        "--data-dir",
        &*data_dir,
        "--zookeeper",
        zookeeper,
        "--zookeeper-timeout",
        "3s",
        "--database",
        database,
        "--node-name",
        &*name,
        "--listen",
        &*amqp,
        "--admin-listen",
        &*admin,
        "--prometheus-listen",
        "none",
        "--node-listen",
        &*inner,
    ];
    let child = Child::start(&command, &folder.join(format!("{name}.log")), "TERM", None)?;
    Ok(Node {
        name,
        child,
        amqp: ports[0],
        admin: ports[1],
    })
}

impl Node {
    /// Whether it serves clients, or passes them on to who does.
    pub(super) fn is_ready(&self) -> bool {
        let url = format!("http://127.0.0.1:{}/healthz/ready", self.admin);
        ureq::get(&url).call().is_ok()
    }
}
