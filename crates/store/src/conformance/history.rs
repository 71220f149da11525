//! Random histories: whatever is landed, settled, told again and interrupted, the lane holds what the ledger says.

use super::Harness;
use super::lane::Lane;
use model::{Definition, Position, QueueId, Record};

/// How many histories are run.
pub(super) const SEEDS: u64 = 12;
const STEPS: usize = 150;

/// Numbers that look random and are the same for the same seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

pub(super) fn run(harness: &mut dyn Harness, seed: u64) {
    let random = &mut Random(seed);
    let mut lane = Lane::new(harness);
    for _ in 0..STEPS {
        match random.below(100) {
            0..40 => publish(&mut lane, random),
            40..70 => settle(&mut lane, random),
            70..85 => define(&mut lane, random),
            85..90 => {
                lane.fill();
                lane.check_readable();
            }
            90..93 => lane.checkpoint(),
            93..97 => {
                land(&mut lane);
                lane.crash();
            }
            _ => {
                land(&mut lane);
                lane.reopen();
            }
        }
        if random.below(3) == 0 {
            land(&mut lane);
        }
    }
    land(&mut lane);
    lane.crash();
}

fn land(lane: &mut Lane<'_>) {
    // A chunk holds at least one record.
    lane.message(&[1], 1);
    lane.land();
}

fn publish(lane: &mut Lane<'_>, random: &mut Random) {
    for _ in 0..=random.below(6) {
        let body = match random.below(20) {
            0 => random.below(200_000),
            1..8 => 0,
            _ => random.below(3000),
        };
        let fan = random.below(4) + 1;
        let first = random.below(6) + 1;
        let queues: Vec<u64> = match random.below(3) {
            0 => (first..first + fan).collect(),
            _ => vec![first],
        };
        lane.message(&queues, usize::try_from(body).expect("bodies are small"));
    }
}

/// Settles a stretch of one queue's messages, oldest first or anywhere.
fn settle(lane: &mut Lane<'_>, random: &mut Random) {
    let queue = random.below(9) + 1;
    let has = |(_, message): &(&Position, &model::record::MessageHead)| {
        message.queues.contains(&QueueId(queue))
    };
    let waiting = lane.ledger.messages.iter().filter(has);
    let waiting: Vec<Position> = waiting.map(|(position, _)| *position).collect();
    if waiting.is_empty() {
        return;
    }
    let bound = waiting.len() as u64;
    let start = if random.below(2) == 0 {
        0
    } else {
        random.below(bound)
    };
    let count = random.below(bound) + 1;
    let at = |index: u64| usize::try_from(index.min(bound)).expect("an index of a list");
    lane.settle(queue, &waiting[at(start)..at(start + count)]);
}

fn define(lane: &mut Lane<'_>, random: &mut Random) {
    let queue = random.below(20) + 1;
    if random.below(3) == 0 {
        let queue = QueueId(queue);
        lane.push(&Record::Definition(Definition::QueueRemoved { queue }));
    } else {
        lane.define_queue(queue);
    }
}
