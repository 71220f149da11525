//! Who may log in, and what the server says about itself before that.

use crate::config::Config;
use model::{FieldTable, TableBuilder, Value};
use std::net::IpAddr;
use std::time::Duration;

/// The SASL mechanisms offered to clients.
pub const MECHANISMS: &str = "PLAIN AMQPLAIN";

/// A refused login is answered after this time, so that passwords cannot be tried quickly. Only the connection
/// itself waits.
pub const REFUSAL_DELAY: Duration = Duration::from_secs(3);

/// The one user of a fresh server.
const GUEST: &str = "guest";

/// Why a login was refused: for the log, the client is told less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such user, or another password.
    #[error("unknown user or wrong password")]
    Credentials,
    /// The guest, whose password everybody knows, from another machine.
    #[error("user 'guest' may only connect from this machine")]
    NotLocal,
}

/// Decides about a login.
pub fn check(user: &str, password: &str, peer: IpAddr) -> Result<(), Refused> {
    if user != GUEST || password != GUEST {
        return Err(Refused::Credentials);
    }
    if !peer.to_canonical().is_loopback() {
        return Err(Refused::NotLocal);
    }
    Ok(())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_comes_from_this_machine_only() {
        let peer = |text: &str| text.parse::<IpAddr>().expect("an address");
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(check("guest", "guest", peer(local)), Ok(()), "{local}");
        }
        for other in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] {
            let refused = check("guest", "guest", peer(other));
            assert_eq!(refused, Err(Refused::NotLocal), "{other}");
        }
        let refused = check("guest", "wrong", peer("127.0.0.1"));
        assert_eq!(refused, Err(Refused::Credentials));
        let refused = check("root", "guest", peer("127.0.0.1"));
        assert_eq!(refused, Err(Refused::Credentials));
    }
}
