//! How a node connects to its database, and which servers' word it relies on.
//!
//! Of several hosts all are tried at once, and the first counts that takes writes and whose settings are sound: one that
//! is dead, and does not even say so, costs no time. What is read is read where was landed last: a primary that was
//! replaced, and has not heard of it, still answers.

use crate::desk::PAUSE_MOST;
use crate::error::DatabaseError;
use crate::options::Options;
use crate::session::{Doubt, Session, describe};
use crate::settings::{self, Settings};
use crate::tls;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What every connection of ours is set to, whatever the server's or the user's defaults are. A statement that the
/// server itself gives up, or a warning that it keeps to itself, would be an outcome that we do not know of; and how
/// commits wait is what it was when the server was looked at.
pub(crate) const SET_UP: &str = "
    set client_min_messages = 'notice';
    set statement_timeout = 0;
    set lock_timeout = 0;
    set idle_session_timeout = 0;
    set idle_in_transaction_session_timeout = 0;
    set default_transaction_isolation = 'read committed';
    set default_transaction_deferrable = off;
    set search_path = 'pg_catalog';
    set jit = off;
    select set_config('synchronous_commit', current_setting('synchronous_commit'), false)";

/// The host where was landed last has so long to let us in before the others are asked, too.
const HERE_MAX: Duration = Duration::from_secs(1);
/// How often a server is asked whether it goes by its settings by now.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A host whose system is silent for so long is dead: however long a statement takes, the system it runs on answers.
const SILENCE: Duration = Duration::from_secs(3);

/// The way to the database.
pub(crate) struct Connector {
    pub(crate) options: Options,
    /// One for each host.
    hosts: Vec<Config>,
    /// The host that a line has connected to last.
    host: AtomicUsize,
    tls: Option<MakeRustlsConnect>,
    /// A synchronous standby was seen, or the operator says that there is one: a server without any is refused.
    replicated: AtomicBool,
    /// When the settings were read that a server was seen to go by.
    heeded: Mutex<String>,
    /// How often a server was refused: whoever has a connection from before looks again.
    refusals: AtomicU64,
}

impl Connector {
    pub(crate) fn new(options: Options) -> Result<Self, DatabaseError> {
        Ok(Self {
            hosts: each_host(&config(&options)?),
            host: AtomicUsize::new(0),
            tls: options
                .authorities
                .as_deref()
                .map(tls::trusting)
                .transpose()?,
            replicated: AtomicBool::new(options.require_standby),
            heeded: Mutex::default(),
            refusals: AtomicU64::new(0),
            options,
        })
    }

    /// A connection that hears every notice, to a server whose word can be relied on.
    pub(crate) async fn session(self: &Arc<Self>) -> Result<Session, Doubt> {
        let (host, session) = self.any().await?;
        self.host.store(host, Ordering::Relaxed);
        Ok(session)
    }

    /// A connection that runs by itself, for statements that commit nothing that anybody waits for.
    pub(crate) async fn client(self: &Arc<Self>) -> Result<Client, Doubt> {
        if self.hosts.len() > 1 {
            // One that has gone silent is not waited for: all are asked then.
            let here = tokio::time::timeout(HERE_MAX, self.connect(self.host())).await;
            if let Ok(Ok(session)) = here {
                return Ok(session.by_itself());
            }
        }
        Ok(self.any().await?.1.by_itself())
    }

    /// The host where was landed last.
    pub(crate) fn host(&self) -> usize {
        self.host.load(Ordering::Relaxed)
    }

    /// The first host that can be used, and a connection to it.
    async fn any(self: &Arc<Self>) -> Result<(usize, Session), Doubt> {
        if self.hosts.len() == 1 {
            return Ok((0, self.connect(0).await?));
        }
        let mut tries = JoinSet::new();
        for host in 0..self.hosts.len() {
            let connector = self.clone();
            tries.spawn(async move { (host, connector.try_for_a_while(host).await) });
        }
        let mut doubts = Vec::new();
        while let Some(tried) = tries.join_next().await {
            let (host, connected) = tried.map_err(|error| Doubt::Lost(error.to_string()))?;
            match connected {
                Ok(session) => return Ok((host, session)),
                Err(doubt) => doubts.push(doubt),
            }
        }
        // What the operator can change counts most; but that one host lets us not in only if no other may.
        let weight = |doubt: &Doubt| match doubt {
            Doubt::Unsafe(_) => 2,
            Doubt::Shut(_) => 0,
            _ => 1,
        };
        let doubt = doubts.into_iter().max_by_key(weight);
        Err(doubt.expect("there is a host, and it was tried"))
    }

    /// One of several hosts is tried again: another may be silent until its time is over, and this one be the primary before.
    async fn try_for_a_while(&self, host: usize) -> Result<Session, Doubt> {
        let began = Instant::now();
        loop {
            match self.connect(host).await {
                Err(_) if self.hosts.len() > 1 && began.elapsed() < SILENCE => {
                    tokio::time::sleep(PAUSE_MOST).await
                }
                connected => return connected,
            }
        }
    }

    async fn connect(&self, host: usize) -> Result<Session, Doubt> {
        let limit = self.options.statement_limit;
        let config = &self.hosts[host];
        let connect = async {
            Ok(match &self.tls {
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    Session::new(client, connection)
                }
                Some(tls) => {
                    let (client, connection) = config.connect(tls.clone()).await?;
                    Session::new(client, connection)
                }
            })
        };
        let connected = tokio::time::timeout(limit, connect).await;
        let connected = connected.map_err(|_| Doubt::Late(limit))?;
        let mut session = connected.map_err(|error| not_connected(&error))?;
        session
            .run(limit, |client| client.batch_execute(SET_UP))
            .await?;
        match self.sound(&mut session, limit).await {
            Ok(settings) => {
                settings.read_at().clone_into(&mut session.settings_read);
                Ok(session)
            }
            Err(doubt @ Doubt::Unsafe(_)) => {
                self.note_refused(host);
                Err(doubt)
            }
            Err(doubt) => Err(doubt),
        }
    }

    /// The settings of a server whose word can be relied on, as soon as it goes by them.
    async fn sound(&self, session: &mut Session, limit: Duration) -> Result<Settings, Doubt> {
        let began = Instant::now();
        loop {
            let row = session
                .run(limit, |client| client.query_one(settings::QUESTION, &[]))
                .await?;
            let settings = self.check(&row)?;
            if self.is_heeded(&settings) {
                return Ok(settings);
            }
            if began.elapsed() > limit {
                return Err(Doubt::Late(limit));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether the server goes by these settings. What it once did go by it goes by until it reads them again.
    fn is_heeded(&self, settings: &Settings) -> bool {
        let mut known = self.heeded.lock().unwrap_or_else(PoisonError::into_inner);
        if settings.is_heeded() {
            settings.read_at().clone_into(&mut known);
        }
        settings.is_heeded() || *known == settings.read_at()
    }

    /// What was learned from the server that is in use is true for all connections to it; a former primary that is asked
    /// because another host is looked for concerns nobody.
    pub(crate) fn note_refused(&self, host: usize) {
        if host == self.host() {
            self.refusals.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Rises when the server that is in use was refused.
    pub(crate) fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// Whether the server's word can be relied on, by its answer to [`settings::QUESTION`].
    pub(crate) fn check(&self, row: &Row) -> Result<Settings, Doubt> {
        let settings = Settings::of(row).map_err(|error| lost(&error))?;
        let objections = settings.objections(self.replicated.load(Ordering::Relaxed));
        if !objections.is_empty() && !self.options.allow_asynchronous {
            return Err(Doubt::Unsafe(objections.join("; ")));
        }
        self.replicated
            .fetch_or(settings.has_standby(), Ordering::Relaxed);
        Ok(settings)
    }
}

fn config(options: &Options) -> Result<Config, DatabaseError> {
    let refused = |why: String| DatabaseError::Refused(format!("the database's address: {why}"));
    let mut config =
        Config::from_str(&options.database).map_err(|error| refused(describe(&error)))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(refused("no host in it".to_owned()));
    }
    match (&options.authorities, config.get_ssl_mode()) {
        (Some(_), _) => config.ssl_mode(SslMode::Require),
        (None, SslMode::Require) => {
            let why = "sslmode=require needs to know which authorities to trust";
            return Err(refused(why.to_owned()));
        }
        (None, _) => config.ssl_mode(SslMode::Disable),
    };
    config
        .application_name("landfall")
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .keepalives_idle(SILENCE / 3)
        .keepalives_interval(SILENCE / 3)
        .keepalives_retries(2);
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.statement_limit / 2);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    Ok(config)
}

/// The same for each of the hosts alone.
fn each_host(all: &Config) -> Vec<Config> {
    let (hosts, addresses, ports) = (all.get_hosts(), all.get_hostaddrs(), all.get_ports());
    let one = |at: usize| {
        let mut one = Config::new();
        if let Some(user) = all.get_user() {
            one.user(user);
        }
        if let Some(password) = all.get_password() {
            one.password(password);
        }
        if let Some(name) = all.get_dbname() {
            one.dbname(name);
        }
        if let Some(options) = all.get_options() {
            one.options(options);
        }
        if let Some(name) = all.get_application_name() {
            one.application_name(name);
        }
        if let Some(limit) = all.get_connect_timeout() {
            one.connect_timeout(*limit);
        }
        if let Some(limit) = all.get_tcp_user_timeout() {
            one.tcp_user_timeout(*limit);
        }
        if let Some(interval) = all.get_keepalives_interval() {
            one.keepalives_interval(interval);
        }
        if let Some(retries) = all.get_keepalives_retries() {
            one.keepalives_retries(retries);
        }
        match hosts.get(at) {
            Some(Host::Tcp(host)) => one.host(host),
            Some(Host::Unix(directory)) => one.host_path(directory),
            None => &mut one,
        };
        if let Some(address) = addresses.get(at) {
            one.hostaddr(*address);
        }
        if let Some(port) = ports.get(at).or(ports.first()) {
            one.port(*port);
        }
        one.ssl_mode(all.get_ssl_mode())
            .ssl_negotiation(all.get_ssl_negotiation())
            .channel_binding(all.get_channel_binding())
            .target_session_attrs(all.get_target_session_attrs())
            .keepalives(all.get_keepalives())
            .keepalives_idle(all.get_keepalives_idle());
        one
    };
    (0..hosts.len().max(addresses.len())).map(one).collect()
}

/// The two classes of errors by which a server says that it will not be different the next time.
fn not_connected(error: &tokio_postgres::Error) -> Doubt {
    const INVALID_AUTHORIZATION: &str = "28";
    const INVALID_CATALOG: &str = "3D";
    let classes = [INVALID_AUTHORIZATION, INVALID_CATALOG];
    let is_of = |code: &SqlState| classes.iter().any(|class| code.code().starts_with(class));
    if error.code().is_some_and(is_of) {
        return Doubt::Shut(describe(error));
    }
    lost(error)
}

fn lost(error: &tokio_postgres::Error) -> Doubt {
    Doubt::Lost(describe(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_is_a_way_of_its_own() {
        let options = Options::new("postgres://u:secret@a:1,b:2/name?connect_timeout=7");
        let all = config(&options).expect("it is an address");
        let hosts = each_host(&all);
        let named = |host: &Config| (host.get_hosts().to_vec(), host.get_ports().to_vec());
        let host = |name: &str, port| (vec![Host::Tcp(name.to_owned())], vec![port]);
        let named: Vec<_> = hosts.iter().map(named).collect();
        assert_eq!(named, [host("a", 1), host("b", 2)]);
        for one in &hosts {
            assert_eq!(one.get_user(), Some("u"));
            assert_eq!(one.get_password(), Some(&b"secret"[..]));
            assert_eq!(one.get_dbname(), Some("name"));
            assert_eq!(one.get_connect_timeout(), Some(&Duration::from_secs(7)));
            assert_eq!(one.get_tcp_user_timeout(), Some(&SILENCE));
            assert_eq!(
                one.get_target_session_attrs(),
                TargetSessionAttrs::ReadWrite
            );
        }
        // Of several hosts with one port it is that of all.
        let options = Options::new("host=a,b,c port=6 user=u");
        let all = config(&options).expect("it is an address");
        let ports = each_host(&all);
        assert_eq!(ports.len(), 3);
        assert!(ports.iter().all(|one| one.get_ports() == [6]));
    }
}
