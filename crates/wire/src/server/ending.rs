//! Every way in which a connection ends.

use super::{Phase, ServerConnection};
use crate::channel::State;
use crate::event::Event;
use crate::output::Output;
use model::method::connection;
use model::{ChannelError, ChannelNumber, ConnectionError, MethodId, ReplyCode};
use std::time::Duration;

/// How long connection.close may stay unanswered.
const CLOSE_OK_TIMEOUT: Duration = Duration::from_secs(30);

impl ServerConnection {
    /// Sends connection.close and ignores everything until connection.close-ok. A peer that has not shown that it
    /// speaks AMQP is not told.
    pub fn close(&mut self, error: &ConnectionError) {
        match self.phase {
            Phase::ProtocolHeader => self.phase = Phase::Finished,
            Phase::Closing | Phase::Deaf | Phase::Finished => {}
            _ => self.send_close(error, Phase::Closing),
        }
    }

    fn send_close(&mut self, error: &ConnectionError, next: Phase) {
        self.send_on_connection(connection::Close {
            reply_code: error.code.number(),
            reply_text: error.text.clone(),
            class_id: error.method.class,
            method_id: error.method.method,
        });
        self.phase = next;
        self.deadline = None;
        self.channels.clear();
    }

    /// The client broke a rule of the protocol, in frames that can be told apart.
    pub(super) fn fail(&mut self, error: ConnectionError) {
        self.give_up(error, Phase::Closing);
    }

    /// What the client sends cannot be told apart any more. To drop the socket at once could destroy our own
    /// words on their way (the kernel answers unread input with a reset), so that it is read on, unheeded.
    pub(super) fn distrust(&mut self, error: ConnectionError) {
        self.give_up(error, Phase::Deaf);
    }

    fn give_up(&mut self, error: ConnectionError, next: Phase) {
        if self.phase == Phase::Closing {
            self.phase = Phase::Finished;
            return;
        }
        self.send_close(&error, next);
        self.events.push_back(Event::Closed(Some(error)));
    }

    /// Nothing more is read. The output is still to be written.
    pub(super) fn finish(&mut self, error: Option<ConnectionError>) {
        self.phase = Phase::Finished;
        self.channels.clear();
        self.events.push_back(Event::Closed(error));
    }

    /// The client broke a rule for which its channel is closed.
    pub(super) fn refuse_on_channel(&mut self, number: ChannelNumber, error: &ChannelError) {
        if self.channels.state(number) == State::Opening {
            // The broker's open-ok would come behind our close: let it go nowhere, like the close-ok.
            self.channels.opened(number);
        }
        self.close_channel(number, error);
        self.events.push_back(Event::ChannelClosed(number));
    }

    pub(super) fn wait_for_close_ok(&mut self) {
        match self.deadline {
            // `close` is told no time, so that the wait begins with the first tick after it.
            None => self.deadline = Some(self.now + CLOSE_OK_TIMEOUT),
            Some(at) if at <= self.now => {
                self.output = Output::default();
                self.phase = Phase::Finished;
            }
            Some(_) => {}
        }
    }

    pub(super) fn give_up_handshake(&mut self) {
        let error = ConnectionError::new(
            ReplyCode::ConnectionForced,
            format_args!(
                "the handshake was not finished within {} ms",
                self.limits.handshake_timeout.as_millis()
            ),
            MethodId::default(),
        );
        if self.phase > Phase::ProtocolHeader {
            self.send_close(&error, Phase::Finished);
        }
        self.finish(Some(error));
    }

    pub(super) fn give_up_silent_peer(&mut self, interval: Duration) {
        self.output = Output::default();
        self.finish(Some(ConnectionError::new(
            ReplyCode::ConnectionForced,
            format_args!(
                "missed heartbeats from client, timeout: {}s",
                interval.as_secs()
            ),
            MethodId::default(),
        )));
    }
}
