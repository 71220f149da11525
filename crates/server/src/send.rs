//! `landfall send`: a file's lines, each a message, until every one of them landed or failed.

mod split;

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use client::{Message, Options, SendCounts, SendFailed, Sender};
use indicatif::{ProgressBar, ProgressStyle};
use model::PublishingId;
use split::Splitter;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The options of `landfall send`.
#[derive(Debug, clap::Args)]
pub struct SendArgs {
    /// The queue. It is made, durable, if there is none of that name
    queue: String,
    /// The file to send; - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    framing: Framing,
    /// Send under this name, counting the messages from 1. Sending the same file again under the same name lands
    /// only what did not land before [default: a new name each time]
    #[arg(long, value_name = "NAME")]
    publisher_id: Option<String>,
    /// How often a message without a confirm is sent again before it has failed. The waits between double from 5 to
    /// 60 seconds: 20 times are about 20 minutes
    #[arg(long, value_name = "TIMES", default_value_t = 20)]
    retransmissions: u32,
    /// The most messages that may be without a confirm at a time
    #[arg(long, value_name = "MESSAGES", default_value_t = 10_000)]
    window: u32,
}

/// Where the servers are, for every command that is a client.
#[derive(Debug, clap::Args)]
pub struct Servers {
    /// A server's address, amqp://USER:PASSWORD@HOST:PORT/VHOST, all but the host optional. Several, divided by
    /// commas, are tried in turn
    #[arg(
        long,
        value_name = "URL",
        env = "LANDFALL_URL",
        default_value = "amqp://localhost",
        value_delimiter = ','
    )]
    url: Vec<String>,
    /// PEM file of the authorities that sign the servers' certificates, for amqps://
    #[arg(long, env = "LANDFALL_AUTHORITIES", value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// For how many seconds to look for a server at the start. Later, a lost one is looked for until messages fail
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    patience: u64,
}

impl Servers {
    /// As the client takes them.
    pub(crate) fn options(&self, command: &str) -> Result<Options> {
        let urls = self.url.iter().map(String::as_str);
        let mut options = Options::parse(urls).context("--url")?;
        if let Some(authorities) = &self.authorities {
            options = options.trusting(authorities).context("--authorities")?;
        }
        // A restarting server is back within a second: it is worth looking often.
        Ok(options
            .connection_name(format!("landfall {command}"))
            .patience(Duration::from_secs(self.patience))
            .pauses(Duration::from_millis(50), Duration::from_secs(2)))
    }
}

/// What divides one message from the next in a file.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Framing {
    /// Divide messages by NUL bytes instead of line ends: for bodies that have line ends in them
    #[arg(short = '0', long, conflicts_with = "whole")]
    null: bool,
    /// Divide nothing: the whole file is one message
    #[arg(long)]
    whole: bool,
}

impl Framing {
    /// The byte behind each message; `None` where there is none.
    pub(crate) fn separator(self) -> Option<u8> {
        match (self.whole, self.null) {
            (true, _) => None,
            (false, true) => Some(0),
            (false, false) => Some(b'\n'),
        }
    }
}

/// How much is read at a time.
const CHUNK: usize = 256 * 1024;
/// Failures that are shown one by one; the others are only counted.
const FAILURES_SHOWN: usize = 5;

/// Sends, shows what became of it, and fails if anything failed.
///
/// # Errors
/// No server, no file, or messages that failed.
pub async fn send(args: SendArgs) -> Result<()> {
    let options = args.servers.options("send")?;
    let (size, chunks) = read_in_background(&args.file)?;
    let mut sender = Sender::to_queue(&args.queue)
        .declare()
        .window(args.window, 64 * 1024 * 1024)
        .first_publishing_id(PublishingId(1))
        .retransmission(
            Duration::from_secs(5),
            Duration::from_secs(60),
            args.retransmissions,
        );
    if let Some(name) = &args.publisher_id {
        sender = sender.publisher_id(name);
    }
    let sender = sender.connect(&options).await?;
    let started = Instant::now();
    let progress = Progress::start(&sender, size);
    let failures = Failures::default();
    let read = send_all(&sender, chunks, args.framing, &progress.bar, &failures).await;
    sender.close().await;
    progress.end();
    failures.show();
    summarize(sender.counts(), started.elapsed());
    read.with_context(|| format!("reading {}", args.file.display()))?;
    match sender.counts().failed {
        0 => Ok(()),
        failed => bail!("{failed} messages failed"),
    }
}

/// Hands every message over; the window sets the pace.
async fn send_all(
    sender: &Sender,
    mut chunks: mpsc::Receiver<std::io::Result<Bytes>>,
    framing: Framing,
    bar: &ProgressBar,
    failures: &Failures,
) -> Result<()> {
    let mut splitter = Splitter::new(framing.separator());
    let mut messages = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        let size = chunk.len() as u64;
        splitter.feed(chunk, &mut messages)?;
        hand_over(sender, &mut messages, failures).await;
        bar.inc(size);
    }
    messages.extend(splitter.finish());
    hand_over(sender, &mut messages, failures).await;
    Ok(())
}

async fn hand_over(sender: &Sender, messages: &mut Vec<Bytes>, failures: &Failures) {
    for body in messages.drain(..) {
        let failures = failures.clone();
        sender
            .send_with(Message::new(body), move |outcome| {
                if let Err(failed) = outcome {
                    failures.add(failed);
                }
            })
            .await;
    }
}

/// Reads on a thread of its own: standard input may be silent for long, and the connection must live on.
fn read_in_background(
    file: &Path,
) -> Result<(Option<u64>, mpsc::Receiver<std::io::Result<Bytes>>)> {
    let (mut input, size): (Box<dyn Read + Send>, _) = if file == Path::new("-") {
        (Box::new(std::io::stdin()), None)
    } else {
        let opened = File::open(file).with_context(|| format!("opening {}", file.display()))?;
        let metadata = opened.metadata()?;
        let size = metadata.is_file().then_some(metadata.len());
        (Box::new(opened), size)
    };
    let (chunks, received) = mpsc::channel(4);
    std::thread::Builder::new()
        .name("read".into())
        .spawn(move || {
            loop {
                let mut buffer = BytesMut::zeroed(CHUNK);
                let chunk = match input.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => {
                        buffer.truncate(count);
                        Ok(buffer.freeze())
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = chunk.is_err();
                if chunks.blocking_send(chunk).is_err() || failed {
                    return;
                }
            }
        })?;
    Ok((size, received))
}

/// What failed: the first few in words.
#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Vec<String>>>);

impl Failures {
    fn add(&self, failed: SendFailed) {
        let mut shown = self
            .0
            .lock()
            .expect("nothing panics while it holds the lock");
        if shown.len() < FAILURES_SHOWN {
            shown.push(failed.to_string());
        }
    }

    fn show(&self) {
        for failed in &*self
            .0
            .lock()
            .expect("nothing panics while it holds the lock")
        {
            eprintln!("{failed}");
        }
    }
}

/// The bar, where somebody looks.
struct Progress {
    bar: ProgressBar,
    painter: tokio::task::JoinHandle<()>,
}

impl Progress {
    fn start(sender: &Sender, size: Option<u64>) -> Self {
        let bar = if !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            let (bar, style) = match size {
                Some(size) => (
                    ProgressBar::new(size),
                    "{wide_bar} {bytes}/{total_bytes} {msg}",
                ),
                None => (ProgressBar::new_spinner(), "{spinner} {bytes} {msg}"),
            };
            bar.with_style(ProgressStyle::with_template(style).expect("the template is right"))
        };
        let painter = tokio::spawn(paint(sender.clone(), bar.clone()));
        Self { bar, painter }
    }

    fn end(self) {
        self.painter.abort();
        self.bar.finish_and_clear();
    }
}

async fn paint(sender: Sender, bar: ProgressBar) {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while !bar.is_hidden() {
        ticks.tick().await;
        let counts = sender.counts();
        bar.set_message(format!(
            "{} sent, {} confirmed",
            counts.sent, counts.confirmed
        ));
    }
}

fn summarize(counts: SendCounts, elapsed: Duration) {
    eprintln!(
        "sent {}, confirmed {}, retransmitted {}, failed {} in {}",
        counts.sent,
        counts.confirmed,
        counts.retransmitted,
        counts.failed,
        pace(counts.confirmed, elapsed),
    );
}

/// `1.5 s (200 a second)`.
pub(crate) fn pace(messages: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let rate = messages as f64 / seconds.max(1e-9);
    format!("{seconds:.1} s ({rate:.0} a second)")
}
