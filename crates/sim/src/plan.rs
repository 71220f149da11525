//! What one run is made of: queues, exchanges, clients and faults, all drawn before it begins.

use crate::feature::{Feature, Mix};
use crate::random::Random;
use model::{FieldTable, ShortStr, TableBuilder, Value};
use std::ops::Range;

/// One millisecond in the simulation's time, which counts microseconds.
pub(crate) const MS: u64 = 1000;
/// One second.
pub(crate) const SECOND: u64 = 1000 * MS;

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) mix: Mix,
    pub(crate) queues: Vec<QueuePlan>,
    pub(crate) exchanges: Vec<ExchangePlan>,
    pub(crate) senders: Vec<SenderPlan>,
    pub(crate) receivers: Vec<ReceiverPlan>,
    /// As many messages must be confirmed at least: a run that confirms few proves little.
    pub(crate) confirmed_least: u64,
    /// How long faults happen.
    pub(crate) stormy: u64,
    /// The mean time between faults.
    pub(crate) fault_every: u64,
    /// The mean time of a landing.
    pub(crate) landing: u64,
    /// The mean time of a message on the network.
    pub(crate) latency: u64,
    pub(crate) segment_bytes: u64,
    /// The most bytes of a body.
    pub(crate) body_most: u64,
}

#[derive(Debug, Default)]
pub(crate) struct QueuePlan {
    pub(crate) name: String,
    pub(crate) time_to_live: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) refuses: bool,
    /// The queue that its dead letters go to.
    pub(crate) dead_letters_to: Option<usize>,
    /// Its dead letters are to go through an exchange that is not there.
    pub(crate) target_lost: bool,
    pub(crate) max_priority: u8,
    pub(crate) single_active: bool,
    pub(crate) retry: Option<RetryPlan>,
    pub(crate) delivery_limit: Option<u64>,
    /// Milliseconds.
    pub(crate) timeout: Option<u64>,
    pub(crate) deduplication: Option<DeduplicationPlan>,
    /// Milliseconds.
    pub(crate) delay: Option<u64>,
}

/// What a queue remembers: how many, and for how long in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeduplicationPlan {
    pub(crate) size: u64,
    pub(crate) time: Option<u64>,
}

impl DeduplicationPlan {
    /// Whether a run ends before anything is forgotten.
    pub(crate) fn forgets_nothing(self) -> bool {
        self.size > 5000 && self.time.is_none()
    }
}

/// The wait before a message is delivered again, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPlan {
    pub(crate) of: &'static str,
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl RetryPlan {
    /// Between what a wait must be after so many attempts: doubled each time, a tenth of it left to chance.
    pub(crate) fn wait(self, attempts: u32) -> (u64, u64) {
        let doubled = 1u64
            .checked_shl(attempts.saturating_sub(1))
            .unwrap_or(u64::MAX);
        let wait = self.least.saturating_mul(doubled).min(self.most);
        (wait * 94 / 100, (wait * 106 / 100 + 1).min(self.most))
    }
}

impl QueuePlan {
    /// Whether what leaves it unacknowledged goes anywhere.
    pub(crate) fn has_dead_letters(&self) -> bool {
        self.dead_letters_to.is_some() || self.target_lost
    }

    pub(crate) fn arguments(&self, queues: &[QueuePlan]) -> FieldTable {
        let number = |number: u64| Value::I64(i64::try_from(number).expect("small"));
        let mut table = TableBuilder::new();
        if let Some(time) = self.time_to_live {
            table = table.field("x-message-ttl", number(time));
        }
        if let Some(most) = self.max_length {
            table = table.field("x-max-length", number(most));
        }
        if self.refuses {
            table = table.text("x-overflow", "reject-publish");
        }
        if let Some(to) = self.dead_letters_to {
            table = table.text("x-dead-letter-exchange", "");
            table = table.text("x-dead-letter-routing-key", &queues[to].name);
        }
        if self.target_lost {
            table = table.text("x-dead-letter-exchange", "nowhere");
        }
        if let Some(retry) = self.retry {
            table = table
                .text("x-delayed-retry-type", retry.of)
                .field("x-delayed-retry-min", number(retry.least))
                .field("x-delayed-retry-max", number(retry.most));
        }
        if let Some(limit) = self.delivery_limit {
            table = table.field("x-delivery-limit", number(limit));
        }
        if let Some(time) = self.timeout {
            table = table.field("x-consumer-timeout", number(time));
        }
        if let Some(plan) = self.deduplication {
            table = table
                .field("x-message-deduplication", Value::Bool(true))
                .text("x-deduplication-property", "message_id")
                .field("x-cache-size", number(plan.size));
            if let Some(time) = plan.time {
                table = table.field("x-cache-ttl", number(time));
            }
        }
        if let Some(delay) = self.delay {
            table = table.field("x-delivery-delay", number(delay));
        }
        if self.max_priority > 0 {
            table = table.field("x-max-priority", number(self.max_priority.into()));
        }
        if self.single_active {
            table = table.field("x-single-active-consumer", Value::Bool(true));
        }
        table.build()
    }
}

#[derive(Debug)]
pub(crate) struct ExchangePlan {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Messages say for how long it is to put them off.
    pub(crate) delays: bool,
    /// A queue, and the key of its binding.
    pub(crate) bindings: Vec<(usize, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Direct,
    Fanout,
    Topic,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
        }
    }
}

/// How a sender learns that its messages have landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assurance {
    /// Publishing ids and retransmission: the client of the house.
    Numbered,
    /// Confirms; what was not confirmed is sent again under no number.
    Confirmed,
    Transaction,
    Nothing,
}

#[derive(Debug)]
pub(crate) struct SenderPlan {
    pub(crate) assurance: Assurance,
    /// Exchange and routing key, one of these for each message; no exchange is the default one.
    pub(crate) targets: Vec<(Option<usize>, String)>,
    pub(crate) messages: u64,
    /// The mean time between bursts.
    pub(crate) pace: u64,
    pub(crate) burst: u64,
    /// So many of a hundred messages expire by themselves.
    pub(crate) expiring: u64,
    pub(crate) prioritized: bool,
    /// So many of a hundred are to be put off.
    pub(crate) delayed: u64,
    /// So many of a hundred are sent twice.
    pub(crate) repeated: u64,
}

#[derive(Debug)]
pub(crate) struct ReceiverPlan {
    pub(crate) queue: usize,
    pub(crate) manner: Manner,
    /// 0 for none.
    pub(crate) prefetch: u16,
    /// The mean time that a message is worked on.
    pub(crate) work: u64,
    /// In a hundred messages: those given back, refused, kept in silence.
    pub(crate) requeued: u64,
    pub(crate) rejected: u64,
    pub(crate) silent: u64,
    pub(crate) multiple: bool,
    /// It asks for more time now and then.
    pub(crate) extends: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// basic.consume, answered by the client of the house, repeats suppressed or not.
    House {
        suppresses: bool,
    },
    /// basic.consume.
    Stock,
    NoAck,
    /// basic.get.
    Getting,
}

impl Plan {
    /// A plan of so many messages at least, whose faults happen for a time within `stormy`.
    pub(crate) fn drawn(random: &mut Random, confirmed_least: u64, stormy: Range<u64>) -> Self {
        let mix = Mix::drawn(random);
        let queues = draw_queues(&mix, random);
        let exchanges = draw_exchanges(&mix, &queues, random);
        let stormy = random.within(stormy);
        let extent = (confirmed_least, stormy);
        let senders = draw_senders(&mix, &queues, &exchanges, extent, random);
        let receivers = draw_receivers(&mix, &queues, random);
        Self {
            senders,
            receivers,
            confirmed_least,
            stormy,
            fault_every: stormy / random.within(2..12),
            landing: *random.pick(&[100, MS, 5 * MS, 20 * MS]),
            latency: *random.pick(&[50, 500, 5 * MS, 40 * MS]),
            segment_bytes: *random.pick(&[4, 16, 64, 256]) * 1024,
            body_most: if mix.has(Feature::LargeBodies) {
                20_000
            } else {
                *random.pick(&[40, 200, 1000])
            },
            mix,
            queues,
            exchanges,
        }
    }

    /// The queues that a message goes to, one bit for each.
    pub(crate) fn route(&self, exchange: Option<usize>, key: &str) -> u64 {
        let Some(exchange) = exchange else {
            let named = self.queues.iter().position(|queue| queue.name == key);
            return named.map_or(0, |queue| 1 << queue);
        };
        let exchange = &self.exchanges[exchange];
        let bindings = exchange.bindings.iter();
        let bound = bindings.filter(|(_, pattern)| match exchange.kind {
            Kind::Fanout => true,
            Kind::Direct => pattern == key,
            Kind::Topic => {
                let pattern: Vec<&str> = pattern.split('.').collect();
                let key: Vec<&str> = key.split('.').collect();
                is_like(&pattern, &key)
            }
        });
        bound.fold(0, |queues, (queue, _)| queues | 1 << queue)
    }
}

/// Whether the words of a key fit a pattern, the plain way.
fn is_like(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern, key) {
        ([], []) => true,
        (["#", rest @ ..], _) => (0..=key.len()).any(|skipped| is_like(rest, &key[skipped..])),
        (["*", pattern @ ..], [_, key @ ..]) => is_like(pattern, key),
        ([first, pattern @ ..], [word, key @ ..]) => first == word && is_like(pattern, key),
        _ => false,
    }
}

fn draw_queues(mix: &Mix, random: &mut Random) -> Vec<QueuePlan> {
    let count = random.within(1..6) as usize;
    let mut queues: Vec<QueuePlan> = (0..count)
        .map(|number| QueuePlan {
            name: format!("q{number}"),
            time_to_live: (mix.has(Feature::TimeToLive) && random.percent(40))
                .then(|| *random.pick(&[20, 300, 5000, 60_000])),
            max_length: ((mix.has(Feature::DropHead) || mix.has(Feature::RejectPublish))
                && random.percent(40))
            .then(|| *random.pick(&[5, 50, 500])),
            max_priority: if mix.has(Feature::Priority) && random.percent(60) {
                *random.pick(&[1, 5, 255])
            } else {
                0
            },
            single_active: mix.has(Feature::SingleActive) && random.percent(50),
            retry: (mix.has(Feature::Retry) && random.percent(60)).then(|| {
                let least = *random.pick(&[1, 30, 1000, 7000]);
                let most = least * *random.pick(&[1, 10, 1000]);
                let of = *random.pick(&["all", "failed", "returned"]);
                RetryPlan { of, least, most }
            }),
            delivery_limit: (mix.has(Feature::DeliveryLimit) && random.percent(60))
                .then(|| *random.pick(&[0, 1, 3, 20])),
            timeout: (mix.has(Feature::Timeout) && random.percent(60))
                .then(|| *random.pick(&[50, 500, 3000, 30_000])),
            deduplication: (mix.has(Feature::Deduplication) && random.percent(60)).then(|| {
                let size = *random.pick(&[10, 10_000, 10_000]);
                let time = *random.pick(&[None, None, Some(5000)]);
                DeduplicationPlan { size, time }
            }),
            delay: (mix.has(Feature::Delay) && random.percent(40))
                .then(|| *random.pick(&[0, 5, 700, 20_000])),
            ..QueuePlan::default()
        })
        .collect();
    for queue in &mut queues {
        queue.refuses = queue.max_length.is_some()
            && mix.has(Feature::RejectPublish)
            && (!mix.has(Feature::DropHead) || random.percent(50));
    }
    if mix.has(Feature::DeadLetters) {
        for queue in &mut queues {
            if random.percent(60) {
                queue.dead_letters_to = Some(count);
            }
        }
        if mix.has(Feature::LostTarget) {
            let kept = |queue: &&mut QueuePlan| queue.dead_letters_to.is_none();
            for queue in queues.iter_mut().filter(kept) {
                queue.target_lost = random.percent(50);
            }
        }
        let name = "dead".to_owned();
        queues.push(QueuePlan {
            name,
            ..QueuePlan::default()
        });
    }
    queues
}

const WORDS: [&str; 3] = ["red", "green", "blue"];

fn draw_exchanges(mix: &Mix, queues: &[QueuePlan], random: &mut Random) -> Vec<ExchangePlan> {
    (0..random.below(4))
        .map(|number| {
            let kind = *random.pick(&[Kind::Direct, Kind::Fanout, Kind::Topic]);
            let bindings = (0..random.within(1..6)).map(|_| {
                let queue = random.below(queues.len() as u64) as usize;
                let words = WORDS.map(str::to_owned);
                let key = match kind {
                    Kind::Topic => {
                        let patterns = ["#", "*", "red.*", "*.blue", "green.#", "red.green"];
                        (*random.pick(&patterns)).to_owned()
                    }
                    Kind::Direct | Kind::Fanout => random.pick(&words).clone(),
                };
                (queue, key)
            });
            let bindings = bindings.collect();
            ExchangePlan {
                name: format!("x{number}"),
                kind,
                bindings,
                delays: mix.has(Feature::Delay) && random.percent(60),
            }
        })
        .collect()
}

fn draw_senders(
    mix: &Mix,
    queues: &[QueuePlan],
    exchanges: &[ExchangePlan],
    (confirmed_least, stormy): (u64, u64),
    random: &mut Random,
) -> Vec<SenderPlan> {
    let mut kinds = vec![Assurance::Numbered];
    let others = [
        (Feature::PlainSenders, Assurance::Confirmed),
        (Feature::Transactions, Assurance::Transaction),
        (Feature::Unconfirmed, Assurance::Nothing),
    ];
    for (feature, kind) in others {
        if mix.has(feature) {
            kinds.push(kind);
        }
    }
    let mut senders = Vec::new();
    let count = random.within(kinds.len() as u64..7);
    for number in 0..count {
        let assurance = match kinds.get(number as usize) {
            Some(kind) => *kind,
            None => *random.pick(&kinds),
        };
        let count_of_targets = random.within(1..4);
        let targets = (0..count_of_targets)
            .map(|_| draw_target(queues, exchanges, random))
            .collect();
        let messages = 1 + confirmed_least * random.within(8..14) / 10 / count;
        let burst = *random.pick(&[1, 1, 4, 20]);
        // Done when about two thirds of the storm are over.
        let pace = stormy * 2 / 3 * burst / messages;
        senders.push(SenderPlan {
            assurance,
            targets,
            messages,
            pace: pace.max(10),
            burst,
            expiring: if mix.has(Feature::Expiration) {
                *random.pick(&[0, 5, 50])
            } else {
                0
            },
            prioritized: mix.has(Feature::Priority),
            delayed: if mix.has(Feature::Delay) { 50 } else { 0 },
            repeated: if mix.has(Feature::Duplicates) { 10 } else { 0 },
        });
    }
    senders
}

fn draw_target(
    queues: &[QueuePlan],
    exchanges: &[ExchangePlan],
    random: &mut Random,
) -> (Option<usize>, String) {
    if exchanges.is_empty() || random.percent(40) {
        // To the dead letters nothing is sent directly.
        let queue = random.pick(queues);
        let name = if queue.name == "dead" {
            "q0"
        } else {
            &queue.name
        };
        return (None, name.to_owned());
    }
    let exchange = random.below(exchanges.len() as u64) as usize;
    let mut key = (*random.pick(&WORDS)).to_owned();
    if exchanges[exchange].kind == Kind::Topic && random.percent(60) {
        key = format!("{key}.{}", random.pick(&WORDS));
    }
    (Some(exchange), key)
}

fn draw_receivers(mix: &Mix, queues: &[QueuePlan], random: &mut Random) -> Vec<ReceiverPlan> {
    let mut receivers = Vec::new();
    for (queue, rules) in queues.iter().enumerate() {
        for _ in 0..random.within(1..4) {
            let mut manners = vec![
                Manner::House { suppresses: false },
                Manner::House { suppresses: true },
                Manner::Stock,
            ];
            if mix.has(Feature::NoAck) {
                manners.push(Manner::NoAck);
            }
            if mix.has(Feature::Getting) && !rules.single_active {
                manners.push(Manner::Getting);
            }
            let some = |feature, percents: &[u64], random: &mut Random| {
                if mix.has(feature) {
                    *random.pick(percents)
                } else {
                    0
                }
            };
            receivers.push(ReceiverPlan {
                queue,
                manner: *random.pick(&manners),
                prefetch: *random.pick(&[0, 1, 3, 20, 200]),
                work: some(Feature::Lateness, &[MS, 50 * MS, SECOND], random),
                requeued: some(Feature::Requeue, &[0, 2, 20], random),
                rejected: some(Feature::Reject, &[0, 2, 10], random),
                silent: some(Feature::Silence, &[0, 1, 5], random),
                multiple: mix.has(Feature::Multiple) && random.percent(50),
                extends: mix.has(Feature::Extend),
            });
        }
    }
    receivers
}

/// A short name as the protocol has it.
pub(crate) fn short(text: &str) -> ShortStr {
    ShortStr::truncated(text)
}
