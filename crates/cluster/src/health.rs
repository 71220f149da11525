//! How the database is doing, for operators: which server writes, which standbys it has, and what is wrong with it.

use crate::database::Database;
use crate::error::DatabaseError;
use crate::settings::{self, Settings};
use std::str::FromStr;
use std::time::Duration;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, Row};

/// The server that takes our statements. An address is missing where it is reached by a socket of this machine.
const SERVER: &str = "
    select host(inet_server_addr()), inet_server_port(), current_setting('server_version')";

/// Its standbys; of those whom this user may not see the names alone.
const STANDBYS: &str = "
    select application_name, host(client_addr), state, sync_state, extract(epoch from replay_lag)::float8
      from pg_stat_replication order by application_name, client_addr, pid";

/// What all of our tables take, with their indexes.
const SIZE: &str = "
    select coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'landfall' and c.relkind = 'r'";

/// How the database is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The server that takes writes: host and port, where it tells them.
    pub primary: Option<String>,
    /// Its version.
    pub version: String,
    /// What is connected to it to copy what it commits.
    pub standbys: Vec<Standby>,
    /// Why nothing should be confirmed on its word; empty if it may.
    pub objections: Vec<String>,
    /// Bytes that all of our tables take.
    pub bytes: u64,
}

/// A copy of the database that is kept up to date.
#[derive(Clone, Debug, PartialEq)]
pub struct Standby {
    /// The name under which it copies.
    pub name: String,
    /// Where it connects from, if that is known.
    pub address: Option<String>,
    /// `streaming` where it has all but the last moment.
    pub state: String,
    /// `sync` or `quorum` where commits wait for it, `async` or `potential` where they do not.
    pub sync: String,
    /// How far behind it is, where it is known.
    pub lag: Option<Duration>,
}

impl Database {
    /// The servers that may be the database, as `host:port`, in the order in which they are tried.
    pub fn hosts(&self) -> Vec<String> {
        // It was read when the database was opened.
        let config = Config::from_str(&self.options().database);
        config.map(|config| hosts(&config)).unwrap_or_default()
    }

    /// Asks how the database is doing; waits for it as long as reads do.
    ///
    /// # Errors
    /// `Unreachable`.
    pub fn health(&self) -> Result<Health, DatabaseError> {
        let replicated = self.options().require_standby;
        self.desk()
            .ask("ask how the database is doing", move |client| async move {
                ask(&client, replicated).await
            })
    }
}

async fn ask(client: &Client, replicated: bool) -> Result<Health, tokio_postgres::Error> {
    let server = client.query_one(SERVER, &[]).await?;
    let address: Option<String> = server.try_get(0)?;
    let port: Option<i32> = server.try_get(1)?;
    let standbys = client.query(STANDBYS, &[]).await?;
    let settings = client.query_one(settings::QUESTION, &[]).await?;
    let size: i64 = client.query_one(SIZE, &[]).await?.try_get(0)?;
    Ok(Health {
        primary: address
            .zip(port)
            .map(|(address, port)| format!("{address}:{port}")),
        version: server.try_get(2)?,
        standbys: standbys.iter().map(standby).collect::<Result<_, _>>()?,
        objections: Settings::of(&settings)?.objections(replicated),
        bytes: size.unsigned_abs(),
    })
}

fn standby(row: &Row) -> Result<Standby, tokio_postgres::Error> {
    let hidden = || "hidden".to_owned();
    let lag: Option<f64> = row.try_get(4)?;
    Ok(Standby {
        name: row.try_get(0)?,
        address: row.try_get(1)?,
        state: row.try_get::<_, Option<String>>(2)?.unwrap_or_else(hidden),
        sync: row.try_get::<_, Option<String>>(3)?.unwrap_or_else(hidden),
        lag: lag.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    })
}

/// Each host with its port. One port may stand for all of them.
fn hosts(config: &Config) -> Vec<String> {
    const USUAL: u16 = 5432;
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or(ports.last()).copied().unwrap_or(USUAL);
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts: Vec<String> = hosts.collect();
    if hosts.is_empty() {
        let addresses = config.get_hostaddrs().iter().enumerate();
        return addresses
            .map(|(at, address)| format!("{address}:{}", port(at)))
            .collect();
    }
    let numbered = hosts.iter().enumerate();
    numbered
        .map(|(at, host)| format!("{host}:{}", port(at)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_with_their_ports_and_without_passwords() {
        for (text, expected) in [
            (
                "postgres://me:secret@db1,db2:6432/landfall",
                "db1:5432 db2:6432",
            ),
            (
                "host=db1,db2 port=6000 user=me password=secret",
                "db1:6000 db2:6000",
            ),
            ("host=/run/postgresql user=me", "/run/postgresql:5432"),
            ("hostaddr=10.0.0.1 user=me", "10.0.0.1:5432"),
        ] {
            let config = Config::from_str(text).expect("an address");
            assert_eq!(hosts(&config).join(" "), expected, "{text}");
        }
    }
}
