//! How a node connects to its database, and which servers' word it relies on.

use crate::error::DatabaseError;
use crate::options::Options;
use crate::session::{Doubt, Session, describe};
use crate::settings::{self, Settings};
use crate::tls;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
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

/// The way to the database.
pub(crate) struct Connector {
    pub(crate) options: Options,
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// A synchronous standby was seen, or the operator says that there is one: a server without any is refused.
    replicated: AtomicBool,
    /// How often a server was refused: whoever has a connection from before looks again.
    refusals: AtomicU64,
}

impl Connector {
    pub(crate) fn new(options: Options) -> Result<Self, DatabaseError> {
        Ok(Self {
            config: config(&options)?,
            tls: options
                .authorities
                .as_deref()
                .map(tls::trusting)
                .transpose()?,
            replicated: AtomicBool::new(options.require_standby),
            refusals: AtomicU64::new(0),
            options,
        })
    }

    /// A connection that hears every notice, to a server whose word can be relied on.
    pub(crate) async fn session(&self) -> Result<Session, Doubt> {
        let mut session = self.connect().await?;
        let row = session
            .run(self.options.statement_limit, |client| {
                client.query_one(settings::QUESTION, &[])
            })
            .await?;
        session.standby_names = self.check(&row)?.standby_names().to_owned();
        Ok(session)
    }

    /// A connection that runs by itself, for statements that commit nothing that anybody waits for.
    pub(crate) async fn client(&self) -> Result<Client, Doubt> {
        Ok(self.connect().await?.by_itself())
    }

    async fn connect(&self) -> Result<Session, Doubt> {
        let limit = self.options.statement_limit;
        let connect = async {
            Ok(match &self.tls {
                None => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    Session::new(client, connection)
                }
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await?;
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
        Ok(session)
    }

    /// Rises when a server was refused.
    pub(crate) fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// Whether the server's word can be relied on, by its answer to [`settings::QUESTION`].
    pub(crate) fn check(&self, row: &Row) -> Result<Settings, Doubt> {
        let settings = Settings::of(row).map_err(|error| lost(&error))?;
        let objections = settings.objections(self.replicated.load(Ordering::Relaxed));
        if !objections.is_empty() && !self.options.allow_asynchronous {
            self.refusals.fetch_add(1, Ordering::Relaxed);
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
        .keepalives_idle(Duration::from_secs(5));
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.statement_limit / 2);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(options.statement_limit);
    }
    Ok(config)
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
