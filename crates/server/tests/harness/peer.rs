//! The server that a client's test talks to: one of the test's own, or the one that AMQP_PORT names, which other
//! tests use as well (`cargo xtask clients`).

use super::{Landfall, Scratch};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};

/// A running server, and names in it that no other test has.
pub(crate) struct Peer {
    address: SocketAddr,
    name: String,
    own: Option<(Option<Landfall>, Scratch)>,
}

impl Peer {
    /// Starts it, unless it runs.
    pub(crate) fn start() -> Self {
        static TESTS: AtomicU32 = AtomicU32::new(0);
        let test = TESTS.fetch_add(1, Ordering::Relaxed);
        let name = format!("clients-{}-{test}", std::process::id());
        if let Some(port) = port("AMQP_PORT") {
            let address = (Ipv4Addr::LOCALHOST, port).into();
            return Self {
                address,
                name,
                own: None,
            };
        }
        let scratch = Scratch::new();
        let server = Landfall::start(&scratch.data_dir());
        Self {
            address: server.address(),
            name,
            own: Some((Some(server), scratch)),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same for clients.
    pub(crate) fn url(&self) -> String {
        format!("amqp://{}", self.address)
    }

    /// A name of the test's own.
    pub(crate) fn name(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    /// `kill -9`, and started again on the same data.
    pub(crate) fn kill_and_restart(&mut self) {
        if let Some((server, scratch)) = &mut self.own {
            server.take().expect("it runs").kill();
            *server = Some(Landfall::start_at(&scratch.data_dir(), self.address));
            return;
        }
        let port = port("SERVER_CONTROL").expect("who names the server takes orders for it");
        let mut control =
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the control listens");
        control.write_all(b"kill\n").expect("the order is sent");
        let mut answer = String::new();
        BufReader::new(control)
            .read_line(&mut answer)
            .expect("an answer comes");
        assert_eq!(answer, "ok\n");
    }
}

fn port(variable: &str) -> Option<u16> {
    let port = std::env::var(variable).ok()?;
    Some(port.parse().expect("a port is a number"))
}
