//! The ledger: everything that was sent, said and handed out, held against the promises as it happens.
//!
//! It listens in three places: at the clients, who know what they sent and what they were told; between the shell and
//! the broker, where inputs and effects pass; and at the disk, which says what has landed. It knows nothing of how
//! the broker works: only what it may do.

mod deliveries;
mod requests;
mod rules;
mod stale;

use crate::content;
use crate::lane::{Landed, Lane, MessageId, Said, message_of};
use crate::plan::Plan;
use broker::{Account, Answer, Effect, Input};
use model::method::basic;
use model::{
    ChannelNumber, ConnectionId, Method, Position, Properties, Publish, QueueId, Record, ShortStr,
    Timestamp,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, VecDeque};
use store::{LandedChunk, MessageView};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which checker found it: P1 to P10, or what else went wrong with the run.
    pub checker: &'static str,
    /// What happened.
    pub what: String,
}

/// A message as its sender knows it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) exchange: Option<usize>,
    pub(crate) key: String,
    /// The queues that it goes to, one bit for each.
    pub(crate) route: u64,
    pub(crate) properties: Properties,
    pub(crate) expires_after: Option<u64>,
    /// For so long its exchange is to put it off, in milliseconds.
    pub(crate) delay: Option<u64>,
    pub(crate) confirmed: bool,
    /// How often it was written to a connection, and where it stood on the last one.
    transmissions: u32,
    on: (usize, u64),
}

type Channel = (ConnectionId, ChannelNumber);

/// What the server owes a channel, and what it gave it.
#[derive(Debug, Default)]
struct Dealings {
    confirms: bool,
    published: u64,
    unconfirmed: VecDeque<(u64, MessageId)>,
    /// What is held until the commit.
    transaction: Option<Vec<MessageId>>,
    commits: VecDeque<Vec<MessageId>>,
    prefetch: u16,
    given: BTreeMap<u64, Given>,
    gets_from: VecDeque<usize>,
    /// The client did what is refused with this code.
    mistaken: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
struct Given {
    queue: usize,
    position: Position,
    no_ack: bool,
}

/// Who has a message in hand, under which tag and since when.
#[derive(Clone, Copy, Debug)]
struct Holder {
    channel: Channel,
    tag: u64,
    since: Timestamp,
}

/// The time to acknowledge where nobody says another: 30 minutes.
const TIMEOUT_USUAL: u64 = 30 * 60 * 1000;

/// Everything that is known about a run.
#[derive(Debug)]
pub(crate) struct Ledger {
    names: FxHashMap<String, usize>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) lane: Lane,
    landed: Position,
    channels: FxHashMap<Channel, Dealings>,
    /// Who has a message in hand.
    holders: FxHashMap<(usize, Position), Holder>,
    delivered: FxHashMap<(usize, Position), u32>,
    acked: FxHashSet<(usize, Position)>,
    rejected: FxHashSet<(usize, Position)>,
    /// What an operator has asked to be sent back, and the messages that were.
    redrives: FxHashSet<(usize, Position)>,
    redriven: FxHashSet<MessageId>,
    /// What may be marked as delivered before though it was not: a crash forgot.
    suspect: Position,
    /// Up to where the messages of a sender's channel have been delivered first, by queue and priority.
    first_delivered: FxHashMap<(usize, usize, u8), u64>,
    received: FxHashSet<(usize, MessageId)>,
    pub(crate) confirmed: u64,
    pub(crate) deliveries: u64,
    /// Those by servers that had lost the lane and did not know it yet.
    pub(crate) stale_deliveries: u64,
    pub(crate) violation: Option<Violation>,
}

impl Ledger {
    pub(crate) fn new(plan: &Plan) -> Self {
        let names = plan.queues.iter().enumerate();
        Self {
            names: names
                .map(|(number, queue)| (queue.name.clone(), number))
                .collect(),
            sent: Vec::new(),
            lane: Lane::default(),
            landed: Position::NONE,
            channels: FxHashMap::default(),
            holders: FxHashMap::default(),
            delivered: FxHashMap::default(),
            acked: FxHashSet::default(),
            rejected: FxHashSet::default(),
            redrives: FxHashSet::default(),
            redriven: FxHashSet::default(),
            suspect: Position::NONE,
            first_delivered: FxHashMap::default(),
            received: FxHashSet::default(),
            confirmed: 0,
            deliveries: 0,
            stale_deliveries: 0,
            violation: None,
        }
    }

    /// Notes a broken promise; the first one counts.
    pub(crate) fn blame(&mut self, checker: &'static str, what: String) {
        self.violation.get_or_insert(Violation { checker, what });
    }

    // What clients know.

    /// A message is about to be sent for the first time.
    pub(crate) fn made(&mut self, sent: Sent) {
        self.sent.push(sent);
    }

    /// A client wrote the message to a connection.
    pub(crate) fn transmitted(&mut self, message: MessageId, connection: usize, order: u64) {
        let sent = &mut self.sent[message as usize];
        sent.transmissions += 1;
        sent.on = (connection, order);
    }

    /// A client was told that its message has landed.
    pub(crate) fn confirmed(&mut self, message: MessageId) {
        let sent = &mut self.sent[message as usize];
        if !std::mem::replace(&mut sent.confirmed, true) {
            self.confirmed += 1;
        }
    }

    /// A client received a message (P4: as it was sent).
    pub(crate) fn received(&mut self, queue: usize, properties: &Properties, body: &[u8]) {
        let Some(message) = message_of(body) else {
            return self.blame(
                "P4",
                format!("a body of {} bytes that nobody sent", body.len()),
            );
        };
        self.check_content(message, properties, body);
        self.received.insert((queue, message));
    }

    fn check_content(&mut self, message: MessageId, properties: &Properties, body: &[u8]) {
        let Some(sent) = self.sent.get(message as usize) else {
            return self.blame("P4", format!("message {message} was never sent"));
        };
        if *body != *content::body(message, body.len()) {
            return self.blame("P4", format!("the body of message {message} changed"));
        }
        let died = properties
            .headers()
            .is_some_and(|headers| headers.get("x-death").is_some());
        let same = if died || sent.delay.is_some() || self.redriven.contains(&message) {
            properties.message_id() == sent.properties.message_id()
                && properties.priority() == sent.properties.priority()
        } else {
            *properties == sent.properties
        };
        if !same || body.len() != content::length(&sent.properties) {
            self.blame("P4", format!("message {message} is not as it was sent"));
        }
    }

    // What passes between shell and broker.

    /// An input is about to be handled.
    pub(crate) fn input(&mut self, plan: &Plan, now: Timestamp, input: &Input) {
        match input {
            Input::ChannelOpened(connection, number) => {
                self.channels
                    .insert((*connection, *number), Dealings::default());
            }
            Input::ChannelClosed(connection, number) => self.forget((*connection, *number)),
            Input::ConnectionClosed(connection) => self.forget_connection(*connection),
            Input::Publish(connection, number, publish) => {
                let channel = (*connection, *number);
                match content::extends(publish) {
                    Some(tag) => self.extended(plan, now, channel, tag),
                    None => self.published(plan, channel, publish),
                }
            }
            Input::Method(connection, number, method) => {
                self.asked((*connection, *number), method);
            }
            Input::Written(connection, written) => {
                for (number, tag) in &written.settled {
                    self.answered((*connection, *number), tag.0, false, |this, key| {
                        this.acked.insert(key);
                    });
                }
            }
            Input::Undeliverable(connection, number, tag) => {
                self.answered((*connection, *number), tag.0, false, |_, _| {});
            }
            _ => {}
        }
    }

    /// The time of a delivery begins anew.
    fn extended(&mut self, plan: &Plan, now: Timestamp, channel: Channel, tag: u64) {
        let Some(dealings) = self.channels.get_mut(&channel) else {
            return;
        };
        let Some(given) = dealings.given.get(&tag) else {
            dealings.mistaken = Some(406);
            return;
        };
        // One that is late stays late.
        let timeout = plan.queues[given.queue].timeout.unwrap_or(TIMEOUT_USUAL);
        let holder = self.holders.get_mut(&(given.queue, given.position));
        if let Some(holder) = holder.filter(|holder| (holder.channel, holder.tag) == (channel, tag))
            && now.0 < holder.since.0 + timeout
        {
            holder.since = now;
        }
    }

    /// An operator sends dead letters back to where they died.
    pub(crate) fn redrives(&mut self, queue: usize, positions: &[Position]) {
        for position in positions {
            self.redrives.insert((queue, *position));
            let message = self.lane.message(*position).map(|landed| landed.message);
            self.redriven.extend(message);
        }
    }

    /// The dead letters of a queue, some of them.
    pub(crate) fn dead_letters(&self, queue: usize, most: usize) -> Vec<Position> {
        let alive = self.lane.alive().into_iter();
        let of_queue = alive.filter(|(_, of)| *of == queue);
        of_queue.map(|(position, _)| position).take(most).collect()
    }

    fn published(&mut self, plan: &Plan, channel: Channel, publish: &Publish) {
        let known = publish.exchange.is_empty()
            || plan
                .exchanges
                .iter()
                .any(|exchange| *publish.exchange == *exchange.name);
        let Some(dealings) = self.channels.get_mut(&channel) else {
            return;
        };
        if !known {
            dealings.mistaken = Some(404);
            return;
        }
        let message = message_of(&publish.body).expect("clients number their messages");
        if let Some(transaction) = &mut dealings.transaction {
            transaction.push(message);
        } else if dealings.confirms {
            dealings.published += 1;
            dealings
                .unconfirmed
                .push_back((dealings.published, message));
        }
    }

    fn check_tag(&mut self, channel: Channel, tag: u64, multiple: bool) {
        if let Some(dealings) = self.channels.get_mut(&channel)
            && !(multiple && tag == 0)
            && !dealings.given.contains_key(&tag)
        {
            dealings.mistaken = Some(406);
        }
    }

    /// A client has answered deliveries.
    fn answered(
        &mut self,
        channel: Channel,
        tag: u64,
        multiple: bool,
        each: impl Fn(&mut Self, (usize, Position)),
    ) {
        let Some(dealings) = self.channels.get_mut(&channel) else {
            return;
        };
        let answered: Vec<(u64, Given)> = if multiple {
            let last = if tag == 0 { u64::MAX } else { tag };
            let given = dealings.given.extract_if(..=last, |_, given| !given.no_ack);
            given.collect()
        } else {
            dealings.given.remove_entry(&tag).into_iter().collect()
        };
        for (tag, given) in answered {
            let key = (given.queue, given.position);
            self.let_go(channel, tag, key);
            each(self, key);
        }
    }

    fn let_go(&mut self, channel: Channel, tag: u64, key: (usize, Position)) {
        let holder = self.holders.get(&key);
        if holder.is_some_and(|holder| (holder.channel, holder.tag) == (channel, tag)) {
            self.holders.remove(&key);
        }
    }

    fn forget(&mut self, channel: Channel) {
        for (tag, given) in self
            .channels
            .remove(&channel)
            .into_iter()
            .flat_map(|it| it.given)
        {
            let key = (given.queue, given.position);
            self.let_go(channel, tag, key);
        }
    }

    fn forget_connection(&mut self, connection: ConnectionId) {
        let channels: Vec<Channel> = self.channels.keys().copied().collect();
        for channel in channels.into_iter().filter(|(of, _)| *of == connection) {
            self.forget(channel);
        }
    }

    /// The broker wants something done.
    pub(crate) fn effect(&mut self, plan: &Plan, now: Timestamp, effect: &Effect) {
        match effect {
            Effect::Land {
                position, record, ..
            } => self.asked_to_land(plan, now, *position, record),
            Effect::Send(connection, number, method) => {
                self.told(plan, (*connection, *number), method);
            }
            Effect::Deliver {
                connection,
                channel,
                consumer_tag,
                delivery,
            } => {
                let queue = content::queue_of(consumer_tag);
                self.handed_out(plan, now, (*connection, *channel), (queue, true), delivery);
            }
            Effect::GetOk {
                connection,
                channel,
                delivery,
                ..
            } => {
                let dealings = self.channels.get_mut(&(*connection, *channel));
                match dealings.and_then(|dealings| dealings.gets_from.pop_front()) {
                    Some(queue) => {
                        self.handed_out(
                            plan,
                            now,
                            (*connection, *channel),
                            (queue, false),
                            delivery,
                        );
                    }
                    None => self.blame("P10", "an answer to a get that nobody asked".to_owned()),
                }
            }
            Effect::CloseChannel(connection, number, error) => {
                let channel = (*connection, *number);
                self.check_close(plan, channel, error.code.number(), &error.text);
                self.forget(channel);
            }
            Effect::Answer(_, Ok(Answer::Accounts(accounts))) => {
                for account in accounts {
                    self.check_account(account);
                }
            }
            Effect::Answer(_, Err(error)) => {
                self.blame("P10", format!("an operator is refused: {error}"));
            }
            Effect::Unbalanced(account) => {
                self.blame("P10", format!("the audit finds a difference: {account:?}"));
            }
            Effect::CloseConnection(connection, error) => {
                let text = error.text.as_str();
                self.blame("P10", format!("connection {connection} was closed: {text}"));
            }
            _ => {}
        }
    }

    /// What a queue accepted has ended or is here, and is what the lane says (P10).
    fn check_account(&mut self, account: &Account) {
        let Some(queue) = self.names.get(account.queue.name.as_str()) else {
            return;
        };
        let held = self.lane.holds.get(queue).copied().unwrap_or(0);
        if account.surplus() != 0 || account.all_here() != held {
            self.blame(
                "P10",
                format!("the lane holds {held} messages of {account:?}"),
            );
        }
    }

    /// A queue that remembers a message takes it once (P5).
    fn check_known(&mut self, plan: &Plan, landed: &Landed) {
        for place in self.lane.places(landed.message) {
            let before = self.lane.message(*place);
            let before = before.map(|before| before.queues.iter().collect::<Vec<_>>());
            let both = |id: &&QueueId| before.iter().flatten().any(|queue| *queue == *id);
            for id in landed.queues.iter().filter(both) {
                let rules = self.lane.queues.get(id).map(|queue| &plan.queues[*queue]);
                let known = rules.and_then(|rules| rules.deduplication);
                if known.is_some_and(|known| known.forgets_nothing()) {
                    let what = format!(
                        "message {} lands twice in queue {id}, which remembers it",
                        landed.message
                    );
                    return self.blame("P5", what);
                }
            }
        }
    }

    /// A channel is closed for what its client did, with the code for that (P10).
    fn check_close(&mut self, plan: &Plan, channel: Channel, code: u16, text: &ShortStr) {
        let Some(dealings) = self.channels.get(&channel) else {
            return self.blame(
                "P10",
                format!("a channel that is not open was closed: {text}"),
            );
        };
        let refused_commit = dealings.transaction.is_some()
            && plan.queues.iter().any(|queue| queue.refuses)
            && text.as_str().contains("partial tx completion");
        if dealings.mistaken != Some(code) && !refused_commit {
            let mistaken = dealings.mistaken;
            self.blame(
                "P10",
                format!("{channel:?} closed with '{text}', expected {mistaken:?}"),
            );
        }
    }

    fn told(&mut self, plan: &Plan, channel: Channel, method: &Method) {
        match method {
            Method::BasicAck(basic::Ack {
                delivery_tag,
                multiple,
            }) => {
                for message in self.take_unconfirmed(channel, delivery_tag.0, *multiple) {
                    self.check_landed(message);
                }
            }
            Method::BasicNack(basic::Nack {
                delivery_tag,
                multiple,
                ..
            }) => {
                for message in self.take_unconfirmed(channel, delivery_tag.0, *multiple) {
                    let route = self.sent[message as usize].route;
                    let refusing =
                        |queue: usize| route & 1 << queue != 0 && plan.queues[queue].refuses;
                    if !(0..plan.queues.len()).any(refusing) {
                        self.blame(
                            "P10",
                            format!("message {message} was refused by no queue's rule"),
                        );
                    }
                }
            }
            Method::TxCommitOk(_) => {
                let dealings = self.channels.get_mut(&channel);
                let committed = dealings.and_then(|dealings| dealings.commits.pop_front());
                for message in committed.unwrap_or_default() {
                    self.check_landed(message);
                }
            }
            Method::BasicGetEmpty(_) => {
                if let Some(dealings) = self.channels.get_mut(&channel) {
                    dealings.gets_from.pop_front();
                }
            }
            _ => {}
        }
    }

    fn take_unconfirmed(&mut self, channel: Channel, tag: u64, multiple: bool) -> Vec<MessageId> {
        let Some(dealings) = self.channels.get_mut(&channel) else {
            return Vec::new();
        };
        let mut taken = Vec::new();
        while let Some((number, message)) = dealings.unconfirmed.front().copied()
            && number <= tag
        {
            if number < tag && !multiple {
                self.blame("P10", format!("confirm {tag} leaves out {number}"));
                break;
            }
            dealings.unconfirmed.pop_front();
            taken.push(message);
        }
        taken
    }

    /// What is confirmed has landed in every queue that it was routed to (P1).
    fn check_landed(&mut self, message: MessageId) {
        let sent = &self.sent[message as usize];
        let mut missing = sent.route;
        for position in self.lane.places(message) {
            if *position <= self.landed
                && let Some(landed) = self.lane.message(*position)
            {
                let queues = landed
                    .queues
                    .iter()
                    .filter_map(|id| self.lane.queues.get(id));
                missing = queues.fold(missing, |missing, queue| missing & !(1 << queue));
            }
        }
        if missing != 0 {
            let landed = self.landed;
            self.blame(
                "P1",
                format!("message {message} is confirmed and has not landed (up to {landed}) in all its queues"),
            );
        }
    }

    // What passes between broker and disk.

    fn asked_to_land(&mut self, plan: &Plan, now: Timestamp, position: Position, record: &Record) {
        if position != self.lane.last().next() {
            return self.blame("P1", format!("{position} leaves a gap in the lane"));
        }
        let said = Said::of(record);
        match (&said, record) {
            (Said::Message(landed), Record::Message(record)) => {
                self.check_content(landed.message, &record.properties, &record.body);
                let queues = landed
                    .queues
                    .iter()
                    .filter_map(|id| self.lane.queues.get(id));
                let queues = queues.fold(0, |queues, queue| queues | 1 << queue);
                if landed.died_in.is_none() {
                    let sent = &self.sent[landed.message as usize];
                    let (route, message) = (sent.route, landed.message);
                    let delays = sent.delay.is_some()
                        || plan.queues.iter().any(|queue| queue.delay.is_some());
                    let redriven = self.redriven.contains(&message);
                    if !redriven {
                        self.check_known(plan, landed);
                    }
                    // A queue that is full may have refused it, or one that remembers it; and where it is due at
                    // different times it lands more than once.
                    let refused = (0..plan.queues.len()).filter(|queue| {
                        let rules = &plan.queues[*queue];
                        let known =
                            rules.deduplication.is_some() && !self.lane.places(message).is_empty();
                        rules.refuses || known || delays || redriven
                    });
                    let refused = refused.fold(0, |all, queue| all | 1 << queue);
                    if queues & !route != 0 || (queues ^ route) & !refused != 0 {
                        self.blame(
                            "P4",
                            format!("message {message} lands in {queues:b}, not in {route:b}"),
                        );
                    }
                }
                if let Some(number) = &landed.publishing
                    && self.lane.numbers.contains(number)
                {
                    let message = landed.message;
                    self.blame("P5", format!("message {message}, {number:?}, lands twice"));
                }
            }
            (Said::Settled(queue, ending, runs), _) => {
                if let Some(queue) = self.lane.queues.get(queue).copied() {
                    for settled in runs.positions() {
                        self.check_end(plan, now, queue, settled, *ending);
                        self.lane_ended(queue, settled);
                    }
                }
            }
            (Said::Waiting(queue, waiting), _) => {
                if let Some(queue) = self.lane.queues.get(queue).copied() {
                    for one in waiting {
                        self.check_waiting(plan, now, queue, one);
                    }
                }
            }
            _ => {}
        }
        self.lane.push(said, &self.names, plan);
    }

    fn lane_ended(&mut self, queue: usize, position: Position) {
        self.holders.remove(&(queue, position));
    }

    /// The disk says that everything up to here has landed.
    pub(crate) fn landed(&mut self, upto: Position) {
        self.landed = self.landed.max(upto);
    }

    /// All connections are gone, and whoever served them.
    pub(crate) fn hung_up(&mut self) {
        self.channels.clear();
    }

    /// The server starts from what the disk has told; all that had landed is among it (P1).
    pub(crate) fn recovered(&mut self, plan: &Plan, now: Timestamp, last: Position, clean: bool) {
        if last < self.landed {
            let landed = self.landed;
            return self.blame(
                "P1",
                format!("the disk tells records up to {last} of {landed} that had landed"),
            );
        }
        self.lane.cut(last, &self.names, plan);
        self.landed = last;
        self.holders.clear();
        self.acked.clear();
        self.rejected.clear();
        // A clock that was set back lets a message wait anew that was due and delivered before: nobody knows that.
        let lane = &self.lane;
        self.delivered.retain(|key, _| {
            let due = lane.message(key.1).and_then(|landed| landed.due);
            let told = lane.waiting.contains_key(key);
            key.1 <= last && (told || due.is_none_or(|due| due <= now))
        });
        if !clean {
            self.suspect = last;
        }
    }

    /// A record that recovery was told is what landed there.
    pub(crate) fn check_told(&mut self, told: &FxHashMap<Position, MessageId>) {
        for (position, queue) in self.lane.alive() {
            let landed = self.lane.message(position).map(|landed| landed.message);
            if told.get(&position).copied() != landed {
                let what = format!(
                    "the message at {position} of queue {queue} is not told after a restart"
                );
                return self.blame("P1", what);
            }
        }
    }

    /// Whether a chunk has what was landed there; the store gave it for a delivery.
    pub(crate) fn check_read<'a>(
        &mut self,
        position: Position,
        chunk: &'a LandedChunk,
    ) -> Option<MessageView<'a>> {
        let view = chunk.message(position);
        let read = view.as_ref().and_then(|view| message_of(&view.body));
        if read.is_none() || read != self.lane.message(position).map(|landed| landed.message) {
            self.blame(
                "P4",
                format!("the store reads another message at {position}"),
            );
        }
        view
    }

    // The end.

    /// Messages that queues hold and that are not parked.
    pub(crate) fn unsettled(&self) -> Vec<(Position, usize)> {
        let mut alive = self.lane.alive();
        alive.retain(|(position, queue)| !self.lane.is_parked(*queue, *position));
        alive
    }

    pub(crate) fn is_drained(&self) -> bool {
        let held: u64 = self.lane.holds.values().sum();
        let parked = self.lane.waiting.values();
        let parked = parked.filter(|one| matches!(one.place, model::record::Place::Parked { .. }));
        held == parked.count() as u64 && self.lane.last() == self.landed
    }

    /// All is settled: every confirmed message was somewhere, and came to somebody where nothing lets it go.
    pub(crate) fn check_settled(&mut self, plan: &Plan) {
        let safe: Vec<bool> = (0..plan.queues.len())
            .map(|queue| {
                let rules = &plan.queues[queue];
                let mut receivers = plan.receivers.iter().filter(|one| one.queue == queue);
                rules.time_to_live.is_none()
                    && rules.max_length.is_none()
                    && rules.delivery_limit.is_none()
                    && receivers.all(|one| one.manner != crate::plan::Manner::NoAck)
            })
            .collect();
        for message in 0..self.sent.len() {
            let sent = &self.sent[message];
            let message = message as MessageId;
            if !sent.confirmed {
                continue;
            }
            let route = sent.route;
            let expires = sent.expires_after.is_some();
            if route != 0 && self.lane.places(message).is_empty() {
                self.blame(
                    "P1",
                    format!("message {message} is confirmed and is nowhere in the lane"),
                );
            }
            for queue in (0..plan.queues.len()).filter(|queue| route & 1 << queue != 0) {
                if safe[queue] && !expires && !self.received.contains(&(queue, message)) {
                    let name = &plan.queues[queue].name;
                    self.blame(
                        "P2",
                        format!("message {message} is confirmed and nobody of {name} had it"),
                    );
                }
            }
        }
    }
}

impl Sent {
    pub(crate) fn new(
        (exchange, key): (Option<usize>, String),
        route: u64,
        properties: Properties,
        expires_after: Option<u64>,
    ) -> Self {
        Self {
            exchange,
            key,
            route,
            properties,
            expires_after,
            delay: None,
            confirmed: false,
            transmissions: 0,
            on: (0, 0),
        }
    }
}
