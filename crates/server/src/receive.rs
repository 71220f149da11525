//! `landfall receive`: a queue's messages as lines of a file, each acknowledged once its line is written and synced.

mod sink;

use crate::send::{Framing, Servers, pace};
use anyhow::{Context, Result};
use bytes::BytesMut;
use client::{Delivery, Receiver};
use sink::Sink;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// The options of `landfall receive`.
#[derive(Debug, clap::Args)]
pub struct ReceiveArgs {
    /// The queue. It is made, durable, if there is none of that name
    queue: String,
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    framing: Framing,
    /// Stop after so many messages [default: go on]
    #[arg(long, value_name = "MESSAGES")]
    count: Option<u64>,
    /// Stop when no message has come for so many seconds [default: go on]
    #[arg(long, value_name = "SECONDS")]
    idle_exit: Option<f64>,
    /// Write to this file, which is made. Messages are acknowledged once their lines are synced to the disk
    /// [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Go on behind what is in the file. A last line that is not finished, from a run that was killed, is cut off:
    /// its message was not acknowledged and comes again
    #[arg(long, requires = "out")]
    append: bool,
    /// The most messages that may be delivered and not acknowledged at a time; so many lines share a sync
    #[arg(long, value_name = "MESSAGES", default_value_t = 2_000)]
    prefetch: u16,
    /// Write no message twice, as far as its sender numbered it: what comes again after a lost connection is
    /// acknowledged and left out
    #[arg(long)]
    suppress_duplicates: bool,
}

/// What was written.
#[derive(Default)]
struct Written {
    messages: u64,
    redelivered: u64,
}

/// Receives until it has enough, and shows what came.
///
/// A body is written as it came, and the separator behind it. A body that has the separator in it becomes several
/// lines: `--null` divides by NUL bytes instead, `--whole` writes nothing between bodies.
///
/// # Errors
/// No server, or a file that cannot be written: what is not written then is not acknowledged.
pub async fn receive(args: ReceiveArgs) -> Result<()> {
    let options = args.servers.options("receive")?;
    let sink = match &args.out {
        Some(path) => Sink::file(path, args.append, args.framing.separator())
            .with_context(|| format!("opening {}", path.display()))?,
        None => Sink::standard_output(),
    };
    // What is fetched beyond the count would go back as redelivered.
    let prefetch = args
        .count
        .and_then(|count| u16::try_from(count).ok())
        .map_or(args.prefetch, |count| count.min(args.prefetch));
    let mut receiver = Receiver::of_queue(&args.queue).declare().prefetch(prefetch);
    if args.suppress_duplicates {
        receiver = receiver.suppress_duplicates();
    }
    let mut receiver = receiver.connect(&options).await?;
    let started = Instant::now();
    let mut written = Written::default();
    let result = write_all(&args, &mut receiver, sink, &mut written).await;
    let suppressed = receiver.counts().suppressed;
    receiver.close().await;
    eprintln!(
        "received {}, redelivered {}, duplicates suppressed {suppressed} in {}",
        written.messages,
        written.redelivered,
        pace(written.messages, started.elapsed()),
    );
    result
}

/// Takes whatever is there, writes it, syncs it, and acknowledges it; again and again.
async fn write_all(
    args: &ReceiveArgs,
    receiver: &mut Receiver,
    mut sink: Sink,
    written: &mut Written,
) -> Result<()> {
    let mut stop = pin!(asked_to_stop());
    let wanted = args.count.unwrap_or(u64::MAX);
    let mut batch: Vec<Delivery> = Vec::new();
    let mut lines = BytesMut::new();
    while written.messages < wanted {
        let first = tokio::select! {
            first = receiver.recv() => first,
            () = idle_for(args.idle_exit) => None,
            stop = &mut stop => { stop?; None }
        };
        let Some(first) = first else { break };
        batch.push(first);
        let room = wanted - written.messages;
        while (batch.len() as u64) < room
            && let Some(next) = receiver.try_recv()
        {
            batch.push(next);
        }
        for delivery in &batch {
            lines.extend_from_slice(delivery.body());
            lines.extend(args.framing.separator());
            written.redelivered += u64::from(delivery.redelivered());
        }
        // On another thread: a slow disk or a full pipe must not silence the connection's heartbeats.
        let text = lines.split();
        sink = tokio::task::spawn_blocking(move || sink.write(&text).map(|()| sink)).await??;
        written.messages += batch.len() as u64;
        batch.drain(..).for_each(Delivery::ack);
    }
    Ok(())
}

async fn idle_for(seconds: Option<f64>) {
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(time)) => tokio::time::sleep(time).await,
        _ => std::future::pending().await,
    }
}

/// Ctrl-C or SIGTERM: what was taken is still written and acknowledged.
async fn asked_to_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
