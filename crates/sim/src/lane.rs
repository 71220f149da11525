//! The lane as the broker asked for it: what its records say of every message, kept so that a crash can take back what
//! had not landed.

use crate::plan::Plan;
use model::record::{Ending, Place, Waiting};
use model::{Definition, MessageRecord, Position, QueueId, Record, Runs, Timestamp};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

/// A message's number in a run; it stands at the beginning of its body.
pub(crate) type MessageId = u32;

/// What a record says, as far as it is held against the promises.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Message(Landed),
    Settled(QueueId, Ending, Runs),
    Waiting(QueueId, Vec<Waiting>),
    Queue(QueueId, String),
    Other,
}

/// A message's record.
#[derive(Clone, Debug)]
pub(crate) struct Landed {
    pub(crate) message: MessageId,
    pub(crate) queues: SmallVec<[QueueId; 2]>,
    pub(crate) accepted: Timestamp,
    pub(crate) due: Option<Timestamp>,
    pub(crate) publishing: Option<(String, u64)>,
    /// The queue that it died in, if it is a dead letter's copy.
    pub(crate) died_in: Option<String>,
}

/// The number in a body.
pub(crate) fn message_of(body: &[u8]) -> Option<MessageId> {
    Some(u32::from_le_bytes(body.get(..4)?.try_into().ok()?))
}

impl Said {
    pub(crate) fn of(record: &Record) -> Self {
        match record {
            Record::Message(message) => match Landed::of(message) {
                Some(landed) => Self::Message(landed),
                None => Self::Other,
            },
            Record::Settled(queue, ending, runs) => Self::Settled(*queue, *ending, runs.clone()),
            Record::Waiting(queue, waiting) => Self::Waiting(*queue, waiting.clone()),
            Record::Definition(Definition::QueueMade { queue, .. }) => {
                Self::Queue(queue.id, queue.name.as_str().to_owned())
            }
            _ => Self::Other,
        }
    }
}

impl Landed {
    fn of(message: &MessageRecord) -> Option<Self> {
        let headers = message.properties.headers();
        let died_in = headers.and_then(|headers| headers.get("x-last-death-queue"));
        Some(Self {
            message: message_of(&message.body)?,
            queues: message.queues.clone(),
            accepted: message.accepted,
            due: message.due,
            publishing: message.publisher.as_ref().map(|publishing| {
                let publisher = publishing.publisher.as_str().to_owned();
                (publisher, publishing.id.0)
            }),
            died_in: died_in.and_then(|queue| queue.as_str().map(str::to_owned)),
        })
    }
}

/// What the records up to now add up to.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// By position; the first stands at 1.
    said: Vec<Said>,
    pub(crate) queues: FxHashMap<QueueId, usize>,
    pub(crate) ids: FxHashMap<usize, QueueId>,
    /// Where the copies of a message landed.
    places: FxHashMap<MessageId, SmallVec<[Position; 2]>>,
    /// The queues that hold a message still, by position.
    alive: FxHashMap<Position, SmallVec<[usize; 2]>>,
    pub(crate) numbers: FxHashSet<(String, u64)>,
    /// Dead letters' copies, and ends of originals, by the queue that they died in.
    pub(crate) copies: FxHashMap<(usize, MessageId), u32>,
    pub(crate) ends: FxHashMap<(usize, MessageId), u32>,
    /// How many messages each queue holds.
    pub(crate) holds: FxHashMap<usize, u64>,
    /// The last message that came to each queue while it had more than it may.
    pub(crate) was_over: FxHashMap<usize, Position>,
    /// Where messages wait that do not wait as they came.
    pub(crate) waiting: FxHashMap<(usize, Position), Waiting>,
}

impl Lane {
    pub(crate) fn last(&self) -> Position {
        Position(self.said.len() as u64)
    }

    /// Takes in the next record.
    pub(crate) fn push(&mut self, said: Said, names: &FxHashMap<String, usize>, plan: &Plan) {
        self.said.push(said);
        self.apply(self.said.len(), names, plan);
    }

    /// What stands behind this never landed.
    pub(crate) fn cut(&mut self, last: Position, names: &FxHashMap<String, usize>, plan: &Plan) {
        let mut said = std::mem::take(&mut self.said);
        said.truncate(usize::try_from(last.0).expect("short"));
        *self = Self {
            said,
            ..Self::default()
        };
        for number in 1..=self.said.len() {
            self.apply(number, names, plan);
        }
    }

    pub(crate) fn message(&self, position: Position) -> Option<&Landed> {
        let index = usize::try_from(position.0.checked_sub(1)?).ok()?;
        match self.said.get(index)? {
            Said::Message(landed) => Some(landed),
            _ => None,
        }
    }

    /// Whether the queue holds the message.
    pub(crate) fn is_alive(&self, queue: usize, position: Position) -> bool {
        let queues = self.alive.get(&position);
        queues.is_some_and(|queues| queues.contains(&queue))
    }

    /// The messages that queues hold, in order.
    pub(crate) fn alive(&self) -> Vec<(Position, usize)> {
        let all = self.alive.iter();
        let mut all: Vec<_> = all
            .flat_map(|(position, queues)| queues.iter().map(|queue| (*position, *queue)))
            .collect();
        all.sort_unstable();
        all
    }

    /// Where a message landed as its sender sent it.
    pub(crate) fn places(&self, message: MessageId) -> &[Position] {
        self.places.get(&message).map_or(&[], |places| places)
    }

    pub(crate) fn is_parked(&self, queue: usize, position: Position) -> bool {
        let waiting = self.waiting.get(&(queue, position));
        waiting.is_some_and(|waiting| matches!(waiting.place, Place::Parked { .. }))
    }

    fn apply(&mut self, number: usize, names: &FxHashMap<String, usize>, plan: &Plan) {
        let position = Position(number as u64);
        match &self.said[number - 1] {
            Said::Message(landed) => {
                let queues = landed.queues.iter();
                let queues: SmallVec<[usize; 2]> = queues
                    .filter_map(|queue| self.queues.get(queue).copied())
                    .collect();
                for queue in &queues {
                    let holds = self.holds.entry(*queue).or_default();
                    *holds += 1;
                    let most = plan.queues[*queue].max_length;
                    if most.is_some_and(|most| *holds > most) && !plan.queues[*queue].refuses {
                        self.was_over.insert(*queue, position);
                    }
                }
                self.alive.insert(position, queues);
                if let Some(publishing) = &landed.publishing {
                    self.numbers.insert(publishing.clone());
                }
                match &landed.died_in {
                    None => self
                        .places
                        .entry(landed.message)
                        .or_default()
                        .push(position),
                    Some(queue) => {
                        let queue = names.get(queue).copied().unwrap_or(usize::MAX);
                        *self.copies.entry((queue, landed.message)).or_default() += 1;
                    }
                }
            }
            Said::Settled(queue, ending, runs) => {
                let Some(&queue) = self.queues.get(queue) else {
                    return;
                };
                for settled in runs.positions() {
                    let Some(queues) = self.alive.get_mut(&settled) else {
                        continue;
                    };
                    let before = queues.len();
                    queues.retain(|holds| *holds != queue);
                    let gone = (before - queues.len()) as u64;
                    if queues.is_empty() {
                        self.alive.remove(&settled);
                    }
                    *self.holds.entry(queue).or_default() -= gone;
                    self.waiting.remove(&(queue, settled));
                    let index = usize::try_from(settled.0 - 1).expect("short");
                    if *ending == Ending::DeadLettered
                        && let Said::Message(landed) = &self.said[index]
                    {
                        *self.ends.entry((queue, landed.message)).or_default() += 1;
                    }
                }
            }
            Said::Waiting(queue, waiting) => {
                let Some(&queue) = self.queues.get(queue) else {
                    return;
                };
                for one in waiting {
                    let queues = self.alive.get(&one.position);
                    if !queues.is_some_and(|queues| queues.contains(&queue)) {
                        continue;
                    }
                    self.waiting.insert((queue, one.position), *one);
                }
            }
            Said::Queue(id, name) => {
                if let Some(&queue) = names.get(name) {
                    self.queues.insert(*id, queue);
                    self.ids.insert(queue, *id);
                }
            }
            Said::Other => {}
        }
    }
}
