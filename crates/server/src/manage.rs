//! The commands of operators: `landfall status`, `top`, `user`, `vhost`, `permission`, `policy`, `queue`, `exchange`,
//! `binding`, `publish`, `connection`, `channel`, `consumer`, `definitions`, `audit`, `operations`, `message`, `self-test`, `cluster`, each a few requests to a running server's HTTP API.

mod api;
mod audit;
mod binding;
mod channel;
mod cluster;
mod connection;
mod consumer;
mod definitions;
mod exchange;
mod figure;
mod filter;
mod message;
mod operations;
mod pairs;
mod permission;
mod policy;
mod publish;
mod queue;
mod self_test;
mod sight;
mod status;
mod table;
mod top;
mod user;
mod vhost;

pub use audit::{AuditArgs, audit};
pub use binding::{BindingArgs, binding};
pub use channel::{ChannelArgs, channel};
pub use cluster::{ClusterArgs, cluster};
pub use connection::{ConnectionArgs, connection};
pub use consumer::{ConsumerArgs, consumer};
pub use definitions::{DefinitionsArgs, definitions};
pub use exchange::{ExchangeArgs, exchange};
pub use message::{MessageArgs, message};
pub use operations::{OperationsArgs, operations};
pub use permission::{PermissionArgs, permission};
pub use policy::{PolicyArgs, policy};
pub use publish::{PublishArgs, publish};
pub use queue::{QueueArgs, queue};
pub use self_test::{SelfTestArgs, self_test};
pub use status::{StatusArgs, status};
pub(crate) use table::table;
pub use top::{TopArgs, top};
pub use user::{UserArgs, user};
pub use vhost::{VhostArgs, vhost};

/// Where the server is, and who asks.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct AdminServer {
    /// The server's HTTP API
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LANDFALL_ADMIN_URL",
        default_value = "http://127.0.0.1:15672"
    )]
    admin_url: String,
    /// Who asks: a user with the tag administrator
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "LANDFALL_ADMIN_USER",
        default_value = "guest"
    )]
    admin_user: String,
    /// The password of who asks
    #[arg(
        long,
        global = true,
        value_name = "PASSWORD",
        env = "LANDFALL_ADMIN_PASSWORD",
        default_value = "guest",
        hide_env_values = true
    )]
    admin_password: String,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
}
