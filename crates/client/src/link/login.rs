//! From the protocol header to connection.open-ok.

use super::{CONNECTION, FRAME_MAX, Link, closed};
use crate::address::Address;
use crate::error::LinkError;
use crate::heartbeat::Heartbeat;
use crate::options::Options;
use model::method::connection;
use model::publish::EXTEND_ROUTING_KEY;
use model::{
    ConnectionError, FieldTable, Limits, Method, ReplyCode, ShortStr, TableBuilder, Value,
};
use std::time::Duration;
use wire::Frame;

impl Link {
    /// Logs in and opens the virtual host.
    pub(super) async fn log_in(
        &mut self,
        address: &Address,
        options: &Options,
    ) -> Result<(), LinkError> {
        self.start().await?;
        let response = format!("\0{}\0{}", address.user, address.password);
        self.put(
            CONNECTION,
            connection::StartOk {
                client_properties: client_properties(options),
                mechanism: ShortStr::from_static("PLAIN"),
                response: response.into(),
                locale: ShortStr::from_static("en_US"),
            },
        );
        let tune = match self.connection_method().await {
            Ok(Method::ConnectionTune(tune)) => tune,
            // RabbitMQ before 3.2, and servers that do not tell strangers why, just hang up.
            Err(LinkError::Ended) => return Err(LinkError::Login("wrong user or password".into())),
            Err(LinkError::Closed { code: 403, text }) => return Err(LinkError::Login(text)),
            other => return Err(out_of_turn(other)),
        };
        let heartbeat_s = negotiated_heartbeat(tune.heartbeat_s, options.heartbeat);
        self.frame_max = match tune.frame_max {
            0 => FRAME_MAX,
            theirs => theirs.clamp(Limits::FRAME_MAX_LEAST, FRAME_MAX),
        };
        self.put(
            CONNECTION,
            connection::TuneOk {
                channel_max: if tune.channel_max == 0 {
                    1
                } else {
                    tune.channel_max
                },
                frame_max: self.frame_max,
                heartbeat_s,
            },
        );
        let virtual_host = ShortStr::truncated(&address.vhost);
        self.put(
            CONNECTION,
            connection::Open {
                virtual_host,
                ..connection::Open::default()
            },
        );
        match self.connection_method().await {
            Ok(Method::ConnectionOpenOk(_)) => {}
            other => return Err(out_of_turn(other)),
        }
        let interval = Duration::from_secs(heartbeat_s.into());
        self.heart = Heartbeat::new(interval, self.clock.now());
        Ok(())
    }

    /// Waits for connection.start. What does not speak AMQP answers with anything, or says nothing and hangs up.
    async fn start(&mut self) -> Result<(), LinkError> {
        match self.connection_method().await {
            Ok(Method::ConnectionStart(start)) => {
                self.extends = can(&start.server_properties, EXTEND_ROUTING_KEY);
                Ok(())
            }
            Ok(_) | Err(LinkError::Protocol(_) | LinkError::Ended) => Err(LinkError::NotAmqp),
            Err(error) => Err(error),
        }
    }

    /// The next method on channel 0, while the connection is being opened.
    async fn connection_method(&mut self) -> Result<Method, LinkError> {
        loop {
            match self.frames.read(&mut self.input)? {
                Some(Frame::Method(CONNECTION, Method::ConnectionClose(close))) => {
                    return Err(closed(&close));
                }
                Some(Frame::Method(CONNECTION, method)) => return Ok(method),
                Some(_) => {}
                None => self.exchange(None, None).await?,
            }
        }
    }
}

/// A method that nothing in the handshake allows here, or the error in its place.
fn out_of_turn(result: Result<Method, LinkError>) -> LinkError {
    match result {
        Ok(method) => LinkError::Protocol(ConnectionError::new(
            ReplyCode::CommandInvalid,
            format_args!("{} out of turn", method.name()),
            method.id(),
        )),
        Err(error) => error,
    }
}

/// In whole seconds, the smaller of both sides' wishes; a side that says zero leaves it to the other.
fn negotiated_heartbeat(theirs: u16, ours: Duration) -> u16 {
    let ours = u16::try_from(ours.as_secs()).unwrap_or(u16::MAX);
    match (theirs, ours) {
        (_, 0) => 0,
        (0, ours) => ours,
        (theirs, ours) => theirs.min(ours),
    }
}

/// Whether a peer says in its properties that it can do something.
fn can(properties: &FieldTable, capability: &str) -> bool {
    match properties.get("capabilities") {
        Some(Value::Table(capabilities)) => capabilities.get(capability) == Some(Value::Bool(true)),
        _ => false,
    }
}

fn client_properties(options: &Options) -> FieldTable {
    let capability = |table: TableBuilder, name| table.field(name, Value::Bool(true));
    let capabilities = [
        "publisher_confirms",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "authentication_failure_close",
    ]
    .into_iter()
    .fold(TableBuilder::new(), capability)
    .build();
    let mut table = TableBuilder::new()
        .text("product", "Landfall client")
        .text("version", env!("CARGO_PKG_VERSION"))
        .text("platform", "Rust")
        .table("capabilities", &capabilities);
    if let Some(name) = &options.connection_name {
        table = table.text("connection_name", name);
    }
    table.build()
}
