//! Other people's clients, from their registries and unmodified, against a running server.
//!
//! The suites lie in `tests/clients/`. They pass against RabbitMQ too (`--against rabbitmq`), which shows that
//! they ask for what clients are used to, and for nothing that only we do.

use crate::install;
use crate::server::{Program, Server};
use crate::shell::{cargo, command, root, run, target_dir};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What `cargo xtask clients` can be told.
#[derive(Args, Default)]
pub(crate) struct ClientsArgs {
    /// Only this client
    #[arg(long)]
    only: Option<Client>,
    /// The server that has to satisfy them
    #[arg(long, default_value = "landfall")]
    against: Against,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Client {
    Pika,
    AioPika,
    Amqplib,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Against {
    #[default]
    Landfall,
    Rabbitmq,
}

/// Starts a server and runs every client's suite, or the one asked for.
pub(crate) fn run_suites(args: &ClientsArgs) -> Result<()> {
    install::packages(install::FOR_CLIENTS)?;
    let program = match args.against {
        Against::Landfall => {
            run(&mut cargo(&["build", "--package", "landfall-server"]))?;
            Program::Landfall(target_dir().join("debug").join("landfall"))
        }
        Against::Rabbitmq => {
            install::packages(install::FOR_RABBITMQ)?;
            Program::RabbitMq
        }
    };
    let server = Arc::new(Mutex::new(Server::start(program)?));
    let control = listen_for_restarts(Arc::clone(&server))?;
    let port = server.lock().unwrap_or_else(PoisonError::into_inner).port();
    let suites = [Client::Pika, Client::AioPika, Client::Amqplib];
    let mut failed = Vec::new();
    for client in suites
        .into_iter()
        .filter(|client| args.only.is_none_or(|only| only == *client))
    {
        if let Err(error) = run_suite(client, port, control) {
            failed.push(format!("{error:#}"));
        }
    }
    // The thread of the control holds the server too, so it is not dropped here.
    let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
    server.end();
    if !failed.is_empty() {
        bail!("{}\n{}", failed.join("; "), server.end_of_log());
    }
    Ok(())
}

fn run_suite(client: Client, port: u16, control: u16) -> Result<()> {
    let folder = root().join("tests/clients");
    let mut suite = match client {
        Client::Pika | Client::AioPika => {
            let folder = folder.join("python");
            let python = install::python(&folder.join("requirements.txt"))?;
            let file = if client == Client::Pika {
                "test_pika.py"
            } else {
                "test_aio_pika.py"
            };
            let mut pytest = command(python, &["-B", "-m", "pytest", file]);
            pytest.current_dir(folder);
            pytest
        }
        Client::Amqplib => {
            let folder = folder.join("node");
            install::node(&folder)?;
            let mut node = command(
                "node",
                &["--test", "--test-reporter=spec", "amqplib.test.js"],
            );
            node.current_dir(folder);
            node
        }
    };
    run(suite
        .env("AMQP_PORT", port.to_string())
        .env("SERVER_CONTROL", control.to_string()))
}

/// A port where a test can ask for the server to be stopped and started again on the same data.
/// The thread ends with the process.
fn listen_for_restarts(server: Arc<Mutex<Server>>) -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port for the control")?;
    let port = listener
        .local_addr()
        .context("no free port for the control")?
        .port();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = obey(&socket, &mut server) {
                // Told to whoever asked, whose test fails with it; if nobody reads it, the test has failed already.
                let _ = writeln!(&socket, "{error:#}");
            }
        }
    });
    Ok(port)
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
