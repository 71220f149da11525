//! The way in: protocol header, start, login, tune, open.

use super::{Client, Phase, ServerConnection};
use crate::event::Event;
use crate::frame::{PROTOCOL_HEADER, frame_error};
use crate::heartbeat::Heartbeat;
use crate::login::{LoginError, read_response};
use crate::method::encode_method;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use model::method::connection;
use model::{
    ChannelNumber, ConnectionError, Limits, Method, MethodId, Password, ReplyCode, ShortStr, Value,
};
use std::fmt::Display;

impl ServerConnection {
    /// Reads the protocol header. True if there may be more to read behind it.
    pub(super) fn read_protocol_header(&mut self, input: &mut BytesMut) -> bool {
        let Some(first) = input.first_chunk::<8>().copied() else {
            return false;
        };
        if &first != PROTOCOL_HEADER {
            self.output.tail().put_slice(PROTOCOL_HEADER);
            let error = frame_error(format_args!(
                "expected the protocol header of AMQP 0-9-1, got {}",
                describe(&first)
            ));
            self.finish(Some(error));
            return true;
        }
        input.advance(first.len());
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: self.server_properties.clone(),
            mechanisms: Bytes::copy_from_slice(self.mechanisms.as_bytes()),
            locales: Bytes::from_static(b"en_US"),
        };
        self.send_on_connection(start);
        self.phase = Phase::StartOk;
        true
    }

    /// A method on channel 0.
    pub(super) fn connection_method(&mut self, method: Method) -> Result<(), ConnectionError> {
        match (self.phase, method) {
            (Phase::StartOk, Method::ConnectionStartOk(start_ok)) => self.log_in(start_ok),
            (Phase::TuneOk, Method::ConnectionTuneOk(tune_ok)) => self.tune(&tune_ok),
            (Phase::Open, Method::ConnectionOpen(open)) => {
                self.open(&open);
                Ok(())
            }
            (Phase::Opening | Phase::Running, Method::ConnectionUpdateSecret(update)) => {
                let secret = String::from_utf8_lossy(&update.new_secret).into_owned();
                let secret = Event::SecretUpdated(Password::new(secret));
                self.events.push_back(secret);
                Ok(())
            }
            (_, Method::ConnectionClose(_)) => {
                self.send_on_connection(connection::CloseOk);
                self.finish(None);
                Ok(())
            }
            (phase, method) => Err(ConnectionError::new(
                ReplyCode::ChannelError,
                format_args!(
                    "unexpected method in connection state {}",
                    state_name(phase)
                ),
                method.id(),
            )),
        }
    }

    fn log_in(&mut self, start_ok: connection::StartOk) -> Result<(), ConnectionError> {
        let connection::StartOk {
            mechanism,
            response,
            client_properties,
            ..
        } = start_ok;
        let offered = self.mechanisms.split(' ').any(|name| *name == *mechanism);
        let credentials = if offered {
            read_response(&mechanism, &response)
        } else {
            Err(LoginError::Mechanism)
        };
        let credentials = credentials.map_err(|error| {
            let id = connection::StartOk::ID;
            match error {
                LoginError::Mechanism => ConnectionError::new(
                    ReplyCode::CommandInvalid,
                    format_args!("{error} '{mechanism}'"),
                    id,
                ),
                _ => ConnectionError::new(ReplyCode::SyntaxError, error, id),
            }
        })?;
        self.client = Client {
            properties: client_properties.detached(),
            mechanism: mechanism.detached(),
        };
        self.phase = Phase::Login;
        self.events.push_back(Event::Login {
            user: credentials.user,
            password: credentials.password,
            mechanism: self.client.mechanism.clone(),
            client_properties: self.client.properties.clone(),
        });
        Ok(())
    }

    /// Answers [`Event::Login`]: go on. Nothing happens if the connection has ended by then.
    pub fn accept_login(&mut self) {
        if self.phase != Phase::Login {
            return;
        }
        let heartbeat_s = self.limits.heartbeat.as_secs();
        self.send_on_connection(connection::Tune {
            channel_max: self.limits.channel_max,
            frame_max: self.limits.frame_max,
            heartbeat_s: u16::try_from(heartbeat_s).unwrap_or(u16::MAX),
        });
        self.phase = Phase::TuneOk;
    }

    /// Answers [`Event::Login`]: no. A client that understands it is told 403, others see the connection end.
    pub fn refuse_login(&mut self) {
        if self.phase != Phase::Login {
            return;
        }
        if self.client_can("authentication_failure_close") {
            self.close(&ConnectionError::new(
                ReplyCode::AccessRefused,
                format_args!(
                    "Login was refused using authentication mechanism {}. For details see the broker logfile.",
                    self.client.mechanism
                ),
                MethodId::default(),
            ));
        } else {
            self.phase = Phase::Finished;
        }
    }

    fn client_can(&self, capability: &str) -> bool {
        match self.client.properties.get("capabilities") {
            Some(Value::Table(capabilities)) => {
                capabilities.get(capability) == Some(Value::Bool(true))
            }
            _ => false,
        }
    }

    fn tune(&mut self, tune_ok: &connection::TuneOk) -> Result<(), ConnectionError> {
        let least = Limits::FRAME_MAX_LEAST;
        let most = self.limits.frame_max;
        check_tuned("frame_max", tune_ok.frame_max, least, most)?;
        check_tuned(
            "channel_max",
            tune_ok.channel_max,
            1,
            self.limits.channel_max,
        )?;
        self.limits.frame_max = tune_ok.frame_max;
        self.limits.channel_max = tune_ok.channel_max;
        self.heartbeat = Heartbeat::new(tune_ok.heartbeat_s, self.now);
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.set_listening(self.now, self.reading);
        }
        self.phase = Phase::Open;
        Ok(())
    }

    fn open(&mut self, open: &connection::Open) {
        let vhost = if open.virtual_host.is_empty() {
            ShortStr::from_static("/")
        } else {
            open.virtual_host.detached()
        };
        self.phase = Phase::Opening;
        self.events.push_back(Event::Open {
            vhost,
            client_properties: self.client.properties.clone(),
            consumer_cancel_notify: self.client_can("consumer_cancel_notify"),
            blocked_notify: self.client_can("connection.blocked"),
        });
    }

    pub(super) fn send_on_connection(&mut self, method: impl Into<Method>) {
        encode_method(self.output.tail(), ChannelNumber(0), &method.into());
    }
}

/// RabbitMQ's name for how far a connection is.
fn state_name(phase: Phase) -> &'static str {
    match phase {
        Phase::ProtocolHeader | Phase::StartOk => "starting",
        Phase::Login => "securing",
        Phase::TuneOk => "tuning",
        Phase::Open => "opening",
        Phase::Opening | Phase::Running => "running",
        Phase::Closing | Phase::Deaf | Phase::Finished => "closing",
    }
}

/// Holds a value of tune-ok against what was offered. 0 would mean "no limit", which is not what was offered.
fn check_tuned<N: Copy + Default + PartialOrd + Display>(
    name: &str,
    value: N,
    least: N,
    most: N,
) -> Result<(), ConnectionError> {
    let (relation, limit) = if value == N::default() || value > most {
        ("higher than the maximum", most)
    } else if value < least {
        ("lower than the minimum", least)
    } else {
        return Ok(());
    };
    Err(ConnectionError::new(
        ReplyCode::NotAllowed,
        format_args!("negotiated {name} = {value} is {relation} allowed value ({limit})"),
        connection::TuneOk::ID,
    ))
}

/// What a peer seems to speak that does not speak AMQP 0-9-1: for the log, where someone looks for the reason.
fn describe(first: &[u8; 8]) -> String {
    const HTTP_METHODS: [&[u8]; 6] = [
        b"GET ",
        b"POST ",
        b"PUT ",
        b"HEAD ",
        b"DELETE ",
        b"OPTIONS ",
    ];
    match first {
        b"AMQP\0\x01\0\0" | b"AMQP\x03\x01\0\0" | b"AMQP\x02\x01\0\0" => {
            "that of AMQP 1.0, which is another protocol".to_owned()
        }
        [b'A', b'M', b'Q', b'P', version @ ..] => format!("another version of AMQP {version:?}"),
        [0x16, 0x03, ..] => "a TLS handshake: this port speaks AMQP without TLS".to_owned(),
        _ if HTTP_METHODS.iter().any(|method| first.starts_with(method)) => {
            "an HTTP request: this port speaks AMQP".to_owned()
        }
        _ => format!("\"{}\"", first.escape_ascii()),
    }
}
