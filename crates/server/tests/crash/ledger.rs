//! A sender and a receiver at work, with ledgers of what the one was told and the other was given: whatever happens
//! between them, the two must fit.

use client::{Options, Receiver, SendCounts, Sender};
use model::Runs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// How long the last messages may take to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// Holds what came out of a queue against what its sender was told.
pub(crate) fn check(sent: &Sent, drain: Drain) {
    drain.wait_for(&sent.confirmed);
    let Drained {
        queue,
        seen,
        suppress,
        ..
    } = drain.finish();
    let lost = sent.confirmed.without(&seen.ids).count();
    println!(
        "{queue:>6}: confirmed {}, retransmitted {}, connections {}; received {}, lost {lost}, invented {}, \
         duplicates {} of them unmarked {}, suppressed {}",
        sent.confirmed.count(),
        sent.counts.retransmitted,
        sent.counts.reconnected + 1,
        seen.ids.count(),
        seen.invented,
        seen.duplicates,
        seen.unmarked,
        seen.suppressed,
    );
    assert_eq!(
        sent.counts.failed, 0,
        "{queue}: every message landed in the end"
    );
    assert_eq!(sent.counts.confirmed, sent.confirmed.count());
    assert!(
        sent.counts.retransmitted > 0,
        "{queue}: the kills came under load"
    );
    assert_eq!(lost, 0, "{queue}: lost");
    assert_eq!(seen.invented, 0, "{queue}: invented or changed");
    assert!(
        seen.ids.without(&sent.confirmed).is_empty(),
        "{queue}: received what was not sent"
    );
    assert_eq!(
        seen.unmarked, 0,
        "{queue}: delivered again without the mark"
    );
    if suppress {
        assert_eq!(seen.duplicates, 0, "{queue}: suppressed repeats");
    }
}

/// The body of a message: any byte that is lost or changed shows.
fn body_of(queue: &str, id: u64) -> Vec<u8> {
    let size = match id % 200 {
        0 => 200_000,
        1..=9 => 10_000,
        small => small * 5,
    };
    let mut body = format!("{queue}/{id}/").into_bytes();
    let mut chance = Chance(id | 1 << 40);
    body.resize_with(body.len() + usize::try_from(size).expect("small"), || {
        chance.next().to_le_bytes()[3]
    });
    body
}

/// Numbers that look random (xorshift64) and are the same in every run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
}

/// A server is looked for often: the test is about kills, not about pauses.
fn options(vhost: &str, servers: &[SocketAddr]) -> Options {
    let vhost = vhost.replace('/', "%2f");
    let urls = servers.iter().map(|one| format!("amqp://{one}/{vhost}"));
    let urls: Vec<String> = urls.collect();
    Options::parse(urls.iter().map(String::as_str))
        .expect("good addresses")
        .patience(Duration::from_secs(30))
        .pauses(Duration::from_millis(5), Duration::from_millis(50))
}

/// Runs a future on a thread of its own.
fn run<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(future)
    })
}

/// A sender at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    confirmed: Arc<AtomicU64>,
    work: JoinHandle<Sent>,
}

/// What a sender was told.
pub(crate) struct Sent {
    pub(crate) confirmed: Runs,
    counts: SendCounts,
}

impl Load {
    pub(crate) fn start(queue: &'static str, servers: &[SocketAddr]) -> Self {
        Self::start_in("/", queue, servers)
    }

    /// In a virtual host.
    pub(crate) fn start_in(vhost: &str, queue: &'static str, servers: &[SocketAddr]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let confirmed = Arc::new(AtomicU64::new(0));
        let work = run(load(
            queue,
            options(vhost, servers),
            stop.clone(),
            confirmed.clone(),
        ));
        Self {
            stop,
            confirmed,
            work,
        }
    }

    /// How many messages have been confirmed so far.
    pub(crate) fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }

    pub(crate) fn finish(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        self.work.join().expect("the sender does not panic")
    }
}

async fn load(
    queue: &'static str,
    options: Options,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) -> Sent {
    let sender = Sender::to_queue(queue)
        .declare()
        .publisher_id(queue)
        .window(500, 8 * 1024 * 1024)
        .retransmission(Duration::from_secs(1), Duration::from_secs(2), 200)
        .connect(&options)
        .await
        .expect("the server comes up");
    let confirmed = Arc::new(Mutex::new(Runs::new()));
    for id in 1.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (confirmed, count) = (confirmed.clone(), count.clone());
        let given = sender
            .send_with(body_of(queue, id), move |outcome| {
                if let Ok(sent) = outcome {
                    let new = confirmed
                        .lock()
                        .expect("no panic")
                        .insert(sent.publishing_id.0);
                    assert!(new, "told twice");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
            .await;
        assert_eq!(given.0, id);
    }
    sender.close().await;
    let confirmed = std::mem::take(&mut *confirmed.lock().expect("no panic"));
    Sent {
        confirmed,
        counts: sender.counts(),
    }
}

/// A receiver at work.
pub(crate) struct Drain {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    work: JoinHandle<Drained>,
}

/// What came.
#[derive(Default)]
struct Seen {
    ids: Runs,
    invented: u64,
    duplicates: u64,
    unmarked: u64,
    suppressed: u64,
}

struct Drained {
    queue: &'static str,
    seen: Seen,
    suppress: bool,
}

impl Drain {
    pub(crate) fn start(queue: &'static str, servers: &[SocketAddr], suppress: bool) -> Self {
        Self::start_in("/", queue, servers, suppress)
    }

    /// In a virtual host.
    pub(crate) fn start_in(
        vhost: &str,
        queue: &'static str,
        servers: &[SocketAddr],
        suppress: bool,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let work = run(drain(
            queue,
            options(vhost, servers),
            suppress,
            stop.clone(),
            seen.clone(),
        ));
        Self { stop, seen, work }
    }

    /// Waits until all of these came, or until that takes too long.
    fn wait_for(&self, ids: &Runs) {
        let started = Instant::now();
        while started.elapsed() < PATIENCE && !self.work.is_finished() {
            if ids
                .without(&self.seen.lock().expect("no panic").ids)
                .is_empty()
            {
                return;
            }
            sleep(Duration::from_millis(20));
        }
    }

    fn finish(self) -> Drained {
        self.stop.store(true, Ordering::Relaxed);
        self.work.join().expect("the receiver does not panic")
    }
}

async fn drain(
    queue: &'static str,
    options: Options,
    suppress: bool,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
) -> Drained {
    let mut receiver = Receiver::of_queue(queue).declare().prefetch(300);
    if suppress {
        receiver = receiver.suppress_duplicates();
    }
    let mut receiver = receiver
        .connect(&options)
        .await
        .expect("the server comes up");
    let mut chance = Chance(42);
    let mut in_hand = Vec::new();
    loop {
        match tokio::time::timeout(Duration::from_millis(300), receiver.recv()).await {
            Ok(delivery) => in_hand.push(delivery.expect("the receiver goes on")),
            // What is left in hand is acknowledged before the end, and the server has time to send what it has left.
            Err(_) if in_hand.is_empty() && stop.load(Ordering::Relaxed) => break,
            Err(_) => {
                in_hand.drain(..).for_each(client::Delivery::ack);
                continue;
            }
        }
        note(
            queue,
            &in_hand[in_hand.len() - 1],
            &mut seen.lock().expect("no panic"),
        );
        if in_hand.len() > 100 {
            let which = usize::try_from(chance.below(100)).expect("small");
            in_hand.swap_remove(which).ack();
        }
    }
    let suppressed = receiver.counts().suppressed;
    receiver.close().await;
    let mut seen = std::mem::take(&mut *seen.lock().expect("no panic"));
    seen.suppressed = suppressed;
    Drained {
        queue,
        seen,
        suppress,
    }
}

fn note(queue: &str, delivery: &client::Delivery, seen: &mut Seen) {
    let genuine = delivery
        .publisher()
        .filter(|(name, id)| *name == queue.as_bytes() && *delivery.body() == body_of(queue, id.0));
    let Some((_, id)) = genuine else {
        seen.invented += 1;
        return;
    };
    if !seen.ids.insert(id.0) {
        seen.duplicates += 1;
        seen.unmarked += u64::from(!delivery.redelivered());
    }
}
