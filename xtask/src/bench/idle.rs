//! Connections that do nothing: what each takes of the server's memory.

use super::connection::Connection;
use super::cpu;
use super::peers::landfall;
use super::report::{Table, mib, when_and_where};
use crate::server::Server;
use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::time::Instant;

const CONNECTIONS: usize = 10_000;
/// Beside those of the connections.
const OTHER_FILES: u64 = 1_000;

/// The figures of them.
#[derive(Serialize, Deserialize)]
pub(super) struct Idle {
    taken: String,
    connections: usize,
    memory_without: u64,
    memory: u64,
    opened_per_s: f64,
}

impl Idle {
    pub(super) fn measure() -> Result<Self> {
        allow_many_files(CONNECTIONS as u64 + OTHER_FILES)?;
        // The server inherits the limit.
        let server = Server::start(landfall()?)?;
        // What the first connection needs is not there for each.
        let first = Connection::open(server.port())?;
        let memory_without = cpu::memory_of(server.pid())?;
        let begin = Instant::now();
        let connections = (0..CONNECTIONS)
            .map(|_| Ok(Connection::open(server.port())?.idle()))
            .collect::<Result<Vec<_>>>()
            .with_context(|| server.end_of_log())?;
        let idle = Self {
            taken: when_and_where(),
            connections: connections.len(),
            memory_without,
            memory: cpu::memory_of(server.pid())?,
            opened_per_s: CONNECTIONS as f64 / begin.elapsed().as_secs_f64(),
        };
        first.close()?;
        eprintln!("{CONNECTIONS} idle connections: {:.0} B each", idle.each());
        Ok(idle)
    }

    /// Bytes of each.
    pub(super) fn each(&self) -> f64 {
        self.memory.saturating_sub(self.memory_without) as f64 / self.connections as f64
    }

    pub(super) fn tables(&self) -> String {
        let mut table = Table::new(
            "idle connections, each with a channel | MiB without | MiB with them | KiB each | opened/s",
        );
        table.row([
            self.connections.to_string(),
            mib(self.memory_without),
            mib(self.memory),
            format!("{:.1}", self.each() / 1024.0),
            format!("{:.0}", self.opened_per_s),
        ]);
        format!("{}.\n\n{}", self.taken, table.text().unwrap_or_default())
    }
}

fn allow_many_files(files: u64) -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < files) {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).context("cannot allow as many files")?;
    }
    ensure!(
        limit.current.is_none_or(|current| current >= files),
        "this machine allows too few open files: {files} are needed (ulimit -n)"
    );
    Ok(())
}
