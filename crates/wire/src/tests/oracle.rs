//! Our codec against one that others wrote (amq-protocol): what either writes, the other reads as the same.

use crate::{ContentHeader, Frame, FrameReader, encode_content, encode_method};
use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::protocol::{self, AMQPClass};
use amq_protocol::types::{self, AMQPValue, DecimalValue, LongString, ShortString};
use bytes::{Bytes, BytesMut};
use model::{
    ChannelNumber, DeliveryTag, FieldTable, Method, Properties, PropertiesBuilder, ShortStr,
    TableBuilder, Value, method,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Random values, from a seed: xorshift64*.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.roll() >> 8) % bound
    }

    fn text(&mut self, length_max: u64) -> String {
        let length = self.below(length_max + 1);
        let letters = ['a', 'Z', '.', '#', '*', '/', '0', 'é', '\0'];
        let mut text = String::new();
        while (text.len() as u64) < length.saturating_sub(1) {
            text.push(letters[self.below(letters.len() as u64) as usize]);
        }
        text
    }

    fn value(&mut self, depth: u64) -> AMQPValue {
        match self.below(if depth == 0 { 15 } else { 17 }) {
            0 => AMQPValue::Boolean(self.roll() & 1 == 0),
            1 => AMQPValue::ShortShortInt(self.roll() as i8),
            2 => AMQPValue::ShortShortUInt(self.roll() as u8),
            3 => AMQPValue::ShortInt(self.roll() as i16),
            4 => AMQPValue::ShortUInt(self.roll() as u16),
            5 => AMQPValue::LongInt(self.roll() as i32),
            6 => AMQPValue::LongUInt(self.roll() as u32),
            7 => AMQPValue::LongLongInt(self.roll() as i64),
            8 => AMQPValue::Float(self.roll() as i32 as f32 / 8.0),
            9 => AMQPValue::Double(self.roll() as i64 as f64 / 8.0),
            10 => AMQPValue::DecimalValue(DecimalValue {
                scale: self.roll() as u8,
                value: self.roll() as u32,
            }),
            11 => AMQPValue::LongString(self.text(300).into()),
            12 => AMQPValue::Timestamp(self.roll()),
            13 => AMQPValue::ByteArray(self.text(20).into_bytes().into()),
            14 => AMQPValue::Void,
            15 => {
                let length = self.below(4);
                let values = (0..length).map(|_| self.value(depth - 1));
                AMQPValue::FieldArray(values.collect::<Vec<_>>().into())
            }
            _ => AMQPValue::FieldTable(self.table(depth - 1)),
        }
    }

    fn table(&mut self, depth: u64) -> types::FieldTable {
        let length = self.below(5);
        (0..length)
            .map(|_| (ShortString::from(self.text(30)), self.value(depth)))
            .collect::<BTreeMap<_, _>>()
            .into()
    }
}

/// Their value for ours.
trait Twin<T> {
    fn twin(&self) -> T;
}

/// A random value of ours.
trait Any {
    fn any(dice: &mut Dice) -> Self;
}

macro_rules! same {
    ($($kind:ty),*) => {
        $(impl Twin<$kind> for $kind {
            fn twin(&self) -> $kind {
                *self
            }
        }

        impl Any for $kind {
            fn any(dice: &mut Dice) -> Self {
                dice.roll() as $kind
            }
        })*
    };
}

same!(u8, u16, u32);

impl Twin<bool> for bool {
    fn twin(&self) -> bool {
        *self
    }
}

impl Any for bool {
    fn any(dice: &mut Dice) -> Self {
        dice.below(2) == 0
    }
}

impl Twin<u64> for DeliveryTag {
    fn twin(&self) -> u64 {
        self.0
    }
}

impl Any for DeliveryTag {
    fn any(dice: &mut Dice) -> Self {
        Self(dice.roll())
    }
}

impl Twin<ShortString> for ShortStr {
    fn twin(&self) -> ShortString {
        self.as_str().into()
    }
}

impl Any for ShortStr {
    fn any(dice: &mut Dice) -> Self {
        dice.text(255)
            .as_str()
            .try_into()
            .expect("at most 255 bytes")
    }
}

impl Twin<LongString> for Bytes {
    fn twin(&self) -> LongString {
        self.to_vec().into()
    }
}

impl Any for Bytes {
    fn any(dice: &mut Dice) -> Self {
        dice.text(400).into()
    }
}

impl Twin<types::FieldTable> for FieldTable {
    fn twin(&self) -> types::FieldTable {
        self.iter().twin()
    }
}

impl Twin<types::FieldTable> for model::table::Fields<'_> {
    fn twin(&self) -> types::FieldTable {
        let fields = self.map(|(key, value)| (ShortString::from(key), value.twin()));
        fields.collect::<BTreeMap<_, _>>().into()
    }
}

impl Twin<AMQPValue> for Value<'_> {
    fn twin(&self) -> AMQPValue {
        match *self {
            Value::Bool(flag) => AMQPValue::Boolean(flag),
            Value::I8(n) => AMQPValue::ShortShortInt(n),
            Value::U8(n) => AMQPValue::ShortShortUInt(n),
            Value::I16(n) => AMQPValue::ShortInt(n),
            Value::U16(n) => AMQPValue::ShortUInt(n),
            Value::I32(n) => AMQPValue::LongInt(n),
            Value::U32(n) => AMQPValue::LongUInt(n),
            Value::I64(n) => AMQPValue::LongLongInt(n),
            Value::F32(n) => AMQPValue::Float(n),
            Value::F64(n) => AMQPValue::Double(n),
            Value::Decimal { scale, value } => AMQPValue::DecimalValue(DecimalValue {
                scale,
                value: value as u32,
            }),
            Value::Str(text) => AMQPValue::LongString(text.to_vec().into()),
            Value::ByteArray(bytes) => AMQPValue::ByteArray(bytes.into()),
            Value::Timestamp(seconds) => AMQPValue::Timestamp(seconds),
            Value::Void => AMQPValue::Void,
            Value::Array(values) => {
                AMQPValue::FieldArray(values.map(|value| value.twin()).collect::<Vec<_>>().into())
            }
            Value::Table(fields) => AMQPValue::FieldTable(fields.twin()),
        }
    }
}

/// A table that they wrote, as ours.
impl Any for FieldTable {
    fn any(dice: &mut Dice) -> Self {
        let theirs = dice.table(3);
        let bytes = generate(types::generation::gen_field_table(&theirs));
        let ours =
            Self::from_bytes(Bytes::from(bytes).slice(4..)).expect("they write valid tables");
        assert_eq!(ours.twin(), theirs);
        let rebuilt = ours
            .iter()
            .fold(TableBuilder::new(), |table, (key, value)| {
                table.field(key, value)
            });
        assert_eq!(rebuilt.build(), ours);
        ours
    }
}

fn generate(write: impl types::generation::SerializeFn<Vec<u8>>) -> Vec<u8> {
    write(WriteContext::from(Vec::new()))
        .expect("a vector takes everything")
        .write
}

/// Makes, for each method, a function from dice to our value and theirs. Fields that they leave out are reserved
/// and stay empty; `ours = theirs` is a field that they call otherwise.
macro_rules! twins {
    ($($theirs:ident: $class:ident::$name:ident
        { $($field:ident)* $(| $($ours:ident = $other:ident)*)? })*) => {
        const TWINS: &[fn(&mut Dice) -> (Method, AMQPClass)] = &[
            $(|_dice| {
                $(let $field = Any::any(_dice);)*
                $($(let $ours = Any::any(_dice);)*)?
                let theirs = protocol::$class::$name {
                    $($field: Twin::twin(&$field),)*
                    $($($other: Twin::twin(&$ours),)*)?
                };
                #[allow(clippy::needless_update, reason = "some have no reserved fields")]
                let ours = method::$class::$name {
                    $($field,)*
                    $($($ours,)*)?
                    ..Default::default()
                };
                let theirs = protocol::$class::AMQPMethod::$name(theirs);
                (ours.into(), AMQPClass::$theirs(theirs))
            },)*
        ];
    };
}

twins! {
    Connection: connection::Start { version_major version_minor server_properties mechanisms locales }
    Connection: connection::StartOk { client_properties mechanism response locale }
    Connection: connection::Secure { challenge }
    Connection: connection::SecureOk { response }
    Connection: connection::Tune { channel_max frame_max | heartbeat_s = heartbeat }
    Connection: connection::TuneOk { channel_max frame_max | heartbeat_s = heartbeat }
    Connection: connection::Open { virtual_host }
    Connection: connection::OpenOk {}
    Connection: connection::Close { reply_code reply_text class_id method_id }
    Connection: connection::CloseOk {}
    Connection: connection::Blocked { reason }
    Connection: connection::Unblocked {}
    Connection: connection::UpdateSecret { new_secret reason }
    Connection: connection::UpdateSecretOk {}
    Channel: channel::Open {}
    Channel: channel::OpenOk {}
    Channel: channel::Flow { active }
    Channel: channel::FlowOk { active }
    Channel: channel::Close { reply_code reply_text class_id method_id }
    Channel: channel::CloseOk {}
    Access: access::Request { realm exclusive passive active write read }
    Exchange: exchange::Declare {
        exchange kind passive durable auto_delete internal arguments | no_wait = nowait
    }
    Exchange: exchange::DeclareOk {}
    Exchange: exchange::Delete { exchange if_unused | no_wait = nowait }
    Exchange: exchange::DeleteOk {}
    Exchange: exchange::Bind { destination source routing_key arguments | no_wait = nowait }
    Exchange: exchange::BindOk {}
    Exchange: exchange::Unbind { destination source routing_key arguments | no_wait = nowait }
    Exchange: exchange::UnbindOk {}
    Queue: queue::Declare { queue passive durable exclusive auto_delete arguments | no_wait = nowait }
    Queue: queue::DeclareOk { queue message_count consumer_count }
    Queue: queue::Bind { queue exchange routing_key arguments | no_wait = nowait }
    Queue: queue::BindOk {}
    Queue: queue::Purge { queue | no_wait = nowait }
    Queue: queue::PurgeOk { message_count }
    Queue: queue::Delete { queue if_unused if_empty | no_wait = nowait }
    Queue: queue::DeleteOk { message_count }
    Queue: queue::Unbind { queue exchange routing_key arguments }
    Queue: queue::UnbindOk {}
    Basic: basic::Qos { prefetch_count global }
    Basic: basic::QosOk {}
    Basic: basic::Consume { queue consumer_tag no_local no_ack exclusive arguments | no_wait = nowait }
    Basic: basic::ConsumeOk { consumer_tag }
    Basic: basic::Cancel { consumer_tag | no_wait = nowait }
    Basic: basic::CancelOk { consumer_tag }
    Basic: basic::Publish { exchange routing_key mandatory immediate }
    Basic: basic::Return { reply_code reply_text exchange routing_key }
    Basic: basic::Deliver { consumer_tag delivery_tag redelivered exchange routing_key }
    Basic: basic::Get { queue no_ack }
    Basic: basic::GetOk { delivery_tag redelivered exchange routing_key message_count }
    Basic: basic::GetEmpty {}
    Basic: basic::Ack { delivery_tag multiple }
    Basic: basic::Reject { delivery_tag requeue }
    Basic: basic::RecoverAsync { requeue }
    Basic: basic::Recover { requeue }
    Basic: basic::RecoverOk {}
    Basic: basic::Nack { delivery_tag multiple requeue }
    Confirm: confirm::Select { | no_wait = nowait }
    Confirm: confirm::SelectOk {}
    Tx: tx::Select {}
    Tx: tx::SelectOk {}
    Tx: tx::Commit {}
    Tx: tx::CommitOk {}
    Tx: tx::Rollback {}
    Tx: tx::RollbackOk {}
}

/// What they read in our bytes; they must need all of them.
fn they_read(bytes: &[u8]) -> AMQPFrame {
    let (rest, frame) = parse_frame(bytes).expect("they read what we write");
    assert!(rest.is_empty());
    frame
}

/// What we read in their bytes; we must need all of them.
fn we_read(frame: &AMQPFrame) -> Frame {
    let mut input = BytesMut::from(&generate(gen_frame(frame))[..]);
    let frame = FrameReader::new(1 << 20)
        .read(&mut input)
        .expect("we read what they write");
    assert!(input.is_empty());
    frame.expect("the frame is whole")
}

/// The same properties of both kinds, each with even odds.
fn any_properties(dice: &mut Dice) -> (Properties, AMQPProperties) {
    let mut ours = PropertiesBuilder::new();
    let mut theirs = AMQPProperties::default();
    macro_rules! texts {
        ($($setter:ident = $other:ident)*) => {
            $(if dice.below(2) == 0 {
                let text = ShortStr::any(dice);
                ours = ours.$setter(&text);
                theirs = theirs.$other(text.twin());
            })*
        };
    }
    texts! {
        content_type = with_content_type
        content_encoding = with_content_encoding
        correlation_id = with_correlation_id
        reply_to = with_reply_to
        expiration = with_expiration
        message_id = with_message_id
        kind = with_type
        user_id = with_user_id
        app_id = with_app_id
        cluster_id = with_cluster_id
    }
    if dice.below(2) == 0 {
        let headers = FieldTable::any(dice);
        ours = ours.headers(&headers);
        theirs = theirs.with_headers(headers.twin());
    }
    if dice.below(2) == 0 {
        let mode = u8::any(dice);
        ours = ours.delivery_mode(mode);
        theirs = theirs.with_delivery_mode(mode);
    }
    if dice.below(2) == 0 {
        let priority = u8::any(dice);
        ours = ours.priority(priority);
        theirs = theirs.with_priority(priority);
    }
    if dice.below(2) == 0 {
        let seconds = dice.roll();
        ours = ours.timestamp(seconds);
        theirs = theirs.with_timestamp(seconds);
    }
    (ours.build(), theirs)
}

#[test]
fn every_method_but_one_has_a_twin() {
    let names: std::collections::BTreeSet<_> = TWINS
        .iter()
        .map(|twin| twin(&mut Dice::new(1)).0.name())
        .collect();
    assert_eq!(names.len(), 65);
    // They write access.request-ok without its ticket.
    assert!(!names.contains("access.request-ok"));
}

#[test]
fn access_request_ok_has_a_ticket() {
    let ours = Method::from(method::access::RequestOk { ticket: 1 });
    let mut bytes = BytesMut::new();
    encode_method(&mut bytes, ChannelNumber(1), &ours);
    assert_eq!(&bytes[..], [1, 0, 1, 0, 0, 0, 6, 0, 30, 0, 11, 0, 1, 206]);
    let read = FrameReader::new(4096)
        .read(&mut bytes)
        .expect("well-formed");
    assert_eq!(read, Some(Frame::Method(ChannelNumber(1), ours)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn methods_are_the_same_both_ways(seed: u64, number: u16) {
        let mut dice = Dice::new(seed);
        for twin in TWINS {
            let (ours, theirs) = twin(&mut dice);
            let theirs = AMQPFrame::Method(number, theirs);
            let mut bytes = BytesMut::new();
            encode_method(&mut bytes, ChannelNumber(number), &ours);
            prop_assert_eq!(&they_read(&bytes), &theirs);
            prop_assert_eq!(&generate(gen_frame(&theirs))[..], &bytes[..]);
            prop_assert_eq!(we_read(&theirs), Frame::Method(ChannelNumber(number), ours));
        }
    }

    #[test]
    fn contents_are_the_same_both_ways(seed: u64, number in 1u16.., body_size in 1u64..5000) {
        let (ours, theirs) = any_properties(&mut Dice::new(seed));
        let theirs = AMQPContentHeader { class_id: 60, body_size, properties: theirs };
        let theirs = AMQPFrame::Header(number, theirs);
        let body = vec![b'x'; body_size as usize];
        let mut bytes = BytesMut::new();
        encode_content(&mut bytes, ChannelNumber(number), 60, ours.as_bytes(), &body, 4096);
        let (rest, read) = parse_frame(&bytes[..]).expect("they read what we write");
        prop_assert_eq!(&read, &theirs);
        let (_, first) = parse_frame(rest).expect("they read what we write");
        prop_assert_eq!(first, AMQPFrame::Body(number, body[..body.len().min(4088)].to_vec()));
        let header = ContentHeader { class: 60, body_size, properties: ours };
        prop_assert_eq!(we_read(&theirs), Frame::Header(ChannelNumber(number), header));
    }
}
