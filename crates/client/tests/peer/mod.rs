//! A server that does what a test says: it speaks AMQP properly, and loses, repeats and hangs up on demand.

use bytes::{Buf, Bytes, BytesMut};
use landfall_client::Options;
use model::method::{basic, channel, confirm, connection, queue};
use model::{
    ChannelError, ChannelNumber, ConnectionError, DeliveryTag, FieldTable, Limits, Method,
    MethodId, Properties, PropertiesBuilder, Publish, ReplyCode, ShortStr, TableBuilder, Timestamp,
    Value,
};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::{Content, Event, ServerConnection};

/// The channel that clients use.
pub(crate) const CHANNEL: ChannelNumber = ChannelNumber(1);
/// Longer than anything should take.
const PATIENCE: Duration = Duration::from_secs(20);
/// No time passes for the peer: it sends no heartbeats and gives nobody up.
const NOW: Timestamp = Timestamp(0);

/// Accepts clients.
pub(crate) struct Port(TcpListener);

impl Port {
    pub(crate) async fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://{}", self.0.local_addr().expect("it is bound"))
    }

    /// How to reach it, with pauses short enough for tests.
    pub(crate) fn options(&self) -> Options {
        Options::parse([self.url().as_str()])
            .expect("a good address")
            .pauses(Duration::from_millis(1), Duration::from_millis(20))
    }

    /// The next client, not logged in yet.
    pub(crate) async fn accept(&self) -> Peer {
        let accepted = tokio::time::timeout(PATIENCE, self.0.accept()).await;
        let (stream, _) = accepted
            .expect("a client comes")
            .expect("it can be accepted");
        Peer {
            stream,
            connection: ServerConnection::new(&Limits::default(), properties(), "PLAIN", NOW),
            input: BytesMut::new(),
        }
    }

    /// The next client, served until it publishes or consumes.
    pub(crate) async fn serve(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.set_up().await;
        peer
    }
}

/// What the peer says of itself.
fn properties() -> FieldTable {
    let able = TableBuilder::new().field("amq.landfall.extend", Value::Bool(true));
    let table = TableBuilder::new().table("capabilities", &able.build());
    table.build()
}

/// The peer's end of one connection.
pub(crate) struct Peer {
    stream: TcpStream,
    connection: ServerConnection,
    input: BytesMut,
}

impl Peer {
    /// The next thing the client does; `None` when it hung up.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.connection.poll_event() {
                return Some(event);
            }
            self.flush().await;
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await;
            if read.expect("the client does something").ok()? == 0 {
                return None;
            }
            self.connection.handle(NOW, &mut self.input);
        }
    }

    /// Answers login and set-up, up to confirm.select-ok or basic.consume-ok.
    pub(crate) async fn set_up(&mut self) {
        loop {
            let event = self.event().await.expect("the client stays");
            let done = matches!(
                event,
                Event::Method(_, Method::ConfirmSelect(_) | Method::BasicConsume(_))
            );
            self.answer(event).await;
            if done {
                return;
            }
        }
    }

    /// Answers one step of login or set-up.
    pub(crate) async fn answer(&mut self, event: Event) {
        let answer: Method = match event {
            Event::Login { .. } => {
                self.connection.accept_login();
                return self.flush().await;
            }
            Event::Open { .. } => {
                return self
                    .send(ChannelNumber(0), connection::OpenOk::default())
                    .await;
            }
            Event::ChannelOpened(_) => channel::OpenOk::default().into(),
            Event::Method(_, Method::QueueDeclare(declare)) => queue::DeclareOk {
                queue: declare.queue,
                ..queue::DeclareOk::default()
            }
            .into(),
            Event::Method(_, Method::ConfirmSelect(_)) => confirm::SelectOk.into(),
            Event::Method(_, Method::BasicQos(_)) => basic::QosOk.into(),
            Event::Method(_, Method::BasicConsume(_)) => basic::ConsumeOk {
                consumer_tag: ShortStr::from_static("tag"),
            }
            .into(),
            other => panic!("no step of a set-up: {other:?}"),
        };
        self.send(CHANNEL, answer).await;
    }

    /// The next message: its publishing id and its body.
    pub(crate) async fn message(&mut self) -> (i64, String) {
        let publish = self.publish().await;
        let headers = publish.properties.headers().expect("headers");
        let id = headers.get("x-publishing-id").and_then(Value::as_integer);
        (
            id.expect("a publishing id"),
            String::from_utf8(publish.body.to_vec()).expect("text"),
        )
    }

    pub(crate) async fn publish(&mut self) -> Publish {
        match self.event().await {
            Some(Event::Publish(CHANNEL, publish)) => publish,
            other => panic!("a publish was expected, not {other:?}"),
        }
    }

    /// The next acknowledgement or refusal, as text: `3`, `..3` for all up to it, `-3` put back, `x3` rejected.
    pub(crate) async fn verdict(&mut self) -> String {
        match self.event().await {
            Some(Event::Method(_, Method::BasicAck(ack))) if ack.multiple => {
                format!("..{}", ack.delivery_tag)
            }
            Some(Event::Method(_, Method::BasicAck(ack))) => ack.delivery_tag.to_string(),
            Some(Event::Method(_, Method::BasicReject(reject))) => {
                format!(
                    "{}{}",
                    if reject.requeue { '-' } else { 'x' },
                    reject.delivery_tag
                )
            }
            other => panic!("a verdict was expected, not {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, channel: ChannelNumber, method: impl Into<Method>) {
        self.connection.send(channel, &method.into());
        self.flush().await;
    }

    pub(crate) async fn ack(&mut self, tag: u64, multiple: bool) {
        let delivery_tag = DeliveryTag(tag);
        self.send(
            CHANNEL,
            basic::Ack {
                delivery_tag,
                multiple,
            },
        )
        .await;
    }

    pub(crate) async fn give_back(&mut self, message: &Publish) {
        self.connection
            .give_back(CHANNEL, ReplyCode::NoRoute, "NO_ROUTE", message);
        self.flush().await;
    }

    pub(crate) async fn close_channel(&mut self, code: ReplyCode, text: &str) {
        let error = ChannelError::new(code, text, MethodId::new(60, 40));
        self.connection.close_channel(CHANNEL, &error);
        self.flush().await;
    }

    pub(crate) async fn close(&mut self, code: ReplyCode, text: &str) {
        let error = ConnectionError::new(code, text, MethodId::default());
        self.connection.close(&error);
        self.flush().await;
    }

    pub(crate) async fn refuse_login(&mut self) {
        self.connection.refuse_login();
        self.flush().await;
    }

    /// Delivers message `id` of publisher `p`.
    pub(crate) async fn deliver(&mut self, tag: u64, id: i64, body: &'static str) {
        let headers = TableBuilder::new()
            .text("x-publisher-id", "p")
            .field("x-publishing-id", Value::I64(id))
            .build();
        let properties = PropertiesBuilder::new().headers(&headers).build();
        self.deliver_with(tag, &properties, body).await;
    }

    /// Writes nothing until the next flush: what follows goes out in one piece with it.
    pub(crate) fn consume_ok_unflushed(&mut self) {
        let consumer_tag = ShortStr::from_static("tag");
        let ok = Method::from(basic::ConsumeOk { consumer_tag });
        self.connection.send(CHANNEL, &ok);
    }

    pub(crate) async fn deliver_with(
        &mut self,
        tag: u64,
        properties: &Properties,
        body: &'static str,
    ) {
        let content = Content {
            exchange: b"",
            routing_key: b"queue",
            properties: properties.as_bytes(),
            body: Bytes::from_static(body.as_bytes()),
        };
        let consumer_tag = ShortStr::from_static("tag");
        self.connection
            .deliver(CHANNEL, &consumer_tag, DeliveryTag(tag), false, content);
        self.flush().await;
    }

    /// Whether the client says goodbye, and hangs up.
    pub(crate) async fn says_goodbye(mut self) -> bool {
        let goodbye = matches!(self.event().await, Some(Event::Closed(None)));
        self.flush().await;
        goodbye
    }

    async fn flush(&mut self) {
        let output = self.connection.output();
        while output.has_remaining() {
            // A client that is gone takes nothing: the next read tells.
            if self.stream.write_buf(output).await.is_err() {
                return;
            }
        }
    }
}
