//! Finding messages in the files again: block by block, whatever is damaged or cut left out.

use super::block::{self, HEADER, Header, Item, Peer};
use super::files::files;
use admin::journey::{Client, Journey, Step, Wanted, What};
use broker::journey::{ConsumerName, Errand, Event, Origin, Published, QueueName, Receiver};
use model::{ChannelNumber, ConnectionId, Position, PublishingId, QueueId, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// The most messages of one answer, those among them that only lead to others.
const MESSAGES_MAX: usize = 200;

/// The most steps of one message that are told: the last ones.
const STEPS_MAX: usize = 1000;

/// The journeys of a data directory.
#[derive(Clone, Debug)]
pub struct Journeys {
    /// Where they are; `None` where none are kept.
    dir: Option<PathBuf>,
}

impl Journeys {
    /// Those in a directory.
    pub fn new(dir: Option<PathBuf>) -> Self {
        Self { dir }
    }

    /// The journeys that are wanted and those of their copies and originals, by position. It reads all that is kept,
    /// or much of it: not on a thread on which others wait.
    pub fn find(&self, wanted: &Wanted) -> io::Result<Vec<Journey>> {
        let mut found: BTreeMap<Position, VecDeque<Step>> = BTreeMap::new();
        let mut to_find = match wanted {
            Wanted::Message(position) => [*position].into(),
            other => self.positions(other)?,
        };
        while !to_find.is_empty() && found.len() < MESSAGES_MAX {
            let steps = self.steps(&to_find)?;
            let known: BTreeSet<Position> = found.keys().chain(&to_find).copied().collect();
            to_find = steps.values().flatten().filter_map(link).collect();
            to_find.retain(|position| !known.contains(position));
            found.extend(steps);
        }
        let journeys = found.into_iter().filter(|(_, steps)| has_anything(steps));
        let journeys = journeys.map(|(position, steps)| Journey {
            position,
            steps: steps.into(),
        });
        Ok(journeys.collect())
    }

    /// The positions of the last messages that fit.
    fn positions(&self, wanted: &Wanted) -> io::Result<BTreeSet<Position>> {
        let most = match wanted {
            Wanted::Queue(_, most) => (*most).min(MESSAGES_MAX / 2),
            _ => MESSAGES_MAX / 2,
        };
        let mut positions = BTreeSet::new();
        self.read(
            |_| true,
            |names, _, item| {
                let mut add = |position: u64| {
                    positions.insert(Position(position));
                    if positions.len() > most {
                        positions.pop_first();
                    }
                };
                match (wanted, item) {
                    (Wanted::MessageId(id), Item::MessageId(position, text)) if text == id => {
                        add(position.0);
                    }
                    (Wanted::Numbered(publisher, number), Item::Published(published)) => {
                        let at = numbered(published, publisher, *number);
                        at.into_iter().for_each(add);
                    }
                    (Wanted::Queue(queue, _), Item::Published(published))
                        if published.queues.iter().any(|id| names.queue(*id) == *queue) =>
                    {
                        let run = published.run;
                        let first = run.first.max(run.end().saturating_sub(most as u64));
                        (first..run.end()).for_each(add);
                    }
                    _ => {}
                }
            },
        )?;
        Ok(positions)
    }

    fn steps(&self, wanted: &BTreeSet<Position>) -> io::Result<BTreeMap<Position, VecDeque<Step>>> {
        let mut found: BTreeMap<Position, VecDeque<Step>> = BTreeMap::new();
        let is_in = |header: &Header| {
            // Something in it concerns all messages.
            header.lowest == 0
                || (wanted.range(Position(header.lowest)..=Position(header.highest)))
                    .next()
                    .is_some()
        };
        self.read(is_in, |names, at, item| {
            for (position, step) in names.steps(at, item, wanted) {
                let steps = found.entry(position).or_default();
                steps.push_back(step);
                if steps.len() > STEPS_MAX {
                    steps.pop_front();
                }
            }
        })?;
        Ok(found)
    }

    /// Reads all blocks that `wants` wants, the oldest first, and shows their items.
    fn read(
        &self,
        wants: impl Fn(&Header) -> bool,
        mut show: impl FnMut(&Names, Timestamp, &Item),
    ) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        for (_, path) in files(dir)? {
            let file = match File::open(path) {
                // Too old by now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            read_file(file, &wants, &mut show)?;
        }
        Ok(())
    }
}

/// A file ends where no whole block is: there the power went, or the thread is about to write.
fn read_file(
    file: File,
    wants: &impl Fn(&Header) -> bool,
    show: &mut impl FnMut(&Names, Timestamp, &Item),
) -> io::Result<()> {
    let mut left = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let mut block = Vec::new();
    while left >= HEADER as u64 {
        let mut head = [0; HEADER];
        file.read_exact(&mut head)?;
        let Some(header) = block::header(&head).filter(|header| header.length as u64 <= left)
        else {
            return Ok(());
        };
        left -= header.length as u64;
        let rest = header.length - HEADER;
        if !wants(&header) {
            file.seek(SeekFrom::Current(rest.cast_signed() as i64))?;
            continue;
        }
        block.clear();
        block.extend_from_slice(&head);
        block.resize(header.length, 0);
        file.read_exact(&mut block[HEADER..])?;
        let mut names = Names::default();
        let mut now = header.from;
        for item in block::items(&block).unwrap_or_default() {
            match item {
                Item::Time(passed) => now = Timestamp(now.0.saturating_add(passed)),
                Item::Queue(id, name) => drop(names.queues.insert(id, name)),
                Item::Connection(id, peer) => drop(names.connections.insert(id, peer)),
                Item::Consumer(number, name) => drop(names.consumers.insert(number, name)),
                other => show(&names, now, &other),
            }
        }
    }
    Ok(())
}

/// The position of the message with a publisher's number, if it is in the run.
fn numbered(run: &Published, publisher: &str, number: PublishingId) -> Option<u64> {
    let (name, first) = run.publisher.as_ref()?;
    let behind = number.0.checked_sub(first.0)?;
    (name == publisher && behind < run.run.count).then_some(run.run.first + behind)
}

/// The message that a step leads to.
fn link(step: &Step) -> Option<Position> {
    match step.what {
        What::CopyOf { original, .. } => Some(original),
        What::Copied { copy, .. } => Some(copy),
        _ => None,
    }
}

/// Whether there is more than what concerns the server.
fn has_anything(steps: &VecDeque<Step>) -> bool {
    let of_server = |step: &Step| matches!(step.what, What::Started | What::LeftOut);
    !steps.iter().all(of_server)
}

/// What a block has named.
#[derive(Default)]
struct Names {
    queues: FxHashMap<QueueId, QueueName>,
    connections: FxHashMap<ConnectionId, Peer>,
    consumers: FxHashMap<u64, ConsumerName>,
}

impl Names {
    fn queue(&self, id: QueueId) -> QueueName {
        let unknown = || QueueName {
            vhost: model::ShortStr::empty(),
            name: model::ShortStr::truncated(&format!("queue {id}")),
        };
        self.queues.get(&id).cloned().unwrap_or_else(unknown)
    }

    fn client(&self, connection: ConnectionId, channel: ChannelNumber) -> Client {
        let peer = self
            .connections
            .get(&connection)
            .cloned()
            .unwrap_or_default();
        Client {
            connection,
            channel,
            user: peer.user,
            address: peer.address,
        }
    }

    /// What an item says of those that are wanted.
    fn steps(
        &self,
        at: Timestamp,
        item: &Item,
        wanted: &BTreeSet<Position>,
    ) -> Vec<(Position, Step)> {
        let step = |queue: Option<QueueId>, what: What| Step {
            at,
            queue: queue.map(|id| self.queue(id)),
            what,
        };
        let in_run = |first: u64, end: u64| wanted.range(Position(first)..Position(end)).copied();
        match item {
            Item::Published(published) => in_run(published.run.first, published.run.end())
                .map(|position| (position, step(None, self.published(published, position))))
                .collect(),
            Item::MessageId(position, id) if wanted.contains(position) => {
                vec![(*position, step(None, What::MessageId(id.clone())))]
            }
            Item::Started => wanted
                .iter()
                .map(|one| (*one, step(None, What::Started)))
                .collect(),
            Item::LeftOut(_) => wanted
                .iter()
                .map(|one| (*one, step(None, What::LeftOut)))
                .collect(),
            Item::Event(event) => {
                let queue = Some(event.queue());
                match event {
                    Event::Delivered {
                        to, attempt, run, ..
                    } => in_run(run.first, run.end())
                        .map(|position| (position, step(queue, self.delivered(*to, *attempt))))
                        .collect(),
                    Event::Settled {
                        ending, positions, ..
                    } => wanted
                        .iter()
                        .filter(|position| positions.contains(position.0))
                        .map(|position| (*position, step(queue, What::Ended(*ending))))
                        .collect(),
                    single => of_one(single)
                        .into_iter()
                        .filter(|(position, _)| wanted.contains(position))
                        .map(|(position, what)| (position, step(queue, what)))
                        .collect(),
                }
            }
            _ => Vec::new(),
        }
    }

    fn published(&self, run: &Published, position: Position) -> What {
        let behind = position.0 - run.run.first;
        What::Published {
            client: match run.origin {
                Origin::Client(connection, channel) => Some(self.client(connection, channel)),
                Origin::Server => None,
            },
            exchange: run.exchange.clone(),
            routing_key: run.routing_key.clone(),
            queues: run.queues.iter().map(|id| self.queue(*id)).collect(),
            publisher: run
                .publisher
                .as_ref()
                .map(|(name, first)| (name.clone(), PublishingId(first.0.saturating_add(behind)))),
        }
    }

    fn delivered(&self, to: Receiver, attempt: u32) -> What {
        let (client, consumer_tag) = match to {
            Receiver::Get(connection, channel) => (self.client(connection, channel), None),
            Receiver::Consumer(number) => match self.consumers.get(&number) {
                Some(name) => (
                    self.client(name.connection, name.channel),
                    Some(name.tag.clone()),
                ),
                None => (Client::default(), None),
            },
        };
        What::Delivered {
            attempt,
            client,
            consumer_tag,
        }
    }
}

/// What happened to one message, or to one and its copy.
fn of_one(event: &Event) -> Vec<(Position, What)> {
    match *event {
        Event::AttemptEnded {
            position,
            attempt,
            outcome,
            then,
            ..
        } => vec![(
            position,
            What::AttemptEnded {
                attempt,
                outcome,
                then,
            },
        )],
        Event::Delayed { position, due, .. } => vec![(position, What::Delayed(due))],
        Event::Due { position, .. } => vec![(position, What::Due)],
        Event::Parked { position, why, .. } => vec![(position, What::Parked(why))],
        Event::Redriven { position, .. } => vec![(position, What::Redriven)],
        Event::Copied {
            position,
            copy,
            errand,
            ..
        } => copied(position, copy, errand),
        Event::Delivered { .. } | Event::Settled { .. } => Vec::new(),
    }
}

fn copied(original: Position, copy: Position, errand: Errand) -> Vec<(Position, What)> {
    vec![
        (original, What::Copied { copy, errand }),
        (copy, What::CopyOf { original, errand }),
    ]
}
