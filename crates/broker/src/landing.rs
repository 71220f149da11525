//! Landing: positions are given out, and what depends on them is held until they have landed. Nothing else
//! in the broker confirms or answers what a crash could undo (promise P1).

use crate::command::{Answer, CommandId, CommandRefused};
use crate::connection::ChannelId;
use crate::journey::Event;
use crate::{Broker, Effect};
use model::method::basic;
use model::record::Ending;
use model::{DeliveryTag, Method, Position, QueueId, Record, Runs, Timestamp};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// How far the lane was asked for and has landed, and what waits for it.
#[derive(Debug, Default)]
pub(crate) struct Landing {
    last: Position,
    landed: Position,
    /// The last definition (or purge) that was asked for: what answers from it must not overtake it.
    answers_wait_for: Position,
    /// Replies in the order of what they need.
    held: VecDeque<HeldReply>,
    /// Answers to operators, in the order of what they need.
    held_answers: VecDeque<(Position, CommandId, Result<Answer, CommandRefused>)>,
    /// Channels with publishes to confirm.
    confirming: Vec<ChannelId>,
    /// Channels whose first stalled request waits for landing.
    pub(crate) stalled: Vec<ChannelId>,
    /// What the stalled requests of all channels take in memory, roughly.
    pub(crate) stalled_bytes: usize,
    /// A confirm was added that need not wait for anything more to land.
    due_at_once: bool,
    turn: u64,
}

#[derive(Debug)]
struct HeldReply {
    needs: Position,
    to: ChannelId,
    reply: Method,
}

/// The publishes of a channel in confirm mode.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    /// The number of the last publish.
    published: u64,
    /// The number of the last one confirmed.
    confirmed: u64,
    /// Of those: how many were not refused.
    accepted: u64,
    /// In rising order of both fields.
    pending: VecDeque<PendingConfirm>,
    /// Listed among the confirming channels.
    listed: bool,
}

/// Publishes of one turn, confirmed together: they land together.
#[derive(Clone, Copy, Debug)]
struct PendingConfirm {
    needs: Position,
    upto: u64,
    turn: u64,
    /// A queue had no room: basic.nack instead of basic.ack.
    refused: bool,
}

impl Confirms {
    /// What the last publish waits for, and whether a queue refused it; `None` where nothing is to be confirmed.
    pub(crate) fn last(&self) -> Option<(Position, bool)> {
        let last = self.pending.back()?;
        Some((last.needs, last.refused))
    }

    /// Takes the publishes that have landed; the answers to them, as few as possible.
    fn release(&mut self, landed: Position) -> SmallVec<[Method; 1]> {
        let mut answers = SmallVec::new();
        while let Some(first) = self.take_landed(landed) {
            let mut last = first;
            while let Some(next) = self.pending.front()
                && next.refused == first.refused
                && let Some(next) = self.take_landed(landed)
            {
                last = next;
            }
            let delivery_tag = DeliveryTag(last.upto);
            let count = last.upto - std::mem::replace(&mut self.confirmed, last.upto);
            self.accepted += if first.refused { 0 } else { count };
            let multiple = count > 1;
            answers.push(if first.refused {
                basic::Nack {
                    delivery_tag,
                    multiple,
                    // RabbitMQ sets it, though it means nothing here.
                    requeue: true,
                }
                .into()
            } else {
                basic::Ack {
                    delivery_tag,
                    multiple,
                }
                .into()
            });
        }
        self.listed = !self.pending.is_empty();
        answers
    }

    /// How many publishes wait for their confirms.
    pub(crate) fn unconfirmed(&self) -> u64 {
        self.published - self.confirmed
    }

    /// How many were confirmed, except those that were refused.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    fn take_landed(&mut self, landed: Position) -> Option<PendingConfirm> {
        self.pending
            .front()
            .filter(|pending| pending.needs <= landed)?;
        self.pending.pop_front()
    }
}

impl Landing {
    /// Every record up to here has landed.
    pub(crate) fn landed(&self) -> Position {
        self.landed
    }

    /// The last position that was given out.
    pub(crate) fn last(&self) -> Position {
        self.last
    }

    /// A lane that was recovered: all of it has landed.
    pub(crate) fn recovered(last: Position) -> Self {
        Self {
            last,
            landed: last,
            ..Self::default()
        }
    }

    /// Replies from here on wait for this record.
    pub(crate) fn answers_wait_for(&mut self, position: Position) {
        self.answers_wait_for = self.answers_wait_for.max(position);
    }

    pub(crate) fn end_turn(&mut self) {
        self.turn += 1;
    }

    /// What waits for landing takes so many bytes of memory, roughly.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.stalled_bytes + self.held.len() * size_of::<HeldReply>()
    }

    /// Nothing that the channel waits for matters any more.
    pub(crate) fn forget_channel(&mut self, id: ChannelId) {
        self.held.retain(|held| held.to != id);
        self.confirming.retain(|confirming| *confirming != id);
        self.stalled.retain(|stalled| *stalled != id);
    }
}

impl Broker {
    /// Asks for a record to land.
    pub(crate) fn land(&mut self, record: Record, awaited: bool) -> Position {
        let position = self.landing.last.next();
        self.landing.last = position;
        if let Record::Settled(queue, how, positions) = &record {
            self.note_settled(*queue, *how, positions);
        }
        self.effects.push_back(Effect::Land {
            position,
            record,
            awaited,
        });
        position
    }

    /// The audit counts what ended, the journey tells it.
    fn note_settled(&mut self, id: QueueId, how: Ending, positions: &Runs) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.audited.tally.add_ended(how, positions.count());
            self.audit.touch(queue);
            self.statistics.touch(queue);
        }
        self.journey.note(|| Event::Settled {
            queue: id,
            ending: how,
            positions: positions.clone(),
        });
    }

    /// Asks for a definition to land; replies from here on wait for it.
    pub(crate) fn land_definition(&mut self, definition: model::Definition) {
        let position = self.land(Record::Definition(definition), true);
        self.landing.answers_wait_for(position);
    }

    /// Answers a request: at once, or when the definitions it may speak of have landed. Replies of a channel
    /// keep their order.
    pub(crate) fn reply(&mut self, to: ChannelId, reply: impl Into<Method>) {
        self.reply_when_landed(to, self.landing.answers_wait_for, reply);
    }

    /// Answers a request when `needs` has landed, and not before the channel's earlier ones.
    pub(crate) fn reply_when_landed(
        &mut self,
        to: ChannelId,
        needs: Position,
        reply: impl Into<Method>,
    ) {
        let landed = self.landing.landed;
        let Some(channel) = self.channel_mut(to) else {
            return;
        };
        if needs <= landed && channel.held_replies == 0 {
            self.effects
                .push_back(Effect::Send(to.connection, to.number, reply.into()));
            return;
        }
        channel.held_replies += 1;
        // Whoever comes later waits as long, so that one queue serves all.
        let last = self.landing.held.back().map_or(needs, |last| last.needs);
        let needs = needs.max(last);
        self.landing.held.push_back(HeldReply {
            needs,
            to,
            reply: reply.into(),
        });
    }

    /// Answers an operator when all that was defined so far has landed.
    pub(crate) fn answer_when_landed(
        &mut self,
        id: CommandId,
        answer: Result<Answer, CommandRefused>,
    ) {
        let needs = self.landing.answers_wait_for;
        self.landing.held_answers.push_back((needs, id, answer));
        self.release_answers();
    }

    fn release_answers(&mut self) {
        let landed = self.landing.landed;
        while let Some((needs, id, answer)) = self.landing.held_answers.pop_front() {
            if needs > landed {
                self.landing.held_answers.push_front((needs, id, answer));
                return;
            }
            self.effects.push_back(Effect::Answer(id, answer));
        }
    }

    /// Confirms the channel's next publish when `needs` has landed, and not before those in front of it.
    pub(crate) fn confirm_when_landed(&mut self, id: ChannelId, needs: Position) {
        self.answer_publish(id, needs, false);
    }

    /// Tells the publisher that a queue refused the channel's next publish, when what others took of it has
    /// landed.
    pub(crate) fn refuse_when_landed(&mut self, id: ChannelId, needs: Position) {
        self.answer_publish(id, needs, true);
    }

    fn answer_publish(&mut self, id: ChannelId, needs: Position, refused: bool) {
        let (landed, turn) = (self.landing.landed, self.landing.turn);
        let Some(confirms) = self
            .channel_mut(id)
            .and_then(|channel| channel.confirms.as_mut())
        else {
            return;
        };
        confirms.published += 1;
        let upto = confirms.published;
        let needs = confirms
            .pending
            .back()
            .map_or(needs, |back| back.needs.max(needs));
        let pending = PendingConfirm {
            needs,
            upto,
            turn,
            refused,
        };
        match confirms
            .pending
            .back_mut()
            .filter(|back| back.turn == turn && back.refused == refused)
        {
            Some(back) => *back = pending,
            None => confirms.pending.push_back(pending),
        }
        if !std::mem::replace(&mut confirms.listed, true) {
            self.landing.confirming.push(id);
        }
        self.landing.due_at_once |= needs <= landed;
    }

    /// The store says how far the lane has landed: releases all that waited for it.
    pub(crate) fn landed(&mut self, now: Timestamp, upto: Position) {
        assert!(self.landing.landed <= upto, "landing never goes back");
        assert!(
            upto <= self.landing.last,
            "only what was asked for can land"
        );
        self.landing.landed = upto;
        self.release_replies();
        self.release_answers();
        self.release_confirms();
        self.resume_stalled(now);
        self.wake_queues();
    }

    /// Confirms what needs nothing more to land: what was routed nowhere, and repeats of what has landed.
    pub(crate) fn release_due_confirms(&mut self) {
        if std::mem::take(&mut self.landing.due_at_once) {
            self.release_confirms();
        }
    }

    fn release_replies(&mut self) {
        while let Some(held) = self.landing.held.pop_front() {
            if held.needs > self.landing.landed {
                self.landing.held.push_front(held);
                return;
            }
            let channel = self
                .channel_mut(held.to)
                .expect("replies of a closed channel are forgotten");
            channel.held_replies -= 1;
            let nothing_held = channel.held_replies == 0;
            self.effects
                .push_back(Effect::Send(held.to.connection, held.to.number, held.reply));
            if nothing_held {
                self.wake_channel(held.to);
            }
        }
    }

    /// Confirms, a channel at a time and as many as possible at once, what has landed.
    fn release_confirms(&mut self) {
        let landed = self.landing.landed;
        let mut confirming = std::mem::take(&mut self.landing.confirming);
        let mut confirmed = 0;
        confirming.retain(|&id| {
            let confirms = self
                .channel_mut(id)
                .and_then(|channel| channel.confirms.as_mut());
            let confirms = confirms
                .expect("only channels in confirm mode are listed, closed ones are forgotten");
            let before = confirms.accepted;
            let answers = confirms.release(landed);
            let listed = confirms.listed;
            confirmed += confirms.accepted - before;
            let answers = answers.into_iter();
            self.effects
                .extend(answers.map(|answer| Effect::Send(id.connection, id.number, answer)));
            listed
        });
        self.landing.confirming = confirming;
        self.statistics.traffic.confirm += confirmed;
    }
}
