//! A port where a test can ask for the server to be stopped and started again on the same data.

use crate::server::Server;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A server, and the port that commands it. The server ends with it and its folder goes; the port's thread ends with the
/// process.
pub(crate) struct Control {
    server: Arc<Mutex<Server>>,
    port: u16,
}

impl Control {
    /// Listens for orders on a free port.
    pub(crate) fn start(server: Server) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port for the control")?;
        let port = listener
            .local_addr()
            .context("no free port for the control")?
            .port();
        let server = Arc::new(Mutex::new(server));
        let commanded = Arc::downgrade(&server);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let Some(server) = commanded.upgrade() else {
                    return;
                };
                let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = obey(&socket, &mut server) {
                    // Told to whoever asked, whose test fails with it; if nobody reads it, the test has failed already.
                    let _ = writeln!(&socket, "{error:#}");
                }
            }
        });
        Ok(Self { server, port })
    }

    /// Where it takes orders.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where its server takes connections.
    pub(crate) fn amqp_port(&self) -> u16 {
        self.server().port()
    }

    /// Where its server answers operators.
    pub(crate) fn admin_port(&self) -> u16 {
        self.server().admin_port()
    }

    /// What the server said last.
    pub(crate) fn end_of_server_log(&self) -> String {
        self.server().end_of_log()
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn obey(socket: &TcpStream, server: &mut Server) -> Result<()> {
    let mut order = String::new();
    BufReader::new(socket)
        .read_line(&mut order)
        .context("cannot read the order")?;
    match order.trim() {
        "kill" => server.kill()?,
        "terminate" => server.terminate()?,
        other => bail!("neither `kill` nor `terminate`: `{other}`"),
    }
    server.launch()?;
    writeln!(&mut &*socket, "ok").context("cannot answer")
}
