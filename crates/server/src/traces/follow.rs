//! Following traced messages, on the shard's thread: from the record that is to land over every attempt to the end.

use super::decide::Decider;
use super::followed::{Attempt, Followed};
use super::post::Post;
use super::span::{About, Delivered, Published, Span, Taken, What};
use crate::config::Collector;
use admin::instruments::SpanCounts;
use broker::journey::{
    self, Event, Journey, Origin, Outcome, QueueName, Receiver, Then, TurnedAway, Why,
};
use broker::{Broker, Effect};
use model::record::{Ending, MessageRecord};
use model::{Position, Properties, QueueId, Record, Run, ShortStr};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// The most memory for traced messages that are in queues.
const FOLLOWED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Follows traced messages, and hands over their spans.
pub struct Follower {
    decider: Decider,
    post: Post,
    counts: Arc<SpanCounts>,
    /// Messages that came and have not landed, or were not told yet, by rising position.
    landing: VecDeque<Landing>,
    followed: Followed,
    /// When the turn began.
    turn: (Instant, SystemTime),
    /// Spans that are to be handed over when the turn is told.
    spans: Vec<Span>,
}

/// A message that came.
struct Landing {
    position: Position,
    about: Arc<About>,
    queues: usize,
    began: SystemTime,
    landed: Option<SystemTime>,
    vhost: Option<ShortStr>,
    by_server: bool,
    outcome: Taken,
}

impl Follower {
    /// Starts the thread that sends spans.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(
        collector: &Collector,
        who: &[(&'static str, String)],
        counts: Arc<SpanCounts>,
    ) -> anyhow::Result<Self> {
        let post = Post::start(collector, who, counts.clone())?;
        Ok(Self {
            decider: Decider::new(collector.sample),
            post,
            counts,
            landing: VecDeque::new(),
            followed: Followed::new(FOLLOWED_BYTES_MAX),
            turn: (Instant::now(), SystemTime::now()),
            spans: Vec::new(),
        })
    }

    /// The broker wants something done, in the turn that began then: a message that it asks to land may be traced.
    pub fn sees(&mut self, began: Instant, effect: &Effect) {
        if let Effect::Land {
            position,
            record: Record::Message(message),
            ..
        } = effect
        {
            if self.turn.0 != began {
                self.turn = (began, SystemTime::now() - began.elapsed());
            }
            self.comes(*position, message);
        }
    }

    fn comes(&mut self, position: Position, message: &MessageRecord) {
        let (exchange, key) = (&message.exchange, &message.routing_key);
        let bytes = message.body.len();
        let Some(about) = self.trace(exchange, key, &message.properties, bytes) else {
            return;
        };
        let queues = message.queues.len();
        self.landing.push_back(Landing {
            position,
            about: about.clone(),
            queues,
            began: self.turn.1,
            landed: None,
            vhost: None,
            by_server: false,
            outcome: Taken::Landed,
        });
        self.counts
            .forgot(self.followed.insert(position, about, queues));
    }

    fn trace(
        &self,
        exchange: &ShortStr,
        routing_key: &ShortStr,
        properties: &Properties,
        body_bytes: usize,
    ) -> Option<Arc<About>> {
        let trace = self.decider.decide(properties)?;
        let of = (trace, self.decider.new_span());
        let about = About::new(of, exchange, routing_key, properties, body_bytes);
        Some(Arc::new(about))
    }

    /// All up to here has landed.
    pub fn landed(&mut self, upto: Position) {
        let waiting = self.landing.iter_mut();
        let waiting = waiting.skip_while(|landing| landing.landed.is_some());
        let mut landed = waiting
            .take_while(|landing| landing.position <= upto)
            .peekable();
        if landed.peek().is_some() {
            let now = SystemTime::now();
            landed.for_each(|landing| landing.landed = Some(now));
        }
    }

    /// Hears what happened in the turn that ends.
    pub fn tell(&mut self, told: &Journey, broker: &Broker) {
        if !told.is_empty() {
            let now = SystemTime::now();
            for published in &told.published {
                self.published(published, told, broker);
            }
            for turned_away in &told.turned_away {
                self.turned_away(now, turned_away);
            }
            for event in &told.events {
                self.happened(now, event, told, broker);
            }
        }
        while let Some(landing) = self.landing.pop_front_if(|of| of.landed.is_some()) {
            self.spans.extend(landing.span());
        }
        if !self.spans.is_empty() {
            self.post.send(&mut self.spans);
        }
    }

    /// Sends what there is, and waits for that for a little while.
    pub fn end(mut self) {
        if !self.spans.is_empty() {
            self.post.send(&mut self.spans);
        }
        self.post.end();
    }

    fn published(&mut self, published: &journey::Published, told: &Journey, broker: &Broker) {
        let run = published.run;
        let from = self.landing.partition_point(|of| of.position.0 < run.first);
        let upto = self.landing.partition_point(|of| of.position.0 < run.end());
        if from == upto {
            return;
        }
        let queue = published.queues.first();
        let queue = queue.and_then(|queue| told.name_of_queue(*queue, broker));
        let is_confirmed = match published.origin {
            Origin::Client(connection, channel) => broker.confirms(connection, channel),
            Origin::Server => false,
        };
        for landing in self.landing.range_mut(from..upto) {
            landing.vhost = queue.as_ref().map(|queue| queue.vhost.clone());
            landing.by_server = published.origin == Origin::Server;
            if is_confirmed {
                landing.outcome = Taken::Confirmed;
            }
        }
    }

    fn turned_away(&mut self, now: SystemTime, turned_away: &TurnedAway) {
        let outcome = match &turned_away.why {
            Why::Full(Some(position)) => {
                let landing = self.landing.iter_mut();
                let mut landing = landing.filter(|landing| landing.position == *position);
                if let Some(landing) = landing.next() {
                    landing.outcome = Taken::Full;
                }
                return;
            }
            Why::Full(None) => Taken::Full,
            Why::Dropped => Taken::Dropped,
            Why::Returned => Taken::Returned,
            Why::Forbidden(why) => Taken::Forbidden(why.clone()),
        };
        let publish = &turned_away.publish;
        let (exchange, key) = (&publish.exchange, &publish.routing_key);
        let bytes = publish.body.len();
        let Some(about) = self.trace(exchange, key, &publish.properties, bytes) else {
            return;
        };
        self.spans.push(Span {
            about,
            position: None,
            vhost: None,
            began: self.turn.1.min(now),
            ended: now,
            what: What::Published(Published {
                by_server: false,
                queues: 0,
                outcome,
            }),
        });
    }

    fn happened(&mut self, now: SystemTime, event: &Event, told: &Journey, broker: &Broker) {
        match event {
            Event::Delivered {
                queue,
                to,
                attempt,
                run,
            } => {
                let of = (*queue, *to, *attempt);
                self.delivered(now, of, *run, told, broker);
            }
            Event::AttemptEnded {
                queue,
                position,
                outcome,
                then,
                ..
            } => self.attempt_ended(now, (*queue, *position), *outcome, *then),
            Event::Parked {
                queue, position, ..
            } => self.leaves(now, *position, *queue, Some("parked")),
            Event::Copied {
                queue,
                position,
                copy,
                ..
            } => {
                if let Some(attempt) = self.followed.attempt(*position, *queue) {
                    attempt.copy = Some(*copy);
                }
            }
            Event::Settled {
                queue,
                ending,
                positions,
            } => {
                for run in positions.as_slice() {
                    for position in self.followed.positions(*run) {
                        self.leaves(now, position, *queue, word(*ending));
                        self.followed.leaves(position);
                    }
                }
            }
            Event::Delayed { .. } | Event::Due { .. } | Event::Redriven { .. } => {}
        }
    }

    fn delivered(
        &mut self,
        now: SystemTime,
        (queue, to, number): (QueueId, Receiver, u32),
        run: Run,
        told: &Journey,
        broker: &Broker,
    ) {
        let positions = self.followed.positions(run);
        if positions.is_empty() {
            return;
        }
        let Some(name) = told.name_of_queue(queue, broker) else {
            return;
        };
        let consumer = match to {
            Receiver::Consumer(number) => told.name_of_consumer(number, broker),
            Receiver::Get(..) => None,
        };
        let consumer = consumer.map(|consumer| consumer.tag.detached());
        for position in positions {
            let attempt = Attempt {
                queue,
                name: name.clone(),
                consumer: consumer.clone(),
                number,
                began: now,
                overtaken: false,
                ended: None,
                copy: None,
            };
            self.counts.forgot(self.followed.begin(position, attempt));
        }
    }

    fn attempt_ended(
        &mut self,
        now: SystemTime,
        (queue, position): (QueueId, Position),
        outcome: Outcome,
        then: Then,
    ) {
        let Some(attempt) = self.followed.attempt(position, queue) else {
            return;
        };
        let outcome = match outcome {
            Outcome::Returned => "returned",
            Outcome::Refused => "rejected",
            Outcome::TimedOut => "timed-out",
            Outcome::Lost => "connection-lost",
            // That attempt ended when its time was over; this is one that came after it.
            Outcome::AcknowledgedLate => {
                attempt.overtaken = true;
                return;
            }
        };
        attempt.ended = Some((now, outcome));
        match then {
            Then::Ready => self.leaves(now, position, queue, Some("ready")),
            Then::Delayed(_) => self.leaves(now, position, queue, Some("delayed")),
            // What follows says how.
            Then::Leaves => {}
        }
    }

    /// Nobody has the message in hands any more, out of the queue.
    fn leaves(
        &mut self,
        now: SystemTime,
        position: Position,
        queue: QueueId,
        then: Option<&'static str>,
    ) {
        let Some((about, attempt)) = self.followed.end(position, queue) else {
            return;
        };
        let (ended, outcome, well) = match (attempt.ended, then) {
            (Some((at, outcome)), _) => (at, outcome, false),
            (None, None) if attempt.overtaken => (now, "overtaken", true),
            (None, None) => (now, "acknowledged", true),
            // Its queue is gone, say.
            (None, Some(how)) => (now, how, false),
        };
        let QueueName { vhost, .. } = &attempt.name;
        self.spans.push(Span {
            about,
            position: Some(position),
            vhost: Some(vhost.clone()),
            began: attempt.began,
            ended,
            what: What::Delivered(Delivered {
                id: self.decider.new_span(),
                queue: attempt.name,
                consumer: attempt.consumer,
                attempt: attempt.number,
                outcome,
                well,
                then: then.filter(|then| *then != outcome),
                copy: attempt.copy,
            }),
        });
    }
}

impl Landing {
    fn span(self) -> Option<Span> {
        Some(Span {
            about: self.about,
            position: Some(self.position),
            vhost: self.vhost,
            began: self.began,
            ended: self.landed?,
            what: What::Published(Published {
                by_server: self.by_server,
                queues: self.queues,
                outcome: self.outcome,
            }),
        })
    }
}

/// What became of a message that left its queue; `None` for what receivers want.
fn word(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::Acknowledged => None,
        Ending::Expired => Some("expired"),
        Ending::DeadLettered => Some("dead-lettered"),
        Ending::Dropped => Some("dropped"),
        Ending::Redriven => Some("redriven"),
        Ending::Moved => Some("moved"),
    }
}
