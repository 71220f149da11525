//! A server whose queues another node owns: it must be to clients what the owner is.

use crate::server::{Program, Server};
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A cluster of one node, by `landfall try`. Dropped, it goes.
pub(super) struct Elsewhere {
    cluster: Child,
    zookeeper: String,
    database: String,
}

impl Elsewhere {
    /// Starts it. Its one node owns the queues.
    pub(super) fn start(binary: &Path) -> Result<Self> {
        let mut cluster = Command::new(binary)
            .args(["try", "--nodes", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start landfall try")?;
        let said = cluster.stdout.take().context("standard output is a pipe")?;
        let mut elsewhere = Self {
            cluster,
            zookeeper: String::new(),
            database: String::new(),
        };
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        for line in lines.by_ref() {
            if let Some(hosts) = line.strip_prefix("ZooKeeper: ") {
                hosts.clone_into(&mut elsewhere.zookeeper);
            }
            if let Some(address) = line.strip_prefix("PostgreSQL: ") {
                address.clone_into(&mut elsewhere.database);
            }
            if line.contains("Ctrl-C") {
                break;
            }
        }
        anyhow::ensure!(
            !elsewhere.database.is_empty(),
            "landfall try did not start a cluster"
        );
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(elsewhere)
    }

    /// Another node of the cluster.
    pub(super) fn another_node(&self, program: Program) -> Result<Server> {
        let options = [
            ["--zookeeper", &*self.zookeeper],
            ["--zookeeper-timeout", "3s"],
            ["--database", &*self.database],
            ["--node-name", "another"],
            ["--node-listen", "127.0.0.1:0"],
        ];
        Server::start_with(program, options.as_flattened())
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let process = i32::try_from(self.cluster.id())
            .ok()
            .and_then(Pid::from_raw);
        if let Some(process) = process {
            // It ends all that it started; if it is gone already there is nothing to end.
            let _ = kill_process(process, Signal::TERM);
        }
        let _ = self.cluster.wait();
    }
}
