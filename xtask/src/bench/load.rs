//! One publisher and one consumer, a thread each, as fast as the server lets them, every message checked.

use super::Cell;
use super::connection::{Connection, not_a_close};
use super::cpu;
use crate::server::Server;
use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::BytesMut;
use model::Method;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use wire::Frame;

/// A body starts with the message's number.
pub(super) const BODY_MIN: usize = 8;
/// A body fits into one frame.
pub(super) const BODY_MAX: usize = 128 * 1024 - 8;
/// The bit of the number that marks the last message of a run.
const LAST: u64 = 1 << 63;
const PREFETCH: u16 = 1_000;
const WARM_UP: Duration = Duration::from_millis(300);
/// The publisher hands the socket this much at a time, so that what it writes is still in the cache.
const WRITE_BYTES: usize = 256 * 1024;

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// All messages of the run; each was confirmed, received once, in order, and acknowledged.
    pub(super) messages: u64,
    pub(super) confirmed_per_s: f64,
    pub(super) acked_per_s: f64,
    pub(super) confirm_p50_us: f64,
    pub(super) confirm_p99_us: f64,
    /// Processor time for one message, from the first publish to the last acknowledgement.
    pub(super) server_cpu_us: f64,
    pub(super) generator_cpu_us: f64,
}

/// How far the two threads are, and what they are told.
#[derive(Default)]
struct Progress {
    confirmed: AtomicU64,
    acked: AtomicU64,
    /// Latencies count.
    measuring: AtomicBool,
    /// The next message is the last.
    stop: AtomicBool,
}

impl Progress {
    fn counts(&self) -> (Instant, u64, u64) {
        (
            Instant::now(),
            self.confirmed.load(Relaxed),
            self.acked.load(Relaxed),
        )
    }
}

/// Measures one cell of the table on a fresh queue.
pub(super) fn run(
    server: &Server,
    queue_type: Option<&str>,
    cell: Cell,
    time: Duration,
) -> Result<Figures> {
    let queues = cell.layout.queues();
    let mut control = Connection::open(server.port())?;
    cell.layout.make(&mut control, queue_type)?;
    let publisher = Connection::open(server.port())?;
    let mut consumer = Connection::open(server.port())?;
    consumer.consume(&queues, PREFETCH)?;

    let progress = Progress::default();
    let (server_before, generator_before) = (cpu::used_by(server.pid())?, cpu::used_by_us()?);
    let (start, end, published, consumed) = std::thread::scope(|scope| {
        let consumer = scope.spawn(|| consume(consumer, cell.size, queues.len(), &progress));
        let publisher = scope.spawn(|| publish(publisher, cell, &progress));
        std::thread::sleep(WARM_UP);
        progress.measuring.store(true, Relaxed);
        let start = progress.counts();
        std::thread::sleep(time);
        let end = progress.counts();
        progress.measuring.store(false, Relaxed);
        progress.stop.store(true, Relaxed);
        (start, end, publisher.join(), consumer.join())
    });
    let (messages, mut latencies) = published
        .map_err(|_| anyhow!("the publisher panicked"))?
        .context("publisher")?;
    let received = consumed
        .map_err(|_| anyhow!("the consumer panicked"))?
        .context("consumer")?;
    ensure!(
        received == messages,
        "{messages} confirmed, {received} received"
    );
    let mut waiting = 0;
    for queue in &queues {
        waiting += control.waiting(queue)?;
    }
    // A quorum queue of RabbitMQ may still be taking in acknowledgements when their channel has closed, and gives
    // the last few messages back: the peer's own matter, and nothing to the figures.
    ensure!(
        waiting == 0 || queue_type == Some("quorum"),
        "{waiting} messages are left, although all were acknowledged"
    );
    let server_cpu = cpu::used_by(server.pid())? - server_before;
    let generator_cpu = cpu::used_by_us()?.saturating_sub(generator_before);
    cell.layout.remove(&mut control)?;

    latencies.sort_unstable();
    let elapsed = end.0.duration_since(start.0).as_secs_f64();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / messages as f64;
    Ok(Figures {
        messages,
        confirmed_per_s: (end.1 - start.1) as f64 / elapsed,
        acked_per_s: (end.2 - start.2) as f64 / elapsed,
        confirm_p50_us: percentile(&latencies, 0.50)?,
        confirm_p99_us: percentile(&latencies, 0.99)?,
        server_cpu_us: each(server_cpu),
        generator_cpu_us: each(generator_cpu),
    })
}

/// In microseconds.
fn percentile(sorted: &[Duration], part: f64) -> Result<f64> {
    let at = (sorted.len() as f64 * part) as usize;
    let latency = sorted
        .get(at.min(sorted.len().saturating_sub(1)))
        .context("nothing was confirmed in time")?;
    Ok(latency.as_secs_f64() * 1e6)
}

/// Keeps the window full until told to stop. Returns how many messages were confirmed, and how long the
/// confirms took while it was measured.
fn publish(
    mut connection: Connection,
    cell: Cell,
    progress: &Progress,
) -> Result<(u64, Vec<Duration>)> {
    connection.ask(model::method::confirm::Select::default())?;
    let messages = cell.layout.messages(&vec![0x5a; cell.size]);
    let message_length = messages[0].len();
    let number_at = message_length - 1 - cell.size;
    let batch_max = (WRITE_BYTES / message_length).max(1);
    let mut turn = messages.iter().cycle();
    let mut unconfirmed = Unconfirmed::default();
    let mut latencies = Vec::new();
    let mut sent = 0;
    let mut stopped = false;
    loop {
        while !stopped && unconfirmed.open < cell.window {
            stopped = progress.stop.load(Relaxed);
            let batch = if stopped {
                1
            } else {
                batch_max.min(cell.window - unconfirmed.open)
            };
            unconfirmed.sent(batch, Instant::now());
            for _ in 0..batch {
                put_numbered(
                    &mut connection.output,
                    turn.next().context("there is a message")?,
                    number_at,
                    if stopped { sent | LAST } else { sent },
                );
                sent += 1;
            }
            connection.flush()?;
        }
        connection.fill()?;
        let now = Instant::now();
        let measuring = progress.measuring.load(Relaxed);
        while let Some(frame) = connection.buffered_frame()? {
            let Frame::Method(_, method) = frame else {
                continue;
            };
            let Method::BasicAck(ack) = not_a_close(method)? else {
                bail!("the server sends the publisher something else than confirms");
            };
            unconfirmed.confirm(ack.delivery_tag.0, ack.multiple, |sent_at| {
                if measuring {
                    latencies.push(now.duration_since(sent_at));
                }
            })?;
        }
        progress
            .confirmed
            .store(sent - unconfirmed.open as u64, Relaxed);
        if stopped && unconfirmed.open == 0 {
            return Ok((sent, latencies));
        }
    }
}

fn put_numbered(out: &mut BytesMut, message: &[u8], number_at: usize, number: u64) {
    let at = out.len() + number_at;
    out.extend_from_slice(message);
    out[at..at + BODY_MIN].copy_from_slice(&number.to_be_bytes());
}

/// What was sent and is not confirmed, from the oldest.
#[derive(Default)]
struct Unconfirmed {
    /// The publisher's tag of the first entry, less one.
    before: u64,
    /// When each was sent; `None` once it is confirmed out of turn.
    entries: VecDeque<Option<Instant>>,
    open: usize,
}

impl Unconfirmed {
    fn sent(&mut self, count: usize, now: Instant) {
        self.entries.extend(std::iter::repeat_n(Some(now), count));
        self.open += count;
    }

    fn confirm(
        &mut self,
        tag: u64,
        multiple: bool,
        mut confirmed: impl FnMut(Instant),
    ) -> Result<()> {
        let at = tag
            .checked_sub(self.before + 1)
            .context("a message was confirmed twice")?;
        let at = usize::try_from(at).context("tag")?;
        ensure!(
            at < self.entries.len(),
            "a message was confirmed that was not sent"
        );
        let from = if multiple { 0 } else { at };
        for entry in self.entries.range_mut(from..=at) {
            match entry.take() {
                Some(sent_at) => {
                    self.open -= 1;
                    confirmed(sent_at);
                }
                None => ensure!(multiple, "a message was confirmed twice"),
            }
        }
        while let Some(None) = self.entries.front() {
            self.entries.pop_front();
            self.before += 1;
        }
        Ok(())
    }
}

/// Receives and acknowledges, each message by itself, until all up to the one that is marked as the last are
/// there. Returns how many. The messages went to so many queues in turn; each keeps their order.
fn consume(
    mut connection: Connection,
    size: usize,
    queues: usize,
    progress: &Progress,
) -> Result<u64> {
    let mut received = 0;
    let mut next: Vec<u64> = (0..queues as u64).collect();
    // How many they are, once the last has come.
    let mut all = None;
    // The tag of the delivery whose body is still to come.
    let mut tag = None;
    loop {
        while let Some(frame) = connection.buffered_frame()? {
            match frame {
                Frame::Method(_, method) => match not_a_close(method)? {
                    Method::BasicDeliver(deliver) => {
                        ensure!(
                            !deliver.redelivered,
                            "message {received} is marked as redelivered"
                        );
                        tag = Some(deliver.delivery_tag);
                    }
                    other => bail!("{} on its way to the consumer", other.name()),
                },
                Frame::Body(_, body) => {
                    let number = body
                        .first_chunk()
                        .copied()
                        .map(u64::from_be_bytes)
                        .context("a short body")?;
                    ensure!(
                        body.len() == size,
                        "{} bytes came instead of {size}",
                        body.len()
                    );
                    let (number, is_last) = (number & !LAST, number & LAST != 0);
                    let next = &mut next[(number % queues as u64) as usize];
                    ensure!(number == *next, "message {number} came instead of {next}");
                    *next += queues as u64;
                    if is_last {
                        all = Some(number + 1);
                    }
                    connection.put_ack(tag.take().context("a body without a delivery")?);
                    received += 1;
                }
                Frame::Header(..) | Frame::Heartbeat => {}
            }
        }
        connection.flush()?;
        progress.acked.store(received, Relaxed);
        if all == Some(received) {
            connection.close()?;
            return Ok(received);
        }
        connection.fill()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_sent() -> Unconfirmed {
        let mut unconfirmed = Unconfirmed::default();
        unconfirmed.sent(3, Instant::now());
        unconfirmed
    }

    #[test]
    fn confirms_may_come_one_by_one_out_of_turn_and_together() {
        let mut unconfirmed = three_sent();
        let mut count = 0;
        unconfirmed
            .confirm(2, false, |_| count += 1)
            .expect("tag 2 was sent");
        assert_eq!((unconfirmed.open, unconfirmed.before), (2, 0));
        unconfirmed
            .confirm(3, true, |_| count += 1)
            .expect("tags 1 and 3 were sent");
        assert_eq!((unconfirmed.open, unconfirmed.before, count), (0, 3, 3));
        unconfirmed.sent(1, Instant::now());
        unconfirmed
            .confirm(4, false, |_| count += 1)
            .expect("tag 4 was sent");
        assert_eq!(count, 4);
    }

    #[test]
    fn a_confirm_too_many_is_noticed() {
        let mut unconfirmed = three_sent();
        unconfirmed
            .confirm(1, false, |_| {})
            .expect("tag 1 was sent");
        assert!(unconfirmed.confirm(1, false, |_| {}).is_err());
        unconfirmed
            .confirm(3, false, |_| {})
            .expect("tag 3 was sent");
        assert!(unconfirmed.confirm(3, false, |_| {}).is_err());
        assert!(unconfirmed.confirm(4, false, |_| {}).is_err());
    }
}
