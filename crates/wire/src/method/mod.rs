//! Methods: which fields each has, in the order of the wire, and how they are read and written.
//!
//! Each line of the table below is a method; between bars stand the fields that are bits, packed eight to an
//! octet, the first one lowest. Reading and writing are both made from it, and both fail to compile if a field is
//! missing from it.

mod field;
pub(crate) use field::{Malformed, Reader};

use crate::frame::{Kind, put_frame};
use bytes::{BufMut, Bytes, BytesMut};
use field::{Bits, Field};
use model::method::{access, basic, channel, confirm, connection, exchange, queue, tx};
use model::{ChannelNumber, ConnectionError, DeliveryTag, Method, MethodId, ReplyCode};
use std::ops::Range;

macro_rules! methods {
    ($($variant:ident = $class:ident::$name:ident
        { $($field:ident)* $(| $($bit:ident)+ | $($after:ident)*)? })*) => {
        /// Reads the fields of the method with that number; `None` if no method has it.
        fn read_fields(id: MethodId, reader: &mut Reader<'_>) -> Result<Option<Method>, Malformed> {
            Ok(Some(match id {
                $($class::$name::ID => {
                    $(let $field = Field::read(reader)?;)*
                    $(
                        let mut bits = Bits::read(reader)?;
                        $(let $bit = bits.next();)+
                        $(let $after = Field::read(reader)?;)*
                    )?
                    Method::$variant($class::$name { $($field,)* $($($bit,)+ $($after,)*)? })
                })*
                _ => return Ok(None),
            }))
        }

        fn write_fields(out: &mut BytesMut, method: &Method) {
            match method {
                $(Method::$variant($class::$name { $($field,)* $($($bit,)+ $($after,)*)? }) => {
                    $($field.write(out);)*
                    $(
                        Bits::write(out, &[$(*$bit),+]);
                        $($after.write(out);)*
                    )?
                })*
            }
        }
    };
}

methods! {
    ConnectionStart = connection::Start { version_major version_minor server_properties mechanisms locales }
    ConnectionStartOk = connection::StartOk { client_properties mechanism response locale }
    ConnectionSecure = connection::Secure { challenge }
    ConnectionSecureOk = connection::SecureOk { response }
    ConnectionTune = connection::Tune { channel_max frame_max heartbeat_s }
    ConnectionTuneOk = connection::TuneOk { channel_max frame_max heartbeat_s }
    ConnectionOpen = connection::Open { virtual_host capabilities | insist | }
    ConnectionOpenOk = connection::OpenOk { known_hosts }
    ConnectionClose = connection::Close { reply_code reply_text class_id method_id }
    ConnectionCloseOk = connection::CloseOk {}
    ConnectionBlocked = connection::Blocked { reason }
    ConnectionUnblocked = connection::Unblocked {}
    ConnectionUpdateSecret = connection::UpdateSecret { new_secret reason }
    ConnectionUpdateSecretOk = connection::UpdateSecretOk {}

    ChannelOpen = channel::Open { out_of_band }
    ChannelOpenOk = channel::OpenOk { channel_id }
    ChannelFlow = channel::Flow { | active | }
    ChannelFlowOk = channel::FlowOk { | active | }
    ChannelClose = channel::Close { reply_code reply_text class_id method_id }
    ChannelCloseOk = channel::CloseOk {}

    AccessRequest = access::Request { realm | exclusive passive active write read | }
    AccessRequestOk = access::RequestOk { ticket }

    ExchangeDeclare = exchange::Declare {
        ticket exchange kind | passive durable auto_delete internal no_wait | arguments
    }
    ExchangeDeclareOk = exchange::DeclareOk {}
    ExchangeDelete = exchange::Delete { ticket exchange | if_unused no_wait | }
    ExchangeDeleteOk = exchange::DeleteOk {}
    ExchangeBind = exchange::Bind { ticket destination source routing_key | no_wait | arguments }
    ExchangeBindOk = exchange::BindOk {}
    ExchangeUnbind = exchange::Unbind { ticket destination source routing_key | no_wait | arguments }
    ExchangeUnbindOk = exchange::UnbindOk {}

    QueueDeclare = queue::Declare {
        ticket queue | passive durable exclusive auto_delete no_wait | arguments
    }
    QueueDeclareOk = queue::DeclareOk { queue message_count consumer_count }
    QueueBind = queue::Bind { ticket queue exchange routing_key | no_wait | arguments }
    QueueBindOk = queue::BindOk {}
    QueuePurge = queue::Purge { ticket queue | no_wait | }
    QueuePurgeOk = queue::PurgeOk { message_count }
    QueueDelete = queue::Delete { ticket queue | if_unused if_empty no_wait | }
    QueueDeleteOk = queue::DeleteOk { message_count }
    QueueUnbind = queue::Unbind { ticket queue exchange routing_key arguments }
    QueueUnbindOk = queue::UnbindOk {}

    BasicQos = basic::Qos { prefetch_size prefetch_count | global | }
    BasicQosOk = basic::QosOk {}
    BasicConsume = basic::Consume {
        ticket queue consumer_tag | no_local no_ack exclusive no_wait | arguments
    }
    BasicConsumeOk = basic::ConsumeOk { consumer_tag }
    BasicCancel = basic::Cancel { consumer_tag | no_wait | }
    BasicCancelOk = basic::CancelOk { consumer_tag }
    BasicPublish = basic::Publish { ticket exchange routing_key | mandatory immediate | }
    BasicReturn = basic::Return { reply_code reply_text exchange routing_key }
    BasicDeliver = basic::Deliver {
        consumer_tag delivery_tag | redelivered | exchange routing_key
    }
    BasicGet = basic::Get { ticket queue | no_ack | }
    BasicGetOk = basic::GetOk {
        delivery_tag | redelivered | exchange routing_key message_count
    }
    BasicGetEmpty = basic::GetEmpty { cluster_id }
    BasicAck = basic::Ack { delivery_tag | multiple | }
    BasicReject = basic::Reject { delivery_tag | requeue | }
    BasicRecoverAsync = basic::RecoverAsync { | requeue | }
    BasicRecover = basic::Recover { | requeue | }
    BasicRecoverOk = basic::RecoverOk {}
    BasicNack = basic::Nack { delivery_tag | multiple requeue | }

    ConfirmSelect = confirm::Select { | no_wait | }
    ConfirmSelectOk = confirm::SelectOk {}

    TxSelect = tx::Select {}
    TxSelectOk = tx::SelectOk {}
    TxCommit = tx::Commit {}
    TxCommitOk = tx::CommitOk {}
    TxRollback = tx::Rollback {}
    TxRollbackOk = tx::RollbackOk {}
}

/// The number of the method in the payload at `payload` of `buffer`.
pub(crate) fn read_id(buffer: &Bytes, payload: Range<usize>) -> Result<MethodId, ConnectionError> {
    let mut reader = Reader::new(buffer, payload);
    reader
        .method_id()
        .map_err(|malformed| malformed.in_method(MethodId::default()))
}

/// Reads the method in the payload at `payload` of `buffer`; its names and tables are slices of the buffer.
///
/// # Errors
/// 540 for a method that nobody defines, 501 for fields that are missing, too many or no text, 502 for malformed tables.
pub(crate) fn read_method(
    buffer: &Bytes,
    payload: Range<usize>,
) -> Result<Method, ConnectionError> {
    let mut reader = Reader::new(buffer, payload);
    let id = reader
        .method_id()
        .map_err(|malformed| malformed.in_method(MethodId::default()))?;
    let method = read_fields(id, &mut reader).map_err(|malformed| malformed.in_method(id))?;
    let Some(method) = method else {
        let MethodId { class, method } = id;
        return Err(ConnectionError::new(
            ReplyCode::NotImplemented,
            format_args!("there is no method {method} in class {class}"),
            id,
        ));
    };
    reader
        .finish()
        .map_err(|malformed| malformed.in_method(id))?;
    Ok(method)
}

/// The same for a well-formed basic.ack, without the detour through all methods: it is as frequent as messages.
pub(crate) fn read_ack(buffer: &Bytes, payload: Range<usize>) -> Option<basic::Ack> {
    const ID: [u8; 4] = [0, 60, 0, 80];
    match buffer[payload].split_first_chunk() {
        Some((&ID, &[t7, t6, t5, t4, t3, t2, t1, t0, bits])) => Some(basic::Ack {
            delivery_tag: DeliveryTag(u64::from_be_bytes([t7, t6, t5, t4, t3, t2, t1, t0])),
            multiple: bits & 1 != 0,
        }),
        _ => None,
    }
}

/// The same for basic.publish.
pub(crate) fn read_publish(buffer: &Bytes, payload: Range<usize>) -> Option<basic::Publish> {
    let mut reader = Reader::new(buffer, payload);
    if reader.method_id().ok()? != basic::Publish::ID {
        return None;
    }
    let ticket = Field::read(&mut reader).ok()?;
    let exchange = Field::read(&mut reader).ok()?;
    let routing_key = Field::read(&mut reader).ok()?;
    let mut bits = Bits::read(&mut reader).ok()?;
    reader.finish().ok()?;
    Some(basic::Publish {
        ticket,
        exchange,
        routing_key,
        mandatory: bits.next(),
        immediate: bits.next(),
    })
}

/// Appends a method frame.
pub fn encode_method(out: &mut BytesMut, channel: ChannelNumber, method: &Method) {
    put_frame(out, Kind::Method, channel, |out| {
        put_id(out, method.id());
        write_fields(out, method);
    });
}

/// Appends a method's number.
pub(crate) fn put_id(out: &mut BytesMut, id: MethodId) {
    out.put_u16(id.class);
    out.put_u16(id.method);
}

/// Appends a short string.
pub(crate) fn put_short(out: &mut BytesMut, text: &[u8]) {
    let length = u8::try_from(text.len()).expect("a name is at most 255 bytes");
    out.put_u8(length);
    out.put_slice(text);
}
