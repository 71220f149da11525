//! Publishers and consumers, a thread each, as fast as the server lets them or at a given pace, every message checked.

use super::cpu;
use super::latencies::Latencies;
use super::layout::Layout;
use super::ledger::{Ledger, Redelivered};
use super::peers::Subject;
use super::progress::Progress;
use super::protocol::{Consumer, Consuming, Control, HEAD_BYTES, Head, Publisher};
use super::socket::PATIENCE;
use super::unconfirmed::Unconfirmed;
use crate::server::Server;
use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

pub(super) const BODY_MIN: usize = HEAD_BYTES;
/// A body fits into one frame.
pub(super) const BODY_MAX: usize = 128 * 1024 - 8;
/// The publisher hands the socket this much at a time, so that what it writes is still in the cache.
const WRITE_BYTES: usize = 256 * 1024;
/// At a given pace, what has become due is sent so often.
const PACE: Duration = Duration::from_millis(1);
/// What is left over is asked for again until it is gone, so often and so far apart: acknowledgements may still be on
/// their way through a peer.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) layout: Layout,
    pub(super) size: usize,
    /// Unconfirmed messages of all publishers together.
    pub(super) window: usize,
    pub(super) consuming: Consuming,
    /// Messages a second of all publishers together; as many as can be if none.
    pub(super) pace: Option<f64>,
    /// So many messages that were not acknowledged make the publisher wait: for consumers that cannot keep up.
    pub(super) most_waiting: Option<u64>,
    /// How long a consumer rests after each read while it is measured.
    pub(super) rest: Option<Duration>,
    /// How long it is measured.
    pub(super) time: Duration,
}

impl Work {
    /// One publisher and one consumer, as fast as can be.
    pub(super) fn plain(size: usize, window: usize, time: Duration) -> Self {
        Self {
            layout: Layout::Plain,
            size,
            window,
            consuming: ONE_CONSUMER,
            pace: None,
            most_waiting: None,
            rest: None,
            time,
        }
    }
}

/// What a consumer is like where nothing else is said.
const ONE_CONSUMER: Consuming = Consuming {
    prefetch: 1_000,
    on_each_connection: 1,
};

/// What a run came to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    /// All messages of the run; each was confirmed, received once, in order, and acknowledged.
    pub(super) messages: u64,
    pub(super) confirmed_per_s: f64,
    pub(super) acked_per_s: f64,
    pub(super) confirm_p50_us: f64,
    pub(super) confirm_p99_us: f64,
    /// From handing a message to the publisher's socket to reading it from the consumer's.
    pub(super) through_p50_us: f64,
    pub(super) through_p99_us: f64,
    /// Processor time for one message, from the first publish to the last acknowledgement.
    pub(super) server_cpu_us: f64,
    pub(super) generator_cpu_us: f64,
    /// What the consumer that got the fewest messages got, as a part of what the one with the most got.
    pub(super) fairness: f64,
    /// Processes that wanted to run, as the kernel told over the last minute before.
    pub(super) load: f64,
}

/// Does the work on fresh queues.
pub(super) fn run(server: &Server, subject: Subject, work: Work) -> Result<Figures> {
    let layout = work.layout;
    let mut control = subject.control(server)?;
    control.make(layout)?;
    let publishers = (0..layout.publishers())
        .map(|number| control.publisher(layout, number, work.size))
        .collect::<Result<Vec<_>>>()?;
    let consumers = (0..layout.consumers())
        .map(|number| control.consumer(layout, number, work.consuming))
        .collect::<Result<Vec<_>>>()?;

    let load = cpu::load();
    let (server_before, generator_before) = (cpu::used_by(server.pid())?, cpu::used_by_us()?);
    let redelivered = match subject.gives_some_back() {
        true => Redelivered::PassedOver,
        false => Redelivered::Refused,
    };
    let outcome = drive(publishers, consumers, work, redelivered)?;
    nothing_is_left(control.as_mut(), subject, layout)?;
    let server_cpu = cpu::used_by(server.pid())? - server_before;
    let generator_cpu = cpu::used_by_us()?.saturating_sub(generator_before);
    control.remove(layout)?;

    let each = |time: Duration| time.as_secs_f64() * 1e6 / outcome.messages as f64;
    let [confirm_p50_us, confirm_p99_us] = outcome.confirms.percentiles([0.5, 0.99])?;
    let [through_p50_us, through_p99_us] = outcome.through.percentiles([0.5, 0.99])?;
    Ok(Figures {
        messages: outcome.messages,
        confirmed_per_s: outcome.confirmed_per_s,
        acked_per_s: outcome.acked_per_s,
        confirm_p50_us,
        confirm_p99_us,
        through_p50_us,
        through_p99_us,
        server_cpu_us: each(server_cpu),
        generator_cpu_us: each(generator_cpu),
        fairness: outcome.fairness,
        load,
    })
}

fn nothing_is_left(control: &mut dyn Control, subject: Subject, layout: Layout) -> Result<()> {
    let mut left = control.left(layout)?;
    for _ in 0..LOOKS {
        if left == 0 || subject.gives_some_back() {
            return Ok(());
        }
        std::thread::sleep(BETWEEN_LOOKS);
        left = control.left(layout)?;
    }
    ensure!(
        left == 0,
        "{left} messages are left, although all were acknowledged"
    );
    Ok(())
}

/// Publishes so many and lets them lie. Returns how long it took until the last was confirmed.
pub(super) fn fill(control: &dyn Control, work: Work, messages: u64) -> Result<Duration> {
    let publisher = control.publisher(work.layout, 0, work.size)?;
    let mut progress = Progress::new();
    progress.most = messages;
    publish(publisher, 0, work, &progress)?;
    Ok(progress.begin.elapsed())
}

/// Receives and acknowledges what lies there, which may have been on its way before. Returns how long it took.
pub(super) fn drain(control: &dyn Control, work: Work, messages: u64) -> Result<Duration> {
    let progress = Progress::new();
    progress.all.store(messages, Relaxed);
    let consumer = control.consumer(work.layout, 0, work.consuming)?;
    let ledger = ledger_of(work).with_redelivered(Redelivered::Counted);
    consume(consumer, ledger, None, &progress)?;
    Ok(progress.begin.elapsed())
}

fn ledger_of(work: Work) -> Ledger {
    let layout = work.layout;
    let keeps_order = layout.keeps_order() && work.consuming.on_each_connection == 1;
    Ledger::new(work.size, layout.queues_of_each_publisher(), keeps_order)
}

/// What the threads saw.
struct Outcome {
    messages: u64,
    confirmed_per_s: f64,
    acked_per_s: f64,
    confirms: Latencies,
    through: Latencies,
    fairness: f64,
}

/// Lets all publish and consume for a time, and then consume the rest.
fn drive(
    publishers: Vec<Box<dyn Publisher>>,
    consumers: Vec<Box<dyn Consumer>>,
    work: Work,
    redelivered: Redelivered,
) -> Result<Outcome> {
    let progress = Progress::new();
    std::thread::scope(|scope| {
        let consumers: Vec<_> = consumers
            .into_iter()
            .map(|consumer| {
                let ledger = ledger_of(work).with_redelivered(redelivered);
                scope.spawn(|| progress.noted(consume(consumer, ledger, work.rest, &progress)))
            })
            .collect();
        let publishers: Vec<_> = (0u16..)
            .zip(publishers)
            .map(|(number, publisher)| {
                let progress = &progress;
                scope.spawn(move || progress.noted(publish(publisher, number, work, progress)))
            })
            .collect();
        let (confirmed_per_s, acked_per_s) = progress.measure(work.time);
        let (mut messages, mut confirms) = (0, Latencies::default());
        for publisher in publishers {
            let joined = publisher
                .join()
                .map_err(|_| anyhow!("a publisher panicked"));
            let (sent, latencies) = joined?.context("publisher")?;
            messages += sent;
            confirms.extend(latencies);
        }
        progress.all.store(messages, Relaxed);
        let (mut ledgers, mut through) = (Vec::new(), Latencies::default());
        for consumer in consumers {
            let joined = consumer.join().map_err(|_| anyhow!("a consumer panicked"));
            let (ledger, latencies) = joined?.context("consumer")?;
            ledgers.push(ledger);
            through.extend(latencies);
        }
        Ledger::nothing_twice(&ledgers)?;
        Ok(Outcome {
            messages,
            confirmed_per_s,
            acked_per_s,
            confirms,
            through,
            fairness: fairness(&ledgers, work.consuming.on_each_connection),
        })
    })
}

fn fairness(ledgers: &[Ledger], consumers_of_each: usize) -> f64 {
    let shares = || {
        ledgers.iter().flat_map(|ledger| {
            let received = ledger.received.iter().copied();
            received.chain(std::iter::repeat(0)).take(consumers_of_each)
        })
    };
    let (least, most) = (shares().min(), shares().max());
    least.unwrap_or(0) as f64 / most.unwrap_or(0).max(1) as f64
}

/// Keeps the window full, or the pace, until told to stop. Returns how many messages were confirmed, and how long the
/// confirms took while it was measured.
fn publish(
    mut publisher: Box<dyn Publisher>,
    number: u16,
    work: Work,
    progress: &Progress,
) -> Result<(u64, Latencies)> {
    let window = work.layout.window_of_each(work.window);
    let batch_max = (WRITE_BYTES / work.size).max(1);
    let pace = work.pace.map(|pace| pace / work.layout.publishers() as f64);
    // Whoever waits for something else than confirms looks whether it is there.
    let wait = (pace.is_some() || work.most_waiting.is_some()).then_some(PACE);
    let mut unconfirmed = Unconfirmed::default();
    let mut latencies = Latencies::default();
    let mut sent = 0;
    let stop = |sent| sent == progress.most || progress.stop.load(Relaxed);
    loop {
        let mut stopped = stop(sent);
        while !stopped {
            let due = pace.map_or(usize::MAX, |pace| {
                let due = progress.begin.elapsed().as_secs_f64() * pace - sent as f64;
                due.max(0.0) as usize
            });
            let batch = batch_max
                .min(window - unconfirmed.open)
                .min(progress.may_be_sent(sent, work.most_waiting))
                .min(due);
            if batch == 0 {
                break;
            }
            let now = Instant::now();
            unconfirmed.sent(batch, now);
            let mut head = Head {
                publisher: number,
                number: sent,
                sent: now.duration_since(progress.begin),
            };
            for _ in 0..batch {
                publisher.put(&head.bytes());
                head.number += 1;
            }
            sent = head.number;
            publisher.flush()?;
            stopped = stop(sent);
        }
        if stopped && unconfirmed.open == 0 {
            return Ok((sent, latencies));
        }
        let mut now = None;
        let open_before = unconfirmed.open;
        publisher.confirms(wait, &mut |tag, multiple| {
            let now = *now.get_or_insert_with(Instant::now);
            unconfirmed.confirm(tag, multiple, |sent_at| {
                if progress.measures(sent_at.duration_since(progress.begin)) {
                    latencies.add(now.duration_since(sent_at));
                }
            })
        })?;
        let confirmed = (open_before - unconfirmed.open) as u64;
        progress.confirmed.fetch_add(confirmed, Relaxed);
    }
}

/// Receives and acknowledges until all that was sent is there.
fn consume(
    mut consumer: Box<dyn Consumer>,
    mut ledger: Ledger,
    rest: Option<Duration>,
    progress: &Progress,
) -> Result<(Ledger, Latencies)> {
    let mut latencies = Latencies::default();
    let mut heard = Instant::now();
    while progress.acked.load(Relaxed) < progress.all.load(Relaxed) {
        let mut now = None;
        let mut count = 0;
        consumer.receive(&mut |delivery| {
            let Some(head) = ledger.note(&delivery)? else {
                return Ok(());
            };
            count += 1;
            let now = *now.get_or_insert_with(|| progress.begin.elapsed());
            if progress.measures(head.sent) {
                latencies.add(now.saturating_sub(head.sent));
            }
            Ok(())
        })?;
        progress.acked.fetch_add(count, Relaxed);
        if let Some(rest) = rest
            && !progress.stop.load(Relaxed)
        {
            std::thread::sleep(rest);
        }
        if count > 0 {
            heard = Instant::now();
        }
        let all = progress.all.load(Relaxed);
        if progress.failed.load(Relaxed) {
            // Who failed says why.
            return Ok((ledger, latencies));
        }
        ensure!(
            heard.elapsed() < PATIENCE || all == u64::MAX,
            "{} messages came, {all} were confirmed",
            progress.acked.load(Relaxed)
        );
    }
    consumer.close()?;
    Ok((ledger, latencies))
}
