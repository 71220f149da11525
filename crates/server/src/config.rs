//! The configuration: every option in one table, from which flag, environment variable, key of the
//! configuration file, default and help are made.
//!
//! A flag is stronger than the environment, the environment than the file, the file than the default.

mod hosts;
mod member;
pub use member::Member;
mod oauth;
pub use oauth::Oauth;
mod collector;
pub use collector::Collector;
mod settings;
mod tls;
pub use tls::{LoginFrom, TlsFiles, Verify};

use crate::journey::Keeping;
use crate::log::LogFormat;
use crate::memory::MemoryLimit;
use crate::units::{Portion, Share, Size, Span};
use admin::settings::Setting;
use anyhow::{Context, ensure};
use model::{Limits, ShortStr};
use settings::Sourced;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Makes of one row an option in all its forms. The name of a flag is also its key in the file.
macro_rules! options {
    ($($name:ident: $type:ty, $env:literal, $value:literal, $default:literal, $help:literal;)*) => {
        /// What was said in one place: on the command line and in the environment, or in the file.
        #[derive(Clone, Debug, Default, clap::Args, serde::Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
        pub struct Given {
            /// Address and port to listen on; may be given several times; none for TLS only
            /// [default: 127.0.0.1:5672, and [::1]:5672 where there is one]
            #[arg(long, env = "LANDFALL_LISTEN", value_name = "ADDRESS:PORT", value_delimiter = ',')]
            listen: Option<Vec<String>>,
            /// The same for clients with TLS, which needs --tls-certificate; none for none
            /// [default: 127.0.0.1:5671 and [::1]:5671 where there is a certificate]
            #[arg(long, env = "LANDFALL_LISTEN_TLS", value_name = "ADDRESS:PORT", value_delimiter = ',')]
            listen_tls: Option<Vec<String>>,
            /// Address and port of the HTTP API; may be given several times; none for no API
            /// [default: 127.0.0.1:15672 and [::1]:15672]
            #[arg(long, env = "LANDFALL_ADMIN_LISTEN", value_name = "ADDRESS:PORT", value_delimiter = ',')]
            admin_listen: Option<Vec<String>>,
            /// Address and port of the HTTP API over TLS, with the same certificate; none for none
            /// [default: 127.0.0.1:15671 and [::1]:15671 where there is a certificate]
            #[arg(long, env = "LANDFALL_ADMIN_LISTEN_TLS", value_name = "ADDRESS:PORT", value_delimiter = ',')]
            admin_listen_tls: Option<Vec<String>>,
            /// Address and port for Prometheus, which needs no login there; may be given several times; none for no such port
            /// [default: 127.0.0.1:15692 and [::1]:15692]
            #[arg(long, env = "LANDFALL_PROMETHEUS_LISTEN", value_name = "ADDRESS:PORT", value_delimiter = ',')]
            prometheus_listen: Option<Vec<String>>,
            /// Users who may only connect from this machine; may be given several times [default: guest]
            #[arg(long, env = "LANDFALL_LOOPBACK_USERS", value_name = "NAME", value_delimiter = ',')]
            loopback_users: Option<Vec<String>>,
            $(
                #[doc = $help]
                #[arg(
                    long, env = $env, value_name = $value,
                    help = concat!($help, " [default: ", $default, "]")
                )]
                $name: Option<$type>,
            )*
        }

        impl Given {
            /// What was said here, and where nothing was, what was said there.
            fn or(self, weaker: Self) -> Self {
                Self {
                    listen: self.listen.or(weaker.listen),
                    listen_tls: self.listen_tls.or(weaker.listen_tls),
                    admin_listen: self.admin_listen.or(weaker.admin_listen),
                    admin_listen_tls: self.admin_listen_tls.or(weaker.admin_listen_tls),
                    prometheus_listen: self.prometheus_listen.or(weaker.prometheus_listen),
                    loopback_users: self.loopback_users.or(weaker.loopback_users),
                    $($name: self.$name.or(weaker.$name),)*
                }
            }
        }

        /// Every option, for people.
        const OPTIONS: &[Described] = &[
            Described {
                field: "listen",
                environment: "LANDFALL_LISTEN",
                default: "127.0.0.1:5672, and [::1]:5672 where there is one",
                does: "Address and port to listen on",
            },
            Described {
                field: "listen_tls",
                environment: "LANDFALL_LISTEN_TLS",
                default: "127.0.0.1:5671 and [::1]:5671 where there is a certificate",
                does: "The same for clients with TLS",
            },
            Described {
                field: "admin_listen",
                environment: "LANDFALL_ADMIN_LISTEN",
                default: "127.0.0.1:15672 and [::1]:15672",
                does: "Address and port of the HTTP API",
            },
            Described {
                field: "admin_listen_tls",
                environment: "LANDFALL_ADMIN_LISTEN_TLS",
                default: "127.0.0.1:15671 and [::1]:15671 where there is a certificate",
                does: "Address and port of the HTTP API over TLS",
            },
            Described {
                field: "prometheus_listen",
                environment: "LANDFALL_PROMETHEUS_LISTEN",
                default: "127.0.0.1:15692 and [::1]:15692",
                does: "Address and port for Prometheus, which needs no login there",
            },
            Described {
                field: "loopback_users",
                environment: "LANDFALL_LOOPBACK_USERS",
                default: "guest",
                does: "Users who may only connect from this machine",
            },
            $(
                Described {
                    field: stringify!($name),
                    environment: $env,
                    default: $default,
                    does: $help,
                },
            )*
        ];

        /// Every option with its value.
        struct Decided {
            listen: Option<Vec<String>>,
            listen_tls: Option<Vec<String>>,
            admin_listen: Option<Vec<String>>,
            admin_listen_tls: Option<Vec<String>>,
            prometheus_listen: Option<Vec<String>>,
            loopback_users: Option<Vec<String>>,
            $($name: $type,)*
        }

        impl From<Given> for Decided {
            fn from(given: Given) -> Self {
                Self {
                    listen: given.listen,
                    listen_tls: given.listen_tls,
                    admin_listen: given.admin_listen,
                    admin_listen_tls: given.admin_listen_tls,
                    prometheus_listen: given.prometheus_listen,
                    loopback_users: given.loopback_users,
                    $($name: given.$name.unwrap_or_else(|| $default.parse().expect("each default is valid")),)*
                }
            }
        }
    };
}

options! {
    admin_hosts: String, "LANDFALL_ADMIN_HOSTS", "NAME,…|any|none", "none",
        "Names under which the HTTP API is asked on its own machine, beside its addresses, localhost and the machine's name";
    data_dir: PathBuf, "LANDFALL_DATA_DIR", "DIR", "./landfall-data",
        "Directory that holds all that has landed";
    disk_free_limit: Size, "LANDFALL_DISK_FREE_LIMIT", "SIZE", "256MiB",
        "Publishers are blocked while the disk has less room than this";
    memory_limit: Portion, "LANDFALL_MEMORY_LIMIT", "SIZE|PERCENT", "60%",
        "Memory of the server: a size, or a part of what its machine or container has; short of it, publishers are blocked";
    log_format: LogFormat, "LANDFALL_LOG_FORMAT", "text|json|auto", "text",
        "How a line of the log looks; auto is text on a terminal and JSON elsewhere";
    log_level: String, "LANDFALL_LOG_LEVEL", "LEVEL", "info",
        "What to log: error, warn, info, debug, trace, or filters like info,server=debug";
    tls_certificate: String, "LANDFALL_TLS_CERTIFICATE", "FILE|none", "none",
        "PEM file with the server's certificate, and those between it and its authority: with it clients and tools may use TLS";
    tls_key: String, "LANDFALL_TLS_KEY", "FILE|none", "none",
        "PEM file with the key of the certificate";
    tls_authorities: String, "LANDFALL_TLS_AUTHORITIES", "FILE|none", "none",
        "PEM file of the authorities that sign clients' certificates";
    tls_verify: Verify, "LANDFALL_TLS_VERIFY", "none|optional|required", "none",
        "Whether clients with TLS are asked for a certificate; who has shown one may log in by EXTERNAL";
    tls_login_from: LoginFrom, "LANDFALL_TLS_LOGIN_FROM", "common-name|dns|email|uri", "common-name",
        "What of a client's certificate is the name of its user";
    auth_oauth2_resource_server_id: String, "LANDFALL_AUTH_OAUTH2_RESOURCE_SERVER_ID", "NAME|none", "none",
        "What this server is called in tokens of OAuth 2: with it and signing keys a token may be the password";
    auth_oauth2_signing_keys: String, "LANDFALL_AUTH_OAUTH2_SIGNING_KEYS", "[KID=]FILE,…|none", "none",
        "PEM files or JWKS of the public keys that sign tokens; KID is what tokens call a key, without it the file's name";
    auth_oauth2_jwks_url: String, "LANDFALL_AUTH_OAUTH2_JWKS_URL", "URL|none", "none",
        "Where the issuer publishes its keys; without it and signing keys the issuer is asked where";
    auth_oauth2_https_authorities: String, "LANDFALL_AUTH_OAUTH2_HTTPS_AUTHORITIES", "FILE|none", "none",
        "PEM file of the authorities that sign the issuer's certificate; without it the system's";
    auth_oauth2_issuer: String, "LANDFALL_AUTH_OAUTH2_ISSUER", "URL|none", "none",
        "Who has to have issued a token (its claim iss)";
    auth_oauth2_verify_aud: bool, "LANDFALL_AUTH_OAUTH2_VERIFY_AUD", "true|false", "true",
        "Refuse tokens whose claim aud does not name the resource server id";
    auth_oauth2_scope_prefix: String, "LANDFALL_AUTH_OAUTH2_SCOPE_PREFIX", "TEXT|none", "none",
        "What stands before scopes that are this server's; none for the resource server id and a dot";
    auth_oauth2_additional_scopes_key: String, "LANDFALL_AUTH_OAUTH2_ADDITIONAL_SCOPES_KEY", "CLAIM,…|none", "none",
        "Claims that hold scopes beside scope";
    auth_oauth2_preferred_username_claims: String, "LANDFALL_AUTH_OAUTH2_PREFERRED_USERNAME_CLAIMS", "CLAIM,…|none", "none",
        "Claims that are the user's name, the best first; then sub and client_id";
    auth_oauth2_algorithms: String, "LANDFALL_AUTH_OAUTH2_ALGORITHMS", "NAME,…", "RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,EdDSA",
        "How tokens may be signed";
    auth_oauth2_scope_aliases: String, "LANDFALL_AUTH_OAUTH2_SCOPE_ALIASES", "ALIAS=SCOPE SCOPE,…|none", "none",
        "Scopes that stand for others";
    product: String, "LANDFALL_PRODUCT", "NAME", "Landfall",
        "Product name told to clients, for those that work with one name only";
    cluster_name: String, "LANDFALL_CLUSTER_NAME", "NAME", "landfall",
        "Cluster name told to clients";
    frame_max: Size, "LANDFALL_FRAME_MAX", "SIZE", "131072",
        "Largest frame offered to clients";
    channel_max: u16, "LANDFALL_CHANNEL_MAX", "N", "2047",
        "Most channels of one connection";
    heartbeat: Span, "LANDFALL_HEARTBEAT", "TIME", "60s",
        "Heartbeat offered to clients; 0 for none";
    handshake_timeout: Span, "LANDFALL_HANDSHAKE_TIMEOUT", "TIME", "10s",
        "Time that a client has from connecting to being logged in";
    message_size_max: Size, "LANDFALL_MESSAGE_SIZE_MAX", "SIZE", "128MiB",
        "Largest message body";
    connections_max: usize, "LANDFALL_CONNECTIONS_MAX", "N", "65536",
        "Most connections at a time";
    publishers_max: usize, "LANDFALL_PUBLISHERS_MAX", "N", "100000",
        "Most publishers whose publishing ids are remembered";
    publisher_gaps_max: usize, "LANDFALL_PUBLISHER_GAPS_MAX", "N", "1000000",
        "Most gaps among the publishing ids of all publishers together";
    deduplication_max: usize, "LANDFALL_DEDUPLICATION_MAX", "N", "1000000",
        "Most messages that all queues that deduplicate may be asked to remember";
    queues_max: usize, "LANDFALL_QUEUES_MAX", "N", "500000",
        "Most queues";
    exchanges_max: usize, "LANDFALL_EXCHANGES_MAX", "N", "100000",
        "Most exchanges beside those that are always there";
    bindings_max: usize, "LANDFALL_BINDINGS_MAX", "N", "2000000",
        "Most bindings";
    unacked_max: u32, "LANDFALL_UNACKED_MAX", "N", "1000000",
        "Most deliveries of one channel that wait for acknowledgements; then its consumers get no more";
    declare_mismatch: String, "LANDFALL_DECLARE_MISMATCH", "error|keep|update", "error",
        "When a queue that is there is declared with other arguments: refuse (406), keep the queue as it is, or update it";
    consumer_timeout: Span, "LANDFALL_CONSUMER_TIMEOUT", "TIME", "30m",
        "Time that consumers may take to acknowledge where neither they nor their queues say otherwise; 0 for any";
    unfinished_bytes_max: Size, "LANDFALL_UNFINISHED_BYTES_MAX", "SIZE", "256MiB",
        "Most memory for messages that have come in part, of all connections together";
    inbox_bytes_max: Size, "LANDFALL_INBOX_BYTES_MAX", "SIZE", "64MiB",
        "Most memory for what clients have sent and nobody has looked at";
    landing_bytes_max: Size, "LANDFALL_LANDING_BYTES_MAX", "SIZE", "32MiB",
        "So much may wait for landing before clients are read no further";
    journey_bytes_max: Size, "LANDFALL_JOURNEY_BYTES_MAX", "SIZE", "256MiB",
        "Most disk for the journeys of messages: what became of each of them; 0 to keep none";
    journey_age_max: Span, "LANDFALL_JOURNEY_AGE_MAX", "TIME", "7d",
        "Journeys are kept no longer than this";
    otlp_endpoint: String, "LANDFALL_OTLP_ENDPOINT", "URL|none", "none",
        "Collector that spans of publishes and deliveries are sent to, by OTLP over HTTP: http://host:4318";
    otlp_sample: Share, "LANDFALL_OTLP_SAMPLE", "PART", "0",
        "So much of the messages is traced whose publishers did not say whether to: 0.01 or 1%";
    transactions_bytes_max: Size, "LANDFALL_TRANSACTIONS_BYTES_MAX", "SIZE", "64MiB",
        "Most memory that all open transactions may hold";
    zookeeper: String, "LANDFALL_ZOOKEEPER", "HOST:PORT,…/CHROOT|none", "none",
        "ZooKeeper of the cluster that this node is a member of";
    database: String, "LANDFALL_DATABASE", "postgres://…|none", "none",
        "PostgreSQL of the cluster: what lands is kept there instead of in the data directory; several with ; between them";
    shards: u32, "LANDFALL_SHARDS", "N", "0",
        "Shards of a cluster that is made by this start, which its virtual hosts are spread over; 0 for one in each database";
    database_authorities: String, "LANDFALL_DATABASE_AUTHORITIES", "FILE|none", "none",
        "PEM file of the authorities that sign the database's certificate: with it all goes over TLS";
    require_standby: bool, "LANDFALL_REQUIRE_STANDBY", "true|false", "false",
        "Refuse a database without a synchronous standby from the start, not only once there was one";
    zookeeper_login: String, "LANDFALL_ZOOKEEPER_LOGIN", "USER:PASSWORD|none", "none",
        "Who this member is for ZooKeeper; nobody else may then read or change what it makes there";
    node_name: String, "LANDFALL_NODE_NAME", "NAME|host", "host",
        "Name of this member of the cluster; host for the machine's";
    node_listen: String, "LANDFALL_NODE_LISTEN", "ADDRESS:PORT", "127.0.0.1:25672",
        "Where this member of the cluster listens to the others";
    node_address: String, "LANDFALL_NODE_ADDRESS", "HOST:PORT|none", "none",
        "Where the other members find this one, if not where it listens";
    zookeeper_timeout: Span, "LANDFALL_ZOOKEEPER_TIMEOUT", "TIME", "10s",
        "ZooKeeper gives a silent member up after this, and another takes over";
    allow_asynchronous: bool, "LANDFALL_ALLOW_ASYNCHRONOUS", "true|false", "false",
        "Use a database even if its settings let it lose what it has committed";
}

/// What an option is.
struct Described {
    /// Its field here; its flag and its key in the file have dashes.
    field: &'static str,
    /// Its variable.
    environment: &'static str,
    /// What it is where nobody says anything.
    default: &'static str,
    /// What it is for.
    does: &'static str,
}

/// The command line of `landfall serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ServeArgs {
    /// Configuration file (TOML; its keys are the names of the flags)
    #[arg(long, env = "LANDFALL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    said: Sourced,
}

/// All that the server needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where all that has landed is kept.
    pub data_dir: PathBuf,
    /// Where to listen; `None` for the default, which depends on what the machine has.
    pub listen: Option<Vec<SocketAddr>>,
    /// The same with TLS: nowhere if empty.
    pub listen_tls: Option<Vec<SocketAddr>>,
    /// Where the HTTP API listens: nowhere if empty; `None` for the default, as far as the machine has it.
    pub admin_listen: Option<Vec<SocketAddr>>,
    /// The same with TLS.
    pub admin_listen_tls: Option<Vec<SocketAddr>>,
    /// To which names it answers on its own machine.
    pub admin_hosts: admin::Hosts,
    /// What TLS is made with, if there is any.
    pub tls: Option<TlsFiles>,
    /// Whose tokens are taken, if any are.
    pub oauth: Option<Oauth>,
    /// Where Prometheus is served without a login, in the same way.
    pub prometheus_listen: Option<Vec<SocketAddr>>,
    /// How a line of the log looks.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_level: String,
    /// Publishers are blocked while fewer bytes than this are free on the disk.
    pub disk_free_limit: u64,
    /// The memory that the server may use.
    pub memory_limit: MemoryLimit,
    /// The product name told to clients.
    pub product: String,
    /// The cluster name told to clients.
    pub cluster_name: String,
    /// Which journeys of messages are kept.
    pub journeys: Keeping,
    /// Where traces of messages are sent, if they are.
    pub collector: Option<Collector>,
    /// The cluster that the node is a member of, if it is of one.
    pub member: Option<Member>,
    /// What keeps memory bounded.
    pub limits: Limits,
    /// All options as they were said, for operators.
    pub settings: Vec<Setting>,
}

impl ServeArgs {
    /// Puts command line, environment, file and defaults together.
    pub fn config(self) -> anyhow::Result<Config> {
        let (file, written) = match &self.config {
            Some(path) => read_file(path)?,
            None => Default::default(),
        };
        let settings = settings::settings(&self.said, &written);
        let config = check(self.said.given.or(file).into())?;
        Ok(Config { settings, ..config })
    }
}

impl Config {
    /// The same for one of several shards: each keeps its journeys for itself.
    pub(crate) fn of_shard(&self, shard: u32) -> Self {
        let mut config = self.clone();
        if shard > 0 {
            config.journeys.dir.push(format!("shard-{shard}"));
        }
        config
    }

    /// Who this server is for those who hear of many.
    pub fn who(&self) -> Vec<(&'static str, String)> {
        let node = self.member.as_ref().map(|member| member.node.clone());
        let mut who = vec![
            ("service.name", "landfall".to_owned()),
            ("service.namespace", self.cluster_name.clone()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        who.extend(node.map(|node| ("service.instance.id", node)));
        who
    }
}

/// What a file says, and in which words.
fn read_file(path: &Path) -> anyhow::Result<(Given, toml::Table)> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
    let said = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            let upto = span.start.min(text.len());
            1 + text.as_bytes()[..upto]
                .iter()
                .filter(|b| **b == b'\n')
                .count()
        });
        anyhow::anyhow!("{}, line {line}: {}", path.display(), error.message())
    })?;
    let written = toml::from_str(&text).unwrap_or_default();
    Ok((said, written))
}

/// The largest body that any setting may allow, in bytes; RabbitMQ's bound too.
const MESSAGE_SIZE_MOST: u64 = 512 * 1024 * 1024;

fn check(decided: Decided) -> anyhow::Result<Config> {
    let frame_max = u32::try_from(decided.frame_max.0)
        .ok()
        .filter(|frame_max| (Limits::FRAME_MAX_LEAST..=1 << 30).contains(frame_max))
        .with_context(|| {
            format!(
                "frame-max is {}; it must be between {} bytes and 1GiB",
                decided.frame_max.0,
                Limits::FRAME_MAX_LEAST
            )
        })?;
    ensure!(decided.channel_max > 0, "channel-max must be at least 1");
    ensure!(decided.unacked_max > 0, "unacked-max must be at least 1");
    ensure!(
        (1024..=1 << 40).contains(&decided.inbox_bytes_max.0),
        "inbox-bytes-max is {}; it must be between 1KiB and 1024GiB",
        decided.inbox_bytes_max.0
    );
    ensure!(
        decided.landing_bytes_max.0 > 0,
        "landing-bytes-max must be more than 0"
    );
    ensure!(
        decided.message_size_max.0 <= MESSAGE_SIZE_MOST,
        "message-size-max is {}; it must be at most {MESSAGE_SIZE_MOST}",
        decided.message_size_max.0
    );
    ensure!(
        decided.heartbeat.0.as_secs() <= u64::from(u16::MAX),
        "heartbeat must be at most {} seconds",
        u16::MAX
    );
    ensure!(
        !decided.handshake_timeout.0.is_zero(),
        "handshake-timeout must be more than 0"
    );
    let tls = TlsFiles::of(&decided)?;
    let oauth = Oauth::of(&decided)?;
    let listen = addresses("listen", decided.listen.as_deref())?;
    ensure!(
        tls.is_some() || listen.as_ref().is_none_or(|list| !list.is_empty()),
        "listen must name at least one address"
    );
    let member = Member::of(&decided)?;
    let collector = Collector::of(&decided)?;
    let loopback_users = match decided.loopback_users {
        None => Limits::default().loopback_users,
        Some(names) => loopback_users(&names)?,
    };
    let memory_limit = MemoryLimit::of(decided.memory_limit)?;
    Ok(Config {
        member,
        memory_limit,
        journeys: Keeping {
            dir: decided.data_dir.join("journey"),
            bytes_max: decided.journey_bytes_max.0,
            age_max: decided.journey_age_max.0,
        },
        collector,
        data_dir: decided.data_dir,
        listen,
        listen_tls: addresses("listen-tls", decided.listen_tls.as_deref())?,
        admin_listen: addresses("admin-listen", decided.admin_listen.as_deref())?,
        admin_listen_tls: addresses("admin-listen-tls", decided.admin_listen_tls.as_deref())?,
        admin_hosts: hosts::hosts(&decided.admin_hosts)?,
        prometheus_listen: addresses("prometheus-listen", decided.prometheus_listen.as_deref())?,
        tls,
        oauth,
        log_format: decided.log_format,
        log_level: decided.log_level,
        disk_free_limit: decided.disk_free_limit.0,
        product: decided.product,
        cluster_name: decided.cluster_name,
        settings: Vec::new(),
        limits: memory_limit.bound(Limits {
            frame_max,
            channel_max: decided.channel_max,
            heartbeat: decided.heartbeat.0,
            handshake_timeout: decided.handshake_timeout.0,
            message_size_max: decided.message_size_max.0,
            connections_max: decided.connections_max,
            publishers_max: decided.publishers_max,
            publisher_gaps_max: decided.publisher_gaps_max,
            deduplication_max: decided.deduplication_max,
            queues_max: decided.queues_max,
            exchanges_max: decided.exchanges_max,
            bindings_max: decided.bindings_max,
            unacked_max: decided.unacked_max,
            consumer_timeout: Some(decided.consumer_timeout.0).filter(|time| !time.is_zero()),
            unfinished_bytes_max: bytes(decided.unfinished_bytes_max),
            inbox_bytes_max: bytes(decided.inbox_bytes_max),
            landing_bytes_max: bytes(decided.landing_bytes_max),
            transactions_bytes_max: bytes(decided.transactions_bytes_max),
            loopback_users,
            declare_mismatch: { decided.declare_mismatch.parse() }.context("declare-mismatch")?,
        }),
    })
}

/// An empty name stands for nobody, so that the list can be said to be empty.
fn loopback_users(names: &[String]) -> anyhow::Result<Vec<ShortStr>> {
    let named = names.iter().filter(|name| !name.is_empty());
    named
        .map(|name| {
            ShortStr::try_from(name.as_str())
                .with_context(|| format!("loopback-users: '{name}' is not a user's name"))
        })
        .collect()
}

/// Addresses to listen on, or the word `none` alone.
fn addresses(option: &str, list: Option<&[String]>) -> anyhow::Result<Option<Vec<SocketAddr>>> {
    let Some(list) = list else {
        return Ok(None);
    };
    if list == ["none"] {
        return Ok(Some(Vec::new()));
    }
    let addresses = list.iter().map(|text| {
        text.parse()
            .with_context(|| format!("{option}: '{text}' is not ADDRESS:PORT, nor none"))
    });
    addresses.collect::<anyhow::Result<_>>().map(Some)
}

fn bytes(size: Size) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
