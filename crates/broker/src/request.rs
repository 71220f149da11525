//! Requests of clients: which function answers which method, and which must wait for the channel's own
//! publishes to land.

use crate::Broker;
use crate::connection::{ChannelId, Refusal};
use model::{ConnectionError, Method, Publish, ReplyCode, Timestamp};

/// What a client asks for on a channel.
#[derive(Debug)]
pub(crate) enum Request {
    Publish(Publish),
    Method(Method),
    /// channel.open. Where the protocol's side closed a channel for an error of the client, the client may open the
    /// next one under its number while the broker's part of the old one still waits for landing.
    Open,
    /// channel.close.
    Close,
}

impl From<Publish> for Request {
    fn from(publish: Publish) -> Self {
        Self::Publish(publish)
    }
}

impl From<Method> for Request {
    fn from(method: Method) -> Self {
        Self::Method(method)
    }
}

/// What a publish takes in memory while it waits, in bytes, roughly.
pub(crate) fn bytes_of(publish: &Publish) -> usize {
    REQUEST_BYTES + publish.properties.as_bytes().len() + publish.body.len()
}

/// What a request takes in memory beside its body, in bytes, roughly.
const REQUEST_BYTES: usize = 256;

impl Request {
    /// What it takes in memory while it waits, in bytes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Publish(publish) => bytes_of(publish),
            Self::Method(_) | Self::Open | Self::Close => REQUEST_BYTES,
        }
    }

    /// Whether the answer tells what is in a queue. A client that publishes and then asks on the same channel
    /// expects to find what it published, so the answer waits until that has landed. And one that closes its
    /// channel: a program that publishes without confirms and ends, and another that then looks, find it too.
    fn answers_for_landed(&self) -> bool {
        matches!(
            self,
            Self::Close
                | Self::Method(
                    Method::BasicGet(_)
                        | Method::QueueDeclare(_)
                        | Method::QueuePurge(_)
                        | Method::QueueDelete(_)
                )
        )
    }
}

impl Broker {
    /// Takes a request, now or behind those of its channel that wait.
    pub(crate) fn request(&mut self, now: Timestamp, id: ChannelId, request: Request) {
        let landed = self.landing.landed();
        // An error of ours may have closed the channel while the request was on its way: it is nothing then.
        let bytes = request.bytes();
        let Some(channel) = self.channel_mut(id) else {
            if matches!(request, Request::Open) {
                self.open_channel(now, id);
            }
            return;
        };
        if !channel.stalled.is_empty() {
            channel.stalled.push_back(request);
            self.landing.stalled_bytes += bytes;
        } else if request.answers_for_landed()
            && (channel.published > landed || channel.held_replies > 0)
        {
            channel.stalled.push_back(request);
            self.landing.stalled.push(id);
            self.landing.stalled_bytes += bytes;
        } else {
            self.answer(now, id, request);
        }
    }

    /// Takes up the requests that waited for landing.
    pub(crate) fn resume_stalled(&mut self, now: Timestamp) {
        for id in std::mem::take(&mut self.landing.stalled) {
            let Some(channel) = self.channel_mut(id) else {
                continue;
            };
            for request in std::mem::take(&mut channel.stalled) {
                self.landing.stalled_bytes -= request.bytes();
                self.request(now, id, request);
            }
        }
    }

    fn answer(&mut self, now: Timestamp, id: ChannelId, request: Request) {
        let answered = match request {
            Request::Publish(publish) => self.publish(now, id, publish),
            Request::Method(method) => self.call(now, id, method),
            Request::Open => {
                self.open_channel(now, id);
                Ok(())
            }
            Request::Close => {
                self.close_channel(now, id);
                Ok(())
            }
        };
        match answered {
            Ok(()) => {}
            Err(Refusal::Channel(error)) => self.close_channel_with(now, id, error),
            Err(Refusal::Connection(error)) => {
                self.close_connection_with(now, id.connection, error)
            }
        }
    }

    pub(crate) fn call(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        method: Method,
    ) -> Result<(), Refusal> {
        self.permit_method(id, &method)?;
        match method {
            Method::BasicAck(ack) => self.ack(now, id, &ack),
            Method::BasicNack(nack) => self.nack(now, id, &nack),
            Method::BasicReject(reject) => self.reject(now, id, &reject),
            Method::BasicGet(get) => self.get(now, id, get),
            Method::BasicConsume(consume) => self.consume(now, id, consume),
            Method::BasicCancel(cancel) => self.cancel(now, id, cancel),
            Method::BasicQos(qos) => self.qos(id, &qos),
            Method::BasicRecover(recover) => self.recover(now, id, recover.requeue, true),
            Method::BasicRecoverAsync(recover) => self.recover(now, id, recover.requeue, false),
            Method::ConfirmSelect(select) => self.confirm_select(id, &select),
            Method::TxSelect(_) => self.tx_select(id),
            Method::TxCommit(_) => self.tx_commit(now, id),
            Method::TxRollback(_) => self.tx_rollback(id),
            Method::QueueDeclare(declare) => self.declare_queue(now, id, declare),
            Method::QueueDelete(delete) => self.delete_queue(id, delete),
            Method::QueuePurge(purge) => self.purge_queue(id, purge),
            Method::QueueBind(bind) => self.bind_queue(id, bind),
            Method::QueueUnbind(unbind) => self.unbind_queue(id, unbind),
            Method::ExchangeDeclare(declare) => self.declare_exchange(id, declare),
            Method::ExchangeDelete(delete) => self.delete_exchange(id, delete),
            Method::ExchangeBind(bind) => self.bind_exchange(id, bind),
            Method::ExchangeUnbind(unbind) => self.unbind_exchange(id, unbind),
            other => {
                let explanation = format!("{} is not implemented", other.name());
                Err(ConnectionError::new(ReplyCode::NotImplemented, explanation, other.id()).into())
            }
        }
    }
}
