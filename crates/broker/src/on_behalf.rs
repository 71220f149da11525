//! What a user asks for through the API as a client would on a channel: on a channel that is there for as long as it
//! takes. So the permissions, the checks and the refusals are those of clients, and each stands once.

use crate::Broker;
use crate::access::Right;
use crate::backlog::Ready;
use crate::bearer::Bearer;
use crate::choose::{NOT_THERE, check_count};
use crate::command::{Answer, CommandId, CommandRefused, Deed, OnBehalf, Outcome, Stayed};
use crate::connection::{Channel, ChannelId, Connection, Refusal};
use crate::journey::{Event, Outcome as AttemptOutcome, Receiver, Then};
use crate::landing::Confirms;
use crate::operate::no_vhost;
use crate::permit::{Grants, Kind};
use model::method::basic;
use model::record::{Ending, Reason};
use model::{
    ChannelNumber, ConnectionId, Method, Position, Publish, QueueId, ReplyCode, ShortStr, Timestamp,
};
use rustc_hash::FxHashMap;

/// Connections of clients are numbered far below.
const CONNECTIONS: u64 = 1 << 52;

/// What was wrong.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    AsForClients(#[from] Refusal),
    #[error(transparent)]
    Otherwise(#[from] CommandRefused),
}

impl Broker {
    /// Does it; answered when all of it has landed.
    pub(crate) fn on_behalf(
        &mut self,
        now: Timestamp,
        command: CommandId,
        asked: OnBehalf,
    ) -> Result<Answer, CommandRefused> {
        let id = self.open_for(command, asked.user, asked.bearer.as_deref(), &asked.vhost)?;
        let before = self.landing.last();
        let done = self.do_deed(now, id, asked.deed, before);
        if self.landing.last() > before {
            // Also where it was refused: other queues may have taken a message.
            self.landing.answers_wait_for(self.landing.last());
        }
        self.landing.forget_channel(id);
        self.connection_goes(id.connection);
        if let Some(connection) = self.connections.remove(&id.connection) {
            self.statistics.publishers -= u64::from(connection.publishes);
        }
        done.map_err(|failed| match failed {
            Failed::AsForClients(refusal) => refused(&refusal),
            Failed::Otherwise(refused) => refused,
        })
    }

    /// A connection that no client has, with a channel. What is replied on it is held, and goes with it.
    fn open_for(
        &mut self,
        command: CommandId,
        user: ShortStr,
        bearer: Option<&Bearer>,
        vhost: &ShortStr,
    ) -> Result<ChannelId, CommandRefused> {
        let index = (self.own_vhost_named(vhost)).ok_or_else(|| no_vhost(vhost))?;
        let rights = match bearer {
            Some(bearer) => bearer.rights(vhost),
            None => self.access.rights(&user, vhost),
        };
        let rights = rights.ok_or_else(|| {
            let text = format!("access to vhost '{vhost}' refused for user '{user}'");
            CommandRefused::NotPermitted(text)
        })?;
        let id = ChannelId {
            connection: ConnectionId(CONNECTIONS + command.0),
            number: ChannelNumber(1),
        };
        let channel = Channel {
            confirms: Some(Confirms::default()),
            held_replies: 1,
            ..Channel::default()
        };
        let connection = Connection {
            vhost: index,
            user,
            grants: Grants::new(rights),
            consumer_cancel_notify: false,
            blocked_notify: false,
            channels: FxHashMap::from_iter([(id.number, channel)]),
            exclusive_queues: Vec::new(),
            delivery_room: 0,
            publishes: false,
            blocked: false,
        };
        self.connections.insert(id.connection, connection);
        Ok(id)
    }

    fn do_deed(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        deed: Deed,
        before: Position,
    ) -> Result<Answer, Failed> {
        let (method, gone) = match deed {
            Deed::Enter => return Ok(Answer::Done { made: false }),
            Deed::DeclareQueue(declare) => (Method::QueueDeclare(declare), None),
            Deed::DeleteQueue(delete) => (Method::QueueDelete(delete), Some("no such queue")),
            Deed::PurgeQueue(purge) => (Method::QueuePurge(purge), None),
            Deed::DeclareExchange(declare) => (Method::ExchangeDeclare(declare), None),
            Deed::DeleteExchange(delete) => {
                (Method::ExchangeDelete(delete), Some("no such exchange"))
            }
            Deed::BindQueue(bind) => (Method::QueueBind(bind), None),
            Deed::UnbindQueue(unbind) => (Method::QueueUnbind(unbind), Some("no such binding")),
            Deed::BindExchange(bind) => (Method::ExchangeBind(bind), None),
            Deed::UnbindExchange(unbind) => {
                (Method::ExchangeUnbind(unbind), Some("no such binding"))
            }
            Deed::Publish(publish) => return self.publish_for(now, id, publish),
            Deed::Peek { queue, most } => return self.peek(now, id, &queue, most),
            Deed::Take {
                queue,
                positions,
                reject,
            } => return self.take_for(now, id, &queue, &positions, reject),
        };
        self.call(now, id, method)?;
        // A declaration of what is there, and a removal of what is not, land nothing.
        let made = self.landing.last() > before;
        match gone.filter(|_| !made) {
            Some(gone) => Err(CommandRefused::NotFound(gone.to_owned()).into()),
            None => Ok(Answer::Done { made }),
        }
    }

    fn publish_for(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        publish: Publish,
    ) -> Result<Answer, Failed> {
        if self.shortage.is_any() {
            let reason = self.shortage.reason();
            let text = format!("publishers are blocked: {reason}");
            return Err(CommandRefused::Short(text).into());
        }
        self.publish(now, id, publish)?;
        let confirms = self.open_channel_mut(id).confirms.as_ref();
        let (needs, refused) = confirms
            .and_then(Confirms::last)
            .unwrap_or((Position::NONE, false));
        self.landing.answers_wait_for(needs);
        if refused {
            let text = "Unable to publish message. Check queue limits.";
            return Err(CommandRefused::Invalid(text.to_owned()).into());
        }
        let routed = needs != Position::NONE;
        Ok(Answer::Published { routed })
    }

    /// A queue whose messages the user may have.
    fn readable_queue(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        name: &ShortStr,
    ) -> Result<QueueId, Refusal> {
        self.permit(id, Right::Read, Kind::Queue, name, basic::Get::ID)?;
        let queue = self.usable_queue(id, name, basic::Get::ID)?;
        self.used(now, queue);
        self.expire_messages(now, queue);
        Ok(queue)
    }

    /// The messages that would be handed out next; none of them moves.
    fn peek(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        name: &ShortStr,
        most: usize,
    ) -> Result<Answer, Failed> {
        check_count(most)?;
        let queue = self.readable_queue(now, id, name)?;
        let landed = self.landing.landed();
        let backlog = &self.queues[&queue].backlog;
        Ok(Answer::Next {
            ready: backlog.ready(landed),
            messages: backlog.next(landed, most).iter().map(Into::into).collect(),
        })
    }

    /// basic.get of messages that were seen, with their acknowledgement or rejection.
    fn take_for(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        name: &ShortStr,
        positions: &[Position],
        reject: bool,
    ) -> Result<Answer, Failed> {
        check_count(positions.len())?;
        let queue = self.readable_queue(now, id, name)?;
        self.refuse_single_active(queue)?;
        let landed = self.landing.landed();
        let mut outcome = Outcome::default();
        for &position in positions {
            let found = self.queues.get_mut(&queue).filter(|_| position <= landed);
            let Some(ready) = found.and_then(|found| found.backlog.pick(position)) else {
                let why = NOT_THERE.to_owned();
                outcome.stayed.push(Stayed { position, why });
                continue;
            };
            self.settle_at_once(id, queue, &ready, reject);
            outcome.done += 1;
        }
        self.record_settled_of(queue, true);
        Ok(Answer::Outcome(outcome))
    }

    /// An attempt that ends where it begins.
    fn settle_at_once(&mut self, id: ChannelId, queue: QueueId, ready: &Ready, reject: bool) {
        let position = ready.position;
        let attempt = ready.attempts.total().saturating_add(1);
        let to = Receiver::Get(id.connection, id.number);
        self.journey.delivered(queue, to, attempt, position);
        let found = self.queues.get_mut(&queue).expect("found by the caller");
        found.backlog.forget(position);
        if !reject {
            self.done_with(queue, position, Ending::Acknowledged);
            return;
        }
        found.dying.remember(position, ready.attempts);
        self.journey.note(|| Event::AttemptEnded {
            queue,
            position,
            attempt,
            outcome: AttemptOutcome::Refused,
            then: Then::Leaves,
        });
        let refused = [position.0].into_iter().collect();
        self.discard(queue, &refused, Reason::Rejected);
    }
}

fn refused(refusal: &Refusal) -> CommandRefused {
    let (code, text) = match refusal {
        Refusal::Channel(error) => (error.code, &error.text),
        Refusal::Connection(error) => (error.code, &error.text),
    };
    let text = text.to_string();
    match code {
        ReplyCode::NotFound => CommandRefused::NotFound(text),
        ReplyCode::AccessRefused => CommandRefused::NotPermitted(text),
        _ => CommandRefused::Invalid(text),
    }
}
