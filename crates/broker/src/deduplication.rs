//! Deduplication, for queues whose owners ask for it: a message that a queue remembers does not land in it again, and
//! is confirmed like the one that it repeats, no sooner than that has landed (promises P1 and P5).
//!
//! What a queue remembers lands in the record of the message itself, so that a crash forgets both or neither, and is
//! told again at checkpoints: the message may be gone. Only publishes count: dead letters and what operators send
//! back are not looked at and not remembered.

use crate::Broker;
use crate::connection::{Refusal, precondition_failed};
use crate::route::Targets;
use crate::rules::{DeduplicationRule, Rules};
use crate::snapshot::DeduplicationStatus;
use crate::window::Window;
use model::record::Fingerprint;
use model::{
    Limits, MethodId, Position, Properties, QueueId, Record, TableBuilder, Timestamp, Value,
};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_128;

/// The header of a message with its own time to be remembered, as in the plugin.
const TIME_HEADER: &str = "x-cache-ttl";

/// The most fingerprints of one record.
const RECORD_MOST: usize = 4096;

/// What all queues remember.
#[derive(Debug)]
pub(crate) struct Deduplication {
    remembering: FxHashMap<QueueId, Remembering>,
    /// The most messages that all queues together may remember.
    most: usize,
    /// How many they may remember as they are.
    granted: usize,
}

/// A queue that deduplicates.
#[derive(Debug)]
struct Remembering {
    rule: DeduplicationRule,
    /// No more than the rule asks for, and less where all queues together have asked for too much.
    granted: usize,
    window: Window,
    /// How many messages did not land because they were known, since the start.
    duplicates: u64,
}

/// A publish without the queues that know it.
#[derive(Debug)]
pub(crate) struct Sifted {
    /// Those that do not.
    pub(crate) targets: Targets,
    /// What they are to remember of it.
    pub(crate) fingerprints: Vec<(QueueId, Fingerprint)>,
    /// Where the message stands that it repeats, the last of them.
    pub(crate) repeats: Position,
}

impl From<Targets> for Sifted {
    /// What no queue is asked about, and none is to know again.
    fn from(targets: Targets) -> Self {
        Self {
            targets,
            fingerprints: Vec::new(),
            repeats: Position::NONE,
        }
    }
}

impl Deduplication {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            remembering: FxHashMap::default(),
            most: limits.deduplication_max,
            granted: 0,
        }
    }

    /// A queue has these rules from now on; without any it forgets all.
    pub(crate) fn follow(&mut self, queue: QueueId, rule: Option<&DeduplicationRule>) {
        let before = self.remembering.remove(&queue);
        self.granted -= before.as_ref().map_or(0, |before| before.granted);
        let Some(rule) = rule else {
            return;
        };
        let granted = rule.size.min(self.most - self.granted);
        self.granted += granted;
        let (mut window, duplicates) = before.map_or_else(Default::default, |before| {
            (before.window, before.duplicates)
        });
        window.resize(granted);
        let remembering = Remembering {
            rule: rule.clone(),
            granted,
            window,
            duplicates,
        };
        self.remembering.insert(queue, remembering);
    }

    /// What recovery found of a queue whose rules are known by now.
    pub(crate) fn restore(&mut self, queue: QueueId, mut window: Window) {
        if let Some(remembering) = self.remembering.get_mut(&queue) {
            window.resize(remembering.granted);
            remembering.window = window;
        }
    }

    /// How a queue that deduplicates stands.
    pub(crate) fn status(&self, queue: QueueId) -> Option<DeduplicationStatus> {
        let remembering = self.remembering.get(&queue)?;
        Some(DeduplicationStatus {
            remembered: remembering.window.len() as u64,
            duplicates: remembering.duplicates,
        })
    }

    /// Which of the queues know the message.
    pub(crate) fn sift(
        &mut self,
        now: Timestamp,
        targets: Targets,
        properties: &Properties,
    ) -> Sifted {
        let mut sifted = Sifted::from(targets);
        // Most servers have no such queue, and then nobody looks.
        if self.remembering.is_empty() {
            return sifted;
        }
        sifted.targets.retain(|queue| {
            let Some(remembering) = self.remembering.get_mut(&queue) else {
                return true;
            };
            let Some(fingerprint) = fingerprint(now, &remembering.rule, properties) else {
                return true;
            };
            match remembering.window.find(now, fingerprint.hash) {
                Some(known) => {
                    remembering.duplicates += 1;
                    sifted.repeats = sifted.repeats.max(known);
                    false
                }
                None => {
                    sifted.fingerprints.push((queue, fingerprint));
                    true
                }
            }
        });
        sifted
    }

    /// Queues remember a message that is about to land.
    pub(crate) fn remember(
        &mut self,
        now: Timestamp,
        position: Position,
        fingerprints: &[(QueueId, Fingerprint)],
    ) {
        for (queue, fingerprint) in fingerprints {
            if let Some(remembering) = self.remembering.get_mut(queue) {
                remembering.window.remember(now, position, *fingerprint);
            }
        }
    }

    /// All that is remembered, as records.
    pub(crate) fn told(&self, now: Timestamp) -> Vec<Record> {
        let mut queues: Vec<_> = self.remembering.iter().collect();
        queues.sort_unstable_by_key(|(queue, _)| **queue);
        let mut records = Vec::new();
        for (queue, remembering) in queues {
            let mut all = remembering.window.all(now).peekable();
            while all.peek().is_some() {
                let some = all.by_ref().take(RECORD_MOST).collect();
                records.push(Record::Remembered(*queue, some));
            }
        }
        records
    }
}

impl Broker {
    /// Refuses a queue whose owner asks for more to be remembered than there is room for: what it was promised it
    /// could not rely on (promise P9).
    pub(crate) fn check_deduplication_limit(
        &self,
        rules: &Rules,
        what: &str,
        method: MethodId,
    ) -> Result<(), Refusal> {
        let Deduplication { most, granted, .. } = self.deduplication;
        match &rules.deduplication {
            Some(rule) if rule.size > most - granted => {
                let explanation = format!(
                    "cannot declare {what}: deduplication limit in node ({most}) is reached: {granted} are taken \
                     and {} are asked for",
                    rule.size
                );
                Err(precondition_failed(explanation, method))
            }
            _ => Ok(()),
        }
    }
}

/// What tells a message apart for a queue, if anything does.
fn fingerprint(
    now: Timestamp,
    rule: &DeduplicationRule,
    properties: &Properties,
) -> Option<Fingerprint> {
    let header = |name: &str| properties.headers().and_then(|headers| headers.get(name));
    let by_header = || {
        let name = rule.header.as_ref()?;
        let value = header(name).filter(|value| *value != Value::Void)?;
        Some(hash(b'h', name.as_bytes(), value))
    };
    let by_property = || {
        let id = properties.raw_message_id().filter(|_| rule.message_id)?;
        Some(hash(b'p', b"message_id", Value::Str(id)))
    };
    let hash = by_header().or_else(by_property)?;
    let own_time = header(TIME_HEADER).and_then(Value::as_integer);
    let time = own_time
        .and_then(|time| u64::try_from(time).ok())
        .or(rule.time);
    let until = time.map_or(Fingerprint::NO_END, |time| {
        Timestamp(now.0.saturating_add(time))
    });
    Some(Fingerprint { hash, until })
}

/// The hash stands on the disk, so it is frozen: docs/format.md tells what goes into it. Two values of 128 bits that
/// are equal by chance are not to be expected in the life of a server.
fn hash(source: u8, name: &[u8], value: Value<'_>) -> u128 {
    let mut hashed: SmallVec<[u8; 128]> = SmallVec::new();
    hashed.push(source);
    hashed.extend_from_slice(name);
    hashed.push(0);
    match (value, value.as_integer()) {
        (Value::Str(bytes) | Value::ByteArray(bytes), _) => {
            hashed.push(b's');
            hashed.extend_from_slice(bytes);
        }
        (_, Some(number)) => {
            hashed.push(b'i');
            hashed.extend_from_slice(&number.to_le_bytes());
        }
        _ => {
            hashed.push(b'v');
            // A table of this one field: the octet of its empty name, then the value.
            let table = TableBuilder::new().field("", value).build();
            hashed.extend_from_slice(&table.as_bytes()[1..]);
        }
    }
    xxh3_128(&hashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_frozen_and_tells_apart_what_is_not_the_same() {
        let text = hash(b'h', b"x-id", Value::Str(b"a"));
        assert_eq!(text, 45_336_357_943_007_088_062_948_122_646_461_479_046);
        assert_eq!(text, hash(b'h', b"x-id", Value::ByteArray(b"a")));
        let one = hash(b'h', b"x-id", Value::I8(1));
        assert_eq!(one, hash(b'h', b"x-id", Value::I64(1)));
        let others = [
            hash(b'h', b"x-id", Value::Str(b"1")),
            hash(b'h', b"x-other", Value::I8(1)),
            hash(b'p', b"x-id", Value::I8(1)),
            hash(b'h', b"x-id", Value::Bool(true)),
            hash(b'h', b"x-id", Value::Timestamp(1)),
            text,
        ];
        assert!(others.iter().all(|other| *other != one));
    }
}
