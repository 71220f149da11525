//! Messages as frames, with what is the same for all of a sender's messages made once.

use crate::link::{CHANNEL, FRAME_MAX};
use crate::message::Message;
use bytes::BytesMut;
use model::method::basic;
use model::publish::{
    ACQUIRED_COUNT_HEADER, DELIVERY_COUNT_HEADER, PUBLISHER_ID_HEADER, PUBLISHING_ID_HEADER,
};
use model::{
    FieldTable, Properties, PropertiesBuilder, PublishingId, ShortStr, TableBuilder, Value,
};
use wire::{encode_body, encode_content, encode_method};

/// Headers that belong to one sending of a message.
const OF_ONE_SENDING: [&str; 4] = [
    PUBLISHER_ID_HEADER,
    PUBLISHING_ID_HEADER,
    DELIVERY_COUNT_HEADER,
    ACQUIRED_COUNT_HEADER,
];
/// 2 in the property delivery-mode.
const PERSISTENT: u8 = 2;
/// What stands around the body of a message that is one frame.
const BODY_FRAME_ROOM: usize = 8;

/// Writes messages of one sender.
#[derive(Debug)]
pub(crate) struct Encoder {
    publisher: String,
    publish: basic::Publish,
    /// basic.publish as a frame.
    method_frame: BytesMut,
    /// Properties of a message that has none of its own; its publishing id is overwritten for each.
    properties: BytesMut,
    /// Both frames of such a message before its body, whose size is overwritten too.
    plain: BytesMut,
}

impl Encoder {
    /// Where messages go, unless they say otherwise, and whose they are.
    pub(crate) fn new(
        exchange: ShortStr,
        routing_key: ShortStr,
        mandatory: bool,
        publisher: &str,
    ) -> Self {
        let publish = basic::Publish {
            exchange,
            routing_key,
            mandatory,
            ..basic::Publish::default()
        };
        let mut method_frame = BytesMut::new();
        encode_method(&mut method_frame, CHANNEL, &publish.clone().into());
        let properties = PropertiesBuilder::new()
            .headers(&identity(publisher, PublishingId(0)))
            .delivery_mode(PERSISTENT)
            .build();
        let mut plain = method_frame.clone();
        let class = basic::Publish::ID.class;
        encode_content(
            &mut plain,
            CHANNEL,
            class,
            properties.as_bytes(),
            &[],
            FRAME_MAX,
        );
        Self {
            publisher: publisher.to_owned(),
            publish,
            method_frame,
            properties: BytesMut::from(&properties.as_bytes()[..]),
            plain,
        }
    }

    /// Appends a message's frames.
    pub(crate) fn encode(
        &mut self,
        out: &mut BytesMut,
        id: PublishingId,
        message: &Message,
        frame_max: u32,
    ) {
        if !message.is_special() {
            return self.encode_plain(out, id, message.body(), frame_max);
        }
        match (message.own_exchange(), message.own_routing_key()) {
            (None, None) => out.extend_from_slice(&self.method_frame),
            (exchange, key) => {
                let publish = basic::Publish {
                    exchange: exchange.unwrap_or(&self.publish.exchange).clone(),
                    routing_key: key.unwrap_or(&self.publish.routing_key).clone(),
                    ..self.publish.clone()
                };
                encode_method(out, CHANNEL, &publish.into());
            }
        }
        let own;
        let properties: &[u8] = match message.own_properties() {
            None => {
                self.put_id(id);
                &self.properties
            }
            Some(properties) => {
                own = self.with_identity(properties, id);
                own.as_bytes()
            }
        };
        encode_content(
            out,
            CHANNEL,
            basic::Publish::ID.class,
            properties,
            message.body(),
            frame_max,
        );
    }

    /// A message like most: only its body, the body's size and the publishing id are its own.
    fn encode_plain(&mut self, out: &mut BytesMut, id: PublishingId, body: &[u8], frame_max: u32) {
        let at = out.len();
        out.reserve(self.plain.len() + body.len() + BODY_FRAME_ROOM);
        out.extend_from_slice(&self.plain);
        let properties_at = at + self.plain.len() - 1 - self.properties.len();
        out[properties_at - 8..properties_at].copy_from_slice(&(body.len() as u64).to_be_bytes());
        let id_at = properties_at + self.properties.len() - 1 - 8;
        out[id_at..id_at + 8].copy_from_slice(&id.0.to_be_bytes());
        encode_body(out, CHANNEL, body, frame_max);
    }

    /// The id is the last value of the headers, and only the octet of the delivery mode follows them.
    fn put_id(&mut self, id: PublishingId) {
        let end = self.properties.len() - 1;
        self.properties[end - 8..end].copy_from_slice(&id.0.to_be_bytes());
    }

    fn with_identity(&self, properties: &Properties, id: PublishingId) -> Properties {
        let ours = identity(&self.publisher, id);
        // A message that is passed on says whose it was before, and how often it was delivered there. Left in, the
        // server would take it for a retransmission of that one.
        let theirs = properties.headers().into_iter().flatten();
        let theirs = theirs.filter(|(key, _)| !OF_ONE_SENDING.contains(key));
        let headers = theirs
            .chain(&ours)
            .fold(TableBuilder::new(), |table, (key, value)| {
                table.field(key, value)
            })
            .build();
        let mode = properties.delivery_mode().unwrap_or(PERSISTENT);
        PropertiesBuilder::from(properties)
            .headers(&headers)
            .delivery_mode(mode)
            .build()
    }
}

/// The headers by which the server lands a retransmission once.
fn identity(publisher: &str, id: PublishingId) -> FieldTable {
    let number = i64::try_from(id.0).expect("a publisher's messages are fewer than 2^63");
    TableBuilder::new()
        .text(PUBLISHER_ID_HEADER, publisher)
        .field(PUBLISHING_ID_HEADER, Value::I64(number))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publisher::publisher_of;
    use wire::{Frame, FrameReader};

    /// The frames of a message: where it goes, its properties, its body.
    fn frames(message: &Message, id: u64) -> (basic::Publish, Properties, Vec<u8>) {
        let (exchange, key) = (ShortStr::empty(), ShortStr::from_static("queue"));
        let mut encoder = Encoder::new(exchange, key, true, "me");
        let mut out = BytesMut::new();
        encoder.encode(&mut out, PublishingId(3), &Message::from("before"), 4096);
        out.clear();
        encoder.encode(&mut out, PublishingId(id), message, 4096);
        let reader = FrameReader::new(4096);
        let mut next = || reader.clone().read(&mut out).expect("well-formed");
        let Some(Frame::Method(CHANNEL, model::Method::BasicPublish(publish))) = next() else {
            panic!("no publish");
        };
        let Some(Frame::Header(CHANNEL, header)) = next() else {
            panic!("no header");
        };
        let mut body = Vec::new();
        while let Some(Frame::Body(CHANNEL, part)) = next() {
            body.extend_from_slice(&part);
        }
        assert_eq!(header.body_size, body.len() as u64);
        (publish, header.properties, body)
    }

    #[test]
    fn a_plain_message_is_persistent_mandatory_and_says_who_sent_it() {
        let (publish, properties, body) = frames(&Message::from("hello"), 0x0102_0304_0506_0708);
        assert_eq!((&*publish.routing_key, publish.mandatory), ("queue", true));
        assert_eq!(properties.delivery_mode(), Some(2));
        assert_eq!(
            publisher_of(&properties),
            Some((&b"me"[..], 0x0102_0304_0506_0708))
        );
        assert_eq!(body, b"hello");
    }

    #[test]
    fn a_message_keeps_its_own_properties_and_headers() {
        let own = PropertiesBuilder::new()
            .headers(&TableBuilder::new().text("colour", "red").build())
            .priority(3)
            .delivery_mode(1)
            .build();
        let message = Message::from("x")
            .properties(own)
            .exchange(ShortStr::from_static("elsewhere"))
            .routing_key(ShortStr::from_static("other"));
        let (publish, properties, _) = frames(&message, 9);
        assert_eq!(
            (&*publish.exchange, &*publish.routing_key),
            ("elsewhere", "other")
        );
        assert_eq!(
            (properties.delivery_mode(), properties.priority()),
            (Some(1), Some(3))
        );
        let headers = properties.headers().expect("headers");
        assert_eq!(headers.get("colour"), Some(Value::Str(b"red")));
        assert_eq!(publisher_of(&properties), Some((&b"me"[..], 9)));
    }

    #[test]
    fn a_message_that_is_passed_on_is_a_new_message() {
        let headers = identity("another", PublishingId(77));
        let headers = (&headers)
            .into_iter()
            .fold(TableBuilder::new(), |table, (key, value)| {
                table.field(key, value)
            })
            .field(DELIVERY_COUNT_HEADER, Value::I64(3))
            .field(ACQUIRED_COUNT_HEADER, Value::I64(4))
            .build();
        let received = PropertiesBuilder::new().headers(&headers).build();
        let (_, properties, _) = frames(&Message::from("x").properties(received), 9);
        assert_eq!(publisher_of(&properties), Some((&b"me"[..], 9)));
        assert_eq!(properties.headers().expect("headers").count(), 2);
    }

    #[test]
    fn a_large_body_is_cut_into_frames() {
        let body = vec![7; 10_000];
        assert_eq!(frames(&Message::from(body.clone()), 1).2, body);
        assert_eq!(frames(&Message::from(""), 1).2, b"");
    }
}
