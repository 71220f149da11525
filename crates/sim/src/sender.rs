//! Senders: each learns in its own way that its messages have landed. Those of the house run the client's real state
//! machine, which transmits again under the same number.

use crate::actor::{Down, Surroundings, Wake};
use crate::content;
use crate::feature::Feature;
use crate::lane::{MessageId, message_of};
use crate::ledger::Sent;
use crate::plan::{Assurance, MS, Plan, SECOND, SenderPlan, short};
use client::Message;
use client::machines::{Outgoing, Retransmission};
use model::method::{confirm, tx};
use model::{DeliveryTag, Method, Properties, Publish, PublishingId};
use std::collections::VecDeque;
use std::time::Duration;

/// A sender takes in no more while so many messages are undecided.
const WINDOW: usize = 200;

#[derive(Debug)]
pub(crate) struct Sender {
    number: usize,
    made: u64,
    ready: bool,
    /// The messages written to this connection.
    order: u64,
    way: Way,
    /// When the state machine's timer was last set to.
    tick_at: u64,
}

#[derive(Debug)]
enum Way {
    Numbered {
        outgoing: Box<Outgoing<MessageId>>,
        undecided: usize,
    },
    Confirmed {
        tag: u64,
        pending: VecDeque<(u64, MessageId)>,
        again: VecDeque<MessageId>,
    },
    Transaction {
        held: Vec<MessageId>,
        committing: bool,
    },
    Nothing,
}

impl Sender {
    pub(crate) fn new(number: usize, plan: &SenderPlan) -> Self {
        let retransmission = Retransmission {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
            times: 12,
        };
        Self {
            number,
            made: 0,
            ready: false,
            order: 0,
            way: match plan.assurance {
                Assurance::Numbered => Way::Numbered {
                    outgoing: Box::new(Outgoing::new(retransmission, PublishingId(1))),
                    undecided: 0,
                },
                Assurance::Confirmed => Way::Confirmed {
                    tag: 0,
                    pending: VecDeque::new(),
                    again: VecDeque::new(),
                },
                Assurance::Transaction => Way::Transaction {
                    held: Vec::new(),
                    committing: false,
                },
                Assurance::Nothing => Way::Nothing,
            },
            tick_at: u64::MAX,
        }
    }

    pub(crate) fn opened(&mut self, it: &mut Surroundings<'_>) {
        self.ready = true;
        self.order = 0;
        it.open_channel();
        match &mut self.way {
            Way::Numbered { outgoing, .. } => {
                it.call(confirm::Select::default());
                outgoing.connected();
                self.transmit(it);
            }
            Way::Confirmed { tag, .. } => {
                it.call(confirm::Select::default());
                *tag = 0;
                self.send_again(it);
            }
            Way::Transaction { .. } => it.call(tx::Select),
            Way::Nothing => {}
        }
    }

    pub(crate) fn lost(&mut self, it: &mut Surroundings<'_>) {
        self.ready = false;
        match &mut self.way {
            Way::Numbered { outgoing, .. } => outgoing.troubled("lost".to_owned()),
            Way::Confirmed { pending, again, .. } => {
                // Some senders send again what they know nothing of, others give it up.
                let lost = pending.drain(..).map(|(_, message)| message);
                if it.random.percent(50) {
                    again.extend(lost);
                } else {
                    drop(lost);
                }
            }
            Way::Transaction { held, committing } => {
                held.clear();
                *committing = false;
            }
            Way::Nothing => {}
        }
    }

    pub(crate) fn woken(&mut self, it: &mut Surroundings<'_>, wake: Wake) {
        match wake {
            Wake::Send => {
                self.send(it);
                let pace = it.plan.senders[self.number].pace;
                let pace = if it.calm { pace.min(10 * MS) } else { pace };
                let after = it.random.around(pace).max(10);
                // Where enough was sent, perhaps more is wanted when all is calm.
                let after = if self.wants_more(it) {
                    after
                } else {
                    5 * SECOND
                };
                if !self.is_done(it.plan) || it.ledger.confirmed < it.plan.confirmed_least {
                    it.wake(after, Wake::Send);
                }
            }
            Wake::Tick => {
                self.tick_at = u64::MAX;
                if let Way::Numbered { outgoing, .. } = &mut self.way {
                    outgoing.tick(it.time());
                }
                self.transmit(it);
            }
            _ => {}
        }
    }

    pub(crate) fn heard(&mut self, it: &mut Surroundings<'_>, down: Down) {
        match (&mut self.way, down) {
            (Way::Numbered { outgoing, .. }, Down::Method(Method::BasicAck(ack))) => {
                outgoing.confirmed(ack.delivery_tag, ack.multiple);
                self.transmit(it);
            }
            (Way::Numbered { outgoing, .. }, Down::Method(Method::BasicNack(nack))) => {
                outgoing.refused(nack.delivery_tag, nack.multiple);
            }
            (Way::Numbered { outgoing, .. }, Down::Return(publish)) => {
                let (_, id) = content::publisher_of(&publish.properties).expect("it is numbered");
                outgoing.returned(PublishingId(id), 312, "NO_ROUTE");
                self.settle(it);
            }
            (Way::Confirmed { pending, .. }, Down::Method(Method::BasicAck(ack))) => {
                for message in upto(pending, ack.delivery_tag, ack.multiple) {
                    it.ledger.confirmed(message);
                }
            }
            (Way::Confirmed { pending, .. }, Down::Method(Method::BasicNack(nack))) => {
                upto(pending, nack.delivery_tag, nack.multiple);
            }
            (Way::Transaction { held, committing }, Down::Method(Method::TxCommitOk(_))) => {
                *committing = false;
                for message in held.drain(..) {
                    it.ledger.confirmed(message);
                }
            }
            (Way::Transaction { held, committing }, Down::Method(Method::TxRollbackOk(_))) => {
                *committing = false;
                held.clear();
            }
            (way, Down::ChannelClosed(code, text)) => {
                if let Way::Numbered { outgoing, .. } = way {
                    outgoing.channel_closed(code, &text);
                    self.settle(it);
                }
                it.leaves = true;
            }
            _ => {}
        }
    }

    pub(crate) fn is_done(&self, plan: &Plan) -> bool {
        let decided = match &self.way {
            Way::Numbered { outgoing, .. } => outgoing.is_empty(),
            Way::Confirmed { pending, again, .. } => pending.is_empty() && again.is_empty(),
            Way::Transaction { held, .. } => held.is_empty(),
            Way::Nothing => true,
        };
        decided && self.made >= plan.senders[self.number].messages
    }

    fn wants_more(&self, it: &Surroundings<'_>) -> bool {
        if self.made < it.plan.senders[self.number].messages {
            return true;
        }
        let undecided = match &self.way {
            Way::Numbered { undecided, .. } => *undecided as u64,
            _ => return false,
        };
        it.calm && it.ledger.confirmed + undecided < it.plan.confirmed_least + 10
    }

    fn send(&mut self, it: &mut Surroundings<'_>) {
        let burst = it.plan.senders[self.number].burst;
        let mut count = 0;
        while count < burst && self.wants_more(it) && self.has_room() {
            let (message, length) = self.make(it);
            count += 1;
            match &mut self.way {
                Way::Numbered {
                    outgoing,
                    undecided,
                } => {
                    let body = content::body(message, length);
                    outgoing.accept(it.time(), Message::new(body), message);
                    *undecided += 1;
                }
                Way::Confirmed { .. } => {
                    self.write_confirmed(it, message);
                    if it.random.percent(it.plan.senders[self.number].repeated) {
                        self.write_confirmed(it, message);
                    }
                }
                Way::Transaction { held, .. } => {
                    held.push(message);
                    self.write(it, message);
                }
                Way::Nothing => self.write(it, message),
            }
        }
        if let Way::Transaction { committing, .. } = &mut self.way
            && count > 0
        {
            *committing = true;
            if it.random.percent(90) {
                it.call(tx::Commit);
            } else {
                it.call(tx::Rollback);
            }
        }
        self.transmit(it);
    }

    fn has_room(&self) -> bool {
        match &self.way {
            Way::Numbered { undecided, .. } => *undecided < WINDOW,
            Way::Confirmed { pending, .. } => self.ready && pending.len() < WINDOW,
            Way::Transaction { committing, .. } => self.ready && !committing,
            Way::Nothing => self.ready,
        }
    }

    fn make(&mut self, it: &mut Surroundings<'_>) -> (MessageId, usize) {
        let plan = &it.plan.senders[self.number];
        let message = MessageId::try_from(it.ledger.sent.len()).expect("a run is short");
        let length = content::draw_length(it.plan.body_most, it.random);
        let expires_after = it
            .random
            .percent(plan.expiring)
            .then(|| *it.random.pick(&[1, 50, 2000, 30_000]));
        let priority = plan
            .prioritized
            .then(|| u8::try_from(it.random.below(12)).expect("small"));
        let builder = content::properties(message, length, expires_after, priority);
        self.made += 1;
        let (exchange, key) = it.random.pick(&plan.targets).clone();
        let delays = exchange.is_some_and(|exchange| it.plan.exchanges[exchange].delays);
        let delay = (delays && it.random.percent(plan.delayed))
            .then(|| *it.random.pick(&[1, 40, 3000, 60_000]));
        let publisher = self.publisher();
        let number = (plan.assurance == Assurance::Numbered).then_some((&*publisher, self.made));
        let properties = content::with_headers(builder, number, delay);
        let route = it.plan.route(exchange, &key);
        let mut sent = Sent::new((exchange, key), route, properties, expires_after);
        sent.delay = delay;
        it.ledger.made(sent);
        (message, length)
    }

    fn publisher(&self) -> String {
        format!("sender-{}", self.number)
    }

    /// What the client's state machine wants on the wire.
    fn transmit(&mut self, it: &mut Surroundings<'_>) {
        let mut next = Vec::new();
        if let Way::Numbered { outgoing, .. } = &mut self.way
            && self.ready
        {
            while let Some((id, message)) = outgoing.next_transmission() {
                let number = message_of(message.body()).expect("all are numbered");
                debug_assert_eq!(
                    content::publisher_of(&it.ledger.sent[number as usize].properties)
                        .map(|(_, id)| id),
                    Some(id.0)
                );
                next.push(number);
            }
        }
        for message in next {
            self.write(it, message);
        }
        self.settle(it);
    }

    /// What became of messages, and when to look again.
    fn settle(&mut self, it: &mut Surroundings<'_>) {
        let Way::Numbered {
            outgoing,
            undecided,
        } = &mut self.way
        else {
            return;
        };
        while let Some(settled) = outgoing.poll_settled() {
            *undecided -= 1;
            if settled.outcome.is_ok() {
                it.ledger.confirmed(settled.done);
            }
        }
        if let Some(at) = outgoing.wake_at()
            && at.0 * MS < self.tick_at
        {
            self.tick_at = at.0 * MS;
            it.wake((at.0 * MS).saturating_sub(it.now), Wake::Tick);
        }
    }

    fn send_again(&mut self, it: &mut Surroundings<'_>) {
        let Way::Confirmed { again, .. } = &mut self.way else {
            return;
        };
        for message in std::mem::take(again) {
            self.write_confirmed(it, message);
        }
    }

    fn write_confirmed(&mut self, it: &mut Surroundings<'_>, message: MessageId) {
        if it.plan.mix.has(Feature::Mistakes) && !it.calm && it.random.below(300) == 0 {
            it.publish(Publish {
                exchange: short("nowhere"),
                ..Publish::default()
            });
        }
        if let Way::Confirmed { tag, pending, .. } = &mut self.way {
            *tag += 1;
            pending.push_back((*tag, message));
        }
        self.write(it, message);
    }

    fn write(&mut self, it: &mut Surroundings<'_>, message: MessageId) {
        self.order += 1;
        let connection = it.connection.expect("it is ready");
        it.ledger.transmitted(message, connection, self.order);
        let sent = &it.ledger.sent[message as usize];
        let properties: Properties = sent.properties.clone();
        let exchange = sent
            .exchange
            .map(|exchange| short(&it.plan.exchanges[exchange].name));
        let publish = Publish {
            exchange: exchange.unwrap_or_default(),
            routing_key: short(&sent.key),
            mandatory: message.is_multiple_of(2),
            immediate: false,
            body: content::body(message, content::length(&properties)),
            properties,
        };
        it.publish(publish);
    }
}

/// Takes what an answer is about.
fn upto(
    pending: &mut VecDeque<(u64, MessageId)>,
    tag: DeliveryTag,
    multiple: bool,
) -> Vec<MessageId> {
    let (answered, left): (Vec<_>, Vec<_>) = pending
        .drain(..)
        .partition(|(number, _)| *number == tag.0 || multiple && *number < tag.0);
    pending.extend(left);
    answered.into_iter().map(|(_, message)| message).collect()
}
