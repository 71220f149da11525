//! `landfall serve`: from the configuration to a running server.

use crate::clock::Clock;
use crate::config::{Config, Member, ServeArgs};
use crate::listen::{self, Entry, PORT};
use crate::member::{self, Entrances};
use crate::server::{self, Parts};
use crate::tls::Tls;
use crate::{http, log, stop};
use anyhow::Context;
use broker::{Broker, Recovery};
use journal::{Journal, Options};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Told;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{debug, error, info};

/// The size of a segment file, in bytes.
pub(crate) const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Runs the server until it is asked to stop.
pub fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let config = args.config()?;
    log::start(config.log_format, &config.log_level)?;
    raise_file_limit();
    // One thread for listeners, connections and the shard: they hand batches to each other without waking
    // another processor. Landing has a thread of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(start_and_run(&config));
    // After a failure nobody is told anything more; and a visit to a failing disk may never return.
    runtime.shutdown_background();
    served
}

async fn start_and_run(config: &Config) -> anyhow::Result<()> {
    let asked_to_stop = stop::asked_to_stop().context("cannot receive signals")?;
    let clock = Clock::start();
    let ended = match &config.member {
        None => run_alone(config, clock, asked_to_stop).await,
        Some(member) => run_as_member(config, member, clock, asked_to_stop).await,
    };
    match &ended {
        Ok(()) => info!("stopped"),
        Err(failure) => error!("ending, nothing more is confirmed: {failure:#}"),
    }
    ended
}

async fn run_alone(
    config: &Config,
    clock: Clock,
    asked_to_stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (journal, broker, recovery) = open(config, clock)?;
    let tls = open_tls(config)?;
    let listeners = listen::bind(config, tls.as_ref())?;
    let doors = http::bind(config, tls.as_ref());
    announce(config, &listeners, &doors.operators)?;
    let parts = Parts {
        store: Box::new(journal),
        broker,
        recovery,
        listeners,
        doors,
        clock,
    };
    server::run(config, parts, asked_to_stop).await
}

async fn run_as_member(
    config: &Config,
    member: &Member,
    clock: Clock,
    asked_to_stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let tls = open_tls(config)?;
    let entrances = Entrances {
        clients: listen::bind(config, tls.as_ref())?,
        nodes: listen::bind_to_nodes(member.listen)?,
        doors: http::bind(config, tls.as_ref()),
    };
    announce(config, &entrances.clients, &entrances.doors.operators)?;
    member::run(config, member, entrances, clock, asked_to_stop).await
}

/// Reads what TLS is made with, and goes on looking at it.
fn open_tls(config: &Config) -> anyhow::Result<Option<Arc<Tls>>> {
    let Some(files) = &config.tls else {
        if !std::io::stdin().is_terminal() {
            ignore_hangups()?;
        }
        return Ok(None);
    };
    let tls = Tls::open(files.clone()).context("cannot use TLS")?;
    tokio::spawn(tls.clone().watch());
    Ok(Some(tls))
}

/// Without certificates there is nothing to read anew; but whoever tells all servers to must not end this one. (One that
/// somebody runs in a terminal goes with it.)
fn ignore_hangups() -> anyhow::Result<()> {
    let mut hangups = signal(SignalKind::hangup()).context("cannot receive signals")?;
    tokio::spawn(async move { while hangups.recv().await.is_some() {} });
    Ok(())
}

/// Opens the data directory, and tells a fresh broker all that landed in it; says how long that took.
fn open(config: &Config, clock: Clock) -> anyhow::Result<(Journal, Broker, Duration)> {
    let began = Instant::now();
    let mut recovery = Recovery::new(&config.limits);
    let options = Options {
        dir: config.data_dir.clone(),
        segment_bytes: SEGMENT_BYTES,
        disk_free_limit: config.disk_free_limit,
        cache_bytes: config.memory_limit.cache_bytes(),
    };
    let (journal, recovered) = Journal::open(options, &mut |told| match told {
        Told::Record(position, record) => recovery.apply(position, record),
        Told::Messages(run, head) => recovery.know(run, &head),
    })?;
    info!(
        data_dir = %config.data_dir.display(),
        segments = recovered.segments,
        records = recovered.records,
        cut_bytes = recovered.cut_bytes,
        clean = recovered.clean,
        took_ms = recovered.took.as_millis(),
        "recovered"
    );
    let broker = recovery.finish(clock.now());
    Ok((journal, broker, began.elapsed()))
}

/// As many connections as the system lets us have: the usual soft limit of 1,024 files is a relic of select.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        debug!(%error, "cannot raise the limit of open files");
    }
}

/// Says on standard output where the server listens, and what to try next.
fn announce(
    config: &Config,
    clients: &[Entry<TcpListener>],
    operators: &[Entry<StdListener>],
) -> anyhow::Result<()> {
    let mut addresses = Vec::new();
    let mut plain = None;
    for Entry { listener, tls } in clients {
        let address = listener.local_addr().context(CANNOT_TELL)?;
        if tls.is_none() {
            plain.get_or_insert(address);
        }
        addresses.push(with_tls(address.to_string(), tls.is_some()));
    }
    let (mut api, mut pages) = (String::new(), String::new());
    for (place, Entry { listener, tls }) in operators.iter().enumerate() {
        let address = listener.local_addr().context(CANNOT_TELL)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        if place == 0 {
            api = format!("; the HTTP API is at {scheme}://{address}");
            pages = format!("\nThe management pages are at {scheme}://{address}");
        } else if tls.is_some() {
            api.push_str(&format!("; and at {scheme}://{address}"));
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    let said = writeln!(
        std::io::stdout(),
        "Landfall {version} listens on {addresses}{api}; what lands is kept in {place}{tries}{pages}",
        addresses = addresses.join(" and "),
        place = place(config),
        tries = plain.map_or_else(String::new, tries),
    );
    // Where nobody reads standard output any more the log still tells.
    said.unwrap_or_else(|error| debug!(%error, "cannot write to standard output"));
    info!(addresses = addresses.join(" "), version, "listening");
    Ok(())
}

/// What to try where clients come in without TLS.
fn tries(first: SocketAddr) -> String {
    let url = if first.port() == PORT && first.ip().is_loopback() {
        String::new()
    } else {
        format!(" --url amqp://{first}")
    };
    format!(
        "\nTry next:\n  \
         echo 'hello' | landfall send first{url}\n  \
         landfall receive first --count 1{url}\n  \
         python3 -c \"import pika; pika.BlockingConnection(pika.URLParameters('amqp://{first}')).channel()\
         .basic_publish('', 'first', b'hello from pika')\""
    )
}

const CANNOT_TELL: &str = "cannot tell the listening address";

fn with_tls(address: String, tls: bool) -> String {
    if tls {
        format!("{address} (TLS)")
    } else {
        address
    }
}

/// Where what lands is kept, for a person.
fn place(config: &Config) -> String {
    match &config.member {
        None => config.data_dir.display().to_string(),
        Some(member) => format!(
            "the database of the cluster; this is its member {}",
            member.node
        ),
    }
}
