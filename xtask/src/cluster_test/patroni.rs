//! The lab's PostgreSQL: a primary with two quorum standbys under Patroni, each on a machine and a disk of its own.

use super::host::Host;
use super::network::Network;
use super::patience::until;
use crate::shell::{command, run_quietly};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const NAMES: [&str; 3] = ["pg-1", "pg-2", "pg-3"];
/// The first start makes three clusters of PostgreSQL.
const START_MAX: Duration = Duration::from_secs(120);
/// An answer of Patroni's API.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// What is filled byte by byte: nobody can allocate the last of a disk in one go.
const DISK_LEFT: u64 = 64 * 1024 * 1024;
/// A restart of PostgreSQL; it is answered when it is done.
const RESTART_MAX: Duration = Duration::from_secs(60);
const PASSWORD: &str = "of-the-lab";
/// The disk of a machine; the file behind it takes only what is written.
const DISK: &str = "3G";

/// Three servers.
pub(super) struct Databases {
    pub(super) servers: Vec<Host>,
    /// Patroni's program.
    patroni: PathBuf,
    /// Whether each has a disk of its own, which can be full.
    pub(super) have_disks: bool,
    agent: ureq::Agent,
}

/// What Patroni says of one of its members.
struct Standing {
    name: String,
    role: String,
    state: String,
}

impl Databases {
    /// Starts them and waits until both standbys follow.
    pub(super) fn start(
        network: &Network,
        lab: &Path,
        zookeeper: &[String],
        patroni: PathBuf,
    ) -> Result<Self> {
        let servers = NAMES.map(|name| Host::new(name, network, lab));
        let settings = ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX));
        let mut databases = Self {
            servers: servers.into_iter().collect::<Result<_>>()?,
            patroni,
            // A mount of ours is seen by nobody else only where we are in a namespace.
            have_disks: network.can_be_cut(),
            agent: settings.build().into(),
        };
        for at in 0..NAMES.len() {
            databases.prepare(at, network, zookeeper)?;
            databases.launch(at)?;
        }
        databases.wait()?;
        Ok(databases)
    }

    /// The address of the nodes' database, or of two with `;` between them: whoever takes writes of these hosts.
    pub(super) fn url(&self, count: u8) -> String {
        let hosts = self.servers.iter();
        let hosts: Vec<String> = hosts.map(|one| one.address.to_string()).collect();
        let hosts = hosts.join(",");
        let names = ["landfall", "landfall2"].into_iter();
        let urls = names
            .take(count.into())
            .map(|name| format!("postgres://landfall:{PASSWORD}@{hosts}/{name}?connect_timeout=2"));
        urls.collect::<Vec<_>>().join(";")
    }

    fn data(&self, at: usize) -> PathBuf {
        self.servers[at].home.join("disk/data")
    }

    fn prepare(&mut self, at: usize, network: &Network, zookeeper: &[String]) -> Result<()> {
        let home = self.servers[at].home.clone();
        let (disk, data) = (home.join("disk"), self.data(at));
        std::fs::create_dir_all(&disk)?;
        if self.have_disks {
            let image = home.join("image");
            run_quietly(command("truncate", &["-s", DISK]).arg(&image))?;
            run_quietly(command("mkfs.ext4", &["-q", "-m", "0"]).arg(&image))?;
            run_quietly(command("mount", &["-o", "loop"]).arg(&image).arg(&disk))?;
        }
        std::fs::create_dir_all(&data)?;
        run_quietly(command("chmod", &["700"]).arg(&data))?;
        let first = home.join("first.sh");
        std::fs::write(&first, FIRST)?;
        run_quietly(command("chmod", &["755"]).arg(&first))?;
        let settings = settings(&self.servers[at], &data, network, zookeeper);
        std::fs::write(home.join("patroni.json"), settings.to_string())?;
        if is_root() {
            run_quietly(command("chown", &["-R", "postgres:postgres"]).arg(&home))?;
        }
        self.servers[at].pid_file = Some(data.join("postmaster.pid"));
        Ok(())
    }

    /// Starts Patroni on a machine, which starts PostgreSQL.
    pub(super) fn launch(&mut self, at: usize) -> Result<()> {
        let server = &mut self.servers[at];
        // PostgreSQL refuses root.
        let mut patroni = if is_root() {
            let mut other = server.command("setpriv");
            other.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
            other.arg(&self.patroni);
            other
        } else {
            server.command(&self.patroni)
        };
        patroni.arg(server.home.join("patroni.json"));
        patroni
            .env_clear()
            .env("LANG", "C.UTF-8")
            .env("HOME", &server.home);
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs()?.display());
        patroni.env("PATH", path).env("PGPASSWORD", PASSWORD);
        server.spawn(patroni)
    }

    /// Starts those that do not run, and waits until both standbys follow.
    pub(super) fn resume(&mut self) -> Result<()> {
        for at in 0..self.servers.len() {
            if !self.servers[at].is_running() {
                self.launch(at)?;
            }
        }
        self.wait()
    }

    fn wait(&self) -> Result<()> {
        until("a primary has two standbys", START_MAX, || self.is_whole())
    }

    /// What an operator does when ZooKeeper has lost all that it knew: Patroni's client of ZooKeeper, which has seen more
    /// than there is now, is started anew; first that of the primary, for a standby's refuses to be the first. PostgreSQL
    /// goes on meanwhile.
    pub(super) fn restart_patronis(&mut self) -> Result<()> {
        let is_primary = |at: &usize| {
            let told = self.sql(*at, "select pg_is_in_recovery()");
            told.is_ok_and(|told| told == "f")
        };
        let primary = (0..NAMES.len()).find(is_primary);
        let primary = primary.context("no PostgreSQL takes writes")?;
        self.servers[primary].kill_started()?;
        self.launch(primary)?;
        until("Patroni has a primary again", START_MAX, || {
            self.primary() == Some(primary)
        })?;
        for standby in (0..NAMES.len()).filter(|at| *at != primary) {
            self.servers[standby].kill_started()?;
            self.launch(standby)?;
        }
        Ok(())
    }

    /// What Patroni says, whoever of its members answers.
    fn standings(&self) -> Option<Vec<Standing>> {
        self.servers.iter().find_map(|server| {
            let url = format!("http://{}:8008/cluster", server.address);
            let told: Value = self
                .agent
                .get(url)
                .call()
                .ok()?
                .body_mut()
                .read_json()
                .ok()?;
            let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
            let members = told["members"].as_array()?.iter();
            let members = members.map(|one| Standing {
                name: text(&one["name"]),
                role: text(&one["role"]),
                state: text(&one["state"]),
            });
            Some(members.collect())
        })
    }

    /// Whether there is a primary and two quorum standbys that follow it.
    pub(super) fn is_whole(&self) -> bool {
        let standings = self.standings().unwrap_or_default();
        let are = |role: &str, state: &str| {
            let such = |one: &&Standing| one.role == role && one.state == state;
            standings.iter().filter(such).count()
        };
        are("leader", "running") == 1 && are("quorum_standby", "streaming") == 2
    }

    /// Which one Patroni says is the primary.
    pub(super) fn primary(&self) -> Option<usize> {
        let standings = self.standings()?;
        let leader = standings.iter().find(|one| one.role == "leader")?;
        NAMES.iter().position(|name| *name == leader.name)
    }

    /// Asks Patroni to restart PostgreSQL on a machine.
    pub(super) fn restart(&self, at: usize) -> Result<()> {
        let url = format!("http://{}:8008/restart", self.servers[at].address);
        let settings = ureq::Agent::config_builder().timeout_global(Some(RESTART_MAX));
        let agent: ureq::Agent = settings.build().into();
        agent
            .post(url)
            .send_json(json!({}))
            .context("Patroni does not restart PostgreSQL")?;
        Ok(())
    }

    /// Kills PostgreSQL alone; Patroni lives.
    pub(super) fn kill_postgres(&self, at: usize) -> Result<()> {
        let pid = self.servers[at]
            .detached()
            .context("no PostgreSQL runs there")?;
        super::host::signal(pid, rustix::process::Signal::KILL);
        Ok(())
    }

    /// Takes all that is left of a machine's disk.
    pub(super) fn fill(&self, at: usize) -> Result<()> {
        ensure!(self.have_disks, "the machine has no disk of its own");
        let disk = self.servers[at].home.join("disk");
        let free = rustix::fs::statvfs(&disk).context("cannot ask how full a disk is")?;
        let most = (free.f_bavail * free.f_frsize).saturating_sub(DISK_LEFT);
        let ballast = disk.join("ballast");
        run_quietly(command("fallocate", &["-l", &most.to_string()]).arg(&ballast))?;
        let mut rest = File::options().append(true).open(&ballast)?;
        loop {
            match rest.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("cannot fill a disk"),
            }
        }
    }

    /// Gives it back.
    pub(super) fn empty(&self, at: usize) -> Result<()> {
        let ballast = self.servers[at].home.join("disk/ballast");
        std::fs::remove_file(ballast).context("cannot remove the ballast")
    }

    /// Runs statements as the superuser of one server, on its own machine; returns what it prints.
    pub(super) fn sql(&self, at: usize, sql: &str) -> Result<String> {
        let server = &self.servers[at];
        let address = format!(
            "host={} user=postgres dbname=landfall connect_timeout=2",
            server.address
        );
        let mut psql = server.command("psql");
        psql.args(["--no-psqlrc", "-At", "-d", &address, "-c", sql]);
        let output = psql
            .env("PGPASSWORD", PASSWORD)
            .output()
            .context("cannot start psql")?;
        ensure!(
            output.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// What Patroni runs in a new cluster: the nodes' own user, who may see which standbys are synchronous.
const FIRST: &str = r#"#!/bin/sh
psql "$1" -v ON_ERROR_STOP=1 <<END
create role landfall login password 'of-the-lab' in role pg_monitor;
create database landfall owner landfall;
create database landfall2 owner landfall;
END
"#;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where PostgreSQL's programs are.
fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is missing")?;
    let found = versions.flatten().map(|version| version.path().join("bin"));
    found
        .max()
        .context("PostgreSQL is not where Debian puts it")
}

/// What Patroni is told. It fails over when its session with ZooKeeper ends, which ZooKeeper limits to 5 s.
fn settings(server: &Host, data: &Path, network: &Network, zookeeper: &[String]) -> Value {
    let (address, home) = (server.address, &server.home);
    let account = |name: &str| json!({"username": name, "password": PASSWORD});
    json!({
        "scope": "lab",
        "name": server.name,
        "zookeeper": {"hosts": zookeeper},
        "restapi": {"listen": format!("{address}:8008"), "connect_address": format!("{address}:8008")},
        "bootstrap": {
            "dcs": {
                "ttl": 20, "loop_wait": 1, "retry_timeout": 3,
                // PostgreSQL that was killed is not started again where a standby can take over.
                "primary_start_timeout": 0,
                "synchronous_mode": "quorum", "synchronous_mode_strict": true, "synchronous_node_count": 1,
                // While all of ZooKeeper is down the primary stays one, as long as all standbys agree.
                "failsafe_mode": true,
                "postgresql": {"use_pg_rewind": true, "use_slots": true, "parameters": {
                    "wal_log_hints": "on", "wal_keep_size": "128MB", "min_wal_size": "80MB",
                    "max_wal_size": "512MB", "max_connections": 100,
                    // The default of 5 s is 5 s without commits after each fail-over.
                    "wal_retrieve_retry_interval": "200ms",
                }},
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            "post_bootstrap": home.join("first.sh"),
        },
        "postgresql": {
            "listen": format!("{address}:5432"), "connect_address": format!("{address}:5432"),
            "data_dir": data, "pgpass": home.join("pgpass"),
            "basebackup": [{"checkpoint": "fast"}],
            "pg_hba": [
                "local all all trust",
                format!("host all all {} scram-sha-256", network.everybody()),
                format!("host replication all {} scram-sha-256", network.everybody()),
            ],
            "authentication": {
                "superuser": account("postgres"), "replication": account("replicator"),
                "rewind": account("rewinder"),
            },
            "parameters": {
                "unix_socket_directories": home, "shared_buffers": "64MB",
                "wal_sender_timeout": "3s", "wal_receiver_timeout": "3s",
                "tcp_keepalives_idle": 2, "tcp_keepalives_interval": 1, "tcp_keepalives_count": 3,
                "tcp_user_timeout": 4000, "log_line_prefix": "%m [%p] ",
            },
        },
    })
}

/// Whether the account that PostgreSQL runs under may come as far as this.
pub(super) fn ensure_reachable(path: &Path) -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let account = [
        "--reuid=postgres",
        "--regid=postgres",
        "--init-groups",
        "test",
        "-r",
    ];
    let mut look: Command = command("setpriv", &account);
    ensure!(
        crate::shell::succeeds(look.arg(path)),
        "the account postgres cannot read {}: let it enter the folders above, or set CARGO_TARGET_DIR",
        path.display()
    );
    Ok(())
}
