//! What the application knows of its messages: what was sent, confirmed, delivered and acknowledged, and what must not
//! have happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// The server counts from the begin of the turn that takes a message in, both in whole milliseconds.
const CLOCKS_DIFFER: u64 = 10;

/// Shared by all publishers and receivers.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Counts the server's lives.
    life: u64,
    draining: bool,
    /// By the queue that a message was sent to.
    queues: BTreeMap<String, Known>,
    redriven: BTreeMap<String, u64>,
}

/// The messages that were sent to one queue.
#[derive(Default)]
struct Known {
    sent: u64,
    confirmed: BTreeSet<u64>,
    /// Sent again though they were confirmed.
    repeats: u64,
    /// The newest that were confirmed are to be sent again.
    all_again: bool,
    deliveries: u64,
    acked: BTreeSet<u64>,
    /// Given back: in which life, and not to come in it before.
    waits: BTreeMap<u64, (u64, Instant)>,
    before_due: u64,
    before_retry: u64,
    invented: u64,
    twice: u64,
}

/// A message's body: its queue, its number, and when it is due in ms since 1970.
pub(super) fn body(queue: &str, id: u64, due: u64) -> String {
    format!("{queue}/{id}/{due}")
}

pub(super) fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.expect("it is past 1970").as_millis()).expect("not so late")
}

impl Ledger {
    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.0.lock().expect("nobody panics with the ledger"))
    }

    fn of<T>(&self, queue: &str, look: impl FnOnce(&mut Known) -> T) -> T {
        self.with(|inner| look(inner.queues.entry(queue.to_owned()).or_default()))
    }

    /// The server was killed, and is about to begin its next life.
    pub(super) fn killed(&self) {
        self.with(|inner| inner.life += 1);
    }

    pub(super) fn life(&self) -> u64 {
        self.with(|inner| inner.life)
    }

    /// From now on receivers acknowledge everything.
    pub(super) fn drain(&self) {
        self.with(|inner| inner.draining = true);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.with(|inner| inner.draining)
    }

    /// The operator has sent messages of a queue back.
    pub(super) fn redriven(&self, queue: &str, count: u64) {
        self.with(|inner| *inner.redriven.entry(queue.to_owned()).or_default() += count);
    }

    /// The number of a new message.
    pub(super) fn next(&self, queue: &str) -> u64 {
        self.of(queue, |known| {
            known.sent += 1;
            known.sent
        })
    }

    /// One of the messages that were confirmed, to be sent again.
    pub(super) fn one_again(&self, queue: &str, chance: u64) -> Option<u64> {
        self.of(queue, |known| {
            let newest = known.confirmed.iter().rev();
            let id = newest.take(500).nth(usize::try_from(chance).ok()?).copied();
            known.repeats += u64::from(id.is_some());
            id
        })
    }

    /// Asks for many messages to be sent again; false if there are none.
    pub(super) fn ask_for_all_again(&self, queue: &str) -> bool {
        self.of(queue, |known| {
            known.all_again = true;
            !known.confirmed.is_empty()
        })
    }

    /// Those, if that was asked for.
    pub(super) fn all_again(&self, queue: &str) -> Vec<u64> {
        self.of(queue, |known| {
            let most = if std::mem::take(&mut known.all_again) {
                300
            } else {
                0
            };
            let newest: Vec<u64> = known.confirmed.iter().rev().take(most).copied().collect();
            known.repeats += newest.len() as u64;
            newest
        })
    }

    pub(super) fn confirmed(&self, queue: &str, id: u64) {
        self.of(queue, |known| known.confirmed.insert(id));
    }

    /// A message has come from the server of that life: which queue it was sent to, and its number.
    pub(super) fn delivered(&self, life: u64, body: &[u8]) -> (String, u64) {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let parts: Vec<&str> = text.split('/').collect();
        let [queue, id, due] = parts[..] else {
            panic!("P4: {text} was never sent");
        };
        let number = |text: &str| text.parse::<u64>().expect("P4: a number was sent");
        let (id, due) = (number(id), number(due));
        self.with(|inner| {
            let known = inner.queues.entry(queue.to_owned()).or_default();
            known.deliveries += 1;
            known.invented += u64::from(id > known.sent);
            known.before_due += u64::from(wall_clock() + CLOCKS_DIFFER < due);
            let waits = known.waits.remove(&id);
            let too_soon = waits.is_some_and(|(of, until)| of == life && Instant::now() < until);
            known.before_retry += u64::from(too_soon);
        });
        (queue.to_owned(), id)
    }

    /// It is given back, to the server of that life, and is to wait so long.
    pub(super) fn given_back(&self, life: u64, queue: &str, id: u64, wait: Duration) {
        self.of(queue, |known| {
            let until = Instant::now() + wait;
            known.waits.insert(id, (life, until));
        });
    }

    pub(super) fn acked(&self, queue: &str, id: u64) {
        self.of(queue, |known| {
            let again = !known.acked.insert(id);
            // Elsewhere an acknowledgement may be forgotten in a crash.
            known.twice += u64::from(again && queue == "once");
        });
    }

    /// Whether everything that was confirmed has been acknowledged.
    pub(super) fn is_complete(&self) -> bool {
        self.with(|inner| {
            let mut queues = inner.queues.values();
            queues.all(|known| known.confirmed.is_subset(&known.acked))
        })
    }

    /// How many messages of a queue were confirmed.
    pub(super) fn confirmed_count(&self, queue: &str) -> u64 {
        self.of(queue, |known| known.confirmed.len() as u64)
    }

    /// What is confirmed and was never acknowledged.
    pub(super) fn missing(&self) -> String {
        self.with(|inner| {
            let of_queue = |(queue, known): (&String, &Known)| {
                let missing: Vec<_> = known.confirmed.difference(&known.acked).collect();
                let some = &missing[..missing.len().min(5)];
                format!("{} of {queue} never came, {some:?}", missing.len())
            };
            let all: Vec<String> = inner.queues.iter().map(of_queue).collect();
            all.join(", ")
        })
    }

    /// Tells what was counted, and that nothing of it is wrong.
    pub(super) fn check(&self, sent: &[&str]) {
        self.with(|inner| {
            println!("sent back by the operator: {:?}", inner.redriven);
            for queue in sent {
                let known = &inner.queues[*queue];
                let lost = known.confirmed.difference(&known.acked).count();
                println!(
                    "{queue:>6}: confirmed {}, sent again {}; delivered {}, acknowledged {}; lost {lost}, \
                     invented {}, twice {}, before they were due {}, before their retry {}",
                    known.confirmed.len(),
                    known.repeats,
                    known.deliveries,
                    known.acked.len(),
                    known.invented,
                    known.twice,
                    known.before_due,
                    known.before_retry,
                );
                assert!(known.confirmed.len() > 100, "{queue}: there was a load");
                assert_eq!(lost, 0, "P2: {queue} lost messages");
                assert_eq!(known.invented, 0, "P4: {queue}");
                assert_eq!(known.twice, 0, "P5: {queue}");
                assert_eq!(known.before_due, 0, "{queue}: before they were due");
                assert_eq!(known.before_retry, 0, "{queue}: before their retry");
                let unconfirmed = known.acked.difference(&known.confirmed).count();
                assert_eq!(unconfirmed, 0, "{queue}: all was confirmed in the end");
            }
        });
    }
}
