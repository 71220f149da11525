//! How clients log in, and what the server says about itself before that. Who may is for the broker to say.

use crate::config::Config;
use broker::Proof;
use model::publish::EXTEND_ROUTING_KEY;
use model::{FieldTable, Password, TableBuilder, Value};
use std::time::Duration;

/// Who a client is if it says no password: what the mechanism EXTERNAL stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum External {
    /// That cannot be told.
    Unknown,
    /// The name in the certificate that it has shown.
    Certificate(String),
    /// Another node of the cluster knows it, and passes the client on.
    Node,
}

impl External {
    /// The SASL mechanisms offered to the client.
    pub(crate) const fn mechanisms(&self) -> &'static str {
        match self {
            Self::Unknown => "PLAIN AMQPLAIN",
            Self::Certificate(_) | Self::Node => "PLAIN AMQPLAIN EXTERNAL",
        }
    }

    /// Who a client is that logs in by one of these mechanisms, and what shows it.
    pub(crate) fn who(&self, mechanism: &str, said: String, password: Password) -> (String, Proof) {
        match self {
            // What the client would like to be does not count: as with RabbitMQ.
            Self::Certificate(name) if mechanism == EXTERNAL => (name.clone(), Proof::Vouched),
            Self::Node if mechanism == EXTERNAL => (said, Proof::Vouched),
            _ => (said, Proof::Password(password)),
        }
    }
}

/// The mechanism of clients that are known without a password.
pub(crate) const EXTERNAL: &str = "EXTERNAL";

/// A refused login is answered after this time, so that passwords cannot be tried quickly. Only the connection
/// itself waits. php-amqplib gives up after 3 s without an answer, and then cannot say that the password is wrong.
pub const REFUSAL_DELAY: Duration = Duration::from_secs(1);

/// What clients find out about the server in connection.start. Several refuse to work without one or the other
/// capability, or without a version of three numbers.
pub fn server_properties(config: &Config) -> FieldTable {
    let capabilities = [
        ("publisher_confirms", true),
        ("exchange_exchange_bindings", true),
        ("basic.nack", true),
        ("consumer_cancel_notify", true),
        ("connection.blocked", true),
        ("authentication_failure_close", true),
        ("per_consumer_qos", true),
        ("consumer_priorities", true),
        ("direct_reply_to", true),
        (EXTEND_ROUTING_KEY, true),
    ];
    let capabilities = capabilities
        .iter()
        .fold(TableBuilder::new(), |table, (name, able)| {
            table.field(name, Value::Bool(*able))
        });
    TableBuilder::new()
        .table("capabilities", &capabilities.build())
        .text("product", &config.product)
        .text("version", env!("CARGO_PKG_VERSION"))
        .text("platform", concat!("Rust ", env!("CARGO_PKG_RUST_VERSION")))
        .text("cluster_name", &config.cluster_name)
        .text("copyright", "The Landfall authors")
        .text("information", "Licensed under the Apache License 2.0")
        .build()
}
