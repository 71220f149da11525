//! What senders were told and what receivers were given, on the clients' side: whatever happens in between, the two
//! must fit.

use model::Runs;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A queue's messages, by their senders.
#[derive(Default)]
pub(super) struct Ledger {
    accounts: Mutex<BTreeMap<String, Account>>,
    counts: Mutex<Counts>,
}

/// One sender's messages in one queue.
#[derive(Default)]
struct Account {
    confirmed: Runs,
    seen: Runs,
    /// Confirmed, and not seen for so long that they were given up.
    lost: Runs,
    /// The last that came to each receiver without a mark.
    unmarked: BTreeMap<usize, u64>,
}

/// What must be nothing, and what may be more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Counts {
    /// Messages that their senders were told have landed.
    pub(super) confirmed: u64,
    /// Confirmed, and nobody received them.
    pub(super) lost: u64,
    /// Received, and nobody sent them so.
    pub(super) invented: u64,
    /// Received again without the mark of a message that may have been delivered before.
    pub(super) unmarked: u64,
    /// Delivered for the first time behind one that was sent later.
    pub(super) disordered: u64,
    /// Received again.
    pub(super) duplicates: u64,
}

impl Counts {
    /// Adds another's.
    pub(super) fn add(&mut self, other: &Self) {
        self.confirmed += other.confirmed;
        self.lost += other.lost;
        self.invented += other.invented;
        self.unmarked += other.unmarked;
        self.disordered += other.disordered;
        self.duplicates += other.duplicates;
    }

    /// What was added since it was that.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            confirmed: self.confirmed - before.confirmed,
            lost: self.lost - before.lost,
            invented: self.invented - before.invented,
            unmarked: self.unmarked - before.unmarked,
            disordered: self.disordered - before.disordered,
            duplicates: self.duplicates - before.duplicates,
        }
    }

    /// Whether a promise is broken.
    pub(super) fn is_bad(&self) -> bool {
        self.lost + self.invented + self.unmarked + self.disordered > 0
    }
}

/// A message as a receiver has it.
pub(super) struct Arrival<'a> {
    pub(super) receiver: usize,
    pub(super) publisher: Option<(&'a str, u64)>,
    pub(super) body: &'a [u8],
    pub(super) redelivered: bool,
}

impl Ledger {
    /// A sender was told that its message has landed.
    pub(super) fn confirm(&self, publisher: &str, id: u64) {
        let mut accounts = lock(&self.accounts);
        let account = accounts.entry(publisher.to_owned()).or_default();
        if account.confirmed.insert(id) {
            lock(&self.counts).confirmed += 1;
        }
    }

    /// A receiver got a message.
    pub(super) fn receive(&self, arrival: &Arrival<'_>) {
        let mut accounts = lock(&self.accounts);
        let mut counts = lock(&self.counts);
        let genuine = { arrival.publisher }
            .filter(|(publisher, id)| *body_of(publisher, *id) == *arrival.body);
        let account = genuine.and_then(|(publisher, id)| Some((accounts.get_mut(publisher)?, id)));
        let Some((account, id)) = account else {
            counts.invented += 1;
            return;
        };
        if !account.seen.insert(id) {
            counts.duplicates += 1;
            counts.unmarked += u64::from(!arrival.redelivered);
        }
        if !arrival.redelivered {
            let last = account.unmarked.insert(arrival.receiver, id);
            counts.disordered += u64::from(last.is_some_and(|last| last > id));
        }
    }

    /// A sender begins: from now on messages of this name are not invented.
    pub(super) fn open(&self, publisher: &str) {
        lock(&self.accounts)
            .entry(publisher.to_owned())
            .or_default();
    }

    /// The confirmed messages so far of each sender that nobody has received yet.
    pub(super) fn owed(&self) -> Vec<(String, Runs)> {
        let accounts = lock(&self.accounts);
        let owed = accounts.iter().map(|(publisher, account)| {
            let open = account.confirmed.without(&account.seen);
            (publisher.clone(), open.without(&account.lost))
        });
        owed.filter(|(_, owed)| !owed.is_empty()).collect()
    }

    /// Those of these that have still not come.
    pub(super) fn still_owed(&self, owed: &[(String, Runs)]) -> Vec<(String, Runs)> {
        let accounts = lock(&self.accounts);
        let left = owed.iter().map(|(publisher, owed)| {
            let seen = accounts.get(publisher).map(|account| &account.seen);
            (
                publisher.clone(),
                seen.map_or(owed.clone(), |seen| owed.without(seen)),
            )
        });
        left.filter(|(_, left)| !left.is_empty()).collect()
    }

    /// Gives these up.
    pub(super) fn lose(&self, owed: &[(String, Runs)]) {
        let mut accounts = lock(&self.accounts);
        for (publisher, owed) in owed {
            if let Some(account) = accounts.get_mut(publisher) {
                account.lost.insert_all(owed);
                lock(&self.counts).lost += owed.count();
            }
        }
    }

    /// All senders have heard of all that they sent: what came beyond that was not sent.
    pub(super) fn close(&self) {
        for account in lock(&self.accounts).values() {
            let unknown = account.seen.without(&account.confirmed);
            lock(&self.counts).invented += unknown.count();
        }
    }

    /// The counts so far.
    pub(super) fn counts(&self) -> Counts {
        *lock(&self.counts)
    }
}

/// The body of a message: any byte that is lost or changed shows.
pub(super) fn body_of(publisher: &str, id: u64) -> Vec<u8> {
    let size = match id % 500 {
        0 => 100_000,
        1..=9 => 8_000,
        small => small * 2,
    };
    let mut body = format!("{publisher}/{id}/").into_bytes();
    let mut state = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    body.resize_with(body.len() + usize::try_from(size).expect("small"), || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        state.to_be_bytes()[0]
    });
    body
}

/// How long a client has waited for something to happen.
pub(super) struct Pulse(Mutex<Beats>);

struct Beats {
    last: Instant,
    longest: Duration,
    count: u64,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Beats {
            last: Instant::now(),
            longest: Duration::ZERO,
            count: 0,
        }))
    }

    /// Something happened.
    pub(super) fn beat(&self) {
        let mut beats = lock(&self.0);
        beats.longest = beats.longest.max(beats.last.elapsed());
        beats.last = Instant::now();
        beats.count += 1;
    }

    /// From now on pauses count, those that have begun too.
    pub(super) fn reset(&self) {
        lock(&self.0).longest = Duration::ZERO;
    }

    /// The longest pause since then.
    pub(super) fn longest(&self) -> Duration {
        let beats = lock(&self.0);
        beats.longest.max(beats.last.elapsed())
    }

    /// How often something happened.
    pub(super) fn count(&self) -> u64 {
        lock(&self.0).count
    }
}

/// A panic elsewhere is told by who waits for that thread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(ledger: &Ledger, receiver: usize, id: u64, redelivered: bool) {
        ledger.receive(&Arrival {
            receiver,
            publisher: Some(("a", id)),
            body: &body_of("a", id),
            redelivered,
        });
    }

    fn opened() -> Ledger {
        let ledger = Ledger::default();
        ledger.open("a");
        ledger
    }

    #[test]
    fn what_was_confirmed_is_owed_until_it_comes() {
        let ledger = opened();
        for id in 1..=3 {
            ledger.confirm("a", id);
        }
        arrive(&ledger, 0, 1, false);
        arrive(&ledger, 1, 3, false);
        let owed = ledger.owed();
        assert_eq!(owed, [("a".to_owned(), Runs::from_iter([2]))]);
        ledger.lose(&owed);
        assert_eq!((ledger.counts().lost, ledger.owed()), (1, Vec::new()));
    }

    #[test]
    fn each_broken_promise_is_counted() {
        let ledger = opened();
        arrive(&ledger, 0, 5, false);
        arrive(&ledger, 1, 4, false);
        assert!(!ledger.counts().is_bad(), "two receivers share the order");
        arrive(&ledger, 0, 5, true);
        assert_eq!(ledger.counts().duplicates, 1, "again, with the mark");
        arrive(&ledger, 0, 3, false);
        assert_eq!(ledger.counts().disordered, 1, "3 behind 5");
        arrive(&ledger, 1, 4, false);
        assert_eq!(ledger.counts().unmarked, 1, "again, without the mark");
        ledger.receive(&Arrival {
            receiver: 0,
            publisher: Some(("a", 6)),
            body: b"another",
            redelivered: false,
        });
        arrive(&Ledger::default(), 0, 1, false);
        assert_eq!(ledger.counts().invented, 1, "another body");
    }
}
