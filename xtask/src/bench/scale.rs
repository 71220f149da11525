//! The management of a large server: how soon each page has its data, and what it costs the messages.

mod pages;
mod visitors;

use super::connection::Connection;
use super::load::{self, Figures, Work};
use super::peers::{Subject, landfall};
use super::report::{Table, when_and_where};
use crate::server::{Program, Server};
use crate::shell::{cargo, run, target_dir};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use model::method::{basic, queue};
use model::{DeliveryTag, ShortStr, TableBuilder, Value};
use pages::Answered;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use visitors::Visitors;
use wire::Frame;

/// What `cargo xtask scale` can be told.
#[derive(Args)]
pub(crate) struct ScaleArgs {
    #[command(flatten)]
    size: Size,
    /// How long each throughput is measured
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How often, in turns; the median counts
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// How much there is to see.
#[derive(Args, Clone, Copy)]
struct Size {
    /// How many queues there are
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    queues: u32,
    /// How many connections, each with a channel and a consumer
    #[arg(long, default_value_t = 1_000)]
    connections: u32,
    /// How many messages are parked
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    parked: u32,
}

/// Everything that a page shows is there within this.
const SOON: Duration = Duration::from_millis(200);
/// The throughput is measured with messages of this size and this window.
const LIVE: (usize, usize) = (1024, 5_000);
/// Nacks for so many at once.
const AT_ONCE: u32 = 10_000;
const PARKED: &str = "parked";

/// Measures and prints the tables.
pub(crate) fn run_scale(args: &ScaleArgs) -> Result<()> {
    if cfg!(debug_assertions) {
        // A load generator without optimisation would measure itself.
        let us = ["run", "--quiet", "--release", "--package", "xtask", "--"];
        return run(cargo(&us).args(std::env::args_os().skip(1)));
    }
    let server = Server::start(landfall()?)?;
    measure(&server, args).with_context(|| server.end_of_log())
}

/// The short form, a part of every test run: with the debug build, of a server that is not so large.
pub(crate) fn run_small_scale() -> Result<()> {
    run(&mut cargo(&["build", "--package", "landfall-server"]))?;
    let binary = target_dir().join("debug").join("landfall");
    let server = Server::start(Program::Landfall(binary))?;
    let size = Size {
        queues: 1_000,
        connections: 100,
        parked: 10_000,
    };
    let told = fill(&server, size).and_then(|clients| {
        let told = tell_pages(&server);
        drop(clients);
        told
    });
    told.with_context(|| server.end_of_log())
}

fn measure(server: &Server, args: &ScaleArgs) -> Result<()> {
    let clients = fill(server, args.size)?;
    let pages = tell_pages(server);
    let time = Duration::try_from_secs_f64(args.seconds).context("--seconds")?;
    println!("{}", cost(server, args.rounds, time)?);
    drop(clients);
    pages
}

/// Makes all that there is to see; returns who is connected.
fn fill(server: &Server, size: Size) -> Result<Vec<TcpStream>> {
    let mut control = Connection::open(server.port())?;
    let name = |number: u32| ShortStr::truncated(&format!("queue-{number:06}"));
    control.declare_all((0..size.queues).map(name))?;
    let clients = (0..size.connections).map(|number| connect(server, &name(number % size.queues)));
    let clients = clients.collect::<Result<_>>()?;
    park(server, size.parked)?;
    println!(
        "{}; {} queues, {} connections with a consumer each, {} parked messages",
        when_and_where(),
        size.queues,
        size.connections,
        size.parked
    );
    Ok(clients)
}

/// Prints how soon pages have their data.
///
/// # Errors
/// If something was late.
fn tell_pages(server: &Server) -> Result<()> {
    let answered = pages::ask_all(server)?;
    println!("{}", pages::table(&answered).text().unwrap_or_default());
    let late: Vec<&str> = (answered.iter())
        .filter(|one| one.longest > SOON)
        .map(Answered::what)
        .collect();
    ensure!(late.is_empty(), "later than {SOON:?}: {}", late.join(", "));
    Ok(())
}

/// A client that waits for messages.
fn connect(server: &Server, queue: &ShortStr) -> Result<TcpStream> {
    let mut client = Connection::open(server.port())?;
    client.qos(10)?;
    client.consume(queue, 0)?;
    Ok(client.idle())
}

/// A queue whose messages have come back more often than they may.
fn park(server: &Server, messages: u32) -> Result<()> {
    let mut connection = Connection::open(server.port())?;
    let queue = ShortStr::truncated(PARKED);
    let arguments = TableBuilder::new().field("x-delivery-limit", Value::I64(0));
    connection.ask(queue::Declare {
        queue: queue.clone(),
        durable: true,
        arguments: arguments.build(),
        ..Default::default()
    })?;
    let publish = Connection::encode_publish(&ShortStr::default(), &queue, b"it came back");
    for number in 0..messages {
        connection.output.extend_from_slice(&publish);
        if number % AT_ONCE == 0 {
            connection.flush()?;
        }
    }
    // The answer to anything comes after them.
    connection.qos(0)?;
    connection.consume(&queue, 0)?;
    let mut came = 0;
    while came < messages {
        match connection.buffered_frame()? {
            None => connection.fill()?,
            Some(Frame::Method(..)) => {}
            Some(Frame::Body(..)) => {
                came += 1;
                if came % AT_ONCE == 0 || came == messages {
                    connection.say(basic::Nack {
                        delivery_tag: DeliveryTag(came.into()),
                        multiple: true,
                        requeue: true,
                    })?;
                }
            }
            Some(_) => {}
        }
    }
    connection.close()?;
    let parked = pages::parked(server, PARKED)?;
    if parked != u64::from(messages) {
        bail!("{parked} of {messages} messages are parked");
    }
    Ok(())
}

/// What those who look cost: throughput with and without them, in turns.
fn cost(server: &Server, rounds: u32, time: Duration) -> Result<String> {
    let work = Work::plain(LIVE.0, LIVE.1, time);
    let (mut alone, mut watched) = (Vec::new(), Vec::new());
    let mut looked = Duration::ZERO;
    for round in 0..rounds {
        for is_watched in [round % 2 == 0, round % 2 != 0] {
            let began = Instant::now();
            let visitors = is_watched.then(|| Visitors::come(server.admin_port(), looked));
            let figures = load::run(server, Subject::Landfall, work)?;
            if let Some(visitors) = visitors {
                visitors.leave()?;
                looked += began.elapsed();
                watched.push(figures);
            } else {
                alone.push(figures);
            }
        }
    }
    let (alone, watched) = (Figures::median(&alone), Figures::median(&watched));
    let mut table = Table::new("| acked/s | server CPU µs/msg | confirm p99 µs");
    for (who, figures) in [
        ("nobody looks", &alone),
        ("two browsers and Prometheus", &watched),
    ] {
        table.row([
            who.to_owned(),
            format!("{:.0}", figures.acked_per_s),
            format!("{:.2}", figures.server_cpu_us),
            format!("{:.0}", figures.confirm_p99_us),
        ]);
    }
    table.row([
        "ratio".to_owned(),
        format!("{:.3}", watched.acked_per_s / alone.acked_per_s),
        format!("{:.3}", watched.server_cpu_us / alone.server_cpu_us),
        format!("{:.2}", watched.confirm_p99_us / alone.confirm_p99_us),
    ]);
    Ok(table.text().unwrap_or_default())
}
