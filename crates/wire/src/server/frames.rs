//! Frames of a connection that is past its protocol header: sorted by channel, turned into events.

use super::{Phase, ServerConnection};
use crate::channel::State;
use crate::content::{Assembly, ContentHeader, Refusal, unexpected};
use crate::event::Event;
use crate::frame::{Head, Kind, frame_error, whole_frames};
use crate::method::{encode_method, read_ack, read_id, read_method};
use bytes::{Bytes, BytesMut};
use model::method::{access, basic, channel, connection};
use model::{ChannelNumber, ConnectionError, Limits, Method, MethodId, ReplyCode};
use std::ops::Range;

/// How many messages of the largest size may be unfinished at a time, over all channels of a connection.
const UNFINISHED_MESSAGES_MAX: u64 = 4;

impl ServerConnection {
    /// Takes frames out of `input`. True if there may be more to read.
    pub(super) fn read_frames(&mut self, input: &mut BytesMut) -> bool {
        // One at a time in the handshake: it ends with other limits than it began with.
        let (frame_max, frames_max) = if self.phase >= Phase::Opening {
            (self.limits.frame_max, usize::MAX)
        } else {
            (Limits::FRAME_MAX_BEFORE_OPEN, 1)
        };
        let length = match whole_frames(input, frame_max, frames_max) {
            Ok(0) => return false,
            Ok(length) => length,
            Err(error) => {
                self.distrust(error);
                return true;
            }
        };
        let group = input.split_to(length).freeze();
        let mut at = 0;
        while self.phase < Phase::Deaf
            && let Ok(Some(head)) = Head::read(&group[at..], frame_max)
        {
            if head.kind == Kind::Method
                && let Some(end) = self.read_whole_publish(head, &group, at, frame_max)
            {
                at = end;
                continue;
            }
            match head.payload(&group, at) {
                Ok(payload) => self.read_frame(head, &group, payload),
                Err(error) => self.distrust(error),
            }
            at += head.frame_length();
        }
        self.bound_unfinished();
        true
    }

    fn read_frame(&mut self, head: Head, group: &Bytes, payload: Range<usize>) {
        let result = match (head.kind, head.channel) {
            _ if self.phase == Phase::Closing => self.frame_while_closing(head, group, payload),
            (Kind::Heartbeat, _) => heartbeat(head.channel, &payload).map_err(Refusal::from),
            (Kind::Method, ChannelNumber(0)) => read_method(group, payload)
                .and_then(|method| self.connection_method(method))
                .map_err(Refusal::from),
            (Kind::Header | Kind::Body, ChannelNumber(0)) => {
                Err(unexpected("content on channel 0, which is the connection's own").into())
            }
            _ if self.phase < Phase::Opening => Err(ConnectionError::new(
                ReplyCode::UnexpectedFrame,
                "a channel is used before the connection is open",
                MethodId::default(),
            )
            .into()),
            (Kind::Method, number) => self.channel_method(number, group, payload),
            (Kind::Header | Kind::Body, number) => {
                self.content_frame(head.kind, number, group, payload)
            }
        };
        match result {
            Ok(()) => {}
            Err(Refusal::Connection(error)) => self.fail(error),
            Err(Refusal::Channel(error)) => {
                // The broker's part of the channel goes as if the client had closed it.
                self.refuse_on_channel(head.channel, &error);
            }
        }
    }

    /// After our connection.close only its close-ok matters, or the client's own close that crossed it.
    fn frame_while_closing(
        &mut self,
        head: Head,
        group: &Bytes,
        payload: Range<usize>,
    ) -> Result<(), Refusal> {
        if head.kind != Kind::Method || head.channel != ChannelNumber(0) {
            return Ok(());
        }
        match read_id(group, payload)? {
            connection::CloseOk::ID => self.phase = Phase::Finished,
            connection::Close::ID => {
                self.send_on_connection(connection::CloseOk);
                self.phase = Phase::Finished;
            }
            _ => {}
        }
        Ok(())
    }

    fn channel_method(
        &mut self,
        number: ChannelNumber,
        group: &Bytes,
        payload: Range<usize>,
    ) -> Result<(), Refusal> {
        let state = self.channels.state(number);
        if !matches!(state, State::Opening | State::Open) {
            return Ok(self.method_on_shut_channel(number, state, group, payload)?);
        }
        if self.channels.content(number).is_some() {
            return Err(unexpected("expected content header or body, got a method").into());
        }
        if let Some(ack) = read_ack(group, payload.clone()) {
            self.events.push_back(Event::Method(number, ack.into()));
            return Ok(());
        }
        match read_method(group, payload)? {
            Method::BasicPublish(publish) => self.channels.begin(number, Assembly::new(publish)),
            Method::ChannelOpen(_) => {
                let text = "second 'channel.open' seen";
                return Err(channel_error(text, channel::Open::ID).into());
            }
            Method::ChannelClose(_) => {
                self.channels.set_state(number, State::Leaving);
                self.events.push_back(Event::ChannelClosed(number));
            }
            Method::ChannelFlow(channel::Flow { active: true }) => {
                self.answer(number, channel::FlowOk { active: true });
            }
            Method::ChannelFlow(channel::Flow { active: false }) => {
                let id = channel::Flow::ID;
                let error = ConnectionError::new(ReplyCode::NotImplemented, "active=false", id);
                return Err(error.into());
            }
            Method::AccessRequest(_) => self.answer(number, access::RequestOk { ticket: 1 }),
            Method::BasicCancelOk(_) => {}
            method if is_request(&method) => self.events.push_back(Event::Method(number, method)),
            method => return Err(not_for_clients(&method).into()),
        }
        Ok(())
    }

    /// A method on a channel that is not open (any more).
    fn method_on_shut_channel(
        &mut self,
        number: ChannelNumber,
        state: State,
        group: &Bytes,
        payload: Range<usize>,
    ) -> Result<(), ConnectionError> {
        let id = read_id(group, payload.clone())?;
        match (state, id) {
            (State::Closing, channel::CloseOk::ID) => {
                self.channels.set_state(number, State::Closed);
            }
            // Both ends close at once: each answers the other.
            (State::Closing, channel::Close::ID) => self.answer(number, channel::CloseOk),
            (State::Closing, _) => {}
            (State::Leaving, channel::Open::ID) => {
                return Err(channel_error("channel.open before channel.close-ok", id));
            }
            (State::Leaving, _) => {}
            (_, channel::Open::ID) => {
                read_method(group, payload)?;
                self.open_channel(number)?;
            }
            // Sent by a thread of the client that did not know yet.
            (
                State::Closed,
                basic::Ack::ID
                | basic::Nack::ID
                | basic::Reject::ID
                | basic::Cancel::ID
                | channel::CloseOk::ID,
            ) => {}
            _ => return Err(channel_error("expected 'channel.open'", id)),
        }
        Ok(())
    }

    fn open_channel(&mut self, number: ChannelNumber) -> Result<(), ConnectionError> {
        let most = self.limits.channel_max;
        if number.0 > most {
            return Err(ConnectionError::new(
                ReplyCode::NotAllowed,
                format_args!("channel {number} is higher than the negotiated channel_max ({most})"),
                channel::Open::ID,
            ));
        }
        self.channels.set_state(number, State::Opening);
        self.events.push_back(Event::ChannelOpened(number));
        Ok(())
    }

    fn content_frame(
        &mut self,
        kind: Kind,
        number: ChannelNumber,
        group: &Bytes,
        payload: Range<usize>,
    ) -> Result<(), Refusal> {
        match self.channels.state(number) {
            State::Opening | State::Open => {}
            State::Leaving | State::Closing | State::Closed => return Ok(()),
            State::Unused => {
                return Err(
                    unexpected("expected method frame, got non method frame instead").into(),
                );
            }
        }
        let Some(assembly) = self.channels.content(number) else {
            return Err(unexpected("expected a method, got content without one").into());
        };
        let complete = if kind == Kind::Header {
            let header = ContentHeader::read(group, payload)?;
            assembly.header(header, self.limits.message_size_max)?
        } else {
            assembly.body(group.slice(payload))?
        };
        if !complete {
            self.channels.touch(number);
        } else if let Some(publish) = self.channels.finish(number) {
            self.events.push_back(Event::Publish(number, publish));
        }
        Ok(())
    }

    /// Unfinished messages are memory that a client takes without ever sending a message.
    fn bound_unfinished(&mut self) {
        let held = self.channels.settle_unfinished() as u64;
        let most = self
            .limits
            .message_size_max
            .saturating_mul(UNFINISHED_MESSAGES_MAX);
        if held > most && self.phase < Phase::Closing {
            self.fail(ConnectionError::new(
                ReplyCode::ResourceError,
                format_args!("unfinished messages hold {held} octets, more than {most}"),
                basic::Publish::ID,
            ));
        }
    }

    fn answer(&mut self, number: ChannelNumber, method: impl Into<Method>) {
        encode_method(self.output.tail(), number, &method.into());
    }
}

fn heartbeat(number: ChannelNumber, payload: &Range<usize>) -> Result<(), ConnectionError> {
    if number != ChannelNumber(0) {
        return Err(ConnectionError::new(
            ReplyCode::UnexpectedFrame,
            format_args!("heartbeat on channel {number}, expected on channel 0"),
            MethodId::default(),
        ));
    }
    if payload.is_empty() {
        Ok(())
    } else {
        Err(frame_error("a heartbeat carries nothing"))
    }
}

fn channel_error(explanation: &str, id: MethodId) -> ConnectionError {
    ConnectionError::new(ReplyCode::ChannelError, explanation, id)
}

/// A known method that only servers send, or only on channel 0.
fn not_for_clients(method: &Method) -> ConnectionError {
    ConnectionError::new(
        ReplyCode::CommandInvalid,
        format_args!("{} is not for a client to send here", method.name()),
        method.id(),
    )
}

/// Whether it is a client's request, which the broker answers.
fn is_request(method: &Method) -> bool {
    matches!(
        method,
        Method::ExchangeDeclare(_)
            | Method::ExchangeDelete(_)
            | Method::ExchangeBind(_)
            | Method::ExchangeUnbind(_)
            | Method::QueueDeclare(_)
            | Method::QueueBind(_)
            | Method::QueuePurge(_)
            | Method::QueueDelete(_)
            | Method::QueueUnbind(_)
            | Method::BasicQos(_)
            | Method::BasicConsume(_)
            | Method::BasicCancel(_)
            | Method::BasicGet(_)
            | Method::BasicAck(_)
            | Method::BasicReject(_)
            | Method::BasicNack(_)
            | Method::BasicRecoverAsync(_)
            | Method::BasicRecover(_)
            | Method::ConfirmSelect(_)
            | Method::TxSelect(_)
            | Method::TxCommit(_)
            | Method::TxRollback(_)
    )
}
