//! What the client costs: the CPU time per message of a [`Sender`] and a [`Receiver`], a thread each, beside that of
//! bare loops that do the same work. They take turns, so that both have the same neighbours on the machine.
//!
//! `cargo run --release -p landfall-client --example client_speed -- [URL] [MESSAGES] [BODY BYTES] [ROUNDS]`, with a
//! server running at the URL. Only Linux tells a thread's CPU time to the nanosecond (`/proc/thread-self/schedstat`).

mod bare;

use bytes::Bytes;
use landfall_client::{Address, Options, Receiver, Sender};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, ScopedJoinHandle, scope};
use std::time::Instant;

const WINDOWS: [u64; 2] = [5_000, 100];
const PREFETCH: u16 = 1_000;
const QUEUE: &str = "client-speed";

/// What is measured.
struct Load {
    address: Address,
    options: Options,
    body: Bytes,
    messages: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or("amqp://127.0.0.1".into());
    let mut number = |default: u64| match arguments.next() {
        Some(text) => text.parse(),
        None => Ok(default),
    };
    let (messages, size, rounds) = (number(200_000)?, number(1024)?, number(5)?);
    let load = Load {
        address: url.parse()?,
        options: Options::parse([url.as_str()])?,
        body: Bytes::from(vec![7; usize::try_from(size)?]),
        messages,
    };
    on_a_runtime(declare(&load.options))?;
    println!("ns of CPU a message: median of {rounds} rounds, {size} B, {messages} messages");
    for window in WINDOWS {
        let (mut client, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            bare.push(with_bare_loops(&load, window)?);
            client.push(with_the_client(&load, window)?);
        }
        println!("window {window}:");
        compare("send", &client, &bare, |run| run.send_ns);
        compare("receive", &client, &bare, |run| run.receive_ns);
        compare("both", &client, &bare, |run| run.send_ns + run.receive_ns);
        compare("rate", &client, &bare, |run| run.per_second);
    }
    Ok(())
}

fn compare(what: &str, client: &[Run], bare: &[Run], figure: impl Fn(&Run) -> f64 + Copy) {
    let (client, bare) = (median(client, figure), median(bare, figure));
    let ratio = client / bare;
    println!("{what:>9}: client {client:8.0}, bare loop {bare:8.0}, ratio {ratio:.2}");
}

fn median(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What one run came to, for each message.
struct Run {
    send_ns: f64,
    receive_ns: f64,
    per_second: f64,
}

impl Run {
    fn of(
        load: &Load,
        who: &str,
        send: impl FnOnce() -> Result<(), String> + Send,
        receive: impl FnOnce() -> Result<(), String> + Send,
    ) -> Result<Self, Box<dyn Error>> {
        let began = Instant::now();
        // A profiler tells the threads apart by their names.
        let named = |does: &str| Builder::new().name(format!("{who} {does}"));
        let (send, receive) = scope(|scope| {
            let receive = named("receives").spawn_scoped(scope, || cpu_ns_of(receive))?;
            let send = named("sends").spawn_scoped(scope, || cpu_ns_of(send))?;
            Ok::<_, std::io::Error>((joined(send), joined(receive)))
        })?;
        let messages = load.messages as f64;
        Ok(Self {
            send_ns: send? / messages,
            receive_ns: receive? / messages,
            per_second: messages / began.elapsed().as_secs_f64(),
        })
    }
}

fn joined(thread: ScopedJoinHandle<'_, Result<f64, String>>) -> Result<f64, String> {
    thread.join().map_err(|_| "a thread panicked".to_owned())?
}

/// The CPU time of this thread for `work`.
fn cpu_ns_of(work: impl FnOnce() -> Result<(), String>) -> Result<f64, String> {
    let before = cpu_ns().map_err(text)?;
    work()?;
    Ok((cpu_ns().map_err(text)? - before) as f64)
}

fn cpu_ns() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split(' ').next().ok_or("an empty schedstat")?;
    Ok(first.parse()?)
}

/// An error that another thread can tell.
fn text(error: Box<dyn Error>) -> String {
    error.to_string()
}

fn with_bare_loops(load: &Load, window: u64) -> Result<Run, Box<dyn Error>> {
    let Load {
        address, messages, ..
    } = load;
    Run::of(
        load,
        "bare",
        || bare::send(address, QUEUE, &load.body, window, *messages).map_err(text),
        || bare::receive(address, QUEUE, PREFETCH, *messages).map_err(text),
    )
}

fn with_the_client(load: &Load, window: u64) -> Result<Run, Box<dyn Error>> {
    Run::of(
        load,
        "client",
        || on_a_runtime(send(load, window)).map_err(text),
        || on_a_runtime(receive(load)).map_err(text),
    )
}

fn on_a_runtime(
    work: impl Future<Output = Result<(), Box<dyn Error>>>,
) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

async fn declare(options: &Options) -> Result<(), Box<dyn Error>> {
    let sender = Sender::to_queue(QUEUE).declare().connect(options).await?;
    sender.close().await;
    Ok(())
}

async fn send(load: &Load, window: u64) -> Result<(), Box<dyn Error>> {
    let sender = Sender::to_queue(QUEUE)
        .window(u32::try_from(window)?, 1 << 30)
        .connect(&load.options)
        .await?;
    let confirmed = Arc::new(AtomicU64::new(0));
    for _ in 0..load.messages {
        let confirmed = confirmed.clone();
        sender
            .send_with(load.body.clone(), move |outcome| {
                confirmed.fetch_add(outcome.is_ok().into(), Ordering::Relaxed);
            })
            .await;
    }
    sender.close().await;
    assert_eq!(confirmed.load(Ordering::Relaxed), load.messages);
    Ok(())
}

async fn receive(load: &Load) -> Result<(), Box<dyn Error>> {
    let mut receiver = Receiver::of_queue(QUEUE)
        .prefetch(PREFETCH)
        .connect(&load.options)
        .await?;
    for _ in 0..load.messages {
        receiver.recv().await.ok_or("cancelled")?.ack();
    }
    receiver.close().await;
    Ok(())
}
