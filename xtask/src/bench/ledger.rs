//! What a connection received: nothing twice, nothing that is missing, nothing out of order.

use super::protocol::{Delivery, Head};
use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;

/// Keeps count of what one connection receives.
pub(super) struct Ledger {
    size: usize,
    queues: u64,
    redelivered: Redelivered,
    order: Order,
    /// Of each consumer of the connection.
    pub(super) received: Vec<u64>,
}

/// What becomes of a message that is marked as redelivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redelivered {
    /// There is no reason for it.
    Refused,
    /// It counts: it may have been on its way before the server was started again.
    Counted,
    /// It was counted before, and its server gives it out again of its own accord.
    PassedOver,
}

enum Order {
    /// The connection receives all of each queue: the number that has to come next, by publisher and queue.
    Kept(HashMap<(u16, u64), u64>),
    /// Others receive too.
    Shared {
        /// The last number by consumer and publisher: one consumer gets them in their order too.
        last: HashMap<(usize, u16), u64>,
        /// One bit for each message of a publisher.
        seen: HashMap<u16, Vec<u64>>,
    },
}

impl Ledger {
    /// For bodies of a size, from publishers of which each sends to so many queues in turn.
    pub(super) fn new(size: usize, queues_of_each: usize, keeps_order: bool) -> Self {
        Self {
            size,
            queues: queues_of_each as u64,
            redelivered: Redelivered::Refused,
            order: if keeps_order {
                Order::Kept(HashMap::new())
            } else {
                Order::Shared {
                    last: HashMap::new(),
                    seen: HashMap::new(),
                }
            },
            received: Vec::new(),
        }
    }

    /// What becomes of messages that are marked as redelivered.
    pub(super) fn with_redelivered(mut self, redelivered: Redelivered) -> Self {
        self.redelivered = redelivered;
        self
    }

    /// Notes what came, and returns what its head says if it counts.
    pub(super) fn note(&mut self, delivery: &Delivery<'_>) -> Result<Option<Head>> {
        let head = Head::read(delivery.body).context("a short body")?;
        let (publisher, number) = (head.publisher, head.number);
        if delivery.redelivered {
            match self.redelivered {
                Redelivered::Counted => {}
                Redelivered::PassedOver => return Ok(None),
                Redelivered::Refused => bail!("message {number} is marked as redelivered"),
            }
        }
        ensure!(
            delivery.body.len() == self.size,
            "{} bytes came instead of {}",
            delivery.body.len(),
            self.size
        );
        match &mut self.order {
            Order::Kept(next) => {
                let queue = number % self.queues;
                let next = next.entry((publisher, queue)).or_insert(queue);
                ensure!(number == *next, "message {number} came instead of {next}");
                *next += self.queues;
            }
            Order::Shared { last, seen } => {
                let before = last.insert((delivery.consumer, publisher), number);
                ensure!(
                    before.is_none_or(|before| before < number),
                    "message {number} came after {before:?}"
                );
                let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
                let seen = seen.entry(publisher).or_default();
                if seen.len() <= word {
                    seen.resize(word + 1, 0);
                }
                ensure!(seen[word] & bit == 0, "message {number} came twice");
                seen[word] |= bit;
            }
        }
        if self.received.len() <= delivery.consumer {
            self.received.resize(delivery.consumer + 1, 0);
        }
        self.received[delivery.consumer] += 1;
        Ok(Some(head))
    }

    /// What all connections received together has nothing twice. That nothing is missing is then a matter of counts.
    pub(super) fn nothing_twice(ledgers: &[Self]) -> Result<()> {
        let mut all: HashMap<u16, Vec<u64>> = HashMap::new();
        for ledger in ledgers {
            let Order::Shared { seen, .. } = &ledger.order else {
                continue;
            };
            for (publisher, words) in seen {
                let all = all.entry(*publisher).or_default();
                all.resize(all.len().max(words.len()), 0);
                for (at, (all, word)) in all.iter_mut().zip(words).enumerate() {
                    if *all & word != 0 {
                        let number = at * 64 + (*all & word).trailing_zeros() as usize;
                        bail!("message {number} of publisher {publisher} came to two consumers");
                    }
                    *all |= word;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn note(ledger: &mut Ledger, consumer: usize, number: u64) -> Result<()> {
        let head = Head {
            publisher: 0,
            number,
            sent: Duration::ZERO,
        };
        let delivery = Delivery {
            body: &head.bytes(),
            consumer,
            redelivered: false,
        };
        ledger.note(&delivery).map(drop)
    }

    #[test]
    fn each_queue_has_an_order_of_its_own() {
        let mut ledger = Ledger::new(16, 2, true);
        for number in [0, 2, 1, 4, 3] {
            note(&mut ledger, 0, number).expect("even and odd numbers are two queues");
        }
        assert!(note(&mut ledger, 0, 8).is_err(), "6 is missing");
        assert!(note(&mut ledger, 0, 3).is_err(), "3 was there");
    }

    #[test]
    fn who_shares_a_queue_gets_a_part_of_it_in_order() {
        let mut ledger = Ledger::new(16, 1, false);
        for (consumer, number) in [(0, 1), (1, 0), (0, 5), (1, 3)] {
            note(&mut ledger, consumer, number).expect("each gets rising numbers");
        }
        assert!(note(&mut ledger, 0, 4).is_err(), "4 after 5");
        assert!(note(&mut ledger, 1, 5).is_err(), "5 was there");
        assert_eq!(ledger.received, [2, 2]);
        let mut other = Ledger::new(16, 1, false);
        note(&mut other, 0, 2).expect("nobody had it");
        let mut ledgers = vec![ledger, other];
        Ledger::nothing_twice(&ledgers).expect("all differ");
        note(&mut ledgers[1], 0, 3).expect("this connection did not have it");
        assert!(Ledger::nothing_twice(&ledgers).is_err());
    }
}
